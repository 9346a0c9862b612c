"""What the probes take a run to write is what it writes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tui.dry_run.facts import Preflight, UnansweredError
from tui.dry_run.tables import _NULL, CASCADES, FILLED, judge_rows, keys
from tui.verify.dataset import Dataset
from tui.verify.plan import APART

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
    for table, sets in APART.items():
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


@pytest.mark.parametrize("table", ["questions", "responses"])
async def test_a_table_without_a_key_on_id_is_seen_where_a_run_could_not_be_fitted(
    table: str,
) -> None:
    tables: dict[str, dict[str, Any]] = {
        name: {"primary_key": ["id"], "unique": [], "foreign_keys": []}
        for name in ("questions", "responses", "app_users")
    }
    for name, column, refers_to in CASCADES:
        key = {"columns": [column], "references": refers_to[0], "on_delete": "cascade"}
        tables[name]["foreign_keys"].append(key)

    async def preflight() -> Preflight:
        return Preflight({"tables": tables, "held": []}, None, "unread")

    facts: Any = SimpleNamespace(preflight=preflight)
    assert (await keys(facts)).status == "pass"
    tables[table]["primary_key"] = []
    found = await keys(facts)
    assert (found.status, found.detail) == ("fail", f"{table} has no unique key on id")
