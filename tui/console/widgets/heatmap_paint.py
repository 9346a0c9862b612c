"""Parts of the heatmap widget's lines: cells, labels and headers; cells are made once and kept.

Server text is only ever put into segments, never parsed as markup.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from tui.console.widgets.heatmap_layout import TOTAL_WIDTH, VALUE_FROM_WIDTH, Layout
from tui.console.widgets.heatmap_line import Pen
from tui.heatmap.cells import Cell, Entry, cell_of, figure_key
from tui.heatmap.colours import ASCII_SHADES, Depth, Glyphs, Palette, no_data_mark, palette
from tui.heatmap.headers import day_label, month_line, topic_lines
from tui.heatmap.text import ascii_only, fit

if TYPE_CHECKING:
    from collections.abc import Hashable

    from textual.app import App
    from textual.widget import Widget

    from tui.console.widgets.heatmap_line import Part
    from tui.heatmap.grid import Grid, GridRow

_KEPT_PARTS = 50_000

Finish = Callable[[Segment], Segment]
"""What is still done to a segment before it is kept: the application's colour filters."""


@dataclass(frozen=True, slots=True)
class Inks:
    """Styles that come from the theme.

    Attributes:
        base: The background, and text on it.
        header: Column headers.
        label: Row labels.
        total: Row totals.
        here: Labels of the row and column under the cursor.
        empty: The hatch of cells without data.
    """

    base: Style
    header: Style
    label: Style
    total: Style
    here: Style
    empty: Style


def colour_depth(app: App[object]) -> Depth:
    """How much colour the terminal of `app` has, as the operator or the terminal says."""
    if app.no_color or app.console.color_system is None:
        return Depth.NONE
    return Depth.SIXTEEN if app.console.color_system == "standard" else Depth.FULL


def painter_of(
    widget: Widget, grid: Grid, layout: Layout, *, depth: Depth, glyphs: Glyphs
) -> CellPainter:
    """The painter for a widget as its style, its theme and its terminal are now.

    Args:
        widget: Has the component classes `heatmap--header`, `--label`, `--total`, `--here` and
            `--empty`.
        grid: What is shown.
        layout: Where it is shown.
        depth: How much colour to use.
        glyphs: What cells are drawn with where there is no colour.
    """
    filters, background = widget.get_line_filters(), widget.background_colors[1]

    def finish(segment: Segment) -> Segment:
        segments = [segment]
        for each in filters:
            segments = each.apply(segments, background)
        return segments[0]

    style = widget.get_component_rich_style
    return CellPainter(
        grid,
        layout,
        palette=palette(dark=widget.app.current_theme.dark, depth=depth),
        depth=depth,
        glyphs=glyphs,
        inks=Inks(
            base=widget.rich_style,
            header=style("heatmap--header"),
            label=style("heatmap--label"),
            total=style("heatmap--total"),
            here=style("heatmap--here"),
            empty=style("heatmap--empty"),
        ),
        finish=finish,
        pen=Pen(widget.app.console),
    )


