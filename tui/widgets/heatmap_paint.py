"""Segments of the heatmap widget: cells, row labels and column headers, each made once and kept.

Server text is only ever put into segments, never parsed as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from tui.heatmap.colours import ASCII_SHADES, Depth, Glyphs, Palette, no_data_mark
from tui.heatmap.headers import day_label, month_line, topic_lines
from tui.heatmap.text import ascii_only, fit
from tui.widgets.heatmap_layout import TOTAL_WIDTH, VALUE_FROM_WIDTH, Layout

if TYPE_CHECKING:
    from textual.app import App

    from tui.heatmap.cells import Cell
    from tui.heatmap.grid import Grid, GridRow

_KEPT_SEGMENTS = 50_000


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


class CellPainter:
    """Turns cells and labels of one grid in one layout into segments."""

    def __init__(
        self,
        grid: Grid,
        layout: Layout,
        *,
        palette: Palette,
        depth: Depth,
        glyphs: Glyphs,
        inks: Inks,
    ) -> None:
        self._grid = grid
        self._layout = layout
        self._palette = palette
        self._depth = depth
        self._glyphs = glyphs
        self._inks = inks
        self._ascii = glyphs == ASCII_SHADES
        self._segments: dict[tuple[int | None, str, bool, bool], Segment] = {}

    def cell(self, cell: Cell | None, *, subline: int, here: bool, near: bool) -> Segment:
        """One line of one cell.

        Args:
            cell: The cell, None for no data.
            subline: Which line of the row's height.
            here: Whether the cursor is on the cell.
            near: Whether the mouse is over the cell.
        """
        metric = self._grid.metric
        value = None if cell is None else cell.value(metric)
        marked = here or near
        # The cursor's bars take a cell on either side, so that the figure must fit between them.
        room = self._layout.cell_width - (2 if marked else 0)
        if cell is None or value is None:
            step, text = None, self._hatch(room, marked=marked)
        else:
            position = self._grid.position(value)
            step = self._palette.step(position)
            middle = subline == (self._layout.row_height - 1) // 2
            text = self._figure(cell, value, room) if middle else ""
            if self._depth is Depth.NONE:
                text = _shaded(text, self._glyphs.level(position), room, gap=not marked)
            text = text.center(room)
        key = (step, text, here, near)
        segment = self._segments.get(key)
        if segment is None:
            if len(self._segments) > _KEPT_SEGMENTS:
                self._segments.clear()
            segment = self._segments[key] = self._paint(step, text, here=here, marked=marked)
        return segment

    def gutter(self, row: GridRow, *, subline: int, here: bool) -> list[Segment]:
        """One line of what stands left of a row: its label and its total."""
        layout, inks = self._layout, self._inks
        if subline != (layout.row_height - 1) // 2:
            return [Segment(" " * layout.gutter, inks.base)]
        label = Segment(_exactly(row.label, layout.label_width), inks.here if here else inks.label)
        if not layout.total_width:
            return [label, Segment(" ", inks.base)]
        figure = self._own(row.total.short(self._grid.metric, TOTAL_WIDTH - 1) or "-")
        total = Segment(f"{figure:>{TOTAL_WIDTH}} ", inks.here if here else inks.total)
        return [label, total]

    def corner(self, line: int) -> Segment:
        """What stands above the row labels: how many rows and what they are, and `all`."""
        layout = self._layout
        if line == 0:
            count = len(self._grid.rows)
            axis = self._grid.spec.axis
            text = f"{count:,} {axis.heading if count == 1 else axis.plural}"
            text = fit(fit(self._own(text), layout.gutter - 1), layout.gutter)
            return Segment(text, self._inks.header)
        text = f"{'all':>{TOTAL_WIDTH}}" if layout.total_width else ""
        return Segment(" " * layout.label_width + text + " ", self._inks.header)

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
                return [Segment(month_line(columns, width), self._inks.header)]
            return [
                self._head(
                    day_label(column.week, width, crowded=place % 2 != here % 2), place == here
                )
                for place, column in enumerate(columns, first)
                if column.week is not None
            ]
        return [
            self._head(_exactly(topic_lines(column.label, width)[line], width), place == here)
            for place, column in enumerate(columns, first)
        ]

    def _head(self, text: str, here: bool) -> Segment:
        return Segment(text, self._inks.here if here else self._inks.header)

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
        # Without colour a faint dot would be lost; the hatch is meant to be faint.
        empty = self._inks.total if self._depth is Depth.NONE else self._inks.empty
        style = empty if step is None else self._style(step)
        if marked:
            left, right = ("[", "]") if self._ascii else ("▐", "▌")
            text = left + text + right
            style = (self._inks.here if here and step is None else style) + Style(bold=here)
        return Segment(text, style)

    def _style(self, step: int) -> Style:
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
