"""Charts as strings, drawn by plotext: the only module that makes plotext figures.

Every function returns exactly `height` lines of `width` terminal cells, joined by line breaks and
without one at the end: ANSI when `colour` is true, plain text otherwise. plotext's figures are
mutable and read the terminal's size, so each drawing makes its own, under a lock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from plotext._figure import _figure_class

from tui.heatmap.colours import Palette, Rgb, palette
from tui.heatmap.text import clean_label, figure, fit, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.heatmap.grid import Grid

ACCENT: Rgb = (33, 145, 140)
BASELINE: Rgb = (184, 134, 11)

LEAST_WIDTH = 16
LEAST_HEIGHT = 5
"""A title, an axis with its labels and two lines of chart; below that only the title is shown."""

_DEFAULT = "default"
_DRAWING = Lock()
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_RESET = "\x1b[0m"

# plotext puts one character into one cell. A wide character is followed by this one, which is
# taken out again afterwards.
_WIDE_REST = "\ue000"

Draw = Callable[[Any], None]


def trend_chart(
    points: Sequence[tuple[str, float | None]],
    *,
    metric: str,
    title: str,
    width: int,
    height: int,
    colour: bool = True,
) -> str:
    """A line over weeks, with a gap where a week has no value.

    Args:
        points: Label and value of each week in order; see `weekly_points`.
        metric: Name of the metric, for the scale: accuracy runs from 0 to 100%.
        title: What the line stands for; may come from the database.
        width: Width in cells.
        height: Height in lines.
        colour: Whether to colour the line.
    """
    values = [value for _, value in points]
    known = [value for value in values if value is not None]
    if not known:
        return _message(title, "no data", width, height)

    def draw(chart: Any) -> None:
        places = list(range(len(values)))
        top = 1.0 if metric == "accuracy" else _above(max(known))
        chart.plot(places, values, marker="braille", color=ACCENT)
        alone = [place for place in places if _stands_alone(values, place)]
        if alone:
            chart.scatter(alone, [values[p] for p in alone], marker="dot", color=ACCENT)
        _ticks(chart, metric, 0.0, top, height)
        chart.xlim(-0.5, len(values) - 0.5)
        shown = _spread(len(points), max(2, width // 14))
        chart.xticks(shown, [points[place][0][:10] for place in shown])

    return _chart(title, draw, width, height, colour=colour)


def distribution_chart(
    values: Sequence[float],
    *,
    metric: str,
    title: str,
    width: int,
    height: int,
    colour: bool = True,
) -> str:
    """How many cells hold which value, as vertical bars.

    Args:
        values: One value for each cell that has data; see `cell_values`.
        metric: Name of the metric, for the scale.
        title: What is counted.
        width: Width in cells.
        height: Height in lines.
        colour: Whether to colour the bars.
    """
    if not values:
        return _message(title, "no data", width, height)
    low, high = (0.0, 1.0) if metric == "accuracy" else (min(values), max(values))
    bins = max(2, min(20, (width - 8) // 3))
    counts = histogram(values, low, high, bins)

    def draw(chart: Any) -> None:
        for place, count in enumerate(counts):
            if count:
                edges = [place + 0.08, place + 0.92]
                chart.plot(edges, [count, count], marker="sd", color=ACCENT, fillx=True)
        chart.xlim(0, bins)
        most = max(counts)
        chart.ylim(0, most)
        steps = sorted({0, most}) if most < 2 or height < 8 else sorted({0, most // 2, most})
        chart.yticks(steps, [f"{count:,}" for count in steps])
        marks = [(0.0, low), (bins / 2, (low + high) / 2), (float(bins), high)]
        chart.xticks([at for at, _ in marks], [figure(metric, value) for _, value in marks])

    return _chart(title, draw, width, height, colour=colour)


def refresh_chart(
    milliseconds: Sequence[float | None],
    *,
    labels: Sequence[str],
    title: str,
    width: int,
    height: int,
    baseline: float | None = None,
    colour: bool = True,
) -> str:
    """Refresh times of one run after the other, with a line for the baseline.

    Args:
        milliseconds: Refresh time of each run, oldest first; None where it is unknown.
        labels: A short label for each run.
        title: What is shown.
        width: Width in cells.
        height: Height in lines.
        baseline: Time to compare with, in milliseconds.
        colour: Whether to colour the lines.
    """
    known = [value for value in milliseconds if value is not None]
    if not known:
        return _message(title, "no runs yet", width, height)

    def draw(chart: Any) -> None:
        places = list(range(len(milliseconds)))
        top = _above(max([*known, baseline or 0.0]))
        if baseline is not None:
            ends = [-0.5, len(places) - 0.5]
            chart.plot(ends, [baseline, baseline], marker="·", color=BASELINE)
        chart.plot(places, list(milliseconds), marker="braille", color=ACCENT)
        dots = [place for place in places if milliseconds[place] is not None]
        chart.scatter(dots, [milliseconds[p] for p in dots], marker="dot", color=ACCENT)
        _ticks(chart, "median", 0.0, top, height)
        chart.xlim(-0.5, len(places) - 0.5)
        shown = _spread(len(places), max(2, width // 14))
        chart.xticks(shown, [clean_label(labels[place])[:12] for place in shown])

    return _chart(title, draw, width, height, colour=colour)


def colour_bar(
    low: str, high: str, *, width: int, dark: bool = True, paints: Palette | None = None
) -> str:
    """One line with the colours of the scale between its two ends, always in colour."""
    colours = paints or palette(dark=dark)
    bar = max(0, width - text_width(low) - text_width(high) - 2)
    canvas = Canvas(width, 1)
    canvas.text(0, 0, f"{low} ")
    for place in range(bar):
        fill = colours.paint((place + 0.5) / bar).fill
        canvas.text(text_width(low) + 1 + place, 0, " ", fill=fill)
    canvas.text(text_width(low) + 1 + bar, 0, f" {high}")
    return canvas.draw(colour=True)


def weekly_points(grid: Grid, row: int | None) -> list[tuple[str, float | None]]:
    """Label and value of every column, for one row or, with None, for all rows together."""
    cells = [c.total for c in grid.columns] if row is None else grid.row_cells(row)
    return [
        (column.label, None if cell is None else cell.value(grid.metric))
        for column, cell in zip(grid.columns, cells, strict=True)
    ]


def cell_values(grid: Grid, row: int | None = None) -> list[float]:
    """The values of all cells that have one, of one row or, with None, of the whole grid."""
    rows = range(len(grid.rows)) if row is None else (row,)
    cells = (cell for place in rows for cell in grid.row_cells(place) if cell is not None)
    values = (cell.value(grid.metric) for cell in cells)
    return [value for value in values if value is not None]


def histogram(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    """How many of `values` fall into each of `bins` equal parts; the last includes its end."""
    counts = [0] * bins
    width = (high - low) / bins
    for value in values:
        place = int((value - low) / width) if width else bins // 2
        counts[min(bins - 1, max(0, place))] += 1
    return counts


class Canvas:
    """A plotext figure without axes, on which text is put cell by cell.

    Args:
        width: Width in cells.
        height: Height in lines.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._texts: list[tuple[int, int, str, Rgb | str, Rgb | str, str | None]] = []

    def text(
        self,
        x: int,
        y: int,
        text: str,
        *,
        ink: Rgb | None = None,
        fill: Rgb | None = None,
        bold: bool = False,
    ) -> None:
        """Put `text` at column `x` of line `y`, both counted from 0 at the top left."""
        style = "bold" if bold else None
        self._texts.append((x, y, text, ink or _DEFAULT, fill or _DEFAULT, style))

    def draw(self, *, colour: bool) -> str:
        """The lines of the canvas."""

        def draw(chart: Any) -> None:
            chart.frame(False)
            chart.xfrequency(0)
            chart.yfrequency(0)
            chart.xlim(0, max(1, self._width - 1))
            chart.ylim(0, max(1, self._height - 1))
            for x, y, text, ink, fill, style in self._texts:
                chart.text(
                    _spaced(text),
                    x,
                    max(1, self._height - 1) - y,
                    color=ink,
                    background=fill,
                    style=style,
                    alignment="left",
                )

        # plotext needs two lines and columns to have a scale at all.
        lines = _render(draw, max(2, self._width), max(2, self._height), colour=colour)
        return "\n".join(lines[: self._height])


