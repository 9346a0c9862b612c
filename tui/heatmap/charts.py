"""Charts as strings: weekly trend, bars over topics, distribution, refresh times.

Every chart is exactly `height` lines of `width` terminal cells, joined by line breaks and
without one at the end: ANSI when `colour` is true, plain text otherwise. All may be called from
any thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tui.heatmap.axes import ColumnAxis
from tui.heatmap.figures import Canvas, Draw, render
from tui.heatmap.text import ascii_only as in_ascii
from tui.heatmap.text import clean_label, figure, fit, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.heatmap.colours import Rgb
    from tui.heatmap.grid import Grid

ACCENT: Rgb = (33, 145, 140)
BASELINE: Rgb = (184, 134, 11)

BAR = "█"

LEAST_WIDTH = 16
LEAST_HEIGHT = 5
"""A title, an axis with its labels and two lines of chart; below that only the title is shown."""


def beside(
    grid: Grid, row: int, width: int, height: int, *, colour: bool, ascii_only: bool = False
) -> tuple[str, str]:
    """The two charts of one grid row: its values in the order of the columns, and how they spread.

    Args:
        grid: The grid.
        row: The row under the cursor.
        width: Width of either in cells.
        height: Height of either in lines.
        colour: Whether to colour them.
        ascii_only: Whether the terminal lacks Unicode.

    Returns:
        A line over weeks, or a bar for each topic, which have no order to draw a line along; and
        the distribution of the row's cells.
    """
    metric, label = grid.metric, grid.rows[row].label
    over_weeks = grid.spec.columns is ColumnAxis.WEEK
    first = trend_chart if over_weeks else bar_chart
    charts = (
        first(
            row_points(grid, row),
            metric=metric.value,
            title=f"{metric.heading} by {grid.spec.columns.value}: {label}",
            width=width,
            height=height,
            colour=colour,
        ),
        distribution_chart(
            [value for _, value in row_points(grid, row) if value is not None],
            metric=metric.value,
            title=f"{grid.spec.columns.plural} by {metric.heading}: {label}",
            width=width,
            height=height,
            colour=colour,
        ),
    )
    return (in_ascii(charts[0]), in_ascii(charts[1])) if ascii_only else charts


def row_points(grid: Grid, row: int) -> list[tuple[str, float | None]]:
    """Label and value of every column in one row."""
    return [
        (column.label, None if cell is None else cell.value(grid.metric))
        for column, cell in zip(grid.columns, grid.row_cells(row), strict=True)
    ]


def histogram(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    """How many of `values` fall into each of `bins` equal parts; the last includes its end."""
    counts = [0] * bins
    width = (high - low) / bins
    for value in values:
        place = int((value - low) / width) if width else bins // 2
        counts[min(bins - 1, max(0, place))] += 1
    return counts


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
        points: Label and value of each week in order; see `row_points`.
        metric: Name of the metric, for the scale: accuracy runs from 0 to 100%.
        title: What the line stands for; may come from the database.
        width: Width in cells.
        height: Height in lines.
        colour: Whether to colour the line.
    """
    # plotext interpolates a line far outside its scale point by point, for minutes.
    most = 1.0 if metric == "accuracy" else math.inf
    values = [None if value is None else min(value, most) for _, value in points]
    known = [value for value in values if value is not None]
    if not known:
        return _message(title, "no data", width, height)

    def draw(chart: Any) -> None:
        top = _above(max(known)) if most == math.inf else most
        _line(chart, values)
        _ticks(chart, metric, 0.0, top, height)
        chart.xlim(-0.5, len(values) - 0.5)
        shown = _spread(len(points), max(2, width // 14))
        chart.xticks(shown, [clean_label(points[place][0])[:10] for place in shown])

    return _chart(title, draw, width, height, colour=colour)


def bar_chart(
    points: Sequence[tuple[str, float | None]],
    *,
    metric: str,
    title: str,
    width: int,
    height: int,
    colour: bool = True,
) -> str:
    """A bar to the right for each point, with its label and its figure.

    Args:
        points: Label and value of each; labels may come from the database.
        metric: Name of the metric, for the scale: accuracy runs from 0 to 100%.
        title: What the bars stand for.
        width: Width in cells.
        height: Height in lines; points that find no room are counted on the last.
        colour: Whether to colour the bars.
    """
    known = [value for _, value in points if value is not None]
    if not known:
        return _message(title, "no data", width, height)
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _message(title, "", width, height)
    lines = height - 1
    shown = points if len(points) <= lines else points[: lines - 1]
    labels = [clean_label(label) for label, _ in shown]
    figures = ["no data" if value is None else figure(metric, value) for _, value in shown]
    margin = min(max(map(text_width, labels)), width // 3) + 1
    room = max(1, width - margin - max(map(len, figures)) - 1)
    top = 1.0 if metric == "accuracy" else max(known) or 1.0
    canvas = Canvas(width, height)
    canvas.text(0, 0, fit(clean_label(title), width))
    for y, (label, (_, value), shown_figure) in enumerate(
        zip(labels, shown, figures, strict=True), 1
    ):
        canvas.text(0, y, fit(label, margin - 1))
        long = 0 if not value else max(1, round(min(1.0, value / top) * room))
        canvas.text(margin, y, BAR * long, ink=ACCENT)
        canvas.text(margin + long + (1 if long else 0), y, shown_figure)
    if len(shown) < len(points):
        canvas.text(0, lines, fit(f"and {len(points) - len(shown):,} more", width))
    return canvas.draw(colour=colour)


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
        values: One value for each cell that has data.
        metric: Name of the metric, for the scale.
        title: What is counted.
        width: Width in cells.
        height: Height in lines.
        colour: Whether to colour the bars.
    """
    if not values:
        return _message(title, "no data", width, height)
    low, high = (0.0, 1.0) if metric == "accuracy" else (min(values), max(values))
    bins = 20 if width >= 66 else 10
    counts = histogram(values, low, high, bins)
    tallest = max(counts)
    room = max(bins, width - len(f"{tallest:,}") - 1)
    step = room // bins

    def draw(chart: Any) -> None:
        for place, count in enumerate(counts):
            if count:
                ends = [place * step, place * step + max(0, step - 2)]
                chart.plot(ends, [count, count], marker="sd", color=ACCENT, fillx=True)
        chart.xlim(0, room - 1)
        chart.ylim(0, tallest)
        steps = sorted({0, tallest} if height < 8 else {0, tallest // 2, tallest})
        chart.yticks(steps, [f"{count:,}" for count in steps])
        end = bins * step - 1
        marks = [(0, low), (end // 2, (low + high) / 2), (end, high)]
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
        _line(chart, milliseconds)
        _ticks(chart, "median", 0.0, top, height)
        chart.xlim(-0.5, len(places) - 0.5)
        shown = _spread(len(places), max(2, width // 14))
        chart.xticks(shown, [clean_label(labels[place])[:12] for place in shown])

    return _chart(title, draw, width, height, colour=colour)


def _chart(title: str, draw: Draw, width: int, height: int, *, colour: bool) -> str:
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _message(title, "", width, height)
    head = fit(clean_label(title), width)
    return "\n".join([head, *render(draw, width, height - 1, colour=colour)])


def _message(title: str, message: str, width: int, height: int) -> str:
    lines = [clean_label(title), message, *[""] * height][: max(0, height)]
    return "\n".join(fit(line, max(0, width)) for line in lines)


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


def _line(chart: Any, values: Sequence[float | None]) -> None:
    """A line with gaps for None; a value between two gaps is a dot."""

    def known(place: int) -> bool:
        return 0 <= place < len(values) and values[place] is not None

    places = range(len(values))
    alone = [p for p in places if known(p) and not known(p - 1) and not known(p + 1)]
    joined = [None if place in alone else value for place, value in enumerate(values)]
    if len(alone) < sum(map(known, places)):
        chart.plot(list(places), joined, marker="braille", color=ACCENT)
    if alone:
        chart.scatter(alone, [values[place] for place in alone], marker="dot", color=ACCENT)
