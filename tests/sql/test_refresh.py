"""The refresh: what it returns, what it blocks, and two at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from .test_numbers import Question, Response, insert, question_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from .conftest import Database

CALL = "select public.analytics_refresh_heatmap()"
AT = datetime(2026, 1, 5, tzinfo=UTC)
IMPATIENT = "set lock_timeout = '100ms'"


def refresh(session: psycopg.Connection) -> dict[str, Any]:
    row = session.execute(CALL).fetchone()
    assert row is not None
    document: dict[str, Any] = row[0]
    return document


def attempts(session: psycopg.Connection) -> int:
    row = session.execute(
        "select coalesce(sum(attempts), 0)::integer from public.analytics_heatmap_admin()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        threading.Event().wait(0.01)


def waiting(observer: psycopg.Connection, count: int) -> Callable[[], bool]:
    def reached() -> bool:
        row = observer.execute(
            "select count(*) from pg_locks where not granted and locktype = 'advisory' "
            "and database = (select oid from pg_database where datname = current_database())"
        ).fetchone()
        return row is not None and row[0] == count

    return reached


def answer(session: psycopg.Connection, *people: int) -> None:
    insert(session, [], [Response(who, 0, AT) for who in people])


@pytest.fixture
def owner(ready: Database) -> psycopg.Connection:
    """The owner's session, with one question that person 1 has answered."""
    session = ready.connect()
    insert(session, [Question()], [Response(1, 0, AT)])
    return session


def test_returns_a_small_document_and_records_it(owner: psycopg.Connection) -> None:
    before = datetime.now(UTC)
    document = refresh(owner)
    assert set(document) == {
        "status", "rows", "server_ms", "concurrent", "refreshed_at", "waited_ms"}  # fmt: skip
    assert (document["status"], document["rows"], document["concurrent"]) == ("refreshed", 1, True)
    assert document["server_ms"] > 0
    refreshed = datetime.fromisoformat(document["refreshed_at"])
    assert before - timedelta(seconds=5) < refreshed < datetime.now(UTC) + timedelta(seconds=5)
    recorded = owner.execute(
        "select refreshed_at, rows, server_ms::float, concurrent "
        "from analytics_private.heatmap_refresh"
    ).fetchall()
    assert recorded == [(refreshed, 1, document["server_ms"], True)]


def test_callers_that_expect_nothing_still_work(owner: psycopg.Connection) -> None:
    owner.execute("do $$ begin perform public.analytics_refresh_heatmap(); end $$")
    assert attempts(owner) == 1


def test_never_populated_view_is_filled_then_refreshed_concurrently(
    owner: psycopg.Connection,
) -> None:
    owner.execute("refresh materialized view public.analytics_heatmap_agg with no data")
    assert refresh(owner)["concurrent"] is False
    assert attempts(owner) == 1
    assert refresh(owner)["concurrent"] is True


def test_broken_index_fails_rather_than_blocking_readers(owner: psycopg.Connection) -> None:
    owner.execute("drop index public.analytics_heatmap_agg_idx")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        refresh(owner)


def test_second_refresh_says_that_one_is_running(
    ready: Database, owner: psycopg.Connection
) -> None:
    owner.execute("alter function public.analytics_refresh_heatmap() set lock_timeout = '150ms'")
    first, second = ready.connect(), ready.connect()
    with first.transaction():
        refresh(first)
        with pytest.raises(psycopg.errors.LockNotAvailable) as error:
            refresh(second)
    assert "another refresh of the heatmap, or a change of its SQL, is still" in str(error.value)
    assert "after 150ms of waiting" in str(error.value)
    assert error.value.diag.message_hint
    assert refresh(second)["status"] == "refreshed"


def test_asking_in_a_read_only_transaction_does_not_wait(
    ready: Database, owner: psycopg.Connection
) -> None:
    owner.execute("alter function public.analytics_refresh_heatmap() set lock_timeout = '150ms'")
    asking = ready.connect()
    asking.execute("set default_transaction_read_only = on")
    with owner.transaction():
        refresh(owner)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            refresh(asking)


