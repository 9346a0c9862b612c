"""What the probes take a run to write is what it writes."""

from __future__ import annotations

import pytest

from tui.dry_run.facts import Preflight, UnansweredError
from tui.dry_run.tables import _NULL, DISTINCT, FILLED, judge_rows
from tui.verify.dataset import Dataset

DATASET = Dataset("20260131-9f3c21aa", users=9, questions=12)


def rows_of(table: str) -> list[dict[str, object]]:
    if table == "questions":
        return [DATASET.question(n) for n in range(DATASET.questions)]
    answers = [(n, DATASET.answers(n)) for n in range(DATASET.questions)]
    return [row for n, given in answers for row in DATASET.responses(n, given)]


def test_the_columns_are_those_that_a_run_fills() -> None:
    for table in ("questions", "responses"):
        assert all(row.keys() == FILLED[table].keys() for row in rows_of(table))


def test_rows_are_told_apart_by_each_set_of_columns_said_to() -> None:
    for table, sets in DISTINCT.items():
        rows = rows_of(table)
        for columns in sets:
            assert len({tuple(row[name] for name in sorted(columns)) for row in rows}) == len(rows)


def test_and_would_collide_on_a_time_and_a_user() -> None:
    rows = rows_of("responses")
    assert len({(row["user_id"], row["created_at"]) for row in rows}) < len(rows)


def test_the_column_said_to_be_empty_is() -> None:
    assert all(row[_NULL] is None for row in rows_of("questions"))


def test_a_run_that_could_not_be_fitted_says_why() -> None:
    told = Preflight({"rows": {}}, None, "TypeError: 'NoneType' object is not iterable")
    with pytest.raises(UnansweredError, match=r"cannot be read .TypeError"):
        judge_rows(told)
