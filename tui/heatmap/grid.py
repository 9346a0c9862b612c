"""Aggregate rows to a grid: grouped, summed, ordered, put on a scale."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.cells import cell_len

from tui.heatmap.axes import (
    NO_TOPIC,
    PAIR_SEPARATOR,
    ColumnAxis,
    GridSpec,
    Metric,
    Order,
    Scale,
    row_filter,
    row_key,
    row_labels,
    tag_label,
)
from tui.heatmap.formatting import (
    first_fitting,
    full_duration,
    percent,
    plural,
    short_count,
    short_duration,
    short_percent,
)
from tui.heatmap.rows import AggregateRow, week_date

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

_GAP_WEEKS = 53
"""Weeks without rows are columns; a longer gap, as a wrong date makes one, is left out."""

LEVELS = 64
"""Steps of the colour scale that cells are sorted into."""
ZERO = LEVELS + 1
"""The level of a value of exactly 0 at the low end, which looks unlike one just above it."""
FADED = 128
"""Added to the level of a cell with few attempts."""

_Z = 1.959964
"""Of the normal distribution: 95% lie within so many standard deviations."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Attempts of one group, summed.

    Attributes:
        median_exact: Whether `median_ms` is the median of the durations. It is when all of them are
            in one aggregate row; otherwise `median_ms` is the mean of the rows' medians weighted by
            their attempts, which is not a median and is shown as such.
        rows: The aggregate rows behind the cell, as read; empty for the totals of rows, columns and
            grid, whose rows are those of their cells.
    """

    attempts: int
    correct: int
    median_ms: Decimal | None
    median_exact: bool
    rows: Sequence[AggregateRow] = ()

    def value(self, metric: Metric) -> float | None:
        """The metric's value: 0 to 1, a count, or milliseconds; None if absent."""
        if metric is Metric.ACCURACY:
            return self.correct / self.attempts
        if metric is Metric.ATTEMPTS:
            return float(self.attempts)
        return None if self.median_ms is None else float(self.median_ms)

    def short(self, metric: Metric, width: int) -> str | None:
        """The figure in at most `width` characters; None if absent or too long."""
        if metric is Metric.ACCURACY:
            return first_fitting(short_percent(self.correct, self.attempts), width)
        if metric is Metric.ATTEMPTS:
            return first_fitting(short_count(self.attempts), width)
        if self.median_ms is None:
            return None
        return first_fitting(short_duration(self.median_ms, exact=self.median_exact), width)

    def describe(self) -> str:
        """All figures on one line; a weighted median is named as such."""
        parts = [
            f"accuracy {percent(self.correct, self.attempts)}%",
            f"{self.correct:,} correct of {plural(self.attempts, 'attempt')}",
        ]
        if self.median_ms is None:
            parts.append("no durations recorded")
        else:
            shown = full_duration(self.median_ms, exact=self.median_exact)
            kind = "median time" if self.median_exact else "weighted median time"
            parts.append(f"{kind} {shown}")
        return " · ".join(parts)


class Sum:
    """A running sum of aggregate rows that turns into a `Cell`."""

    __slots__ = ("_medians", "_only", "_weight", "_weighted", "attempts", "correct_attempts")

    def __init__(self) -> None:
        self.attempts = 0
        self.correct_attempts = 0
        self._medians = 0
        self._only: Decimal | None = None
        self._weighted = Decimal(0)
        self._weight = 0

    def add(self, row: AggregateRow) -> None:
        self.attempts += row.attempts
        self.correct_attempts += row.correct_attempts
        median = row.median_duration_ms
        if median is not None:
            self._medians += 1
            self._only = median
            self._weighted += median * row.attempts
            self._weight += row.attempts

    def include(self, entry: AggregateRow | Sum) -> None:
        if not isinstance(entry, Sum):
            self.add(entry)
            return
        self.attempts += entry.attempts
        self.correct_attempts += entry.correct_attempts
        self._medians += entry._medians
        self._only = entry._only if self._only is None else self._only
        self._weighted += entry._weighted
        self._weight += entry._weight

    def cell(self, rows: Sequence[AggregateRow] = ()) -> Cell:
        """The cell that was counted; there must have been a row."""
        exact = self._medians <= 1
        median = self._only if exact else self._weighted / self._weight
        return Cell(self.attempts, self.correct_attempts, median, exact, rows)


class Pile(Sum):
    """Several aggregate rows behind one cell, and their sum."""

    __slots__ = ("rows",)

    def __init__(self, first: AggregateRow) -> None:
        super().__init__()
        self.rows: list[AggregateRow] = []
        self.add(first)

    def add(self, row: AggregateRow) -> None:
        self.rows.append(row)
        super().add(row)


