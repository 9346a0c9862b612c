"""Layout and lines of the heatmap widget, each line made once and kept.

Server text is only ever put into segments, never parsed as markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from rich.color import Color, ColorSystem
from rich.console import COLOR_SYSTEMS
from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.geometry import Size
from textual.strip import Strip

from tui.heatmap.axes import ColumnAxis, Metric
from tui.heatmap.formatting import ascii_only, day_label, fit, month_line, topic_lines
from tui.heatmap.grid import FADED, ZERO, cell_of
from tui.heatmap.palette import (
    ASCII_SHADES,
    FIGURE_FROM_WIDTH,
    NO_DATA_HATCH,
    Depth,
    Palette,
    depth_of,
    look_of,
    palette_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from rich.console import Console
    from textual.app import App
    from textual.widget import Widget

    from tui.heatmap.grid import Cell, Entry, Grid, GridRow
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

STYLES = ("header", "label", "repeat", "total", "here", "empty", "faded", "bar")
"""Component classes of the widget, each `heatmap--` and its name."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of one grid in one area; all lengths are terminal cells.

    Only whole columns are shown and only whole rows are counted as visible; the scroll offset snaps
    to them, so that the header stays above its cells.

    Attributes:
        spark_width: Width of the sparklines beside them, 0 when there is no room for them.
        header: Lines above the rows.
        scrolls: Whether there are more rows than fit, and a scroll bar beside them.
    """

    rows: int = 0
    columns: int = 0
    label_widths: tuple[int, ...] = (0,)
    spark_width: int = 0
    total_width: int = 0
    cell_width: int = 1
    row_height: int = 1
    header: int = LABEL_LINES
    width: int = 0
    height: int = 0
    scrolls: bool = False

    @property
    def gutter(self) -> int:
        labels = sum(self.label_widths) + _LABEL_GAP * (len(self.label_widths) - 1)
        return labels + self.spark_width + bool(self.spark_width) + self.total_width + 1

    @property
    def virtual_size(self) -> Size:
        return Size(
            self.gutter + self.columns * self.cell_width,
            self.header + self.rows * self.row_height,
        )

    @property
    def columns_shown(self) -> int:
        return min(self.columns, max(1, (self.width - self.gutter) // self.cell_width))

    @property
    def rows_shown(self) -> int:
        return min(self.rows, max(1, (self.height - self.header) // self.row_height))

    def first_column(self, scroll_x: int) -> int:
        return min(-(-scroll_x // self.cell_width), max(0, self.columns - self.columns_shown))

    def first_row(self, scroll_y: int) -> int:
        return min(-(-scroll_y // self.row_height), max(0, self.rows - self.rows_shown))

    def position_at(self, x: int, y: int, scroll_x: int, scroll_y: int) -> tuple[int, int] | None:
        """Row and column under a point of the area, None outside the cells."""
        if x < self.gutter or y < self.header or not self.rows or not self.columns:
            return None
        column = self.first_column(scroll_x) + (x - self.gutter) // self.cell_width
        row = self.first_row(scroll_y) + (y - self.header) // self.row_height
        shown = column < self.first_column(scroll_x) + self.columns_shown
        return (row, column) if row < self.rows and shown else None

    def thumb(self, first_row: int) -> range:
        """The lines beside which the thumb of the scroll bar is."""
        if not self.scrolls:
            return range(0)
        room = self.height - self.header
        length = max(1, room * self.rows_shown // self.rows)
        start = (room - length) * first_row // max(1, self.rows - self.rows_shown)
        return range(self.header + start, self.header + start + length)

    def scroll_to_show(
        self, row: int, column: int, scroll_x: int, scroll_y: int
    ) -> tuple[int, int]:
        """The scroll offset nearest to the given one at which a cell is visible."""
        first_row = _nearest(self.first_row(scroll_y), row, self.rows_shown)
        first_column = _nearest(self.first_column(scroll_x), column, self.columns_shown)
        return first_column * self.cell_width, first_row * self.row_height


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
    room = max(0, width - total_width - spark_width - bool(spark_width) - 1)
    # Labels may have all that figures in every cell do not need; in any case a third, or for two
    # parts two fifths.
    share = width // 3 if len(grid.label_widths) == 1 else width * 2 // 5
    most = max(room - columns * max(smallest, _FIGURE_WIDTH), share - total_width)
    label_widths = _shared(grid.label_widths, max(_LABEL_LEAST, most))
    room -= sum(label_widths) + _LABEL_GAP * (len(label_widths) - 1)
    cell_width = _clamp(room // columns if columns else smallest, smallest, largest)
    return Layout(
        rows=rows,
        columns=columns,
        label_widths=label_widths,
        spark_width=spark_width,
        total_width=total_width,
        cell_width=cell_width,
        row_height=_clamp((height - header) // rows if rows else 1, 1, _ROW_HEIGHT_MOST),
        header=header,
        scrolls=scrolls,
        width=max(0, width),
        height=max(0, height),
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


def _nearest(first: int, wanted: int, shown: int) -> int:
    return min(wanted, max(first, wanted - shown + 1))


class Marks(NamedTuple):
    """What is marked in one line of cells.

    Attributes:
        near: Column of the mouse, -1 when it is not on the row.
    """

    column: int = -1
    on_row: bool = False
    near: int = -1
    thumb: bool = False


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


@dataclass(frozen=True, slots=True)
class Inks:
    """Styles that come from the theme.

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