class CellPainter:
    """Turns cells and labels of one grid in one layout into parts of lines.

    Attributes:
        part: Makes a part of a segment.
    """

    def __init__(
        self,
        grid: Grid,
        layout: Layout,
        *,
        palette: Palette,
        depth: Depth,
        glyphs: Glyphs,
        inks: Inks,
        finish: Finish,
        pen: Pen,
    ) -> None:
        self._grid = grid
        self._layout = layout
        self._palette = palette
        self._depth = depth
        self._glyphs = glyphs
        self._inks = inks
        # Filters change colours whatever the text is: once for each ink of a label will do.
        self._labels = Inks(
            *(
                finish(Segment(" ", getattr(inks, each.name))).style or Style.null()
                for each in fields(Inks)
            )
        )
        self._ascii = glyphs == ASCII_SHADES
        self._finish = finish
        self._finished: dict[int | None, Style] = {}
        self._key_of = figure_key(grid.metric)
        self._keys = tuple(column.key for column in grid.columns)
        self.part = pen.draw
        self._cells: tuple[dict[Hashable, Part], ...] = ({}, {})
        self._empty = pen.draw(self.cell(None, subline=0))

    def row(
        self, row: GridRow, subline: int, columns: range, *, here: int, near: int
    ) -> list[Part]:
        """One line of a row: label, total and cells.

        Args:
            row: The row.
            subline: Which line of the row's height.
            columns: The columns shown.
            here: Column of the cursor, -1 when it is elsewhere.
            near: Column of the mouse, -1 when it is elsewhere.
        """
        parts = self._gutter(row, subline, here=here >= 0)
        keys = self._keys[columns.start : columns.stop]
        found = list(map(row.entries.get, keys))
        cells: list[Part] | None = None
        # The most travelled way of the console. A line of cells that were all seen before, as most
        # are, is put together without a step of Python's own.
        if all(found):
            known = self._cells[subline == self._middle]
            with suppress(KeyError):
                cells = list(map(known.__getitem__, map(self._key_of, cast("list[Entry]", found))))
        if cells is None:
            cells = [self._empty if each is None else self._seen(each, subline) for each in found]
        self._mark(cells, found, columns, subline, here=here, near=near)
        return parts + cells

    def _seen(self, entry: Entry, subline: int) -> Part:
        """One line of a cell with data, kept for all that look the same."""
        known = self._cells[subline == self._middle]
        if len(known) > _KEPT_PARTS:
            known.clear()
        key = self._key_of(entry)
        part = known.get(key)
        if part is None:
            part = known[key] = self.part(self.cell(cell_of(entry), subline=subline))
        return part

    def _mark(
        self,
        cells: list[Part],
        found: list[Entry | None],
        columns: range,
        subline: int,
        *,
        here: int,
        near: int,
    ) -> None:
        """Draw the cells under the cursor and the mouse anew, with their marks."""
        for place in {here, near}:
            if place in columns:
                at = place - columns.start
                entry = found[at]
                cell = None if entry is None else cell_of(entry)
                cells[at] = self.part(
                    self.cell(cell, subline=subline, here=place == here, near=place == near)
                )

    def cell(
        self, cell: Cell | None, *, subline: int, here: bool = False, near: bool = False
    ) -> Segment:
        """One line of one cell.

        Args:
            cell: The cell, None for no data.
            subline: Which line of the row's height.
            here: Whether the cursor is on the cell.
            near: Whether the mouse is over the cell.
        """
        value = None if cell is None else cell.value(self._grid.metric)
        marked = here or near
        # The cursor's bars take a cell on either side, so that the figure must fit between them.
        room = self._layout.cell_width - (2 if marked else 0)
        if cell is None or value is None:
            return self._paint(None, self._hatch(room, marked=marked), here=here, marked=marked)
        position = self._grid.position(value)
        text = self._figure(cell, value, room) if subline == self._middle else ""
        if self._depth is Depth.NONE:
            text = _shaded(text, self._glyphs.level(position), room, gap=not marked)
        step = self._palette.step(position)
        return self._paint(step, text.center(room), here=here, marked=marked)

    @property
    def _middle(self) -> int:
        return (self._layout.row_height - 1) // 2

    def _gutter(self, row: GridRow, subline: int, *, here: bool) -> list[Part]:
        """One line of what stands left of a row: its label and its total."""
        layout, inks = self._layout, self._labels
        if subline != self._middle:
            return [self.part(Segment(" " * layout.gutter, inks.base))]
        text = self._own(_exactly(row.label, layout.label_width))
        label = Segment(text, inks.here if here else inks.label)
        if not layout.total_width:
            return [self.part(label), self.part(Segment(" ", inks.base))]
        figure = self._own(row.total.short(self._grid.metric, TOTAL_WIDTH - 1) or "-")
        total = Segment(f"{figure:>{TOTAL_WIDTH}} ", inks.here if here else inks.total)
        return [self.part(label), self.part(total)]

    @property
    def ground(self) -> Style:
        """What lies under everything."""
        return self._labels.base

    def blank(self, width: int) -> Segment:
        """Nothing, as wide as is asked for."""
        return Segment(" " * width, self.ground)

    def corner(self, line: int) -> Segment:
        """What stands above the row labels: how many rows and what they are, and `all`."""
        layout = self._layout
        if line == 0:
            count = len(self._grid.rows)
            axis = self._grid.spec.axis
            text = f"{count:,} {axis.heading if count == 1 else axis.plural}"
            text = fit(fit(text, layout.gutter - 1), layout.gutter)
            return Segment(self._own(text), self._labels.header)
        text = f"{'all':>{TOTAL_WIDTH}}" if layout.total_width else ""
        return Segment(" " * layout.label_width + text + " ", self._labels.header)

    def header(self, line: int, first: int, shown: int, here: int) -> list[Segment]:
        """One line of the column headers.

        Args:
            line: 0 or 1.
            first: The leftmost column.
            shown: How many columns.
            here: The column under the cursor.
        """
        columns, width = self._grid.columns[first : first + shown], self._layout.cell_width
        if columns and columns[0].week is not None:
            if line == 0:
                return [self._head(month_line(columns, width), here=False)]
            return [
                self._head(
                    day_label(column.week, width, crowded=place % 2 != here % 2), here=place == here
                )
                for place, column in enumerate(columns, first)
                if column.week is not None
            ]
        return [
            self._head(_exactly(topic_lines(column.label, width)[line], width), here=place == here)
            for place, column in enumerate(columns, first)
        ]

    def _head(self, text: str, *, here: bool) -> Segment:
        return Segment(self._own(text), self._labels.here if here else self._labels.header)

    def _figure(self, cell: Cell, value: float, room: int) -> str:
        if self._layout.cell_width < VALUE_FROM_WIDTH:
            return "0" if value == 0 and room > 0 else ""
        metric = self._grid.metric
        return self._own(cell.short(metric, room - 1) or cell.short(metric, room) or "")

    def _hatch(self, room: int, *, marked: bool) -> str:
        mark = no_data_mark(self._depth, self._glyphs)
        if marked:
            return " " * room
        return mark.center(room) if mark == self._glyphs.no_data else mark * room

    def _own(self, text: str) -> str:
        return ascii_only(text) if self._ascii else text

    def _paint(self, step: int | None, text: str, *, here: bool, marked: bool) -> Segment:
        if marked:
            left, right = ("[", "]") if self._ascii else ("▐", "▌")
            style = self._style(step)
            style = (self._inks.here if here and step is None else style) + Style(bold=here)
            return self._finish(Segment(left + text + right, style))
        # Filters change colours whatever the text is: once for each step will do.
        finished = self._finished.get(step)
        if finished is None:
            finished = self._finish(Segment(" ", self._style(step))).style or Style.null()
            self._finished[step] = finished
        return Segment(text, finished)

    def _style(self, step: int | None) -> Style:
        if step is None:
            # Without colour a faint dot would be lost; the hatch is meant to be faint.
            return self._inks.total if self._depth is Depth.NONE else self._inks.empty
        if self._depth is Depth.NONE:
            return self._inks.base
        paint = self._palette.paints[step]
        return Style(color=Color.from_rgb(*paint.ink), bgcolor=Color.from_rgb(*paint.fill))


def _shaded(figure: str, glyph: str, room: int, *, gap: bool) -> str:
    """A figure with a glyph filling the room before it, and a gap to the next cell if there is."""
    if room < 3:
        return figure or glyph * room
    spare = room - len(figure)
    after = " " if gap and spare > 1 else ""
    return glyph * (spare - len(after)) + figure + after


def _exactly(text: str, width: int) -> str:
    """`text` cut or padded to a width as the terminal library counts it."""
    fitted = fit(text, width)
    return fitted if cell_len(fitted) == width else set_cell_size(fitted, width)
