"""The charts beside the heatmap: trend and distribution of the row under the cursor.

They are drawn off the event loop, a moment after the cursor has come to rest.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rich.text import Text
from textual.containers import Vertical
from textual.widgets import Static

from tui.heatmap.charts import LEAST_HEIGHT, LEAST_WIDTH, beside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.events import Resize
    from textual.widget import Widget

    from tui.heatmap.grid import Grid

REST_S: Final = 0.08


class HeatmapCharts(Vertical):
    """Two charts that follow the cursor. Hidden by the style sheet where there is no room.

    Args:
        ascii_only: Whether the terminal lacks Unicode.
        id: Textual's widget id.
    """

    _grid: Grid | None = None
    _row = 0
    _drawn: tuple[Grid | None, int, int, int] | None = None

    def __init__(
        self,
        *,
        ascii_only: bool = False,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._ascii_only = ascii_only

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
        trend, spread = await asyncio.to_thread(
            beside,
            grid,
            row,
            width,
            height,
            colour=not self.app.no_color,
            ascii_only=self._ascii_only,
        )
        # A thread goes on when its worker is cancelled: what it drew may be wanted no more.
        if self._grid is not grid:
            return
        self.query_one("#chart-trend", Static).update(Text.from_ansi(trend))
        self.query_one("#chart-distribution", Static).update(Text.from_ansi(spread))
        self._drawn = (grid, row, width, height)
