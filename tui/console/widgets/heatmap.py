"""The heatmap with frozen header and labels, its legend and its charts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.widget import Widget
from textual.widgets import Static

from tui.console.widgets.heatmap_paint import STYLES, Layout, Marks, Painter, lay_out, palette_of
from tui.heatmap.charts import Room, beside
from tui.heatmap.grid import ColumnAxis, Grid, GridSpec
from tui.heatmap.plain_text import legend_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from rich.text import Text
    from textual import events
    from textual.strip import Strip

    from tui.heatmap.grid import Cell, GridColumn, GridRow
    from tui.heatmap.palette import Glyphs

REST_S: Final = 0.08
"""How long the cursor rests before charts are drawn for its row."""


def _follow(old: Grid, new: Grid, row: int, column: int) -> tuple[int, int]:
    """Where the cursor of `old` belongs in `new`.

    Else it starts on the first row and on the newest week or the first topic.
    """
    new_row = new_column = 0
    if new.spec.columns is ColumnAxis.WEEK:
        new_column = max(0, len(new.columns) - 1)
    if old.rows and (old.spec.axis, old.spec.order) == (new.spec.axis, new.spec.order):
        new_row = _place_of(old.rows[row].key, new.rows, new_row)
    if old.rows and old.spec.columns is new.spec.columns:
        new_column = _place_of(old.columns[column].key, new.columns, new_column)
    return new_row, new_column


def _place_of(key: Hashable, among: Sequence[GridRow | GridColumn], otherwise: int) -> int:
    return next((place for place, each in enumerate(among) if each.key == key), otherwise)


class HeatmapGrid(ScrollView, can_focus=True):
    """A heatmap that scrolls to thousands of rows.

    Set `grid` to show another one; the cursor stays on its row and column where they still exist
    and the order is the same.

    Attributes:
        cursor: Row and column under the cursor; (0, 0) in an empty grid.
    """

    DEFAULT_CSS = """
    HeatmapGrid {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 0;
        scrollbar-size-horizontal: 0;
        overflow: auto auto;
    }
    HeatmapGrid > .heatmap--header { color: $text-muted; }
    HeatmapGrid > .heatmap--label { color: $foreground; }
    HeatmapGrid > .heatmap--repeat { color: $foreground 45%; }
    HeatmapGrid > .heatmap--total { color: $text-muted; }
    HeatmapGrid > .heatmap--here { color: $foreground; text-style: bold; }
    HeatmapGrid:focus > .heatmap--here { color: $text-accent; text-style: bold; }
    HeatmapGrid > .heatmap--empty { color: $foreground 18%; }
    HeatmapGrid > .heatmap--faded { color: $text-muted; }
    HeatmapGrid > .heatmap--bar { color: $scrollbar; }
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = set(STYLES)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Row up", show=False, id="heatmap.up"),
        Binding("down,j", "move(1, 0)", "Row down", show=False, id="heatmap.down"),
        Binding("left", "move(0, -1)", "Column left", show=False, id="heatmap.left"),
        Binding("right", "move(0, 1)", "Column right", show=False, id="heatmap.right"),
        Binding("home", "edge(0, -1)", "First column", show=False, id="heatmap.home"),
        Binding("end", "edge(0, 1)", "Last column", show=False, id="heatmap.end"),
        Binding("ctrl+home", "edge(-1, -1)", "First cell", show=False, id="heatmap.first"),
        Binding("ctrl+end", "edge(1, 1)", "Last cell", show=False, id="heatmap.last"),
        Binding("pageup", "page(-1, 0)", "Page up", show=False, id="heatmap.page-up"),
        Binding("pagedown", "page(1, 0)", "Page down", show=False, id="heatmap.page-down"),
        Binding("ctrl+pageup", "page(0, -1)", "Page left", show=False, id="heatmap.page-left"),
        Binding("ctrl+pagedown", "page(0, 1)", "Page right", show=False, id="heatmap.page-right"),
        Binding(
            "enter",
            "select",
            "Cell",
            tooltip="List the aggregate rows that the cell is made of",
            id="heatmap.select",
        ),
    ]

    grid: reactive[Grid] = reactive(lambda: Grid(GridSpec()), init=False, layout=False)

    @dataclass
    class CellHighlighted(Message):
        """The cursor is on a cell, or a new grid is shown under it.

        `grid` is that of the cell; the widget may show another by the time this arrives.
        """

        heatmap: HeatmapGrid
        grid: Grid
        row: int
        column: int
        cell: Cell | None

    @dataclass
    class CellSelected(CellHighlighted):
        """Enter was pressed on a cell, or the cell under the cursor was clicked."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._layout = Layout()
        self._painter: Painter | None = None
        self.cursor = (0, 0)
        self._near: tuple[int, int] | None = None

    @property
    def cursor_cell(self) -> Cell | None:
        return self.grid.cell(*self.cursor) if self.grid.rows else None

    def move_cursor(self, row: int, column: int) -> None:
        """Put the cursor on a cell, or on the nearest one there is, and scroll to it."""
        old = self.cursor
        row = max(0, min(row, len(self.grid.rows) - 1))
        column = max(0, min(column, len(self.grid.columns) - 1))
        if (row, column) != old:
            self.cursor = (row, column)
            if column == old[1]:
                self._refresh_rows(old[0], row)
            else:
                self.refresh()
            self._announce()
        self._show_cursor()

    # Reactions

    def on_resize(self) -> None:
        self._arrange()

    def notify_style_update(self) -> None:
        """Take over changed styles; a change of theme comes this way too."""
        super().notify_style_update()
        self._restyle()

    def watch_grid(self, old: Grid, new: Grid) -> None:
        self.cursor = _follow(old, new, *self.cursor)
        self._near = None
        self._arrange()
        self._announce()

    def _restyle(self) -> None:
        self._painter = None
        self.refresh()

    def _arrange(self) -> None:
        self._layout = lay_out(self.grid, *self.container_size)
        self.virtual_size = Size(self._layout.columns.extent, self._layout.rows.extent)
        self._restyle()
        self._show_cursor()

    def _show_cursor(self) -> None:
        row, column = self.cursor
        x = self._layout.columns.scroll_to_show(column, self.scroll_offset.x)
        y = self._layout.rows.scroll_to_show(row, self.scroll_offset.y)
        if (x, y) != tuple(self.scroll_offset):
            self.scroll_to(x, y, animate=False, force=True)

    def _announce(self, message: type[CellHighlighted] = CellHighlighted) -> None:
        if self.grid.rows:
            self.post_message(message(self, self.grid, *self.cursor, self.cursor_cell))

    # Keys and mouse

    def action_move(self, rows: int, columns: int) -> None:
        row, column = self.cursor
        self.move_cursor(row + rows, column + columns)

    def action_edge(self, rows: int, columns: int) -> None:
        """Move the cursor to an edge: -1 the first, 1 the last, 0 where it is."""
        self.action_move(rows * len(self.grid.rows), columns * len(self.grid.columns))

    def action_page(self, rows: int, columns: int) -> None:
        self.action_move(rows * self._layout.rows.shown, columns * self._layout.columns.shown)

    def action_select(self) -> None:
        self._announce(self.CellSelected)

    def on_click(self, event: events.Click) -> None:
        position = self._position(event)
        if position is None:
            self._click_beside(event)
            return
        event.stop()
        if position == self.cursor:
            self.action_select()
        else:
            self.move_cursor(*position)

    def _click_beside(self, event: events.Click) -> None:
        """Scroll to where the scroll bar was clicked."""
        layout, offset = self._layout, event.get_content_offset(self)
        if offset is None or not layout.scrolls or offset.x < layout.columns.end:
            return
        share = (offset.y - layout.rows.start) / max(1, layout.rows.end - layout.rows.start - 1)
        self.scroll_to(y=round(share * self.max_scroll_y), animate=False)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._hover(self._position(event))

    def on_leave(self) -> None:
        self._hover(None)

    def _position(self, event: events.MouseEvent) -> tuple[int, int] | None:
        offset = event.get_content_offset(self)
        if offset is None:
            return None
        row = self._layout.rows.at(offset.y, self.scroll_offset.y)
        column = self._layout.columns.at(offset.x, self.scroll_offset.x)
        return None if row is None or column is None else (row, column)

    def _hover(self, position: tuple[int, int] | None) -> None:
        if position == self._near:
            return
        rows = [place[0] for place in (self._near, position) if place is not None]
        self._near = position
        self._refresh_rows(*rows)

    # Drawing

    def _refresh_rows(self, *rows: int) -> None:
        place, width = self._layout.rows, self._layout.columns.end
        first = place.first(self.scroll_offset.y)
        lines = {place.start + (row - first) * place.size for row in rows}
        self.refresh(
            *(Region(0, y, width, place.size) for y in lines if place.start <= y < place.end)
        )

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines as they are kept: filtered already, without border or tint.

        Textual's own way applies every filter to every cell of every line again at each scroll,
        which takes five times as long as all else; what it adds belongs on a container.
        """
        strips = [self.render_line(y) for y in crop.line_range]
        if crop.x > 0 or crop.right < self.size.width:
            return [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        if self._painter is None:
            palette = palette_of(self, self.grid, self._glyphs)
            self._painter = Painter(self, self.grid, self._layout, palette)
        painter, layout, (row_here, column_here) = self._painter, self._layout, self.cursor
        x, scroll_y = self.scroll_offset
        column = layout.columns.first(x)
        if not layout.rows.count:
            return painter.blank
        if y < layout.rows.start:
            return painter.header(y, column, column_here)
        below, subline = divmod(y - layout.rows.start, layout.rows.size)
        first = layout.rows.first(scroll_y)
        row = first + below
        if row >= layout.rows.count:
            return painter.blank
        near = self._near[1] if self._near is not None and self._near[0] == row else -1
        marks = Marks(column_here, row == row_here, near, y in layout.thumb(first))
        return painter.row(row, subline, column, marks)


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

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
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

    def __init__(self, work: Callable[..., None], *, ascii_only: bool) -> None:
        super().__init__()
        self._work = work
        self._ascii_only = ascii_only

    def compose(self) -> Iterable[Widget]:
        yield Static(id="chart-trend", markup=False)
        yield Static(id="chart-distribution", markup=False)

    def follow(self, grid: Grid, row: int) -> None:
        """Show the charts for a row of a grid."""
        self._grid, self._row = grid, row
        self._draw()

    def clear(self) -> None:
        self._grid = None
        for chart in self.query(Static):
            chart.update("")

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._grid is not None and self.display and self.size:
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
