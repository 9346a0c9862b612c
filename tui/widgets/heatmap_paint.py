"""Segments of the heatmap widget: cells, row labels and column headers, each made once and kept.

Server text is only ever put into segments, never parsed as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from tui.heatmap.colours import ASCII_SHADES, Depth, Glyphs, Palette, no_data_mark
from tui.heatmap.text import fit, take, text_width
from tui.widgets.heatmap_layout import TOTAL_WIDTH, VALUE_FROM_WIDTH, Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.heatmap.axes import Metric
    from tui.heatmap.cells import Cell
    from tui.heatmap.grid import Grid, GridColumn, GridRow

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

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
        middle = subline == (self._layout.row_height - 1) // 2
        if cell is None or value is None:
            step, text = None, no_data_mark(self._depth, self._glyphs)
        else:
            position = self._grid.position(value)
            step = self._palette.step(position)
            text = self._figure(cell, metric, value) if middle else ""
            if self._depth is Depth.NONE:
                text = self._shaded(text, self._glyphs.level(position))
        key = (step, text, here, near)
        segment = self._segments.get(key)
        if segment is None:
            if len(self._segments) > _KEPT_SEGMENTS:
                self._segments.clear()
            segment = self._segments[key] = self._paint(*key)
        return segment

    def gutter(self, row: GridRow, *, subline: int, here: bool) -> list[Segment]:
        """One line of what stands left of a row: its label and its total."""
        layout, inks = self._layout, self._inks
        if subline != (layout.row_height - 1) // 2:
            return [Segment(" " * layout.gutter, inks.base)]
        label = Segment(fit(row.label, layout.label_width), inks.here if here else inks.label)
        if not layout.total_width:
            return [label, Segment(" ", inks.base)]
        figure = row.total.short(self._grid.metric, TOTAL_WIDTH - 1) or "-"
        total = Segment(f"{figure:>{TOTAL_WIDTH}} ", inks.here if here else inks.total)
        return [label, total]

    def corner(self, line: int) -> Segment:
        """What stands above the row labels: how many rows and what they are, and `all`."""
        layout = self._layout
        if line == 0:
            count = len(self._grid.rows)
            axis = self._grid.spec.axis
            text = f"{count:,} {axis.heading if count == 1 else axis.plural}"
            return Segment(fit(fit(text, layout.gutter - 1), layout.gutter), self._inks.header)
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
        columns = self._grid.columns[first : first + shown]
        if columns and columns[0].week is not None:
            if line == 0:
                width = self._layout.cell_width
                return [Segment(month_line(columns, width), self._inks.header)]
            return [
                self._head(self._day(column, first + place, here), first + place == here)
                for place, column in enumerate(columns)
            ]
        return [
            self._head(
                topic_lines(column.label, self._layout.cell_width)[line], first + place == here
            )
            for place, column in enumerate(columns)
        ]

    def _head(self, text: str, here: bool) -> Segment:
        return Segment(text, self._inks.here if here else self._inks.header)

    def _day(self, column: GridColumn, place: int, here: int) -> str:
        width = self._layout.cell_width
        day = f"{column.week.day:>2}" if column.week else ""
        crowded = width < 3 and place % 2 != here % 2
        return " " * width if crowded else day.center(width)

    def _figure(self, cell: Cell, metric: Metric, value: float) -> str:
        width = self._layout.cell_width
        if width < VALUE_FROM_WIDTH:
            return "0" if value == 0 else ""
        return cell.short(metric, width - 1) or cell.short(metric, width) or ""

    def _shaded(self, figure: str, glyph: str) -> str:
        width = self._layout.cell_width
        if not figure:
            return glyph * (width if width < 3 else width - 1)
        gap = "" if len(figure) + 1 >= width else " "
        return glyph * (width - len(gap) - max(len(figure), 1)) + figure + gap

    def _paint(self, step: int | None, text: str, here: bool, near: bool) -> Segment:
        width = self._layout.cell_width
        if step is None:
            colourless = self._depth is Depth.NONE or self._ascii
            shown = text.center(width) if colourless else text * width
            style = self._inks.empty
        else:
            shown = text.center(width) if self._depth is not Depth.NONE else fit(text, width)
            style = self._style(step)
        if here or near:
            left, right = ("[", "]") if self._ascii else ("▐", "▌")
            if step is None:
                shown = " " * width
                style = self._inks.here if here else self._inks.empty
            shown = left + shown[1:-1] + right
            style = style + Style(bold=here)
        return Segment(shown, style)

    def _style(self, step: int) -> Style:
        if self._depth is Depth.NONE:
            return self._inks.base
        paint = self._palette.paints[step]
        return Style(color=Color.from_rgb(*paint.ink), bgcolor=Color.from_rgb(*paint.fill))


def month_line(columns: Sequence[GridColumn], width: int) -> str:
    """Month names above the first week of each month, the year where it is new and has room."""
    weeks = [column.week for column in columns if column.week is not None]
    starts = [
        place
        for place, week in enumerate(weeks)
        if place == 0 or (week.year, week.month) != (weeks[place - 1].year, weeks[place - 1].month)
    ]
    line = ""
    for start, end in zip(starts, [*starts[1:], len(weeks)], strict=True):
        week, room = weeks[start], (end - start) * width
        names = [MONTHS[week.month - 1]]
        if start == 0 or week.month == 1:
            names = [f"{names[0]} {week.year}", f"{names[0]} {week:%y}", *names]
        name = next((name for name in names if len(name) < room), "")
        line += fit(name, room)
    return line


def topic_lines(label: str, width: int) -> tuple[str, str]:
    """A topic over two lines of `width`, broken at a space where there is one."""
    if text_width(label) < width:
        return (" " * width, fit(label, width))
    broken = take(label, width).rfind(" ")
    if broken < 1:
        return (" " * width, fit(fit(label, width - 1), width))
    return (fit(label[:broken], width), fit(fit(label[broken:].strip(), width - 1), width))