VIEW = "public.analytics_heatmap_agg"
OTHER_WORK = {
    f"refresh materialized view concurrently {VIEW}": (VIEW, "ExclusiveLock"),
    "alter table public.responses add column note text":
        ("public.responses", "AccessExclusiveLock"),
    f"alter materialized view {VIEW} set (autovacuum_enabled = false)":
        (VIEW, "ShareUpdateExclusiveLock"),
}  # fmt: skip


@pytest.mark.parametrize("work", OTHER_WORK)
def test_other_work_that_holds_a_lock_is_named_for_what_it_is(
    ready: Database, owner: psycopg.Connection, work: str
) -> None:
    relation, mode = OTHER_WORK[work]
    owner.execute("alter function public.analytics_refresh_heatmap() set lock_timeout = '150ms'")
    other = ready.connect()
    with other.transaction():
        other.execute(work.encode())
        with pytest.raises(psycopg.errors.LockNotAvailable) as error:
            refresh(owner)
    said = str(error.value)
    assert f"was locked for 150ms: {relation} by process {other.info.backend_pid} (" in said
    assert mode in said
    assert "another refresh" not in said
    assert refresh(owner)["status"] == "refreshed"


def test_shipped_limits_are_stated_on_the_function(owner: psycopg.Connection) -> None:
    row = owner.execute(
        "select proconfig from pg_proc where proname = 'analytics_refresh_heatmap'"
    ).fetchone()
    assert row is not None
    assert set(row[0]) == {
        "lock_timeout=15s",
        "statement_timeout=5min",
        "search_path=pg_catalog, pg_temp",
        "work_mem=16MB",
        "enable_indexscan=on",
    }


def test_two_that_wait_share_one_refresh_that_has_everything(
    ready: Database, owner: psycopg.Connection
) -> None:
    running, observer, writer = ready.connect(), ready.connect(), ready.connect()
    sessions = [ready.connect() for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        with running.transaction():
            refresh(running)
            # Committed after the running refresh took its snapshot, before the others were called.
            answer(writer, 2, 3)
            calls: list[Future[dict[str, Any]]] = [pool.submit(refresh, s) for s in sessions]
            wait_for(waiting(observer, 2))
        documents = sorted((call.result(20) for call in calls), key=lambda d: str(d["status"]))
    assert [document["status"] for document in documents] == ["joined", "refreshed"]
    assert documents[0]["refreshed_at"] == documents[1]["refreshed_at"]
    assert min(document["waited_ms"] for document in documents) > 0
    assert attempts(owner) == 3


def test_a_refresh_that_began_before_the_call_is_not_joined(
    ready: Database, owner: psycopg.Connection
) -> None:
    running, observer, writer, late = (ready.connect() for _ in range(4))
    with ThreadPoolExecutor(1) as pool:
        with running.transaction():
            refresh(running)
            answer(writer, 2)
            call = pool.submit(refresh, late)
            wait_for(waiting(observer, 1))
        assert call.result(20)["status"] == "refreshed"
    assert attempts(owner) == 2


def test_readers_are_not_blocked_and_see_the_old_rows(
    ready: Database, owner: psycopg.Connection
) -> None:
    refresh(owner)
    reader, writer = ready.connect(), ready.connect()
    reader.execute(IMPATIENT)
    answer(writer, 2)
    with owner.transaction():
        refresh(owner)
        assert attempts(reader) == 1
    assert attempts(reader) == 2


def test_a_plain_refresh_would_block_readers(ready: Database, owner: psycopg.Connection) -> None:
    reader = ready.connect()
    reader.execute(IMPATIENT)
    with owner.transaction():
        owner.execute("refresh materialized view public.analytics_heatmap_agg")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            attempts(reader)


def test_writers_are_not_blocked(ready: Database, owner: psycopg.Connection) -> None:
    writer = ready.connect()
    writer.execute(IMPATIENT)
    with owner.transaction():
        refresh(owner)
        answer(writer, 2)
        writer.execute("update public.questions set topic = 'x' where id = %s", (question_id(0),))
        writer.execute("delete from public.responses where is_correct")
    refresh(owner)
    assert attempts(owner) == 0
