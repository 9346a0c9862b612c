"""The heatmap as text: the whole grid, its legend, the rows behind a cell."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tui.heatmap.formatting import fit, plain, plural, when_refreshed
from tui.heatmap.grid import (
    NO_LESION,
    NO_TOPIC,
    ColumnAxis,
    Metric,
    Scale,
    column_labels,
    position,
    tag_label,
)
from tui.heatmap.palette import SHADES, Depth, Glyphs, Palette, look_of, palette_for

if TYPE_CHECKING:
    from typing import Literal

    from tui.heatmap.grid import Cell, Ends, Grid, GridRow

WEIGHTED = "≈ weighted, not a median"
"""What is said beside figures that are means of medians."""

MOST_ROWS: Final = 200
"""Rows listed behind a cell; the rest is counted."""

_LEAST_WIDTH = 40
_LABEL_WIDTH = (8, 36)
_TOTAL_WIDTH = 7
_CELL_WIDTH = {ColumnAxis.WEEK: (5, 10), ColumnAxis.TOPIC: (8, 14)}
_GLYPH_ROOM = 1
"""What a cell without colour needs beside its figure."""
_COLOUR_SYSTEMS: dict[Depth, Literal["standard", "truecolor"] | None] = {
    Depth.NONE: None,
    Depth.SIXTEEN: "standard",
    Depth.FULL: "truecolor",
}


def print_heatmap(
    grid: Grid,
    width: int,
    depth: Depth,
    *,
    glyphs: Glyphs = SHADES,
    total: int | None = None,
    refreshed_at: str | None = None,
) -> str:
    """Draw a heatmap as text, with a title, a legend, and what was left out.

    Lines are `width` cells wide, at least 40. Columns that do not fit, the oldest weeks or the last
    topics, are left out and the second line says so. `total` is the number of rows in the view, of
    which the grid may hold a part.
    """
    palette = palette_for(grid.spec.scale, dark=True, depth=depth, glyphs=glyphs)
    width = max(_LEAST_WIDTH, width)
    drawing = _Drawing(grid, width, palette)
    lines = drawing.head([] if total is None else _reading(grid, total, refreshed_at, width))
    lines += [drawing.row(row) for row in grid.rows]
    lines += [Text(""), legend_text(grid, palette, width)]
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        color_system=_COLOUR_SYSTEMS[depth],
        force_terminal=True,
        no_color=False,
        legacy_windows=False,
    )
    for line in lines:
        line.pad_right(width - line.cell_len)
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    return glyphs.own(file.getvalue().removesuffix("\n"))


class _Drawing:
    def __init__(self, grid: Grid, width: int, palette: Palette) -> None:
        self._grid = grid
        self._width = width
        self._palette = palette
        widest = sum(grid.label_widths) + 3 * (len(grid.label_widths) - 1)
        self._label = min(max(_LABEL_WIDTH[0], widest), _LABEL_WIDTH[1], width // 3)
        self._gutter = self._label + _TOTAL_WIDTH + 1
        least, most = _CELL_WIDTH[grid.spec.columns]
        least += _GLYPH_ROOM if palette.depth is Depth.NONE else 0
        room = width - self._gutter
        count = len(grid.columns)
        self._cell = max(least, min(most, room // count)) if count else least
        shown = min(count, room // self._cell)
        start = count - shown if grid.spec.columns is ColumnAxis.WEEK else 0
        self._columns = range(start, start + shown)

    def head(self, reading: list[str]) -> list[Text]:
        grid = self._grid
        lines = [Text(fit(" · ".join(grid.spec.words), self._width), Style(bold=True))]
        said = [self._extent(), *reading, grid.describe_undated()]
        lines += [Text(fit(each, self._width)) for each in said if each]
        columns = grid.columns[self._columns.start : self._columns.stop]
        for line, total in enumerate(("", "all")):
            labels = "".join(column_labels(columns, self._cell, line))
            lines.append(Text(f"{total:>{self._gutter - 1}} {labels}"))
        return lines

    def row(self, row: GridRow) -> Text:
        grid = self._grid
        total = row.total.short(grid.metric, _TOTAL_WIDTH - 1) or "-"
        line = Text(f"{fit(row.label, self._label)}{total:>{_TOTAL_WIDTH}} ")
        for column in self._columns:
            cell = row.cells[column]
            figure = None if cell is None else cell.short(grid.metric, self._cell - 1)
            line.append_text(self._cell_text(row.levels[column], figure or ""))
        return line

    def _cell_text(self, level: int, figure: str) -> Text:
        look = look_of(self._palette, level, self._cell, figure)
        if look.step is None or self._palette.depth is Depth.NONE:
            return Text(look.chip + look.text)
        paint = self._palette.paints[look.step]
        if look.chip:
            return Text.assemble((look.chip, paint.chip), look.text)
        return Text(look.text, paint.style)

    def _extent(self) -> str:
        grid = self._grid
        parts = [grid.spec.axis.counted(len(grid.rows))]
        count = len(grid.columns)
        if len(self._columns) < count:
            which = "last" if grid.spec.columns is ColumnAxis.WEEK else "first"
            parts.append(f"{which} {len(self._columns)} of {count} {grid.spec.columns.plural}")
        else:
            parts.append(plural(count, grid.spec.columns.value))
        parts.append(f"{grid.rows_used:,} of {plural(grid.rows_read, 'row')} counted")
        return ", ".join(parts)


_BAR = (8, 32)


def legend_text(grid: Grid, palette: Palette, width: int, *, at: float | None = None) -> Text:
    """How to read a heatmap, on one line; notes without room are left out.

    `at` is a value to mark on the scale.
    """
    legend = Text(no_wrap=True, overflow="ellipsis", end="")
    if grid.ends is None:
        return legend.append(fit("no values to show", width).rstrip())
    low, high = _ends(grid, grid.ends)
    legend.append(f"{grid.metric.heading} ", Style(bold=True))
    notes = _notes(grid, palette)
    spare = width - legend.cell_len - len(low) - len(high) - 2
    bar = max(_BAR[0], min(_BAR[1], spare - sum(len(note) + 3 for note in notes)))
    legend.append(f"{low} ")
    marked = None if at is None else min(bar - 1, int(position(at, grid.ends) * bar))
    for place in range(bar):
        share = (place + 0.5) / bar
        mark = palette.glyphs.mark if place == marked else ""
        if palette.depth is Depth.NONE:
            legend.append(mark or palette.level(share))
        else:
            legend.append(mark or " ", palette.paints[palette.step(share)].style)
    legend.append(f" {high}")
    for note in notes:
        if legend.cell_len + 3 + len(note) <= width:
            legend.append(palette.glyphs.own(f"   {note}"))
    if legend.cell_len > width:
        cut = fit(legend.plain, width)
        legend.right_crop(len(legend) - max(0, width - 1))
        legend.append(palette.glyphs.own(cut[-1:]))
    return legend


def _ends(grid: Grid, ends: Ends) -> tuple[str, str]:
    if grid.spec.scale is Scale.DEVIATION and grid.mean is not None:
        low, high = (grid.metric.difference(end - grid.mean) for end in ends)
        return low, f"{high} from the mean of {grid.metric.figure(grid.mean)}"
    low, high = (grid.metric.figure(end) for end in ends)
    return low, high


def _notes(grid: Grid, palette: Palette) -> list[str]:
    """What follows the scale, the most needed first."""
    notes = [f"{palette.no_data * 2} no data"]
    if grid.metric is Metric.MEDIAN:
        # A figure that is no median must never stand without this.
        notes.insert(0, WEIGHTED)
    if grid.spec.least > 1:
        notes.append(f"{palette.chip} under {plural(grid.spec.least, 'attempt')}")
    if grid.metric is Metric.ACCURACY:
        notes.append("0 all wrong")
    return notes


def _reading(grid: Grid, total: int, refreshed_at: str | None, width: int) -> list[str]:
    """What was read of the view, and when it was last refreshed."""
    read = f"all {total:,} rows of the view were read"
    if total == 0:
        read = "the view is empty: no answers yet, or none since its last refresh"
    elif grid.rows_read < total:
        read = f"TRUNCATED: {grid.rows_read:,} of the view's {total:,} rows were read"
    elif total == 1:
        read = "the view's only row was read"
    parts = [read, when_refreshed(refreshed_at)]
    joined = ", ".join(parts)
    return [joined] if cell_len(joined) <= width else parts


def rows_as_text(cell: Cell) -> str:
    """A cell in words: its figures, and a line for each aggregate row."""
    lines = [cell.describe(), ""]
    lines.append(
        f"{'question':<10}{'week':<12}{'lesion':<16}{'topic':<12}{'right':>9}{'median ms':>11}"
    )
    for row in cell.rows[:MOST_ROWS]:
        median = "" if row.median_duration_ms is None else plain(row.median_duration_ms)
        lines.append(
            f"{str(row.question_id)[:8]:<10}{row.week_start:<12}"
            f"{fit(tag_label(row.lesion, NO_LESION), 15)} "
            f"{fit(tag_label(row.topic, NO_TOPIC), 11)} "
            f"{f'{row.correct_attempts}/{row.attempts}':>9}{median:>11}"
        )
    more = len(cell.rows) - MOST_ROWS
    if more > 0:
        lines.append(f"and {plural(more, 'more row')}")
    return "\n".join(lines)
