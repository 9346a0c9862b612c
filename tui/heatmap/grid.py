"""Aggregate rows to a grid: filtered, grouped, summed, ordered and scaled.

A key identifies a grid row or column. None in a key is an absent tag: a group of its own, never
mixed up with a tag that reads the same.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache, partial
from itertools import chain, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from rich.cells import cell_len

from tui.heatmap.formatting import (
    clean_label,
    full_duration,
    month_line,
    percent,
    plural,
    short_count,
    short_duration,
    topic_lines,
)
from tui.heatmap.rows import week_date

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from tui.heatmap.rows import AggregateRow

NO_LESION = "(no lesion)"
NO_TOPIC = "(no topic)"
EMPTY_TAG = "(empty)"
PAIR_SEPARATOR = " · "
LEAST_CHOICES = (1, 3, 5, 10, 20, 50, 100)
"""Numbers of attempts below which cells can be faded; below 1 there is none."""

_GAP_WEEKS = 53
"""Weeks without rows are columns; a longer gap, as a wrong date makes one, is left out."""

_DAY_WIDTH = 3
"""What a day takes beside others."""

LEVELS = 64
"""Steps of the colour scale that cells are sorted into."""
ZERO = LEVELS + 1
"""The level of a value of exactly 0 at the low end, which looks unlike one just above it."""
FADED = 128
"""Added to the level of a cell with few attempts."""

_Z = 1.959964
"""Of the normal distribution: 95% lie within so many standard deviations."""

Ends = tuple[float, float]
"""The values at the low and the high end of a colour scale."""


class RowAxis(StrEnum):
    """What one grid row stands for."""

    LESION = "lesion"
    TOPIC = "topic"
    QUESTION = "question"
    LESION_TOPIC = "lesion x topic"

    @property
    def heading(self) -> str:
        return self.value.replace(" x ", " × ")

    def counted(self, count: int) -> str:
        """So many rows of this kind, in words."""
        kinds = f"{self.heading} pairs" if self is RowAxis.LESION_TOPIC else f"{self.heading}s"
        return f"{count:,} {self.heading if count == 1 else kinds}"


class ColumnAxis(StrEnum):
    """What one grid column stands for."""

    WEEK = "week"
    TOPIC = "topic"

    @property
    def plural(self) -> str:
        return f"{self.value}s"


class Metric(StrEnum):
    """What a cell's colour and figure stand for."""

    ACCURACY = "accuracy"
    ATTEMPTS = "attempts"
    MEDIAN = "median"

    @property
    def heading(self) -> str:
        return "median time" if self is Metric.MEDIAN else self.value

    def figure(self, value: float) -> str:
        """A value (a share, a count, milliseconds) with its unit."""
        if self is Metric.ACCURACY:
            return f"{value * 100:.0f}%"
        if self is Metric.ATTEMPTS:
            return f"{value:,.0f}"
        return short_duration(Decimal(value), exact=True)[0]

    def difference(self, value: float) -> str:
        """A difference with its sign and unit; a share's in points of 100."""
        sign = "-" if value < 0 else "+"
        if self is Metric.ACCURACY:
            return f"{sign}{abs(value) * 100:.0f} points"
        return f"{sign}{self.figure(abs(value))}"


class Order(StrEnum):
    """How the grid rows are sorted, by their totals."""

    WORST = "worst first"
    LABEL = "by label"
    ATTEMPTS = "most attempts first"


class Origin(StrEnum):
    """Whose answers are counted."""

    ALL = "all"
    SYNTHETIC = "synthetic"
    REAL = "real"


class Scale(StrEnum):
    """What the two ends of the colours stand for."""

    FIXED = "fixed"
    """From zero to 100%, or to the largest value."""
    RANGE = "range"
    """From the smallest to the largest value."""
    DEVIATION = "deviation"
    """As far below as above the mean."""

    @property
    def heading(self) -> str:
        if self is Scale.DEVIATION:
            return "deviation from the mean"
        return "fixed scale" if self is Scale.FIXED else "scale of the range"


