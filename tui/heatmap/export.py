"""Aggregate rows as CSV and JSON, for a spreadsheet and for a program. Pure."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from tui.heatmap.rows import COLUMNS
from tui.heatmap.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from tui.heatmap.rows import AggregateRow

JsonRow = dict[str, str | int | float | None]

# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def row_as_json(row: AggregateRow) -> JsonRow:
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


def json_pieces(rows: Iterable[AggregateRow]) -> Iterator[str]:
    """A JSON array with one row on each line, piece by piece."""
    before = "[\n"
    for row in rows:
        yield before + json.dumps(row_as_json(row), ensure_ascii=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def csv_pieces(rows: Iterable[AggregateRow]) -> Iterator[str]:
    """RFC 4180 CSV with a header, piece by piece.

    An absent lesion, topic or median is an empty field. A lesion or topic that a spreadsheet would
    take for a formula has an apostrophe before it; JSON has it as it is.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
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
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _harmless(text: str | None) -> str:
    if text is None:
        return ""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _number(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)
