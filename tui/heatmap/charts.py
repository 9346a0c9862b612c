"""Charts as strings: weekly trend, distribution, refresh times, colour bar.

Every function returns exactly `height` lines of `width` terminal cells, joined by line breaks and
without one at the end: ANSI when `colour` is true, plain text otherwise. All may be called from
any thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tui.heatmap.colours import Palette, Rgb, palette
from tui.heatmap.figures import Canvas, Draw, render
from tui.heatmap.series import histogram
from tui.heatmap.text import clean_label, figure, fit, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCENT: Rgb = (33, 145, 140)
BASELINE: Rgb = (184, 134, 11)

LEAST_WIDTH = 16
LEAST_HEIGHT = 5
"""A title, an axis with its labels and two lines of chart; below that only the title is shown."""


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