ROW_KEYS: dict[RowAxis, Callable[[AggregateRow], Hashable]] = {
    RowAxis.LESION: attrgetter("lesion"),
    RowAxis.TOPIC: attrgetter("topic"),
    RowAxis.QUESTION: attrgetter("question_id.int"),
    RowAxis.LESION_TOPIC: attrgetter("lesion", "topic"),
}
"""From an aggregate row to the key of its grid row."""


@dataclass(frozen=True, slots=True)
class GridSpec:
    """Everything that decides what a grid shows, apart from the rows.

    Attributes:
        text: Filter: every word of it must occur in a row's label, in upper or lower case. On the
            question axis the full id, the lesion and the topic are searched too.
        names: Labels for questions (their slugs); a question without one shows its short id.
        least: Cells with fewer attempts are faded and do not stretch the scale.
    """

    axis: RowAxis = RowAxis.LESION
    columns: ColumnAxis = ColumnAxis.WEEK
    metric: Metric = Metric.ACCURACY
    order: Order = Order.WORST
    text: str = ""
    origin: Origin = Origin.ALL
    synthetic: frozenset[UUID] = frozenset()
    names: Mapping[UUID, str] = field(default_factory=dict)
    scale: Scale = Scale.FIXED
    least: int = 3

    @property
    def filters(self) -> list[str]:
        """The filters in words."""
        return [
            *([f"{self.origin.value} only"] if self.origin is not Origin.ALL else []),
            *([f'matching "{clean_label(self.text)}"'] if self.text.split() else []),
        ]

    @property
    def words(self) -> list[str]:
        """What is shown, in words, filters included."""
        return [
            f"{self.axis.heading} by {self.columns.value}",
            self.metric.heading,
            self.order.value,
            self.scale.heading,
            *self.filters,
        ]


def tag_label(tag: str | None, absent: str) -> str:
    """A lesion or topic as it is shown."""
    if tag is None:
        return absent
    return clean_label(tag) or EMPTY_TAG


def row_labels(spec: GridSpec, row: AggregateRow) -> tuple[str, ...]:
    """The label of a grid row, safe to print: one part, or a pair."""
    if spec.axis is RowAxis.QUESTION:
        name = clean_label(spec.names.get(row.question_id, ""))
        return (name or str(row.question_id)[:8],)
    lesion, topic = tag_label(row.lesion, NO_LESION), tag_label(row.topic, NO_TOPIC)
    if spec.axis is RowAxis.LESION_TOPIC:
        return (lesion, topic)
    return (lesion if spec.axis is RowAxis.LESION else topic,)


def row_filter(spec: GridSpec) -> Callable[[AggregateRow], bool] | None:
    """The function that keeps a row; None keeps all."""
    words = spec.text.casefold().split()
    if not words and spec.origin is Origin.ALL:
        return None
    by_question = spec.axis is RowAxis.QUESTION
    remembered: dict[Hashable, bool] = {}

    def matches(row: AggregateRow) -> bool:
        haystack = PAIR_SEPARATOR.join(row_labels(spec, row))
        if by_question:
            tags = f"{tag_label(row.lesion, NO_LESION)} {tag_label(row.topic, NO_TOPIC)}"
            haystack = f"{haystack} {row.question_id} {tags}"
        folded = haystack.casefold()
        return all(word in folded for word in words)

    def keep(row: AggregateRow) -> bool:
        if spec.origin is not Origin.ALL:
            origin = Origin.SYNTHETIC if row.question_id in spec.synthetic else Origin.REAL
            if origin is not spec.origin:
                return False
        key = (row.lesion, row.topic, row.question_id.int if by_question else None)
        if key not in remembered:
            remembered[key] = matches(row)
        return remembered[key]

    return keep


