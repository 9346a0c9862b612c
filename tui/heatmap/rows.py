"""One row of `analytics_heatmap_agg`: from JSON, to JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tui.files import save_text
from tui.heatmap.formatting import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

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

# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_KEPT_QUESTIONS = 65_536
# A question has a row for each of its weeks. One id for all of them is less for the garbage
# collector to walk over, and quicker to read.
_question_id = lru_cache(maxsize=_KEPT_QUESTIONS)(UUID)
# As PostgreSQL writes a date in JSON, whatever the session's settings.
_DATE = re.compile(r"-?infinity|\d{4,7}-\d\d-\d\d(?: BC)?", re.ASCII)


def week_date(text: str) -> date | None:
    """The date in `text`; None where Python has no such date.

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
        week_start: Monday of the ISO week in UTC as the database writes it: an ISO date as a rule,
            but also `infinity` or `0044-03-13 BC`, which `week` cannot be.
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


def row_as_json(row: AggregateRow) -> dict[str, str | int | float | None]:
    """The eight columns of a row with the types that PostgREST gives them."""
    return {
        "question_id": str(row.question_id),
        "lesion": row.lesion,
        "topic": row.topic,
        "week_start": row.week_start,
        "attempts": row.attempts,
        "correct_attempts": row.correct_attempts,
        "accuracy_rate": float(row.accuracy_rate),
        "median_duration_ms": _number(row.median_duration_ms),
    }


def rows_as_json(rows: Iterable[AggregateRow]) -> str:
    """A JSON array with one row on each line."""
    lines = ",\n".join(json.dumps(row_as_json(row), ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def rows_as_csv(rows: Iterable[AggregateRow]) -> str:
    """RFC 4180 CSV with a header.

    An absent lesion, topic or median is an empty field. A lesion or topic that a spreadsheet would
    take for a formula has an apostrophe before it; JSON has it as it is.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        median = row.median_duration_ms
        writer.writerow(
            (
                row.question_id,
                _harmless(row.lesion),
                _harmless(row.topic),
                row.week_start,
                row.attempts,
                row.correct_attempts,
                format(row.accuracy_rate, "f"),
                "" if median is None else plain(median),
            )
        )
    return text.getvalue()


def write_rows(path: Path, rows: Sequence[AggregateRow]) -> None:
    """Write rows to private files: `path` with `.csv` and with `.json` added.

    Each appears whole or not at all; an existing one is replaced.
    """
    for suffix, written in ((".csv", rows_as_csv), (".json", rows_as_json)):
        save_text(path.with_name(path.name + suffix), written(rows))


def _harmless(text: str | None) -> str:
    return f"'{text}" if text and text.startswith(_FORMULA_STARTS) else text or ""


def _number(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)
