"""The heatmap widget: frozen header and labels, cells, and a cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView

from tui.console.widgets.heatmap_paint import STYLES, Layout, Marks, Painter, lay_out, palette_of
from tui.heatmap.axes import ColumnAxis, GridSpec
from tui.heatmap.grid import Grid
from tui.heatmap.palette import SHADES, Depth, Glyphs

if TYPE_CHECKING:
    from textual import events
    from textual.strip import Strip

    from tui.heatmap.grid import Cell


def _start_column(grid: Grid) -> int:
    """The newest week, or the first topic."""
    by_week = grid.spec.columns is ColumnAxis.WEEK
    return max(0, len(grid.columns) - 1) if by_week else 0


def _follow(old: Grid, new: Grid, row: int, column: int) -> tuple[int, int]:
    """Where the cursor of `old` belongs in `new`."""
    new_row = 0
    same_order = (old.spec.axis, old.spec.order) == (new.spec.axis, new.spec.order)
    if same_order and row < len(old.rows):
        wanted = old.rows[row].key
        new_row = next((place for place, each in enumerate(new.rows) if each.key == wanted), 0)
    new_column = _start_column(new)
    if old.spec.columns is new.spec.columns and column < len(old.columns):
        key = old.columns[column].key
        places = (place for place, each in enumerate(new.columns) if each.key == key)
        new_column = next(places, new_column)
    return new_row, new_column


class HeatmapGrid(ScrollView, can_focus=True):
    """A heatmap that scrolls to thousands of rows.

    Set `grid` to show another one; the cursor stays on its row and column where they still exist
    and the order is the same.

    Attributes:
        depth: How much colour to use; None asks the terminal.
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

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"heatmap--{name}" for name in STYLES}

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
    depth: reactive[Depth | None] = reactive(None, init=False)

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

        @property
        def control(self) -> HeatmapGrid:
            return self.heatmap

    @dataclass
    class CellSelected(CellHighlighted):
        """Enter was pressed on a cell, or the cell under the cursor was clicked."""

    def __init__(
        self,
        grid: Grid | None = None,
        *,
        depth: Depth | None = None,
        glyphs: Glyphs = SHADES,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self._layout = Layout()
        self._painter: Painter | None = None
        self._row = 0
        self._column = 0
        self._near: tuple[int, int] | None = None
        self.set_reactive(HeatmapGrid.depth, depth)
        if grid is not None:
            self.set_reactive(HeatmapGrid.grid, grid)
            self._column = _start_column(grid)

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column under the cursor; (0, 0) in an empty grid."""
        return (self._row, self._column)

    @property
    def cursor_cell(self) -> Cell | None:
        inside = self._row < len(self.grid.rows) and self._column < len(self.grid.columns)
        return self.grid.cell(self._row, self._column) if inside else None

    def move_cursor(self, row: int, column: int) -> None:
        """Put the cursor on a cell, or on the nearest one there is, and scroll to it."""
        row = max(0, min(row, len(self.grid.rows) - 1))
        column = max(0, min(column, len(self.grid.columns) - 1))
        old = self.cursor
        if (row, column) != old:
            self._row, self._column = row, column
            if column == old[1]:
                self._refresh_rows(old[0], row)
            else:
                self.refresh()
            self._announce()
        self._show_cursor()

    # Reactions

    def on_mount(self) -> None:
        if self.grid.rows:
            self._announce()

    def on_resize(self) -> None:
        self._arrange()

    def notify_style_update(self) -> None:
        """Take over changed styles; a change of theme comes this way too."""
        super().notify_style_update()
        self._restyle()

    def watch_depth(self) -> None:
        self._restyle()

    def watch_grid(self, old: Grid, new: Grid) -> None:
        self._row, self._column = _follow(old, new, self._row, self._column)
        self._near = None
        self._arrange()
        if new.rows:
            self._announce()

    def _restyle(self) -> None:
        self._painter = None
        self.refresh()

    def _arrange(self) -> None:
        self._layout = lay_out(self.grid, *self.container_size)
        self.virtual_size = self._layout.virtual_size
        self._restyle()
        self._show_cursor()

    def _show_cursor(self) -> None:
        x, y = self._layout.scroll_to_show(self._row, self._column, *self.scroll_offset)
        if (x, y) != tuple(self.scroll_offset):
            self.scroll_to(x, y, animate=False, force=True)

    def _announce(self) -> None:
        self.post_message(
            self.CellHighlighted(self, self.grid, self._row, self._column, self.cursor_cell),
        )

    # Keys and mouse

    def action_move(self, rows: int, columns: int) -> None:
        self.move_cursor(self._row + rows, self._column + columns)

    def action_edge(self, rows: int, columns: int) -> None:
        """Move the cursor to an edge: -1 the first, 1 the last, 0 where it is."""
        row = {-1: 0, 0: self._row, 1: len(self.grid.rows) - 1}[rows]
        column = {-1: 0, 0: self._column, 1: len(self.grid.columns) - 1}[columns]
        self.move_cursor(row, column)

    def action_page(self, rows: int, columns: int) -> None:
        self.action_move(
            rows * max(1, self._layout.rows_shown), columns * max(1, self._layout.columns_shown)
        )

    def action_select(self) -> None:
        if self.grid.rows:
            self.post_message(
                self.CellSelected(self, self.grid, self._row, self._column, self.cursor_cell),
            )

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
        if offset is None or not layout.scrolls or offset.x < layout.width:
            return
        share = (offset.y - layout.header) / max(1, layout.height - layout.header - 1)
        self.scroll_to(y=round(share * self.max_scroll_y), animate=False)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._hover(self._position(event))

    def on_leave(self) -> None:
        self._hover(None)

    def _position(self, event: events.MouseEvent) -> tuple[int, int] | None:
        offset = event.get_content_offset(self)
        if offset is None:
            return None
        return self._layout.position_at(*offset, *self.scroll_offset)

    def _hover(self, position: tuple[int, int] | None) -> None:
        if position == self._near:
            return
        rows = [place[0] for place in (self._near, position) if place is not None]
        self._near = position
        self._refresh_rows(*rows)

    # Drawing

    def _refresh_rows(self, *rows: int) -> None:
        layout = self._layout
        first = layout.first_row(self.scroll_offset.y)
        lines = {layout.header + (row - first) * layout.row_height for row in rows}
        self.refresh(
            *(
                Region(0, line, layout.width, layout.row_height)
                for line in lines
                if layout.header <= line < layout.height
            )
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
            palette = palette_of(self, self.grid, self.depth, self._glyphs)
            self._painter = Painter(self, self.grid, self._layout, palette)
        painter, layout = self._painter, self._layout
        if not layout.rows:
            return painter.blank()
        x, scroll_y = self.scroll_offset
        column = layout.first_column(x)
        if y < layout.header:
            return painter.header(y, column, self._column)
        below, subline = divmod(y - layout.header, layout.row_height)
        first = layout.first_row(scroll_y)
        row = first + below
        if row >= layout.rows:
            return painter.blank()
        near = self._near[1] if self._near is not None and self._near[0] == row else -1
        thumb = y in layout.thumb(first)
        return painter.row(row, subline, column, Marks(self._column, row == self._row, near, thumb))
