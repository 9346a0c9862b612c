"""The heatmap on a plain terminal or in a log: plotext draws it, cell by cell, and nothing moves.

plotext's own `heatmap` and `matrix_plot` fail on missing values and draw one character for each
value, so cells are put on an empty plotext figure as coloured text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.heatmap.axes import ColumnAxis, Metric
from tui.heatmap.colours import ASCII_SHADES, SHADES, Depth, Glyphs, no_data_mark, palette
from tui.heatmap.figures import Canvas
from tui.heatmap.headers import day_label, month_line, topic_lines
from tui.heatmap.text import ascii_only, figure, fit, text_width, utc_iso

if TYPE_CHECKING:
    from tui.heatmap.cells import Cell
    from tui.heatmap.grid import Grid

WEIGHTED = "≈ weighted, not a median"
"""What is said beside figures that are means of medians."""

LEAST_WIDTH = 40
LABEL_WIDTH = (8, 36)
TOTAL_WIDTH = 7
CELL_WIDTH = {ColumnAxis.WEEK: (5, 10), ColumnAxis.TOPIC: (8, 14)}
BAR = (4, 16)
GLYPH_ROOM = 1
"""What a cell without colour needs beside its figure."""
BAND_ROWS = 100
"""Rows drawn on one figure: plotext's time and memory grow with the area of a figure."""


def print_heatmap(
    grid: Grid,
    width: int,
    colour: bool,
    *,
    dark: bool = True,
    glyphs: Glyphs = SHADES,
    most_rows: int | None = None,
    total: int | None = None,
    refreshed_at: str | None = None,
) -> str:
    """Draw a heatmap as text, with a title, a legend, and what was left out.

    Args:
        grid: What to draw.
        width: Width of the terminal in cells; below 40 it is drawn 40 wide.
        colour: Whether to use colour; without, cells hold a glyph and the figure.
        dark: Whether the background is dark.
        glyphs: What cells are drawn with where there is no colour.
        most_rows: Draw at most so many rows; None draws them all.
        total: Rows there are in the view, of which the grid may hold a part; None where the grid
            was not read from one.
        refreshed_at: When the view was last refreshed, ISO 8601; None where nobody knows.

    Returns:
        Lines of `width` cells joined by line breaks, none at the end. Columns that do not fit are
        left out, the oldest weeks or the last topics, and the second line says so; the next tell
        what was read of the view, and how old it is.
    """
    width = max(LEAST_WIDTH, width)
    drawing = _Drawing(grid, width, colour=colour, dark=dark, glyphs=glyphs)
    rows = range(len(grid.rows) if most_rows is None else min(most_rows, len(grid.rows)))
    parts = [drawing.head(len(rows), [] if total is None else _reading(grid, total, refreshed_at))]
    parts += [
        drawing.band(rows[start : start + BAND_ROWS]) for start in range(0, len(rows), BAND_ROWS)
    ]
    parts.append(drawing.legend())
    text = "\n".join(parts)
    return ascii_only(text) if glyphs == ASCII_SHADES else text