Source = AggregateRow | Pile
"""What is behind one cell: most often a single row, which is kept as it is."""

Entry = Source | Sum
"""What is behind one cell, or behind a whole column."""


def cell_of(entry: Entry) -> Cell:
    """The cell that `entry` makes. Quick: the sums are there already."""
    if isinstance(entry, Sum):
        return entry.cell(entry.rows if isinstance(entry, Pile) else ())
    return Cell(entry.attempts, entry.correct_attempts, entry.median_duration_ms, True, (entry,))


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
        entries: What is behind each cell, by the key of the column; `Grid.cell` reads it.
        levels: Where each cell lies on the colour scale: 0 without data, else 1 to `LEVELS` or
            `ZERO`, and `FADED` more with few attempts. In the order of the columns.
    """

    key: Hashable
    labels: tuple[str, ...]
    entries: Mapping[Hashable, Entry]
    total: Cell
    levels: bytes = b""

    @property
    def label(self) -> str:
        return PAIR_SEPARATOR.join(self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A heatmap, ready to be drawn. It equals itself alone.

    Attributes:
        columns: The columns; weeks are continuous but for gaps of more than a year.
        low: Smallest value of the metric in any cell that is not faded, or in any; None without.
        mean: What the deviation is measured from, None without a value: the accuracy or the time of
            all cells together, or the attempts of an average cell.
        undated: Aggregate rows left out for a week that no calendar holds, by that week.
        label_widths: Terminal cells that the widest label takes, for each part of the labels.
    """

    spec: GridSpec
    rows: tuple[GridRow, ...] = ()
    columns: tuple[GridColumn, ...] = ()
    whole: GridRow | None = None
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    rows_read: int = 0
    rows_used: int = 0
    undated: Mapping[str, int] = field(default_factory=dict)
    label_widths: tuple[int, ...] = (0,)

    @property
    def metric(self) -> Metric:
        return self.spec.metric

    @property
    def scale(self) -> tuple[float, float] | None:
        """The values at the ends of the colour scale."""
        if self.low is None or self.high is None or self.mean is None:
            return None
        if self.spec.scale is Scale.RANGE:
            return (self.low, self.high)
        if self.spec.scale is Scale.DEVIATION:
            reach = max(abs(self.high - self.mean), abs(self.mean - self.low))
            return (self.mean - reach, self.mean + reach)
        return (0.0, 1.0 if self.metric is Metric.ACCURACY else self.high)

    def cell(self, row: int, column: int) -> Cell | None:
        entry = self.rows[row].entries.get(self.columns[column].key)
        return None if entry is None else cell_of(entry)

    def row_cells(self, row: GridRow) -> list[Cell | None]:
        found = [row.entries.get(column.key) for column in self.columns]
        return [None if entry is None else cell_of(entry) for entry in found]

    def position(self, value: float) -> float:
        """Where `value` lies on the colour scale, 0 to 1; 0.5 where all are equal."""
        scale = self.scale
        if scale is None or scale[0] == scale[1]:
            return 0.5
        return min(1.0, max(0.0, (value - scale[0]) / (scale[1] - scale[0])))

    def level(self, entry: Entry) -> int:
        """Where a cell lies on the colour scale, see `GridRow.levels`."""
        value = cell_of(entry).value(self.metric)
        if value is None:
            return 0
        level = 1 + min(LEVELS - 1, int(self.position(value) * LEVELS))
        faded = FADED if entry.attempts < self.spec.least else 0
        return (ZERO if value == 0 and level == 1 else level) + faded

    def levels(self, entries: Mapping[Hashable, Entry]) -> bytes:
        found = [entries.get(column.key) for column in self.columns]
        return bytes([0 if entry is None else self.level(entry) for entry in found])

    def describe_undated(self) -> str:
        """How many rows have a week that no calendar holds, and which."""
        if not self.undated:
            return ""
        count = sum(self.undated.values())
        weeks = sorted(self.undated)
        named = ", ".join(weeks[:3]) + (f" and {len(weeks) - 3:,} more" if len(weeks) > 3 else "")
        return f"left out: {plural(count, 'row')} of impossible weeks ({named})"


@lru_cache(maxsize=65_536)
def _week_number(text: str) -> int | None:
    """ISO weeks since 0001-01-01, which was a Monday."""
    week = week_date(text)
    return None if week is None else (week.toordinal() - 1) // 7


