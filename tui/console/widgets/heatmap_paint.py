"""Layout and lines of the heatmap widget, each line made once and kept.

Server text is only ever put into segments, never parsed as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.heatmap.formatting import fit
from tui.heatmap.grid import FADED, ZERO, ColumnAxis, Metric, column_labels
from tui.heatmap.palette import (
    FIGURE_FROM_WIDTH,
    NO_DATA_HATCH,
    Depth,
    Palette,
    depth_of,
    look_of,
    palette_for,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from rich.console import Console
    from textual.app import App
    from textual.widget import Widget

    from tui.heatmap.grid import Cell, Grid, GridRow
    from tui.heatmap.palette import Glyphs

LABEL_LINES = 2
_KEPT_LINES = 2_048
_KEPT_CELLS = 50_000
_LABEL_GAP = 2
_PLAIN = Style.null()
_UNDERLINED = Style(underline=True)
# Levels as heights: 1 up from the low end, 0 without data.
_PLACES = bytes(1 if each % FADED == ZERO else each % FADED for each in range(2 * FADED))

_TOTAL_WIDTH = 7
_LABEL_LEAST = 8
_TOTALS_FROM_WIDTH = 44
_CELL_WIDTH = {ColumnAxis.WEEK: (2, 10), ColumnAxis.TOPIC: (8, 14)}
_FIGURE_WIDTH = 5
"""What a cell needs to show most figures; labels take no more than leaves this to each."""
_SPARK_WIDTH = (8, 16)
"""How many of the newest weeks a sparkline shows at most, in a narrow area and in a wide one."""
_WIDE = 130
_SPARKS_FROM_COLUMNS = 4
_SPARKS_FROM_WIDTH = 84
_ROW_HEIGHT_MOST = 3
_ALL_FROM_HEIGHT = 12
"""Height from which all rows together have a line of their own."""

_LOOKS = {
    Metric.ACCURACY: attrgetter("correct", "attempts"),
    Metric.ATTEMPTS: attrgetter("attempts"),
    Metric.MEDIAN: attrgetter("median_ms", "median_exact", "attempts"),
}
"""What is equal for cells of one grid that look the same."""


@dataclass(frozen=True, slots=True)
class Span:
    """Rows or columns of one area, which scrolls by whole ones; lengths in cells.

    Attributes:
        size: Of each of them.
        start: Where the first begins, after what stays where it is.
        end: Of the area.
    """

    count: int = 0
    size: int = 1
    start: int = 0
    end: int = 0

    @property
    def extent(self) -> int:
        return self.start + self.count * self.size

    @property
    def shown(self) -> int:
        """How many fit as a whole."""
        return min(self.count, max(1, (self.end - self.start) // self.size))

    def first(self, scroll: int) -> int:
        """The first that is shown; the scroll offset snaps to it."""
        return min(-(-scroll // self.size), max(0, self.count - self.shown))

    def at(self, point: int, scroll: int) -> int | None:
        """Which of them is at a point of the area, None outside."""
        place = (point - self.start) // self.size
        return self.first(scroll) + place if 0 <= place < self.shown else None

    def scroll_to_show(self, place: int, scroll: int) -> int:
        """The scroll offset nearest to the given one at which a place is visible."""
        return self.size * min(place, max(self.first(scroll), place - self.shown + 1))


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of one grid in one area; all lengths are terminal cells.

    Attributes:
        rows: They begin below the header.
        columns: They begin right of the gutter, which holds labels, sparklines and totals.
        spark_width: Width of the sparklines, 0 when there is no room for them.
        scrolls: Whether there are more rows than fit, and a scroll bar beside them.
    """

    rows: Span = Span()
    columns: Span = Span()
    label_widths: tuple[int, ...] = (0,)
    spark_width: int = 0
    total_width: int = 0
    scrolls: bool = False

    def thumb(self, first_row: int) -> range:
        """The lines beside which the thumb of the scroll bar is."""
        if not self.scrolls:
            return range(0)
        rows = self.rows
        room = rows.end - rows.start
        length = max(1, room * rows.shown // rows.count)
        start = rows.start + (room - length) * first_row // max(1, rows.count - rows.shown)
        return range(start, start + length)


def lay_out(grid: Grid, width: int, height: int) -> Layout:
    """Sizes for `grid` in an area of `width` x `height`, scroll bar included."""
    rows, columns = len(grid.rows), len(grid.columns)
    by_week = grid.spec.columns is ColumnAxis.WEEK
    smallest, largest = _CELL_WIDTH[grid.spec.columns]
    header = LABEL_LINES + (height >= _ALL_FROM_HEIGHT and rows > 1)
    scrolls = header + rows > height
    width -= scrolls
    total_width = _TOTAL_WIDTH if width >= _TOTALS_FROM_WIDTH else 0
    spark_width = 0
    if by_week and width >= _SPARKS_FROM_WIDTH and columns >= _SPARKS_FROM_COLUMNS:
        spark_width = min(columns, _SPARK_WIDTH[width >= _WIDE])
    beside = total_width + spark_width + bool(spark_width) + 1
    # Labels may have all that figures in every cell do not need; in any case a third, or for two
    # parts two fifths.
    share = width // 3 if len(grid.label_widths) == 1 else width * 2 // 5
    most = max(max(0, width - beside) - columns * max(smallest, _FIGURE_WIDTH), share - total_width)
    label_widths = _shared(grid.label_widths, max(_LABEL_LEAST, most))
    gutter = sum(label_widths) + _LABEL_GAP * (len(label_widths) - 1) + beside
    cell_width = _clamp((width - gutter) // columns if columns else smallest, smallest, largest)
    row_height = _clamp((height - header) // rows if rows else 1, 1, _ROW_HEIGHT_MOST)
    return Layout(
        rows=Span(rows, row_height, header, max(0, height)),
        columns=Span(columns, cell_width, gutter, max(0, width)),
        label_widths=label_widths,
        spark_width=spark_width,
        total_width=total_width,
        scrolls=scrolls,
    )


def _shared(wanted: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Widths for the parts of a label: as wanted, or what is fair."""
    if len(wanted) == 1:
        return (_clamp(wanted[0], _LABEL_LEAST, most),)
    first, second = wanted
    most = max(2, most - _LABEL_GAP)
    if first + second <= most:
        # What is short of the least goes to the second, so that nothing else moves.
        return (first, max(second, _LABEL_LEAST - _LABEL_GAP - first))
    half = most // 2
    if first <= half:
        return (first, most - first)
    return (most - second, second) if second <= half else (most - half, half)


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


class Mark(Enum):
    """What marks a cell: the crosshair of the cursor, the mouse, or the cursor."""

    NONE = "none"
    CROSS = "cross"
    NEAR = "near"
    HERE = "here"


_FRAMED = {Mark.NEAR, Mark.HERE}
"""These stand on either side of their cell, which is two narrower."""


class Marks(NamedTuple):
    """What is marked in one line of cells.

    Attributes:
        column: Of the cursor.
        on_row: Whether the cursor is on this row.
        near: Column of the mouse, -1 when it is not on the row.
        thumb: Whether the thumb of the scroll bar is beside it.
    """

    column: int
    on_row: bool
    near: int
    thumb: bool


class Part(NamedTuple):
    """A piece of a line: its segments, and what is sent to the terminal for them."""

    segments: tuple[Segment, ...]
    drawn: str


class Line(Strip):
    """A line that is sent to the terminal as its parts are.

    Textual turns each segment of each new line into terminal sequences, which takes as long as all
    else in showing a page of cells. Few cells of a page look different from each other.
    """

    __slots__ = ("_drawn",)

    def __init__(self, parts: list[Part], width: int) -> None:
        segments, drawn = zip(*parts, strict=True)
        super().__init__(chain.from_iterable(segments), width)
        self._drawn = "".join(drawn)

    def render(self, console: Console) -> str:
        return self._drawn


class Inks(NamedTuple):
    """Styles from the theme; each but the first has its own component class.

    Attributes:
        repeat: Parts of row labels that are as in the row above.
        here: Labels of the row and column under the cursor.
        faded: Figures of cells with few attempts.
    """

    base: Style
    header: Style
    label: Style
    repeat: Style
    total: Style
    here: Style
    empty: Style
    faded: Style
    bar: Style


STYLES = [f"heatmap--{name}" for name in Inks._fields[1:]]


def colour_depth(app: App[object]) -> Depth:
    """How much colour the terminal of `app` has."""
    return Depth.NONE if app.no_color else depth_of(app.console.color_system)


def palette_of(widget: Widget, grid: Grid, glyphs: Glyphs) -> Palette:
    """The palette for a grid in a widget, as its theme and its terminal are now."""
    dark = widget.app.current_theme.dark
    return palette_for(grid.spec.scale, dark=dark, depth=colour_depth(widget.app), glyphs=glyphs)


class Painter:
    """Turns one grid in one layout into lines; `widget` has the classes `STYLES`."""

    def __init__(self, widget: Widget, grid: Grid, layout: Layout, palette: Palette) -> None:
        filters, ground = widget.get_line_filters(), widget.background_colors[1]

        def finish(style: Style) -> Style:
            """The style as the application's filters leave it, once for all cells."""
            segments = [Segment(" ", style)]
            for each in filters:
                segments = each.apply(segments, ground)
            return segments[0].style or _PLAIN

        styles = [widget.rich_style, *map(widget.get_component_rich_style, STYLES)]
        self._grid = grid
        self._layout = layout
        self._palette = palette
        self._colours = COLOR_SYSTEMS.get(
            widget.app.console.color_system or "", ColorSystem.TRUECOLOR
        )
        self._inks = inks = Inks(*map(finish, styles))
        self._filled = [finish(each.style) for each in palette.paints]
        self._chips = [finish(widget.rich_style + each.chip) for each in palette.paints]
        self._look_of = _LOOKS[grid.metric]
        self._figured: dict[Hashable, Part] = {}
        columns = layout.columns
        self._taken = columns.start + columns.shown * columns.size
        rest = Segment(" " * (columns.end - self._taken), inks.base)
        bars = [Segment(sign * layout.scrolls, inks.bar) for sign in (" ", palette.glyphs.thumb)]
        self._ends = [self._part(*(each for each in (rest, bar) if each.text)) for bar in bars]
        self._no_gutter = self._part(Segment(" " * columns.start, inks.base))
        self.blank = Strip.blank(columns.end + layout.scrolls, inks.base)
        self.row = lru_cache(_KEPT_LINES)(self._row)
        self.header = lru_cache(_KEPT_LINES)(self._header)
        self._cell = lru_cache(_KEPT_CELLS)(self._made_cell)
        self._gutter = lru_cache(_KEPT_CELLS)(self._made_gutter)

    def _part(self, *segments: Segment) -> Part:
        drawn = [
            text if style is None else Strip.render_style(style, text, self._colours)
            for text, style, _ in segments
        ]
        return Part(segments, "".join(drawn))

    def _line(self, parts: list[Part], *, thumb: bool = False) -> Strip:
        """A line of gutter and cells, and its part of the scroll bar.

        The bar is part of the lines: Textual's own is made anew at each scroll, line by line, which
        takes as long as all cells do.
        """
        width = self._layout.columns.end
        if self._taken > width:
            parts = [self._part(*Line(parts, self._taken).crop(0, width))]
        return Line([*parts, self._ends[thumb]], width + self._layout.scrolls)

    # Rows.

    def _row(self, row: int, subline: int, first: int, marks: Marks) -> Strip:
        """One line of a row; `subline` is which of its height."""
        this, width = self._grid.rows[row], self._layout.columns.size
        columns = slice(first, first + self._layout.columns.shown)
        cells, levels = this.cells[columns], this.levels[columns]
        height = self._layout.rows.size
        middle = subline == (height - 1) // 2
        if middle and width >= FIGURE_FROM_WIDTH:
            parts = [self._with_figure(*each) for each in zip(cells, levels, strict=True)]
        else:
            parts = [self._cell(level) for level in levels]
        for place in {marks.near, marks.column}:
            at = place - first
            if 0 <= at < len(parts):
                mark = Mark.NEAR if place == marks.near else Mark.CROSS
                if marks.on_row and place == marks.column:
                    mark = Mark.HERE
                figure = self._figure(cells[at], mark) if middle else ""
                parts[at] = self._cell(levels[at], figure, mark)
        if marks.on_row and subline == height - 1:
            inside = chain.from_iterable(part.segments for part in parts)
            parts = [self._part(*Segment.apply_style(inside, post_style=_UNDERLINED))]
        gutter = self._gutter(row, here=marks.on_row) if middle else self._no_gutter
        return self._line([gutter, *parts], thumb=marks.thumb)

    def _with_figure(self, cell: Cell | None, level: int) -> Part:
        """A cell with its figure, made once for all that look the same."""
        if cell is None:
            return self._cell(0)
        look = self._look_of(cell)
        made = self._figured.get(look)
        if made is None:
            if len(self._figured) > _KEPT_CELLS:
                self._figured.clear()
            made = self._figured[look] = self._cell(level, self._figure(cell))
        return made

    def _figure(self, cell: Cell | None, mark: Mark = Mark.NONE) -> str:
        width, metric = self._layout.columns.size, self._grid.metric
        if cell is None or width < FIGURE_FROM_WIDTH:
            return ""
        room = width - 2 if mark in _FRAMED else width
        return self._palette.glyphs.own(
            cell.short(metric, room - 1) or cell.short(metric, room) or ""
        )

    def _made_cell(self, level: int, figure: str = "", mark: Mark = Mark.NONE) -> Part:
        """One line of a cell, two narrower where a mark stands on either side."""
        inks, colourless = self._inks, self._palette.depth is Depth.NONE
        framed = mark in _FRAMED
        look = look_of(self._palette, level, self._layout.columns.size, figure, framed=framed)
        if look.step is None:
            # Without colour a faint dot would be lost; the hatch is meant to be faint.
            cell = [Segment(look.text, inks.total if colourless else inks.empty)]
        elif colourless:
            cell = [Segment(look.chip + look.text, inks.faded if look.chip else inks.base)]
        elif look.chip:
            cell = [Segment(look.chip, self._chips[look.step]), Segment(look.text, inks.faded)]
        else:
            cell = [Segment(look.text, self._filled[look.step])]
        if framed:
            cell = self._framed(cell, here=mark is Mark.HERE)
        elif mark is Mark.CROSS:
            cell = self._crossed(cell)
        return self._part(*cell)

    def _framed(self, inside: list[Segment], *, here: bool) -> list[Segment]:
        style = inside[0].style or _PLAIN
        if style.bgcolor is None or style.bgcolor == self._inks.base.bgcolor:
            # No fill: no data, few attempts, or no colour.
            style = self._inks.here if here else self._inks.label
        left, right = tuple(self._palette.glyphs.cursor)
        parts = [Segment(left, style), *inside, Segment(right, style)]
        bold = Style(bold=here)
        return [Segment(text, (each or _PLAIN) + bold) for text, each, _ in parts if text]

    def _crossed(self, cell: list[Segment]) -> list[Segment]:
        """A cell with the crosshair's line at an edge that is free."""
        left, right = tuple(self._palette.glyphs.cross)
        text, style, _ = cell[0]
        if len(text) > 1 and text.startswith((" ", NO_DATA_HATCH)):
            return [Segment(left + text[1:], style), *cell[1:]]
        text, style, _ = cell[-1]
        if len(text) > 1 and text.endswith(" "):
            return [*cell[:-1], Segment(text[:-1] + right, style)]
        return cell

    # The gutter.

    def _made_gutter(self, row: int, *, here: bool) -> Part:
        """What stands left of a row: its label, its sparkline and its total."""
        layout, inks = self._layout, self._inks
        this = self._grid.rows[row]
        above = self._grid.rows[row - 1].labels if row else ()
        segments = []
        for at, (part, width) in enumerate(zip(this.labels, layout.label_widths, strict=True)):
            repeats = len(this.labels) > 1 and above[at : at + 1] == (part,)
            style = inks.here if here else inks.repeat if repeats else inks.label
            gap = " " * (_LABEL_GAP if at + 1 < len(this.labels) else 0)
            segments.append(self._segment(fit(part, width) + gap, style))
        return self._part(*segments, *self._figures(this, inks.here if here else inks.total))

    def _segment(self, text: str, style: Style) -> Segment:
        return Segment(self._palette.glyphs.own(text), style)

    def _figures(self, row: GridRow, style: Style) -> Iterable[Segment]:
        layout = self._layout
        yield Segment(f" {self._spark(row)}" if layout.spark_width else "", self._inks.total)
        figure = ""
        if layout.total_width:
            figure = row.total.short(self._grid.metric, layout.total_width - 1) or "-"
        yield self._segment(f"{figure:>{layout.total_width}} ", style)

    def _spark(self, row: GridRow) -> str:
        """The newest cells of a row as heights between its least and most."""
        places = row.levels[-self._layout.spark_width :].translate(_PLACES)
        known = places.translate(None, b"\0")
        if not known:
            return " " * len(places)
        return places.decode("latin-1").translate(
            _heights(self._palette.glyphs.spark, min(known), max(known))
        )

    # The header.

    def _header(self, line: int, first: int, here: int) -> Strip:
        """One line of what stands above the rows: column labels, then the totals."""
        shown = slice(first, first + self._layout.columns.shown)
        if line < LABEL_LINES or self._grid.whole is None:
            segments = [self._corner(line, shown), *self._column_labels(line, shown, here)]
        else:
            segments = [*self._whole(self._grid.whole, shown)]
        return self._line([self._part(*segments)])

    def _corner(self, line: int, shown: slice) -> Segment:
        """What stands above the row labels: how many rows, which columns."""
        layout, spec = self._layout, self._grid.spec
        text, total = spec.axis.counted(len(self._grid.rows)), ""
        if line:
            text, total = "", "all " if layout.total_width else " "
            if layout.columns.shown < layout.columns.count:
                places = f"{shown.start + 1}-{shown.stop} of {layout.columns.count}"
                text = f"{spec.columns.plural} {places}"
        room = layout.columns.start - len(total) - 1
        return self._segment(f"{fit(text, room)} {total}", self._inks.header)

    def _column_labels(self, line: int, shown: slice, here: int) -> Iterable[Segment]:
        columns, width = self._grid.columns[shown], self._layout.columns.size
        labels = column_labels(columns, width, line, here - shown.start)
        are_months = line == 0 and self._grid.spec.columns is ColumnAxis.WEEK
        for place, label in enumerate(labels, shown.start):
            is_here = place == here and not are_months
            yield self._segment(label, self._inks.here if is_here else self._inks.header)

    def _whole(self, whole: GridRow, shown: slice) -> Iterable[Segment]:
        """All rows together: the figure of each column, without colour."""
        widths, width, ink = self._layout.label_widths, self._layout.columns.size, self._inks.total
        yield Segment(fit("all", sum(widths) + _LABEL_GAP * (len(widths) - 1)), ink)
        yield from self._figures(whole, ink)
        for cell in whole.cells[shown]:
            figure = None if cell is None else cell.short(self._grid.metric, max(0, width - 1))
            yield self._segment((figure or "").center(width), ink)


@lru_cache(maxsize=4_096)
def _heights(signs: str, low: int, high: int) -> dict[int, str]:
    """The sign for each place between two, and a blank for none."""
    step = (high - low) / (len(signs) - 1) or 1.0
    return {0: " "} | {each: signs[round((each - low) / step)] for each in range(low, high + 1)}
