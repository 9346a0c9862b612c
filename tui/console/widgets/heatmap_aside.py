"""What stands around the heatmap: the legend above, the charts beside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from textual.containers import Vertical
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from tui.console.widgets.heatmap_paint import palette_of
from tui.heatmap.axes import GridSpec
from tui.heatmap.charts import Room, beside
from tui.heatmap.grid import Grid
from tui.heatmap.plain_text import legend_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.text import Text
    from textual.events import Resize

    from tui.heatmap.palette import Glyphs

REST_S: Final = 0.08
"""How long the cursor rests before charts are drawn for its row."""


class HeatmapLegend(Widget):
    """One line that says how to read the heatmap.

    Attributes:
        value: What is marked on the scale: the cursor's value, None for nothing.
    """

    DEFAULT_CSS = """
    HeatmapLegend { height: 1; width: 1fr; color: $text-muted; }
    """

    grid: reactive[Grid] = reactive(lambda: Grid(GridSpec()), init=False)
    value: reactive[float | None] = reactive(None, init=False)

    def __init__(self, *, glyphs: Glyphs, id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self._glyphs = glyphs

    def notify_style_update(self) -> None:
        """Take over another theme."""
        super().notify_style_update()
        self.refresh()

    def render(self) -> Text:
        palette = palette_of(self, self.grid, self._glyphs)
        return legend_text(self.grid, palette, self.size.width, at=self.value)


class HeatmapCharts(Vertical):
    """Two charts that follow the cursor; the style sheet may hide them.

    Args:
        work: Draws beside the screens, see `Controller.work`.
    """

    _grid: Grid | None = None
    _row = 0

    def __init__(
        self,
        work: Callable[..., None],
        *,
        ascii_only: bool = False,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._work = work
        self._ascii_only = ascii_only

    def compose(self) -> Iterable[Widget]:
        yield Static(id="chart-trend", markup=False)
        yield Static(id="chart-distribution", markup=False)

    def follow(self, grid: Grid, row: int) -> None:
        """Show the charts for a row of a grid."""
        self._grid, self._row = grid, row
        if self.display and self.size:
            self._draw()

    def clear(self) -> None:
        self._grid = None
        for chart in self.query(Static):
            chart.update("")

    def on_resize(self, _: Resize) -> None:
        if self._grid is not None:
            self._draw()

    def _draw(self) -> None:
        self._work("heatmap-charts", self._draw_at_rest, exclusive=True)

    async def _draw_at_rest(self) -> None:
        await asyncio.sleep(REST_S)
        grid = self._grid
        width, height = self.content_size
        room = Room(width, height // 2 - 1, colour=not self.app.no_color)
        if grid is None or room.is_small:
            return
        trend, spread = await asyncio.to_thread(
            beside, grid, self._row, room, ascii_only=self._ascii_only
        )
        # A thread goes on when its worker is cancelled: what it drew may be wanted no more.
        if self._grid is not grid:
            return
        self.query_one("#chart-trend", Static).update(trend)
        self.query_one("#chart-distribution", Static).update(spread)
