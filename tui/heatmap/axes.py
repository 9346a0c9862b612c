"""What a heatmap can show: axes, metric, order and the filters, and the key each gives a row.

A key identifies a grid row or column; None inside a key is an absent tag, which is a group of its
own and never mixed up with a tag that happens to read the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tui.heatmap.rows import AggregateRow
from tui.heatmap.text import clean_label

if TYPE_CHECKING:
    from uuid import UUID

NO_LESION = "(no lesion)"
NO_TOPIC = "(no topic)"
EMPTY_TAG = "(empty)"
PAIR_SEPARATOR = " · "

RowKey = Callable[[AggregateRow], Hashable]


class RowAxis(StrEnum):
    """What one grid row stands for."""

    LESION = "lesion"
    TOPIC = "topic"
    QUESTION = "question"
    LESION_TOPIC = "lesion x topic"

    @property
    def heading(self) -> str:
        """The name as it is shown."""
        return self.value.replace(" x ", " × ")

    @property
    def plural(self) -> str:
        """The name for a number of rows."""
        return {"lesion x topic": "lesion × topic pairs"}.get(self.value, f"{self.value}s")


class ColumnAxis(StrEnum):
    """What one grid column stands for."""

    WEEK = "week"
    TOPIC = "topic"

    @property
    def plural(self) -> str:
        """The name for a number of columns."""
        return f"{self.value}s"


class Metric(StrEnum):
    """What a cell's colour and figure stand for."""

    ACCURACY = "accuracy"
    ATTEMPTS = "attempts"
    MEDIAN = "median"

    @property
    def heading(self) -> str:
        """The name as it is shown."""
        return "median time" if self is Metric.MEDIAN else self.value

    @property
    def high_is_bad(self) -> bool:
        """Whether the largest value is the worst: so for time, not for accuracy or attempts."""
        return self is Metric.MEDIAN


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


@dataclass(frozen=True, slots=True)
class GridSpec:
    """Everything that decides what a grid shows, apart from the rows themselves.

    Attributes:
        axis: What one grid row stands for.
        columns: What one grid column stands for.
        metric: What is shown in a cell.
        order: How the grid rows are sorted.
        text: Filter: every word of it must occur in a row's label, in upper or lower case. On the
            question axis the full id, the lesion and the topic are searched too.
        origin: Whether to keep synthetic questions, the others, or all.
        synthetic: The questions that count as synthetic for `origin`.
        names: Labels for questions (their slugs); a question without one shows its short id.
    """

    axis: RowAxis = RowAxis.LESION
    columns: ColumnAxis = ColumnAxis.WEEK
    metric: Metric = Metric.ACCURACY
    order: Order = Order.WORST
    text: str = ""
    origin: Origin = Origin.ALL
    synthetic: frozenset[UUID] = frozenset()
    names: Mapping[UUID, str] = field(default_factory=dict)


def tag_label(tag: str | None, absent: str) -> str:
    """A lesion or topic as it is shown; `absent` where there is none."""
    if tag is None:
        return absent
    return clean_label(tag) or EMPTY_TAG


def row_key(axis: RowAxis) -> RowKey:
    """The function that tells which grid row an aggregate row belongs to."""
    keys: dict[RowAxis, RowKey] = {
        RowAxis.LESION: lambda row: row.lesion,
        RowAxis.TOPIC: lambda row: row.topic,
        RowAxis.QUESTION: lambda row: row.question_id.int,
        RowAxis.LESION_TOPIC: lambda row: (row.lesion, row.topic),
    }
    return keys[axis]


def column_key(columns: ColumnAxis) -> RowKey:
    """The function that tells which grid column an aggregate row belongs to.

    A week's key is the number of ISO weeks since 0001-01-01, which was a Monday.
    """
    if columns is ColumnAxis.WEEK:
        return lambda row: None if row.week is None else (row.week.toordinal() - 1) // 7
    return lambda row: row.topic


def row_label(axis: RowAxis, row: AggregateRow, names: Mapping[UUID, str]) -> str:
    """The label of the grid row that `row` belongs to, safe to print."""
    if axis is RowAxis.LESION:
        return tag_label(row.lesion, NO_LESION)
    if axis is RowAxis.TOPIC:
        return tag_label(row.topic, NO_TOPIC)
    if axis is RowAxis.QUESTION:
        name = names.get(row.question_id)
        return (clean_label(name) if name else "") or str(row.question_id)[:8]
    lesion, topic = tag_label(row.lesion, NO_LESION), tag_label(row.topic, NO_TOPIC)
    return f"{lesion}{PAIR_SEPARATOR}{topic}"


def row_filter(spec: GridSpec) -> Callable[[AggregateRow], bool] | None:
    """The function that tells whether an aggregate row is kept, or None to keep them all."""
    words = spec.text.casefold().split()
    if not words and spec.origin is Origin.ALL:
        return None
    wants_synthetic = spec.origin is Origin.SYNTHETIC
    checks_origin = spec.origin is not Origin.ALL
    remembered: dict[Hashable, bool] = {}

    def matches(row: AggregateRow) -> bool:
        haystack = row_label(spec.axis, row, spec.names)
        if spec.axis is RowAxis.QUESTION:
            tags = f"{tag_label(row.lesion, NO_LESION)} {tag_label(row.topic, NO_TOPIC)}"
            haystack = f"{haystack} {row.question_id} {tags}"
        folded = haystack.casefold()
        return all(word in folded for word in words)

    def keep(row: AggregateRow) -> bool:
        if checks_origin and (row.question_id in spec.synthetic) is not wants_synthetic:
            return False
        if not words:
            return True
        key = (
            row.lesion,
            row.topic,
            row.question_id.int if spec.axis is RowAxis.QUESTION else None,
        )
        kept = remembered.get(key)
        if kept is None:
            kept = remembered[key] = matches(row)
        return kept

    return keep