def _render(draw: Draw, width: int, height: int, *, colour: bool) -> list[str]:
    """What plotext draws, as lines."""
    with _DRAWING:
        chart: Any = _figure_class()
        chart._limit_size(False, False)  # noqa: SLF001, FBT003 - plotext offers no public way
        chart.plot_size(width, height)
        chart.canvas_color(_DEFAULT)
        chart.axes_color(_DEFAULT)
        chart.ticks_color(_DEFAULT)
        draw(chart)
        drawn = str(chart.build())
    text = drawn.removesuffix("\n").replace(_WIDE_REST, "")
    return (text if colour else _ANSI.sub("", text)).split("\n")


def _chart(title: str, draw: Draw, width: int, height: int, *, colour: bool) -> str:
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _message(title, "", width, height)
    head = fit(clean_label(title), width)
    return "\n".join([head, *_render(draw, width, height - 1, colour=colour)])


def _message(title: str, message: str, width: int, height: int) -> str:
    lines = [clean_label(title), message, *[""] * height][: max(0, height)]
    return "\n".join(fit(line, max(0, width)) for line in lines)


def _spaced(text: str) -> str:
    return "".join(
        char + _WIDE_REST * (text_width(char) - 1) for char in text if text_width(char) > 0
    )


def _ticks(chart: Any, metric: str, low: float, high: float, height: int) -> None:
    count = 2 if height < 8 else 3 if height < 14 else 5
    steps = [low + (high - low) * place / (count - 1) for place in range(count)]
    chart.ylim(low, high)
    chart.yticks(steps, [figure(metric, step) for step in steps])


def _above(value: float) -> float:
    """A round number not below `value`, for the top of a scale."""
    if value <= 0:
        return 1.0
    size = 10.0 ** (len(f"{value:.0f}") - 1)
    return next(size * part for part in (1, 2, 2.5, 5, 10) if size * part >= value)


def _spread(count: int, most: int) -> list[int]:
    """At most `most` places out of `count`, first and last included, evenly apart."""
    if count <= most:
        return list(range(count))
    return sorted({round(step * (count - 1) / (most - 1)) for step in range(most)})


def _stands_alone(values: Sequence[float | None], place: int) -> bool:
    before = values[place - 1] if place else None
    after = values[place + 1] if place + 1 < len(values) else None
    return values[place] is not None and before is None and after is None
