"""The charts beside the heatmap: the trend of the row under the cursor, and the distribution.

They are drawn off the event loop, a moment after the cursor has come to rest.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rich.text import Text
from textual.containers import Vertical
from textual.widgets import Static

from tui.heatmap.axes import ColumnAxis
from tui.heatmap.charts import LEAST_HEIGHT, LEAST_WIDTH, distribution_chart, trend_chart
from tui.heatmap.series import cell_values, weekly_points

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.events import Resize
    from textual.widget import Widget

    from tui.heatmap.grid import Grid

REST_S: Final = 0.08


class HeatmapCharts(Vertical):
    """Two charts that follow the cursor. Hidden by the style sheet where there is no room."""

    _grid: Grid | None = None
    _row = 0
    _drawn: tuple[Grid | None, int, int, int] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether what was asked for last is what is drawn, at the size there is."""
        drawn = self._drawn
        return drawn is not None and drawn[0] is self._grid and drawn[1:] == self._wanted()

    def _wanted(self) -> tuple[int, int, int]:
        return self._row, self.content_size.width, self.content_size.height // 2 - 1

    def compose(self) -> Iterable[Widget]:
        """Trend above, distribution below."""
        yield Static(id="chart-trend", markup=False)
        yield Static(id="chart-distribution", markup=False)

    def follow(self, grid: Grid, row: int) -> None:
        """Show the charts for a row of a grid."""
        self._grid, self._row = grid, row
        if self.display and self.size:
            self._draw()

    def clear(self) -> None:
        """Show nothing."""
        self._grid = None
        for chart in self.query(Static):
            chart.update("")

    def on_resize(self, _: Resize) -> None:
        """Draw for the new size."""
        if self._grid is not None:
            self._draw()

    def _draw(self) -> None:
        self.screen.run_worker(
            self._draw_at_rest(), group="heatmap-charts", exclusive=True, exit_on_error=False
        )

    async def _draw_at_rest(self) -> None:
        await asyncio.sleep(REST_S)
        grid = self._grid
        row, width, height = self._wanted()
        if grid is None or row >= len(grid.rows) or width < LEAST_WIDTH or height < LEAST_HEIGHT:
            return
        colour = not self.app.no_color
        trend, spread = await asyncio.to_thread(_charts, grid, row, width, height, colour=colour)
        self.query_one("#chart-trend", Static).update(Text.from_ansi(trend))
        self.query_one("#chart-distribution", Static).update(Text.from_ansi(spread))
        self._drawn = (grid, row, width, height)


def _charts(grid: Grid, row: int, width: int, height: int, *, colour: bool) -> tuple[str, str]:
    metric = grid.metric
    by = "by week" if grid.spec.columns is ColumnAxis.WEEK else "by topic"
    trend = trend_chart(
        weekly_points(grid, row),
        metric=metric.value,
        title=f"{metric.heading} {by}: {grid.rows[row].label}",
        width=width,
        height=height,
        colour=colour,
    )
    spread = distribution_chart(
        cell_values(grid),
        metric=metric.value,
        title=f"cells by {metric.heading}",
        width=width,
        height=height,
        colour=colour,
    )
    return trend, spread
