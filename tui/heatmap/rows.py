"""One row of `analytics_heatmap_agg`, as the view's eight columns define it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = (
    "question_id",
    "lesion",
    "topic",
    "week_start",
    "attempts",
    "correct_attempts",
    "accuracy_rate",
    "median_duration_ms",
)

_KEPT_QUESTIONS = 65_536
# A question has a row for each of its weeks. One id for all of them is less for the garbage
# collector to walk over, and quicker to read.
_question_id = lru_cache(maxsize=_KEPT_QUESTIONS)(UUID)
# As PostgreSQL writes a date in JSON, whatever the session's settings.
_DATE = re.compile(r"-?infinity|\d{4,7}-\d\d-\d\d(?: BC)?", re.ASCII)


@lru_cache(maxsize=_KEPT_QUESTIONS)
def week_date(text: str) -> date | None:
    """The Monday that `text` is; None for a date that Python's calendar does not hold.

    PostgreSQL's dates reach from 4713 BC to the year 5874897, and beyond both to infinity.
    """
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-05") else None
    except ValueError:
        return None


@lru_cache(maxsize=_KEPT_QUESTIONS)
def _week(text: object) -> str:
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        raise ValueError(f"week_start is {text!r}, which is not a date")
    return text


@dataclass(frozen=True, slots=True)
class AggregateRow:
    """Attempts on one question in one ISO week.

    Attributes:
        question_id: The question.
        lesion: Normalized lesion tag, or None.
        topic: Topic as stored, or None.
        week_start: Monday of the ISO week in UTC as the database writes it: an ISO date as a rule,
            but also `infinity` or `0044-03-13 BC`, which `week` cannot be.
        attempts: Responses in that week; at least 1.
        correct_attempts: Those that were correct.
        accuracy_rate: correct / attempts, two decimals, half away from zero.
        median_duration_ms: Median of the durations that are present, in milliseconds; None when
            there are none. Whole or half milliseconds, exact.
    """

    question_id: UUID
    lesion: str | None
    topic: str | None
    week_start: str
    attempts: int
    correct_attempts: int
    accuracy_rate: Decimal
    median_duration_ms: Decimal | None

    @property
    def week(self) -> date | None:
        """The week as a date, None where Python's calendar does not hold it."""
        return week_date(self.week_start)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> AggregateRow:
        """Read a row as PostgREST returns it.

        Raises:
            KeyError: A column is missing.
            ValueError: A column does not hold what the view promises.
        """
        median = row["median_duration_ms"]
        return cls(
            question_id=_question_id(row["question_id"]),
            lesion=row["lesion"],
            topic=row["topic"],
            week_start=_week(row["week_start"]),
            attempts=int(row["attempts"]),
            correct_attempts=int(row["correct_attempts"]),
            accuracy_rate=Decimal(str(row["accuracy_rate"])),
            median_duration_ms=None if median is None else Decimal(str(median)).normalize(),
        )
