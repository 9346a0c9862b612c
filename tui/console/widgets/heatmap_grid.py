"""The heatmap widget: a frozen header, frozen row labels, cells between which a cursor moves.

Drawn line by line. A line that has been drawn is kept until its grid, size, theme or cursor
changes, and after a step the page that a further one leads to is drawn ahead, so that scrolling
mostly repeats what is there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView

from tui.console.widgets.heatmap_bar import start
from tui.console.widgets.heatmap_cursor import follow, start_column
from tui.console.widgets.heatmap_layout import HEADER_HEIGHT, Layout, lay_out
from tui.console.widgets.heatmap_line import Lines
from tui.console.widgets.heatmap_paint import colour_depth, painter_of
from tui.heatmap.axes import GridSpec
from tui.heatmap.colours import SHADES, Depth, Glyphs
from tui.heatmap.grid import Grid

if TYPE_CHECKING:
    from textual import events
    from textual.scrollbar import ScrollBar
    from textual.strip import Strip
    from textual.timer import Timer

    from tui.heatmap.cells import Cell

# Drawn ahead in slices that no key has to wait for, until the page is there: some 30 ms later.
_AHEAD_EVERY_S = 0.01
_AHEAD_FOR_S = 0.004


class HeatmapGrid(ScrollView, can_focus=True):
    """A heatmap that scrolls to thousands of rows.

    Set `grid` to show another one; the cursor stays on its row and column where they still exist
    and the order is the same.

    Attributes:
        grid: What is shown.
        depth: How much colour to use; None asks the terminal.
    """

    DEFAULT_CSS = """
    HeatmapGrid {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 1;
        overflow: auto auto;
    }
    HeatmapGrid > .heatmap--header { color: $text-muted; }
    HeatmapGrid > .heatmap--label { color: $foreground; }
    HeatmapGrid > .heatmap--total { color: $text-muted; }
    HeatmapGrid > .heatmap--here { color: $foreground; text-style: bold; }
    HeatmapGrid:focus > .heatmap--here { color: $text-accent; text-style: bold; }
    HeatmapGrid > .heatmap--empty { color: $foreground 18%; }
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "heatmap--header",
        "heatmap--label",
        "heatmap--total",
        "heatmap--here",
        "heatmap--empty",
    }

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1, 0)", "Row up", show=False, id="heatmap.up"),
        Binding("down", "move(1, 0)", "Row down", show=False, id="heatmap.down"),
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

        Attributes:
            heatmap: The widget.
            grid: The grid of the cell; the widget may show another by the time this arrives.
            row: Row of the cell.
            column: Column of the cell.
            cell: The cell, None for no data.
        """

        heatmap: HeatmapGrid
        grid: Grid
        row: int
        column: int
        cell: Cell | None

        @property
        def control(self) -> HeatmapGrid:
            """The widget."""
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
        classes: str | None = None,
    ) -> None:
        """Make the widget.

        Args:
            grid: What to show at first.
            depth: How much colour to use; None asks the terminal.
            glyphs: What cells are drawn with where there is no colour; `ASCII_SHADES` also keeps
                the cursor to ASCII.
            id: Textual's widget id.
            classes: Textual's CSS classes.
        """
        super().__init__(id=id, classes=classes)
        self._glyphs = glyphs
        self._layout = Layout()
        self._lines: Lines | None = None
        self._heading = (0, 0)
        self._scrolled = False
        self._ahead: Timer | None = None
        self._row = 0
        self._column = 0
        self._near: tuple[int, int] | None = None
        self.set_reactive(HeatmapGrid.depth, depth)
        if grid is not None:
            self.set_reactive(HeatmapGrid.grid, grid)
            self._column = start_column(grid)

    @property
    def vertical_scrollbar(self) -> ScrollBar:
        """The vertical scroll bar, made when first asked for."""
        self._vertical_scrollbar = bar = self._vertical_scrollbar or start(self)
        return bar

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column under the cursor; (0, 0) in an empty grid."""
        return (self._row, self._column)

    @property
    def cursor_cell(self) -> Cell | None:
        """The cell under the cursor, None for no data."""
        return self._cell_at(self._row, self._column)

    def move_cursor(self, row: int, column: int) -> None:
        """Put the cursor on a cell, or on the nearest one there is, and scroll to it."""
        row = max(0, min(row, len(self.grid.rows) - 1))
        column = max(0, min(column, len(self.grid.columns) - 1))
        if (row, column) != self.cursor:
            old = self._row
            self._row, self._column = row, column
            self._refresh_rows(old, row)
            self._announce()
        self._show_cursor()

    # Reactions

    def on_mount(self) -> None:
        """Tell where the cursor starts."""
        self._ahead = self.set_interval(_AHEAD_EVERY_S, self._draw_ahead, pause=True)
        if self.grid.rows:
            self._announce()

    def on_resize(self) -> None:
        """Lay the grid out anew."""
        self._arrange()

    def notify_style_update(self) -> None:
        """Take over changed styles; a change of theme comes this way too."""
        super().notify_style_update()
        self._restyle()

    def watch_depth(self) -> None:
        """Draw with more or less colour."""
        self._restyle()

    def watch_grid(self, old: Grid, new: Grid) -> None:
        """Show another grid."""
        self._row, self._column = follow(old, new, self._row, self._column)
        self._near = None
        self._arrange()
        if new.rows:
            self._announce()

    def _restyle(self) -> None:
        self._lines = None
        self.refresh()

    def _arrange(self) -> None:
        area = self.container_size
        self._layout = lay_out(self.grid, area.width, area.height, bar_width=1, bar_height=1)
        self.virtual_size = Size(*self._layout.virtual_size)
        self._restyle()
        self._show_cursor()

    def _show_cursor(self) -> None:
        x, y = self._layout.scroll_to_show(self._row, self._column, *self.scroll_offset)
        if (x, y) != tuple(self.scroll_offset):
            self.scroll_to(x, y, animate=False, force=True)

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        """Scroll, and get ready to go on."""
        super().watch_scroll_x(old_value, new_value)
        self._head_for(int(new_value > old_value) - int(new_value < old_value), 0)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scroll, and get ready to go on."""
        super().watch_scroll_y(old_value, new_value)
        self._head_for(0, int(new_value > old_value) - int(new_value < old_value))

    def _head_for(self, columns: int, rows: int) -> None:
        self._heading = (columns, rows)
        self._scrolled = True

    def _draw_ahead(self) -> None:
        """Draw some of what a further step in the same direction would show: a column or a page."""
        (row, column), (columns, rows) = self._first_shown, self._heading
        row += rows * self._layout.rows_shown
        column += columns
        done = self._lines is None or self._lines.draw_ahead(row, column, _AHEAD_FOR_S)
        if done and self._ahead is not None:
            self._ahead.pause()

    def _announce(self) -> None:
        self.post_message(
            self.CellHighlighted(self, self.grid, self._row, self._column, self.cursor_cell),
        )

    def _cell_at(self, row: int, column: int) -> Cell | None:
        inside = row < len(self.grid.rows) and column < len(self.grid.columns)
        return self.grid.cell(row, column) if inside else None

    # Keys and mouse

    def action_move(self, rows: int, columns: int) -> None:
        """Move the cursor by rows and columns."""
        self.move_cursor(self._row + rows, self._column + columns)

    def action_edge(self, rows: int, columns: int) -> None:
        """Move the cursor to an edge: -1 the first, 1 the last, 0 where it is."""
        row = {-1: 0, 0: self._row, 1: len(self.grid.rows) - 1}[rows]
        column = {-1: 0, 0: self._column, 1: len(self.grid.columns) - 1}[columns]
        self.move_cursor(row, column)

    def action_page(self, rows: int, columns: int) -> None:
        """Move the cursor by as many rows or columns as are visible."""
        self.action_move(
            rows * max(1, self._layout.rows_shown), columns * max(1, self._layout.columns_shown)
        )

    def action_select(self) -> None:
        """Ask for the rows behind the cell under the cursor."""
        if self.grid.rows:
            self.post_message(
                self.CellSelected(self, self.grid, self._row, self._column, self.cursor_cell),
            )

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the cell that was clicked; on the cursor's own cell, select it."""
        position = self._position(event)
        if position is None:
            return
        event.stop()
        if position == self.cursor:
            self.action_select()
        else:
            self.move_cursor(*position)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark the cell under the mouse."""
        self._hover(self._position(event))

    def on_leave(self) -> None:
        """Forget the cell under the mouse."""
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
        lines = {(HEADER_HEIGHT + (row - first) * layout.row_height) for row in rows}
        regions = [
            Region(0, line, layout.width, layout.row_height)
            for line in lines
            if HEADER_HEIGHT <= line < layout.height
        ]
        self.refresh(Region(0, 0, layout.width, HEADER_HEIGHT), *regions)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines as they are kept, filtered already.

        Textual's own way makes each line anew, with every filter over every segment of it, even
        when only the scroll offset has changed. The price is that border, padding, tint and
        opacity have no effect here: they belong on a container.

        Args:
            crop: The part of the widget that is wanted.
        """
        if self._scrolled and self._ahead is not None:
            # Not before this paint, which a key waits for.
            self._scrolled = False
            self._ahead.resume()
        lines, first, cursor, near = self._drawn(), self._first_shown, self.cursor, self._near
        strips = [lines.at(y, first, cursor, near) for y in crop.line_range]
        # Lines end where the scroll bar begins; to cut those that do would be half of a paint.
        if crop.x > 0 or crop.right < self.size.width:
            return [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """One line of the widget, `y` cells below its top."""
        return self._drawn().at(y, self._first_shown, self.cursor, self._near)

    @property
    def _first_shown(self) -> tuple[int, int]:
        x, y = self.scroll_offset
        return self._layout.first_row(y), self._layout.first_column(x)

    def _drawn(self) -> Lines:
        if self._lines is None:
            depth = self.depth or colour_depth(self.app)
            painter = painter_of(self, self.grid, self._layout, depth=depth, glyphs=self._glyphs)
            self._lines = Lines(self.grid, self._layout, painter)
        return self._lines
