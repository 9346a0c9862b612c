"""The legend of a heatmap: scale, units, and what no data looks like, on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.color import Color
from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from tui.console.widgets.heatmap_paint import colour_depth
from tui.heatmap.axes import GridSpec, Metric
from tui.heatmap.colours import ASCII_SHADES, SHADES, Depth, Glyphs, Palette, no_data_mark, palette
from tui.heatmap.grid import Grid
from tui.heatmap.printed import WEIGHTED
from tui.heatmap.text import ELLIPSIS, ascii_only, figure

if TYPE_CHECKING:
    from rich.console import RenderableType

_BAR_MOST = 32
_BAR_LEAST = 8
_GAP = "   "


class HeatmapLegend(Widget):
    """One line that says how to read the heatmap; parts that do not fit are left out whole.

    Attributes:
        grid: The grid shown beside it.
        depth: How much colour to use; None asks the terminal.
    """

    DEFAULT_CSS = """
    HeatmapLegend { height: 1; width: 1fr; color: $text-muted; }
    """

    grid: reactive[Grid] = reactive(lambda: Grid(GridSpec()), init=False)
    depth: reactive[Depth | None] = reactive(None, init=False)

    def __init__(
        self,
        grid: Grid | None = None,
        *,
        depth: Depth | None = None,
        glyphs: Glyphs = SHADES,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        """Make the legend.

        Args:
            grid: The grid shown beside it.
            depth: How much colour to use; None asks the terminal.
            glyphs: What cells are drawn with where there is no colour.
            id: Textual's widget id.
        """
        super().__init__(id=id)
        self._glyphs = glyphs
        self.set_reactive(HeatmapLegend.depth, depth)
        if grid is not None:
            self.set_reactive(HeatmapLegend.grid, grid)

    def on_mount(self) -> None:
        """Follow the theme."""
        self.watch(self.app, "theme", self._restyle, init=False)

    def _restyle(self) -> None:
        self.refresh()

    def render(self) -> RenderableType:
        """The legend as text, never wider than the widget."""
        depth = self.depth or colour_depth(self.app)
        paints = palette(dark=self.app.current_theme.dark, depth=depth)
        return legend_text(
            self.grid, self.size.width, paints=paints, depth=depth, glyphs=self._glyphs
        )


def legend_text(grid: Grid, width: int, *, paints: Palette, depth: Depth, glyphs: Glyphs) -> Text:
    """The legend of `grid` in at most `width` cells; cut with a mark where not even its scale fits.

    Args:
        grid: The grid.
        width: Room there is.
        paints: The colours of the scale.
        depth: How much colour to use.
        glyphs: What cells are drawn with where there is no colour.
    """
    legend = Text(no_wrap=True, overflow="ellipsis", end="")
    if grid.scale is None:
        return legend.append("no values to show")
    low, high = (figure(grid.metric.value, end) for end in grid.scale)
    own = ascii_only if glyphs == ASCII_SHADES else str
    legend.append(f"{grid.metric.heading}  ", Style(bold=True))
    notes = [f"{_GAP}{no_data_mark(depth, glyphs) * 2} no data"]
    if grid.metric is Metric.ACCURACY:
        notes.append(f"{_GAP}0 all wrong")
    if grid.metric is Metric.MEDIAN:
        # A figure that is no median must never stand without this.
        notes.insert(0, own(f"{_GAP}{WEIGHTED}"))
    ends = len(low) + len(high) + 2
    spare = width - legend.cell_len - ends
    bar = max(_BAR_LEAST, min(_BAR_MOST, spare - sum(map(len, notes))))
    legend.append(f"{low} ")
    for place in range(bar):
        position = (place + 0.5) / bar
        if depth is Depth.NONE:
            legend.append(glyphs.level(position))
        else:
            legend.append(" ", Style(bgcolor=Color.from_rgb(*paints.paint(position).fill)))
    legend.append(f" {high}")
    for note in notes:
        if legend.cell_len + len(note) <= width:
            legend.append(note)
    if legend.cell_len > width:
        legend.truncate(max(0, width - 1), overflow="crop")
        legend.append(own(ELLIPSIS)[:width])
    return legend