def build_grid(rows: Iterable[AggregateRow], spec: GridSpec) -> Grid:
    """The grid that `spec` asks for; 100,000 rows take about a second."""
    key_of, keep = row_key(spec.axis), row_filter(spec)
    by_week = spec.columns is ColumnAxis.WEEK
    table: dict[Hashable, dict[Hashable, Source]] = {}
    undated: Counter[str] = Counter()
    read = used = 0
    for row in rows:
        read += 1
        if keep is not None and not keep(row):
            continue
        number = _week_number(row.week_start)
        if number is None:
            undated[row.week_start] += 1
            continue
        used += 1
        column: Hashable = number if by_week else row.topic
        entries = table.setdefault(key_of(row), {})
        entry = entries.get(column)
        if entry is None:
            entries[column] = row
        elif isinstance(entry, Pile):
            entry.add(row)
        else:
            pile = entries[column] = Pile(entry)
            pile.add(row)
    return _summed(table, spec, read, used, undated)


def _summed(
    table: Mapping[Hashable, Mapping[Hashable, Source]],
    spec: GridSpec,
    read: int,
    used: int,
    undated: Mapping[str, int],
) -> Grid:
    whole = Sum()
    columns: dict[Hashable, Sum] = {}
    totals: dict[Hashable, Cell] = {}
    # Of cells in full colour, and of faded ones.
    values: tuple[list[float], list[float]] = ([], [])
    for key, entries in table.items():
        total = Sum()
        for column, entry in entries.items():
            total.include(entry)
            columns.setdefault(column, Sum()).include(entry)
            value = cell_of(entry).value(spec.metric)
            if value is not None:
                values[entry.attempts < spec.least].append(value)
        whole.include(total)
        totals[key] = total.cell()
    if not totals:
        return Grid(spec, rows_read=read, rows_used=used, undated=undated)
    mean = whole.cell().value(spec.metric)
    if spec.metric is Metric.ATTEMPTS:
        mean = whole.attempts / sum(map(len, table.values()))
    scaled = values[0] or values[1]
    empty = Grid(
        spec=spec,
        columns=tuple(_columns(spec, columns)),
        low=min(scaled, default=None),
        high=max(scaled, default=None),
        mean=mean,
        rows_read=read,
        rows_used=used,
        undated=undated,
    )
    sums = [cell_of(each).value(spec.metric) for each in columns.values()]
    ends = [each for each in sums if each is not None]
    # Columns as a whole have a range of their own: their sums are beyond every cell's.
    own = replace(
        empty,
        spec=replace(spec, scale=Scale.RANGE),
        low=min(ends, default=None),
        high=max(ends, default=None),
    )
    rows = [
        GridRow(
            key,
            row_labels(spec.axis, _any_row(entries), spec.names),
            entries,
            totals[key],
            empty.levels(entries),
        )
        for key, entries in table.items()
    ]
    widths = zip(*([cell_len(part) for part in row.labels] for row in rows), strict=True)
    return replace(
        empty,
        rows=tuple(sorted(rows, key=_row_order(spec))),
        whole=GridRow(None, ("all",), columns, whole.cell(), own.levels(columns)),
        label_widths=tuple(max(each) for each in widths),
    )


def _any_row(entries: Mapping[Hashable, Source]) -> AggregateRow:
    entry = next(iter(entries.values()))
    return entry.rows[0] if isinstance(entry, Pile) else entry


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


def _row_order(spec: GridSpec) -> Callable[[GridRow], tuple[float | bool | str, ...]]:
    """The sort key that `spec.order` asks for.

    Worst first is, for accuracy, by the lower bound of the share of wrong answers; for the time,
    the longest, those of few attempts last; for attempts, the fewest. Ties go by the number of
    attempts, then by the label.
    """

    def by_label(row: GridRow) -> tuple[float | bool | str, ...]:
        parts = row.key if isinstance(row.key, tuple) else (row.key,)
        return (*(part is None for part in parts), row.label.casefold(), row.label)

    def by_attempts(row: GridRow) -> tuple[float | bool | str, ...]:
        return (-row.total.attempts, row.label.casefold(), row.label)

    def by_worst(row: GridRow) -> tuple[float | bool | str, ...]:
        total = row.total
        if spec.metric is Metric.ACCURACY:
            return (
                -wilson_lower(total.attempts - total.correct, total.attempts),
                *by_attempts(row),
            )
        if spec.metric is Metric.ATTEMPTS:
            return (total.attempts, row.label.casefold(), row.label)
        value = total.value(spec.metric)
        if value is None:
            return (True, True, 0.0, *by_attempts(row))
        return (False, total.attempts < spec.least, -value, *by_attempts(row))

    return {Order.LABEL: by_label, Order.ATTEMPTS: by_attempts, Order.WORST: by_worst}[spec.order]
