"""One cell of a grid: the aggregate rows behind it and the figures that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING

from tui.heatmap.axes import Metric
from tui.heatmap.rows import AggregateRow
from tui.heatmap.text import (
    first_fitting,
    full_duration,
    short_count,
    short_duration,
    short_percent,
    shown_percent,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence


@dataclass(frozen=True, slots=True)
class Cell:
    """Attempts of one group, summed.

    Attributes:
        attempts: Sum of attempts; at least 1.
        correct: Sum of correct attempts.
        median_ms: Median time to answer in milliseconds, None when no duration was recorded.
        median_exact: Whether `median_ms` is the median of the durations. It is when all of them
            are in one aggregate row; otherwise `median_ms` is the mean of the rows' medians
            weighted by their attempts, which is not a median and is shown as such.
        rows: The aggregate rows behind the cell, as read; empty for the totals of rows, columns
            and grid, whose rows are those of their cells.
    """

    attempts: int
    correct: int
    median_ms: Decimal | None
    median_exact: bool
    rows: Sequence[AggregateRow] = ()

    @property
    def accuracy(self) -> float:
        """Share of attempts that were correct, 0 to 1, unrounded."""
        return self.correct / self.attempts

    def value(self, metric: Metric) -> float | None:
        """The figure that `metric` asks for: 0 to 1, a count, or milliseconds; None if absent."""
        if metric is Metric.ACCURACY:
            return self.correct / self.attempts
        if metric is Metric.ATTEMPTS:
            return float(self.attempts)
        return None if self.median_ms is None else float(self.median_ms)

    def short(self, metric: Metric, width: int) -> str | None:
        """The figure in at most `width` characters; None when absent or when it cannot fit."""
        if metric is Metric.ACCURACY:
            return first_fitting(short_percent(self.correct, self.attempts), width)
        if metric is Metric.ATTEMPTS:
            return first_fitting(short_count(self.attempts), width)
        if self.median_ms is None:
            return None
        return first_fitting(short_duration(self.median_ms, exact=self.median_exact), width)

    def describe(self) -> str:
        """All figures on one line, exact medians apart from weighted ones."""
        parts = [
            f"accuracy {shown_percent(self.correct, self.attempts)}%",
            f"{self.correct:,} correct of {self.attempts:,} attempts",
        ]
        if self.median_ms is None:
            parts.append("no durations recorded")
        else:
            shown = full_duration(self.median_ms, exact=self.median_exact)
            kind = "median time" if self.median_exact else "weighted median time"
            parts.append(f"{kind} {shown}")
        return " · ".join(parts)


class Tally:
    """A running sum that turns into a `Cell`."""

    __slots__ = ("_medians", "_only", "_weight", "_weighted", "attempts", "correct_attempts")

    def __init__(self) -> None:
        self.attempts = 0
        self.correct_attempts = 0
        self._medians = 0
        self._only: Decimal | None = None
        self._weighted = Decimal(0)
        self._weight = 0

    def add(self, row: AggregateRow) -> None:
        """Count one aggregate row."""
        self.attempts += row.attempts
        self.correct_attempts += row.correct_attempts
        median = row.median_duration_ms
        if median is not None:
            self._medians += 1
            self._only = median
            self._weighted += median * row.attempts
            self._weight += row.attempts

    def merge(self, other: Tally) -> None:
        """Count all that `other` has counted."""
        self.attempts += other.attempts
        self.correct_attempts += other.correct_attempts
        self._medians += other._medians
        self._only = other._only if self._only is None else self._only
        self._weighted += other._weighted
        self._weight += other._weight

    def include(self, entry: Entry) -> None:
        """Count what is behind one cell."""
        if isinstance(entry, Tally):
            self.merge(entry)
        else:
            self.add(entry)

    def cell(self, rows: Sequence[AggregateRow] = ()) -> Cell:
        """The cell that was counted; there must have been a row."""
        exact = self._medians <= 1
        median = self._only if exact else self._weighted / self._weight
        return Cell(self.attempts, self.correct_attempts, median, exact, rows)


class Pile(Tally):
    """Several aggregate rows behind one cell, and their sum."""

    __slots__ = ("rows",)

    def __init__(self, first: AggregateRow) -> None:
        super().__init__()
        self.rows = [first]
        super().add(first)

    def add(self, row: AggregateRow) -> None:
        """Keep and count one more aggregate row."""
        self.rows.append(row)
        super().add(row)


Entry = AggregateRow | Pile
"""What is behind one cell: most often a single row, which is kept as it is."""


def cell_of(entry: Entry) -> Cell:
    """The cell that `entry` makes. Quick: the sums are there already."""
    if isinstance(entry, Pile):
        return entry.cell(entry.rows)
    return Cell(entry.attempts, entry.correct_attempts, entry.median_duration_ms, True, (entry,))


def figure_key(metric: Metric) -> Callable[[Entry], Hashable]:
    """The function that tells which entries show the same figure for a metric."""
    if metric is Metric.ACCURACY:
        return attrgetter("correct_attempts", "attempts")
    if metric is Metric.ATTEMPTS:
        return attrgetter("attempts")

    def median(entry: Entry) -> Hashable:
        cell = cell_of(entry)
        return (cell.median_ms, cell.median_exact)

    return median