@dataclass(frozen=True)
class Cell:
    """Attempts of one group, summed.

    Attributes:
        rows: The aggregate rows behind the cell, as read; at least one.
    """

    attempts: int
    correct: int
    rows: Sequence[AggregateRow]

    @cached_property
    def _median(self) -> tuple[Decimal | None, bool]:
        """The median time, and whether all durations are in one aggregate row."""
        timed = [
            (median, row.attempts)
            for row in self.rows
            if (median := row.median_duration_ms) is not None
        ]
        if len(timed) <= 1:
            return timed[0][0] if timed else None, True
        weighted = sum([median * attempts for median, attempts in timed], Decimal(0))
        return weighted / sum([attempts for _, attempts in timed]), False

    @property
    def median_ms(self) -> Decimal | None:
        """The median of the durations, or what stands for it; None without durations.

        Where they are in several aggregate rows it is the mean of the rows' medians weighted by
        their attempts, which is not a median and is shown as such.
        """
        return self._median[0]

    @property
    def median_exact(self) -> bool:
        """Whether all durations are in one aggregate row."""
        return self._median[1]

    def value(self, metric: Metric) -> float | None:
        """The metric's value: 0 to 1, a count, or milliseconds; None if absent."""
        if metric is Metric.ACCURACY:
            return self.correct / self.attempts
        if metric is Metric.ATTEMPTS:
            return float(self.attempts)
        return None if self.median_ms is None else float(self.median_ms)

    def short(self, metric: Metric, width: int) -> str | None:
        """The figure in at most `width` characters; None if absent or too long."""
        forms: list[str] = []
        if metric is Metric.ACCURACY:
            share = percent(self.correct, self.attempts)
            forms = [f"{share}%", share]
        elif metric is Metric.ATTEMPTS:
            forms = short_count(self.attempts)
        elif self.median_ms is not None:
            forms = short_duration(self.median_ms, exact=self.median_exact)
        return next((form for form in forms if len(form) <= width), None)

    def describe(self) -> str:
        """All figures on one line; a weighted median is named as such."""
        time = "no durations recorded"
        if self.median_ms is not None:
            kind = "median time" if self.median_exact else "weighted median time"
            time = f"{kind} {full_duration(self.median_ms, exact=self.median_exact)}"
        return (
            f"accuracy {percent(self.correct, self.attempts)}% · "
            f"{self.correct:,} correct of {plural(self.attempts, 'attempt')} · {time}"
        )


def cell_of(rows: Sequence[AggregateRow]) -> Cell:
    """The cell that `rows` add up to."""
    attempts = correct = 0
    for row in rows:
        attempts += row.attempts
        correct += row.correct_attempts
    return Cell(attempts, correct, rows)


@dataclass(frozen=True, slots=True)
class GridColumn:
    """One column; its key is a topic, or ISO weeks since 0001-01-01."""

    key: Hashable
    label: str
    week: date | None


