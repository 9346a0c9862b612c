"""What a heatmap can show: axes, metric, order, scale and filters.

A key identifies a grid row or column. None in a key is an absent tag: a group of its own, never
mixed up with a tag that reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING

from tui.heatmap.formatting import clean_label, short_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from uuid import UUID

    from tui.heatmap.rows import AggregateRow

NO_LESION = "(no lesion)"
NO_TOPIC = "(no topic)"
EMPTY_TAG = "(empty)"
PAIR_SEPARATOR = " · "
LEAST_CHOICES = (1, 3, 5, 10, 20, 50, 100)
"""Numbers of attempts below which cells can be faded; below 1 there is none."""


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
