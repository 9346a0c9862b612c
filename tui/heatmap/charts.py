"""Charts: trend, bars, distribution, refresh times. Plotext is only here.

Every chart fills its room, with no line break at the end; where that is small, only its title is
shown. plotext's figures are mutable and look at the terminal's size, so each drawing makes its own,
with the size clamp off, under a lock: all may be called from any thread.
"""

from __future__ import annotations

import math
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.text import Text

from tui.heatmap.formatting import ascii_only as in_ascii
from tui.heatmap.formatting import clean_label, fit
from tui.heatmap.grid import ColumnAxis, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tui.heatmap.grid import Grid
    from tui.heatmap.palette import Rgb

ACCENT: Rgb = (33, 145, 140)
BASELINE: Rgb = (184, 134, 11)

BAR = "█"

_LEAST_WIDTH = 16
_LEAST_HEIGHT = 5
"""A title, an axis with its labels and two lines of chart."""

Point = tuple[str, float | None]
"""A label and its value."""

_DRAWING = Lock()


class Room(NamedTuple):
    """What a chart has to fill, in terminal cells, and whether in colour."""

    width: int
    height: int
    colour: bool = True

    @property
    def is_small(self) -> bool:
        return self.width < _LEAST_WIDTH or self.height < _LEAST_HEIGHT


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


def beside(grid: Grid, row: int, room: Room, *, ascii_only: bool = False) -> tuple[Text, Text]:
    """The two charts of one grid row: its values, and how they spread.

    Weeks make a line; topics, which have no order, make bars.
    """
    columns, metric, label = grid.spec.columns, grid.metric, grid.rows[row].label
    points = row_points(grid, row)
    draw_values = trend_chart if columns is ColumnAxis.WEEK else bar_chart
    values = draw_values(points, metric, f"{metric.heading} by {columns.value}: {label}", room)
    known = [value for _, value in points if value is not None]
    spread = distribution_chart(
        known, metric, f"{columns.plural} by {metric.heading}: {label}", room
    )
    return (_ascii(values), _ascii(spread)) if ascii_only else (values, spread)


def row_points(grid: Grid, row: int) -> list[Point]:
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
    points: Sequence[Point],
    metric: Metric,
    title: str,
    room: Room,
    *,
    baseline: float | None = None,
) -> Text:
    """A line through the values, with gaps, and a level one for a baseline."""
    # plotext interpolates a line far outside its scale point by point, for minutes.
    most = 1.0 if metric is Metric.ACCURACY else math.inf
    values = [None if value is None else min(value, most) for _, value in points]
    known = [value for value in values if value is not None]
    if not known:
        return _message(title, "no data", room)

    def draw(chart: Any) -> None:
        top = _above(max([*known, baseline or 0.0])) if most == math.inf else most
        ends = [-0.5, len(values) - 0.5]
        if baseline is not None:
            chart.plot(ends, [baseline, baseline], marker="·", color=BASELINE)
        _line(chart, values)
        count = 2 if room.height < 8 else 3 if room.height < 14 else 5
        steps = [top * place / (count - 1) for place in range(count)]
        chart.ylim(0.0, top)
        chart.yticks(steps, [metric.figure(step) for step in steps])
        chart.xlim(*ends)
        shown = _spread(len(points), max(2, room.width // 14))
        chart.xticks(shown, [clean_label(points[place][0])[:12] for place in shown])

    return _chart(title, draw, room)


def bar_chart(points: Sequence[Point], metric: Metric, title: str, room: Room) -> Text:
    """A bar to the right for each point; those without room are counted."""
    width, height = room.width, room.height
    known = [value for _, value in points if value is not None]
    if not known or room.is_small:
        return _message(title, "" if known else "no data", room)
    shown = points if len(points) < height else points[: height - 2]
    labels = [clean_label(label) for label, _ in shown]
    figures = ["no data" if value is None else metric.figure(value) for _, value in shown]
    margin = min(max(map(cell_len, labels)), width // 3) + 1
    longest = max(1, width - margin - max(map(len, figures)) - 1)
    top = 1.0 if metric is Metric.ACCURACY else max(known) or 1.0
    ink = Style.from_color(Color.from_rgb(*ACCENT)) if room.colour else Style.null()
    lines = [Text(fit(clean_label(title), width))]
    for label, (_, value), shown_figure in zip(labels, shown, figures, strict=True):
        long = 0 if not value else max(1, round(min(1.0, value / top) * longest))
        line = Text.assemble(fit(label, margin - 1), " ", (BAR * long, ink))
        said = f" {shown_figure}" if long else shown_figure
        lines.append(line.append(fit(said, width - line.cell_len)))
    if len(shown) < len(points):
        lines.append(Text(fit(f"and {len(points) - len(shown):,} more", width)))
    lines += [Text(" " * width)] * (height - len(lines))
    return Text("\n").join(lines)


def distribution_chart(values: Sequence[float], metric: Metric, title: str, room: Room) -> Text:
    """How many cells hold which value, as vertical bars."""
    if not values:
        return _message(title, "no data", room)
    low, high = (0.0, 1.0) if metric is Metric.ACCURACY else (min(values), max(values))
    bins = 20 if room.width >= 66 else 10
    counts = histogram(values, low, high, bins)
    tallest = max(counts)
    width = max(bins, room.width - len(f"{tallest:,}") - 1)
    step = width // bins

    def draw(chart: Any) -> None:
        for place, count in enumerate(counts):
            if count:
                ends = [place * step, place * step + max(0, step - 2)]
                chart.plot(ends, [count, count], marker="sd", color=ACCENT, fillx=True)
        chart.xlim(0, width - 1)
        chart.ylim(0, tallest)
        steps = sorted({0, tallest} if room.height < 8 else {0, tallest // 2, tallest})
        chart.yticks(steps, [f"{count:,}" for count in steps])
        end = bins * step - 1
        marks = [(0, low), (end // 2, (low + high) / 2), (end, high)]
        chart.xticks([at for at, _ in marks], [metric.figure(value) for _, value in marks])

    return _chart(title, draw, room)


def _chart(title: str, draw: Callable[[Any], None], room: Room) -> Text:
    if room.is_small:
        return _message(title, "", room)
    with _DRAWING:
        chart = _figure()()
        chart._limit_size(False, False)
        chart.plot_size(room.width, room.height - 1)
        chart.canvas_color("default")
        chart.axes_color("default")
        chart.ticks_color("default")
        chart.xaxes(True, False)
        chart.yaxes(True, False)
        draw(chart)
        drawn = Text.from_ansi(str(chart.build()).removesuffix("\n"))
    return Text("\n").join(
        [Text(fit(clean_label(title), room.width)), drawn if room.colour else Text(drawn.plain)]
    )


def _message(title: str, message: str, room: Room) -> Text:
    lines = [clean_label(title), message, *[""] * room.height][: max(0, room.height)]
    return Text("\n".join(fit(line, room.width) for line in lines))


def _ascii(chart: Text) -> Text:
    lines = []
    for line in chart.split("\n", allow_blank=True):
        ends = sorted({end for span in line.spans for end in span[:2]})
        pieces = [(in_ascii(each.plain), each.spans) for each in line.divide(ends)]
        lines.append(
            Text.assemble(*((said, spans[0].style if spans else "") for said, spans in pieces))
        )
    return Text("\n").join(lines)


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
