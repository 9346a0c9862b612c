"""Lines of the heatmap: put together from parts that are drawn once, kept, and drawn ahead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS
from textual.cache import LRUCache
from textual.strip import Strip

from tui.console.widgets.heatmap_layout import HEADER_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.segment import Segment

    from tui.console.widgets.heatmap_layout import Layout
    from tui.console.widgets.heatmap_paint import CellPainter
    from tui.heatmap.grid import Grid

_KEPT_LINES = 2_048
_NOWHERE = -1


class Part(NamedTuple):
    """A piece of a line.

    Attributes:
        segment: Text and style, for Textual where it cuts the line.
        drawn: What is sent to the terminal for it.
    """

    segment: Segment
    drawn: str


class Pen:
    """Turns segments into parts.

    Args:
        console: The terminal they are meant for.
    """

    def __init__(self, console: Console) -> None:
        self._colours = COLOR_SYSTEMS.get(console.color_system or "", ColorSystem.TRUECOLOR)

    def draw(self, segment: Segment) -> Part:
        """The part that a segment becomes."""
        text, style, _ = segment
        if style is None:
            return Part(segment, text)
        return Part(segment, Strip.render_style(style, text, self._colours))


class Line(Strip):
    """A line that is sent to the terminal as its parts are.

    Textual turns each segment of each new line into terminal sequences, which takes longer than all
    else in showing a page of cells. Few cells of a page look different from each other.

    Args:
        parts: What it is made of; at least one.
        width: Terminal cells that they take together.
    """

    __slots__ = ("_drawn",)

    def __init__(self, parts: Sequence[Part], width: int) -> None:
        segments, drawn = zip(*parts, strict=True)
        super().__init__(segments, width)
        self._drawn = "".join(drawn)

    def render(self, console: Console) -> str:
        """The terminal sequences of the line."""
        return self._drawn


class Lines:
    """The lines of a grid, kept once they are drawn.

    Args:
        grid: What is shown.
        layout: Where it is shown.
        painter: Draws its cells and labels.
    """

    def __init__(self, grid: Grid, layout: Layout, painter: CellPainter) -> None:
        self._grid = grid
        self._layout = layout
        self._painter = painter
        self._kept: LRUCache[tuple[int, ...], Strip] = LRUCache(_KEPT_LINES)
        self._blank = self._line([painter.part(painter.blank(layout.width))], layout.width)

    def at(
        self,
        y: int,
        first: tuple[int, int],
        cursor: tuple[int, int],
        near: tuple[int, int] | None,
    ) -> Strip:
        """One line of the widget.

        Args:
            y: Lines below its top.
            first: The topmost row and the leftmost column.
            cursor: Row and column of the cursor.
            near: Row and column of the mouse, None when it is elsewhere.
        """
        row, column = first
        if y < HEADER_HEIGHT:
            return self._header(y, column, cursor[1]) if self._grid.rows else self._blank
        below, subline = divmod(y - HEADER_HEIGHT, self._layout.row_height)
        row += below
        if row >= self._layout.rows:
            return self._blank
        return self.row(
            row,
            subline,
            column,
            here=cursor[1] if row == cursor[0] else _NOWHERE,
            near=near[1] if near is not None and row == near[0] else _NOWHERE,
        )

    def _header(self, line: int, first: int, here: int) -> Strip:
        key = (_NOWHERE, line, first, here)
        strip = self._kept.get(key)
        if strip is None:
            painter, layout = self._painter, self._layout
            segments = [
                painter.corner(line),
                *painter.header(line, first, layout.columns_shown, here),
            ]
            taken = sum(segment.cell_length for segment in segments)
            strip = self._line([painter.part(segment) for segment in segments], taken)
            self._kept[key] = strip
        return strip

    def _line(self, parts: list[Part], taken: int) -> Strip:
        """A line of parts that take so many cells, as wide as the layout."""
        width = self._layout.width
        if taken < width:
            parts = [*parts, self._painter.part(self._painter.blank(width - taken))]
        line = Line(parts, max(width, taken))
        return line if taken <= width else line.crop(0, width)

    def row(
        self, row: int, subline: int, first: int, *, here: int = _NOWHERE, near: int = _NOWHERE
    ) -> Strip:
        """One line of a row.

        Args:
            row: The row.
            subline: Which line of the row's height.
            first: The leftmost column.
            here: Column of the cursor, -1 when it is elsewhere.
            near: Column of the mouse, -1 when it is elsewhere.
        """
        key = (row, subline, first, here, near)
        strip = self._kept.get(key)
        if strip is None:
            strip = self._kept[key] = self._draw(row, subline, first, here, near)
        return strip

    def _draw(self, row: int, subline: int, first: int, here: int, near: int) -> Strip:
        layout = self._layout
        columns = range(first, first + layout.columns_shown)
        parts = self._painter.row(self._grid.rows[row], subline, columns, here=here, near=near)
        return self._line(parts, layout.gutter + len(columns) * layout.cell_width)

    def draw_ahead(self, row: int, first: int, seconds: float) -> bool:
        """Draw lines of the page that begins at a row and a column, while there is time.

        Args:
            row: The first row; outside the grid, there is nothing to draw.
            first: The leftmost column; likewise.
            seconds: Time to spend.

        Returns:
            Whether the page is complete.
        """
        until = time.perf_counter() + seconds
        for line in self._missing(row, first):
            if time.perf_counter() >= until:
                return False
            self.row(*line)
        return True

    def _missing(self, row: int, first: int) -> Iterator[tuple[int, int, int]]:
        layout = self._layout
        if not 0 <= first <= layout.columns - layout.columns_shown:
            return
        for at in range(max(0, row), min(layout.rows, row + layout.rows_shown)):
            for subline in range(layout.row_height):
                if (at, subline, first, _NOWHERE, _NOWHERE) not in self._kept:
                    yield (at, subline, first)
