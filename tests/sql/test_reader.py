"""The reader's filters and pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from .test_numbers import Question, Response, insert, published

if TYPE_CHECKING:
    from .conftest import Database

FIRST = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def answered(shared: Database) -> Database:
    """Eight questions of several kinds, answered over twelve weeks."""
    connection = shared.connect()
    questions = [
        Question(lesion=lesion, topic=topic)
        for lesion in (" Melanoma", "melanoma", "Nevus", None)
        for topic in ("Skin", None)
    ]
    answers = [
        Response(who, what, FIRST + timedelta(weeks=who - 1, days=what % 7))
        for who in range(1, 13)
        for what in range(len(questions))
        if (who * what) % 5 != 3
    ]
    insert(connection, questions, answers)
    assert len(published(connection)) > 60
    return shared


@pytest.fixture
def session(answered: Database) -> psycopg.Connection:
    """A session of the owner in that database."""
    return answered.connect()


def read(session: psycopg.Connection, **arguments: Any) -> list[tuple[Any, ...]]:
    named = ", ".join(f"{name} => %({name})s" for name in arguments)
    return session.execute(
        f"select * from public.analytics_heatmap_admin({named})".encode(), arguments
    ).fetchall()


def test_everything_comes_once_by_week_then_question(session: psycopg.Connection) -> None:
    rows = read(session)
    direct = session.execute("select * from public.analytics_heatmap_agg").fetchall()
    assert sorted(rows, key=str) == sorted(direct, key=str)
    assert rows == sorted(rows, key=lambda row: (row[3], row[0]))


def test_filters_narrow_each_alone_and_together(session: psycopg.Connection) -> None:
    rows = read(session)
    third, fifth = date(2026, 1, 19), date(2026, 2, 2)
    cases: list[tuple[dict[str, Any], Any]] = [
        ({"from_week": third}, lambda r: r[3] >= third),
        ({"to_week": third}, lambda r: r[3] <= third),
        ({"from_week": third, "to_week": fifth}, lambda r: third <= r[3] <= fifth),
        ({"only_lesion": "  MELANOMA "}, lambda r: r[1] == "melanoma"),
        ({"only_lesion": " "}, lambda r: r[1] is None),
        ({"only_topic": "Skin"}, lambda r: r[2] == "Skin"),
        ({"only_topic": "skin"}, lambda _: False),
        (
            {"only_lesion": "nevus", "only_topic": "Skin", "to_week": fifth},
            lambda r: r[1] == "nevus" and r[2] == "Skin" and r[3] <= fifth,
        ),
    ]
    for arguments, keep in cases:
        wanted = [row for row in rows if keep(row)]
        assert read(session, **arguments) == wanted
        assert len(wanted) < len(rows)


@pytest.mark.parametrize("page", [1, 7, 1000])
@pytest.mark.parametrize("narrow", [{}, {"only_lesion": "melanoma"}])
def test_pages_join_up_to_the_whole(
    session: psycopg.Connection, page: int, narrow: dict[str, Any]
) -> None:
    rows: list[tuple[Any, ...]] = []
    after: dict[str, Any] = {}
    while True:
        found = read(session, **narrow, **after, max_rows=page)
        assert len(found) <= page
        rows += found
        if len(found) < page:
            break
        after = {"after_week": found[-1][3], "after_question": found[-1][0]}
    assert rows == read(session, **narrow)


def test_a_page_touches_no_more_rows_than_it_gives(
    answered: Database, session: psycopg.Connection
) -> None:
    middle = read(session)[40]
    # A fresh session: the counters below include what a session has not reported yet.
    session = answered.connect()
    # So small a view is read whole by choice; the question is what the index is able to answer.
    session.execute("set enable_seqscan = off; set enable_bitmapscan = off")
    with session.transaction():
        assert len(read(session, after_week=middle[3], after_question=middle[0], max_rows=5)) == 5
        touched = session.execute(
            "select seq_scan, idx_tup_fetch from pg_stat_xact_all_tables "
            "where relname = 'analytics_heatmap_agg'"
        ).fetchone()
    assert touched is not None
    assert touched[0] == 0
    assert 5 <= touched[1] <= 6


@pytest.mark.parametrize(
    "arguments",
    [{"after_week": FIRST.date()}, {"after_question": "00000000-0000-0000-0000-000000000000"},
     {"max_rows": 0}, {"max_rows": -1}],
)  # fmt: skip
def test_senseless_pages_are_refused(
    session: psycopg.Connection, arguments: dict[str, Any]
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue) as error:
        read(session, **arguments)
    assert error.value.diag.message_hint


def test_reader_writes_nothing(session: psycopg.Connection) -> None:
    with session.transaction():
        session.execute("set transaction read only")
        assert read(session)