@dataclass(frozen=True, slots=True)
class GridRow:
    """One row; its key is a tag, a pair of tags, or a question id as a number.

    Attributes:
        cells: In the order of the columns; None without data.
        levels: Where each cell lies on the colour scale: 0 without data, else 1 to `LEVELS` or
            `ZERO`, and `FADED` more with few attempts.
    """

    key: Hashable
    labels: tuple[str, ...]
    cells: tuple[Cell | None, ...]
    levels: bytes
    total: Cell

    @property
    def label(self) -> str:
        return PAIR_SEPARATOR.join(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A heatmap, ready to be drawn. It equals itself alone.

    Attributes:
        columns: The columns; weeks are continuous but for gaps of more than a year.
        ends: Of the colour scale; None without a value.
        mean: What the deviation is measured from, None without a value: the accuracy or the time of
            all cells together, or the attempts of an average cell.
        undated: Aggregate rows left out for a week that no calendar holds, by that week.
        label_widths: Terminal cells that the widest label takes, for each part of the labels.
    """

    spec: GridSpec
    rows: tuple[GridRow, ...] = ()
    columns: tuple[GridColumn, ...] = ()
    whole: GridRow | None = None
    ends: Ends | None = None
    mean: float | None = None
    rows_read: int = 0
    rows_used: int = 0
    undated: Mapping[str, int] = field(default_factory=dict)
    label_widths: tuple[int, ...] = (0,)

    @property
    def metric(self) -> Metric:
        return self.spec.metric

    def cell(self, row: int, column: int) -> Cell | None:
        return self.rows[row].cells[column]

    def describe_undated(self) -> str:
        """How many rows have a week that no calendar holds, and which."""
        if not self.undated:
            return ""
        count = sum(self.undated.values())
        weeks = sorted(self.undated)
        named = ", ".join(weeks[:3]) + (f" and {len(weeks) - 3:,} more" if len(weeks) > 3 else "")
        return f"left out: {plural(count, 'row')} of impossible weeks ({named})"


def column_labels(columns: Sequence[GridColumn], width: int, line: int, here: int = 0) -> list[str]:
    """What stands above the columns, on one of two lines: weeks or topics.

    Months are one text for all columns. Where columns are narrow every other day is left out, but
    never that of column `here`.
    """
    weeks = [column.week for column in columns if column.week is not None]
    if not weeks:
        return [topic_lines(column.label, width)[line] for column in columns]
    if line == 0:
        return [month_line(weeks, width)]
    days = [f"{week.day:>2}".center(width) for week in weeks]
    if width >= _DAY_WIDTH:
        return days
    return [" " * width if (at - here) % 2 else day for at, day in enumerate(days)]


def position(value: float, ends: Ends) -> float:
    """Where a value lies between two ends, 0 to 1; 0.5 where all are equal."""
    low, high = ends
    return 0.5 if low == high else min(1.0, max(0.0, (value - low) / (high - low)))


@lru_cache(maxsize=65_536)
def _week_number(text: str) -> int | None:
    """ISO weeks since 0001-01-01, which was a Monday."""
    week = week_date(text)
    return None if week is None else (week.toordinal() - 1) // 7


def build_grid(rows: Sequence[AggregateRow], spec: GridSpec) -> Grid:
    """The grid that `spec` asks for; 100,000 rows take about half a second."""
    keep, key_of = row_filter(spec), ROW_KEYS[spec.axis]
    by_week = spec.columns is ColumnAxis.WEEK
    groups: dict[Hashable, dict[Hashable, list[AggregateRow]]] = {}
    columns: dict[Hashable, list[AggregateRow]] = {}
    undated: Counter[str] = Counter()
    for row in rows if keep is None else filter(keep, rows):
        number = _week_number(row.week_start)
        if number is None:
            undated[row.week_start] += 1
            continue
        column = number if by_week else row.topic
        groups.setdefault(key_of(row), {}).setdefault(column, []).append(row)
        columns.setdefault(column, []).append(row)
    empty = Grid(spec, rows_read=len(rows), undated=undated)
    return _summed(empty, groups, columns) if groups else empty


def _summed(
    empty: Grid,
    groups: Mapping[Hashable, Mapping[Hashable, Sequence[AggregateRow]]],
    by_column: Mapping[Hashable, Sequence[AggregateRow]],
) -> Grid:
    spec, metric = empty.spec, empty.metric
    columns = tuple(_columns(spec, by_column))
    keys = [column.key for column in columns]

    def grid_row(
        key: Hashable,
        labels: tuple[str, ...],
        cells: Mapping[Hashable, Cell],
        total: Cell,
        ends: Ends | None,
    ) -> GridRow:
        in_order = tuple(map(cells.get, keys))
        levels = bytes(_level(cell, spec, ends) for cell in in_order)
        return GridRow(key, labels, in_order, levels, total)

    cells = {
        key: {column: cell_of(rows) for column, rows in each.items()}
        for key, each in groups.items()
    }
    every = [cell for each in cells.values() for cell in each.values()]
    whole = cell_of(list(chain.from_iterable(by_column.values())))
    mean = whole.value(metric)
    if metric is Metric.ATTEMPTS:
        mean = whole.attempts / len(every)
    full = [cell for cell in every if cell.attempts >= spec.least]
    ends = _ends(_values(full, metric) or _values(every, metric), spec.scale, metric, mean)
    rows = []
    for key, each in cells.items():
        total = cell_of([row for cell in each.values() for row in cell.rows])
        rows.append(grid_row(key, row_labels(spec, total.rows[0]), each, total, ends))
    rows.sort(key=partial(_row_order, spec))
    sums = {column: cell_of(each) for column, each in by_column.items()}
    # Columns as a whole have a range of their own: their sums are beyond every cell's.
    own = _ends(_values(sums.values(), metric), Scale.RANGE, metric, mean)
    widths = zip(*([cell_len(part) for part in row.labels] for row in rows), strict=True)
    return replace(
        empty,
        rows=tuple(rows),
        columns=columns,
        whole=grid_row(None, ("all",), sums, whole, own),
        ends=ends,
        mean=mean,
        rows_used=len(whole.rows),
        label_widths=tuple(map(max, widths)),
    )


def _values(cells: Iterable[Cell], metric: Metric) -> list[float]:
    return [value for cell in cells if (value := cell.value(metric)) is not None]


def _ends(values: list[float], scale: Scale, metric: Metric, mean: float | None) -> Ends | None:
    """What the ends of the colour scale stand for."""
    if not values or mean is None:
        return None
    low, high = min(values), max(values)
    if scale is Scale.RANGE:
        return (low, high)
    if scale is Scale.DEVIATION:
        reach = max(abs(high - mean), abs(mean - low))
        return (mean - reach, mean + reach)
    return (0.0, 1.0 if metric is Metric.ACCURACY else high)


def _level(cell: Cell | None, spec: GridSpec, ends: Ends | None) -> int:
    """Where a cell lies on the colour scale, see `GridRow.levels`."""
    value = None if cell is None else cell.value(spec.metric)
    if cell is None or value is None or ends is None:
        return 0
    level = 1 + min(LEVELS - 1, int(position(value, ends) * LEVELS))
    faded = FADED if cell.attempts < spec.least else 0
    return (ZERO if value == 0 and level == 1 else level) + faded


def _columns(spec: GridSpec, keys: Iterable[Hashable]) -> Iterator[GridColumn]:
    """The columns in order, weeks without rows between others included."""
    if spec.columns is ColumnAxis.TOPIC:
        for topic in sorted(keys, key=_topic_order):
            label = tag_label(topic if isinstance(topic, str) else None, NO_TOPIC)
            yield GridColumn(topic, label, None)
        return
    numbers = sorted(key for key in keys if isinstance(key, int))
    for number, following in pairwise([*numbers, numbers[-1] + 1]):
        filled = following if following - number <= _GAP_WEEKS else number + 1
        for each in range(number, filled):
            monday = date.min + timedelta(weeks=each)
            yield GridColumn(each, monday.isoformat(), monday)


def _topic_order(topic: Hashable) -> tuple[bool, str, str]:
    return (topic is None, str(topic).casefold(), str(topic))


def wilson_lower(count: int, of: int) -> float:
    """Wilson's lower bound, at 95%, of the share `count` / `of`.

    1 of 1 is worth 0.21 and 40 of 50 is worth 0.67: few attempts do not outrank many.
    """
    if not count:
        return 0.0
    share, square = count / of, _Z * _Z
    spread = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return (share + square / (2 * of) - spread) / (1 + square / of)


def _row_order(spec: GridSpec, row: GridRow) -> tuple[float | bool | str, ...]:
    """What rows are sorted by.

    Worst first is, for accuracy, by the lower bound of the share of wrong answers; for the time,
    the longest, those of few attempts last; for attempts, the fewest. Ties go by the number of
    attempts, then by the label.
    """
    total, by_label = row.total, (row.label.casefold(), row.label)
    if spec.order is Order.LABEL:
        parts = row.key if isinstance(row.key, tuple) else (row.key,)
        return (*(part is None for part in parts), *by_label)
    by_attempts = (-total.attempts, *by_label)
    if spec.order is Order.ATTEMPTS:
        return by_attempts
    if spec.metric is Metric.ATTEMPTS:
        return (total.attempts, *by_label)
    if spec.metric is Metric.ACCURACY:
        return (-wilson_lower(total.attempts - total.correct, total.attempts), *by_attempts)
    value = total.value(spec.metric)
    uncertain = value is None or total.attempts < spec.least
    return (value is None, uncertain, -(value or 0.0), *by_attempts)