def colour_depth(app: App[object]) -> Depth:
    """How much colour the terminal of `app` has."""
    return Depth.NONE if app.no_color else depth_of(app.console.color_system)


def palette_of(widget: Widget, grid: Grid, depth: Depth | None, glyphs: Glyphs) -> Palette:
    """The palette for a grid in a widget, as its theme and its terminal are now."""
    return palette_for(
        grid.spec.scale,
        dark=widget.app.current_theme.dark,
        depth=depth or colour_depth(widget.app),
        glyphs=glyphs,
    )


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

        styles = [widget.rich_style, *map(widget.get_component_rich_style, map(_class, STYLES))]
        self._grid = grid
        self._layout = layout
        self._palette = palette
        self._inks = Inks(*map(finish, styles))
        fills = [(Color.from_rgb(*ink), Color.from_rgb(*fill)) for fill, ink in palette.paints]
        self._filled = [finish(Style(color=ink, bgcolor=fill)) for ink, fill in fills]
        self._chips = [finish(widget.rich_style + Style(color=fill)) for _, fill in fills]
        self._keys = tuple(column.key for column in grid.columns)
        self._key_of = _figure_key(grid.metric)
        self._own = ascii_only if palette.glyphs is ASCII_SHADES else str
        self._colours = COLOR_SYSTEMS.get(
            widget.app.console.color_system or "", ColorSystem.TRUECOLOR
        )
        self._shown = layout.columns_shown
        self._taken = layout.gutter + self._shown * layout.cell_width
        rest = Segment(" " * max(0, layout.width - self._taken), self._inks.base)
        bars = [
            Segment(sign * layout.scrolls, self._inks.bar) for sign in (" ", palette.glyphs.thumb)
        ]
        self._ends = [self._part(*(each for each in (rest, bar) if each.text)) for bar in bars]
        self._plain = [self._part(*self._cell(level)) for level in range(2 * FADED)]
        self._kept_cells: dict[Hashable, Part] = {}
        self._kept: LRUCache[tuple[object, ...], Strip] = LRUCache(_KEPT_LINES)

    # Lines.

    def blank(self) -> Strip:
        return Strip.blank(self._layout.width + self._layout.scrolls, self._inks.base)

    def header(self, line: int, first: int, column: int) -> Strip:
        """One line of what stands above the rows: column labels, then the totals."""
        key = ("header", line, first, column)
        strip = self._kept.get(key)
        if strip is None:
            if line < LABEL_LINES or self._grid.whole is None:
                segments = [self._corner(line, first), *self._columns(line, first, column)]
            else:
                segments = self._whole(self._grid.whole, first)
            strip = self._kept[key] = self._line([self._part(*segments)])
        return strip

    def row(self, row: int, subline: int, first: int, marks: Marks) -> Strip:
        """One line of a row; `subline` is which of its height."""
        key = (row, subline, first, marks)
        strip = self._kept.get(key)
        if strip is None:
            parts = self._row(row, subline, first, marks)
            strip = self._kept[key] = self._line(parts, thumb=marks.thumb)
        return strip

    def _line(self, parts: list[Part], *, thumb: bool = False) -> Strip:
        """A line of gutter and cells, and its part of the scroll bar.

        The bar is part of the lines: Textual's own is made anew at each scroll, line by line, which
        takes as long as all cells do.
        """
        width = self._layout.width
        if self._taken > width:
            parts = [self._part(*Line(parts, self._taken).crop(0, width))]
        parts.append(self._ends[thumb])
        return Line(parts, width + self._layout.scrolls)

    def _part(self, *segments: Segment) -> Part:
        drawn = [
            text if style is None else Strip.render_style(style, text, self._colours)
            for text, style, _ in segments
        ]
        return Part(segments, "".join(drawn))

    # Rows.

    def _row(self, row: int, subline: int, first: int, marks: Marks) -> list[Part]:
        this = self._grid.rows[row]
        middle = subline == self._middle
        columns = range(first, first + self._shown)
        levels = this.levels[columns.start : columns.stop]
        if middle and self._layout.cell_width >= FIGURE_FROM_WIDTH:
            keys = self._keys[columns.start : columns.stop]
            cells = [self._figured(this.entries.get(key)) for key in keys]
        else:
            cells = [self._plain[level] for level in levels]
        for place in {marks.near, marks.column}:
            if place in columns:
                entry = this.entries.get(self._keys[place])
                cell = None if entry is None or not middle else cell_of(entry)
                cells[place - first] = self._marked(cell, levels[place - first], place, marks)
        if marks.on_row and subline == self._layout.row_height - 1:
            cells = [
                self._part(*(Segment(t, (s or _PLAIN) + _UNDERLINED) for t, s, _ in cell.segments))
                for cell in cells
            ]
        return [self._gutter(row, here=marks.on_row) if middle else self._no_gutter, *cells]

    def _figured(self, entry: Entry | None) -> Part:
        """A cell with its figure, made once for all that look the same."""
        if entry is None:
            return self._plain[0]
        key = self._key_of(entry)
        made = self._kept_cells.get(key)
        if made is None:
            cell = cell_of(entry)
            made = self._part(*self._cell(self._grid.level(entry), self._figure(cell)))
            if len(self._kept_cells) > _KEPT_CELLS:
                self._kept_cells.clear()
            self._kept_cells[key] = made
        return made

    def _figure(self, cell: Cell | None, *, framed: bool = False) -> str:
        width, metric = self._layout.cell_width, self._grid.metric
        if cell is None or width < FIGURE_FROM_WIDTH:
            return ""
        room = width - 2 if framed else width
        return self._own(cell.short(metric, room - 1) or cell.short(metric, room) or "")

    def _cell(self, level: int, figure: str = "", *, framed: bool = False) -> list[Segment]:
        """One line of a cell, two narrower where a mark stands on either side."""
        inks, colourless = self._inks, self._palette.depth is Depth.NONE
        look = look_of(self._palette, level, self._layout.cell_width, figure, framed=framed)
        if look.step is None:
            # Without colour a faint dot would be lost; the hatch is meant to be faint.
            return [Segment(look.text, inks.total if colourless else inks.empty)]
        if colourless:
            return [Segment(look.chip + look.text, inks.faded if look.chip else inks.base)]
        if look.chip:
            return [Segment(look.chip, self._chips[look.step]), Segment(look.text, inks.faded)]
        return [Segment(look.text, self._filled[look.step])]

    def _marked(self, cell: Cell | None, level: int, place: int, marks: Marks) -> Part:
        """One line of a cell at the cursor, the mouse, or the cursor's column."""
        here = marks.on_row and place == marks.column
        framed = here or place == marks.near
        figure = self._figure(cell, framed=framed)
        key = (level, figure, here, framed)
        made = self._kept_cells.get(key)
        if made is None:
            inside = self._cell(level, figure, framed=framed)
            segments = self._framed(inside, here=here) if framed else self._crossed(inside)
            made = self._kept_cells[key] = self._part(*segments)
        return made

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

    @property
    def _middle(self) -> int:
        return (self._layout.row_height - 1) // 2

    # The gutter.

    def _gutter(self, row: int, *, here: bool) -> Part:
        """What stands left of a row: its label, its sparkline and its total."""
        key = ("gutter", row, here)
        made = self._kept_cells.get(key)
        if made is None:
            made = self._kept_cells[key] = self._part(*self._named(row, here=here))
        return made

    def _named(self, row: int, *, here: bool) -> list[Segment]:
        layout, inks = self._layout, self._inks
        this = self._grid.rows[row]
        above = self._grid.rows[row - 1].labels if row else ()
        segments = []
        for at, (part, width) in enumerate(zip(this.labels, layout.label_widths, strict=True)):
            repeats = len(this.labels) > 1 and above[at : at + 1] == (part,)
            style = inks.here if here else inks.repeat if repeats else inks.label
            gap = " " * (_LABEL_GAP if at + 1 < len(this.labels) else 0)
            segments.append(Segment(self._own(fit(part, width)) + gap, style))
        return [*segments, *self._figures(this, inks.here if here else inks.total)]

    def _figures(self, row: GridRow, style: Style) -> list[Segment]:
        layout = self._layout
        spark = f" {self._spark(row)}" if layout.spark_width else ""
        text = ""
        if layout.total_width:
            figure = row.total.short(self._grid.metric, layout.total_width - 1) or "-"
            text = f"{self._own(figure):>{layout.total_width}}"
        if style is self._inks.total:
            return [Segment(f"{spark}{text} ", style)]
        return [Segment(spark, self._inks.total), Segment(f"{text} ", style)]

    def _spark(self, row: GridRow) -> str:
        """The newest cells of a row as heights between its least and most."""
        places = row.levels[-self._layout.spark_width :].translate(_PLACES)
        known = places.translate(None, b"\0")
        if not known:
            return " " * len(places)
        return places.decode("latin-1").translate(
            _heights(self._palette.glyphs.spark, min(known), max(known))
        )

    @property
    def _no_gutter(self) -> Part:
        return self._part(Segment(" " * self._layout.gutter, self._inks.base))

    # The header.

    def _corner(self, line: int, first: int) -> Segment:
        """What stands above the row labels: how many rows, which columns."""
        layout, spec = self._layout, self._grid.spec
        if line == 0:
            count = len(self._grid.rows)
            text = f"{count:,} {spec.axis.heading if count == 1 else spec.axis.plural}"
            return Segment(
                self._own(fit(fit(text, layout.gutter - 1), layout.gutter)), self._inks.header
            )
        text = ""
        if layout.columns_shown < layout.columns:
            last = first + layout.columns_shown
            text = f"{spec.columns.plural} {first + 1}-{last} of {layout.columns}"
        total = "all" if layout.total_width else ""
        room = layout.gutter - len(total) - 2
        return Segment(self._own(f"{fit(text, room)} {total} "), self._inks.header)

    def _columns(self, line: int, first: int, here: int) -> list[Segment]:
        layout = self._layout
        width = layout.cell_width
        columns = self._grid.columns[first : first + layout.columns_shown]
        weeks = [column.week for column in columns if column.week is not None]
        if weeks and line == 0:
            return [self._head(month_line(weeks, width), here=False)]
        if weeks:
            texts = [
                day_label(week, width, crowded=place % 2 != here % 2)
                for place, week in enumerate(weeks, first)
            ]
        else:
            texts = [topic_lines(column.label, width)[line] for column in columns]
        return [self._head(text, here=place == here) for place, text in enumerate(texts, first)]

    def _head(self, text: str, *, here: bool) -> Segment:
        return Segment(self._own(text), self._inks.here if here else self._inks.header)

    def _whole(self, whole: GridRow, first: int) -> list[Segment]:
        """All rows together: the figure of each column, without colour."""
        layout, inks = self._layout, self._inks
        width, metric = layout.cell_width, self._grid.metric
        label = fit("all", sum(layout.label_widths) + _LABEL_GAP * (len(layout.label_widths) - 1))
        segments = [Segment(label, inks.total), *self._figures(whole, inks.total)]
        for key in self._keys[first : first + layout.columns_shown]:
            entry = whole.entries.get(key)
            figure = None if entry is None else cell_of(entry).short(metric, max(0, width - 1))
            segments.append(Segment(self._own(figure or "").center(width), inks.total))
        return segments


@lru_cache(maxsize=4_096)
def _heights(signs: str, low: int, high: int) -> dict[int, str]:
    """The sign for each place between two, and a blank for none."""
    step = (high - low) / (len(signs) - 1) or 1.0
    return {0: " "} | {each: signs[round((each - low) / step)] for each in range(low, high + 1)}


def _class(name: str) -> str:
    return f"heatmap--{name}"


def _figure_key(metric: Metric) -> Callable[[Entry], Hashable]:
    """The function that gives equal keys to entries that look the same."""
    if metric is Metric.ACCURACY:
        return attrgetter("correct_attempts", "attempts")
    if metric is Metric.ATTEMPTS:
        return attrgetter("attempts")

    def median(entry: Entry) -> Hashable:
        cell = cell_of(entry)
        return (cell.median_ms, cell.median_exact, cell.attempts)

    return median