class _Drawing:
    """One heatmap in one width."""

    def __init__(self, grid: Grid, width: int, *, colour: bool, dark: bool, glyphs: Glyphs) -> None:
        self._grid = grid
        self._width = width
        self._colour = colour
        self._glyphs = glyphs
        self._paints = palette(dark=dark)
        self._label = min(max(LABEL_WIDTH[0], grid.label_width), LABEL_WIDTH[1], width // 3)
        self._gutter = self._label + TOTAL_WIDTH + 1
        least, most = CELL_WIDTH[grid.spec.columns]
        least += 0 if colour else GLYPH_ROOM
        room = width - self._gutter
        count = len(grid.columns)
        self._cell = max(least, min(most, room // count)) if count else least
        shown = min(count, room // self._cell)
        start = count - shown if grid.spec.columns is ColumnAxis.WEEK else 0
        self._columns = range(start, start + shown)

    def head(self, rows_shown: int, reading: list[str]) -> str:
        """Title, what is shown of what there is, how it was read, and the column labels."""
        grid = self._grid
        reading = _in_lines(reading, self._width)
        low = 3 + len(reading)
        canvas = Canvas(self._width, low + 1)
        for line, said in enumerate(reading, 2):
            canvas.text(0, line, fit(said, self._width))
        title = f"{grid.metric.heading} by {grid.spec.axis.heading} and {grid.spec.columns.value}"
        canvas.text(0, 0, fit(title, self._width), bold=True)
        canvas.text(0, 1, fit(self._extent(rows_shown), self._width))
        canvas.text(self._label, low, f"{'all':>{TOTAL_WIDTH}}")
        columns = [grid.columns[column] for column in self._columns]
        if grid.spec.columns is ColumnAxis.WEEK:
            canvas.text(self._gutter, low - 1, month_line(columns, self._cell))
        for place, column in enumerate(columns):
            x = self._gutter + place * self._cell
            if column.week is not None:
                canvas.text(x, low, day_label(column.week, self._cell, crowded=False))
                continue
            for line, text in enumerate(topic_lines(column.label, self._cell)):
                canvas.text(x, low - 1 + line, text)
        return canvas.draw(colour=self._colour)

    def band(self, rows: range) -> str:
        """Some of the rows."""
        grid = self._grid
        canvas = Canvas(self._width, len(rows))
        for y, row in enumerate(rows):
            total = grid.rows[row].total.short(grid.metric, TOTAL_WIDTH - 1) or "-"
            canvas.text(0, y, fit(grid.rows[row].label, self._label) + f"{total:>{TOTAL_WIDTH}}")
            for place, column in enumerate(self._columns):
                self._put(canvas, self._gutter + place * self._cell, y, grid.cell(row, column))
        return canvas.draw(colour=self._colour)

    def legend(self) -> str:
        """The scale and the marks."""
        grid, depth = self._grid, Depth.FULL if self._colour else Depth.NONE
        canvas = Canvas(self._width, 2)
        if grid.scale is None:
            canvas.text(0, 1, fit("no values to show", self._width))
            return canvas.draw(colour=self._colour)
        low, high = (figure(grid.metric.value, end) for end in grid.scale)
        notes = f" {high}"
        if grid.metric is Metric.MEDIAN:
            # A figure that is no median must never stand without this.
            notes += f"   {WEIGHTED}"
        notes += f"   {no_data_mark(depth, self._glyphs) * 2} no data"
        start = text_width(low) + 1
        bar = max(BAR[0], min(BAR[1], self._width - start - text_width(notes)))
        canvas.text(0, 1, f"{low} ")
        for place in range(bar):
            position = (place + 0.5) / bar
            if self._colour:
                canvas.text(start + place, 1, " ", fill=self._paints.paint(position).fill)
            else:
                canvas.text(start + place, 1, self._glyphs.level(position))
        canvas.text(start + bar, 1, fit(notes, self._width - start - bar))
        return canvas.draw(colour=self._colour)

    def _put(self, canvas: Canvas, x: int, y: int, cell: Cell | None) -> None:
        value = None if cell is None else cell.value(self._grid.metric)
        if cell is None or value is None:
            depth = Depth.FULL if self._colour else Depth.NONE
            canvas.text(x, y, no_data_mark(depth, self._glyphs).center(self._cell))
            return
        said = cell.short(self._grid.metric, self._cell - 1) or ""
        position = self._grid.position(value)
        if self._colour:
            paint = self._paints.paint(position)
            canvas.text(x, y, said.center(self._cell), ink=paint.ink, fill=paint.fill)
        else:
            shown = f"{self._glyphs.level(position)}{said:>{self._cell - 2}}"
            canvas.text(x, y, fit(shown, self._cell - 1))

    def _extent(self, rows_shown: int) -> str:
        grid = self._grid
        parts = [f"{rows_shown:,} of {len(grid.rows):,} {grid.spec.axis.plural}"]
        if rows_shown == len(grid.rows):
            parts = [f"{rows_shown:,} {grid.spec.axis.plural}"]
        parts.append(grid.spec.order.value)
        count = len(grid.columns)
        if len(self._columns) < count:
            which = "last" if grid.spec.columns is ColumnAxis.WEEK else "first"
            parts.append(f"{which} {len(self._columns)} of {count} {grid.spec.columns.plural}")
        else:
            parts.append(f"{count} {grid.spec.columns.plural}")
        parts.append(f"{grid.rows_used:,} of {grid.rows_read:,} rows counted")
        return ", ".join(parts)


def _reading(grid: Grid, total: int, refreshed_at: str | None) -> list[str]:
    """What was read of the view, and when it was last made anew."""
    at = utc_iso(refreshed_at) if refreshed_at else None
    age = f"refreshed {at[:10]} {at[11:16]} UTC" if at else "when it was refreshed is not known"
    if total == 0:
        return ["the view is empty: no answers yet, or none since its last refresh", age]
    if grid.rows_read < total:
        return [f"TRUNCATED: {grid.rows_read:,} of the view's {total:,} rows were read", age]
    return [f"all {total:,} rows of the view were read", age]


def _in_lines(parts: list[str], width: int) -> list[str]:
    """Parts in one line where they fit, else each in its own."""
    joined = ", ".join(parts)
    return [joined] if parts and text_width(joined) <= width else parts
