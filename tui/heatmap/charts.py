"""Charts: trend, bars, distribution, refresh times. Plotext is only here.

Every chart is exactly `height` lines of `width` terminal cells, with no line break at the end;
below `LEAST_WIDTH` or `LEAST_HEIGHT` only its title is shown. plotext's figures are mutable and
look at the terminal's size, so each drawing makes its own, with the size clamp off, under a lock:
all may be called from any thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.text import Text

from tui.heatmap.axes import ColumnAxis, Metric
from tui.heatmap.formatting import ascii_only as in_ascii
from tui.heatmap.formatting import clean_label, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.heatmap.grid import Grid
    from tui.heatmap.palette import Rgb

ACCENT: Rgb = (33, 145, 140)
BASELINE: Rgb = (184, 134, 11)

BAR = "█"

LEAST_WIDTH = 16
LEAST_HEIGHT = 5
"""A title, an axis with its labels and two lines of chart; below that only the title is shown."""

_Draw = Callable[[Any], None]
_DRAWING = Lock()


def _in_order(data: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(data))


@cache
def _figure() -> Any:
    """Plotext's figure class; loaded with the first chart, which no start needs."""
    from plotext import _utility  # noqa: PLC0415
    from plotext._figure import _figure_class  # noqa: PLC0415

    # plotext 5.3.2 drops duplicates by way of a set: where a label goes would follow the process's
    # hash seed, and the same chart look different from one start to the next.
    _utility.no_duplicates = _in_order
    return _figure_class


def beside(
    grid: Grid, row: int, width: int, height: int, *, colour: bool, ascii_only: bool = False
) -> tuple[Text, Text]:
    """The two charts of one grid row: its values, and how they spread.

    Weeks make a line; topics, which have no order, make bars.
    """
    metric, label = grid.metric, grid.rows[row].label
    points = row_points(grid, row)
    draw_values = trend_chart if grid.spec.columns is ColumnAxis.WEEK else bar_chart
    values = draw_values(
        points,
        metric=metric,
        title=f"{metric.heading} by {grid.spec.columns.value}: {label}",
        width=width,
        height=height,
        colour=colour,
    )
    spread = distribution_chart(
        [value for _, value in points if value is not None],
        metric=metric,
        title=f"{grid.spec.columns.plural} by {metric.heading}: {label}",
        width=width,
        height=height,
        colour=colour,
    )
    return (_ascii(values), _ascii(spread)) if ascii_only else (values, spread)


def row_points(grid: Grid, row: int) -> list[tuple[str, float | None]]:
    """Label and value of every column in one row."""
    return [
        (column.label, None if cell is None else cell.value(grid.metric))
        for column, cell in zip(grid.columns, grid.rows[row].cells, strict=True)
    ]


def histogram(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    """How many of `values` fall into each of `bins` equal parts."""
    counts = [0] * bins
    width = (high - low) / bins
    for value in values:
        place = int((value - low) / width) if width else bins // 2
        counts[min(bins - 1, max(0, place))] += 1
    return counts


def trend_chart(
    points: Sequence[tuple[str, float | None]],
    *,
    metric: Metric,
    title: str,
    width: int,
    height: int,
    colour: bool = True,
) -> Text:
    """A line over weeks, with a gap where a week has no value."""
    # plotext interpolates a line far outside its scale point by point, for minutes.
    most = 1.0 if metric is Metric.ACCURACY else math.inf
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
    metric: Metric,
    title: str,
    width: int,
    height: int,
    colour: bool = True,
) -> Text:
    """A bar to the right for each point; those without room are counted."""
    known = [value for _, value in points if value is not None]
    if not known:
        return _message(title, "no data", width, height)
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _message(title, "", width, height)
    shown = points if len(points) < height else points[: height - 2]
    labels = [clean_label(label) for label, _ in shown]
    figures = ["no data" if value is None else metric.figure(value) for _, value in shown]
    margin = min(max(map(cell_len, labels)), width // 3) + 1
    room = max(1, width - margin - max(map(len, figures)) - 1)
    top = 1.0 if metric is Metric.ACCURACY else max(known) or 1.0
    ink = Style.from_color(Color.from_rgb(*ACCENT)) if colour else Style.null()
    lines = [Text(fit(clean_label(title), width))]
    for label, (_, value), shown_figure in zip(labels, shown, figures, strict=True):
        long = 0 if not value else max(1, round(min(1.0, value / top) * room))
        line = Text.assemble(fit(label, margin - 1), " ", (BAR * long, ink))
        said = f" {shown_figure}" if long else shown_figure
        lines.append(line.append(fit(said, width - line.cell_len)))
    if len(shown) < len(points):
        lines.append(Text(fit(f"and {len(points) - len(shown):,} more", width)))
    lines += [Text(" " * width)] * (height - len(lines))
    return Text("\n").join(lines)


def distribution_chart(
    values: Sequence[float],
    *,
    metric: Metric,
    title: str,
    width: int,
    height: int,
    colour: bool = True,
) -> Text:
    """How many cells hold which value, as vertical bars."""
    if not values:
        return _message(title, "no data", width, height)
    low, high = (0.0, 1.0) if metric is Metric.ACCURACY else (min(values), max(values))
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
        chart.xticks([at for at, _ in marks], [metric.figure(value) for _, value in marks])

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
) -> Text:
    """Refresh times of one run after the other, with a line for the baseline."""
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
        _ticks(chart, Metric.MEDIAN, 0.0, top, height)
        chart.xlim(-0.5, len(places) - 0.5)
        shown = _spread(len(places), max(2, width // 14))
        chart.xticks(shown, [clean_label(labels[place])[:12] for place in shown])

    return _chart(title, draw, width, height, colour=colour)


def _chart(title: str, draw: _Draw, width: int, height: int, *, colour: bool) -> Text:
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return _message(title, "", width, height)
    with _DRAWING:
        chart = _figure()()
        chart._limit_size(False, False)
        chart.plot_size(width, height - 1)
        chart.canvas_color("default")
        chart.axes_color("default")
        chart.ticks_color("default")
        chart.xaxes(True, False)
        chart.yaxes(True, False)
        draw(chart)
        drawn = Text.from_ansi(str(chart.build()).removesuffix("\n"))
    return Text("\n").join(
        [Text(fit(clean_label(title), width)), drawn if colour else Text(drawn.plain)]
    )


def _message(title: str, message: str, width: int, height: int) -> Text:
    lines = [clean_label(title), message, *[""] * height][: max(0, height)]
    return Text("\n".join(fit(line, max(0, width)) for line in lines))


def _ascii(chart: Text) -> Text:
    lines = []
    for line in chart.split("\n", allow_blank=True):
        ends = sorted({end for span in line.spans for end in span[:2]})
        pieces = [(in_ascii(each.plain), each.spans) for each in line.divide(ends)]
        lines.append(
            Text.assemble(*((said, spans[0].style if spans else "") for said, spans in pieces))
        )
    return Text("\n").join(lines)


def _ticks(chart: Any, metric: Metric, low: float, high: float, height: int) -> None:
    count = 2 if height < 8 else 3 if height < 14 else 5
    steps = [low + (high - low) * place / (count - 1) for place in range(count)]
    chart.ylim(low, high)
    chart.yticks(steps, [metric.figure(step) for step in steps])


def _above(value: float) -> float:
    """A round number not below `value`, for the top of a scale."""
    if value <= 0:
        return 1.0
    size = 10.0 ** (len(f"{value:.0f}") - 1)
    return next(size * part for part in (1, 2, 2.5, 5, 10) if size * part >= value)


def _spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, evenly apart, both ends included."""
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
