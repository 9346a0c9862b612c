"""Applying the files beside refreshes, other sessions that apply them, and other people's roles."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.sandbox.helpers import eventually

from .cluster import OWNER, SQL
from .conftest import ANALYTICS
from .test_numbers import EDGES, Question, Response, insert
from .test_refresh import attempts, refresh
from .test_upgrade import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from .conftest import Database

HERE = "hashtextextended('a test waits here', 0)"
FILL = "  refresh materialized view analytics_private.heatmap_agg_next;\n"
WAITING = """
select count(*) from pg_locks where locktype = 'advisory' and not granted
  and database = (select oid from pg_database where datname = current_database())
"""


def paused(file: str, after: str) -> bytes:
    """The text of a file that waits, after these words, for whoever holds the lock."""
    script = (SQL / file).read_text()
    assert script.count(after) == 1
    wait = f"perform pg_advisory_xact_lock({HERE});\n"
    if not after.startswith(" "):
        wait = f"do $$ begin {wait} end $$;\n"
    return script.replace(after, after + wait).encode()


def run(database: Database, script: bytes, user: str = OWNER) -> str:
    """Apply a script in a session of its own; return the SQLSTATE it ends with."""
    try:
        with database.cluster.connect(database.name, user) as session:
            session.execute(script)
    except psycopg.Error as error:
        return str(error)
    return "applied"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for sessions that wait."""
    with ThreadPoolExecutor(3) as threads:
        yield threads


def test_a_refresh_while_a_new_view_is_filled_loses_nothing(
    ready: Database, pool: ThreadPoolExecutor
) -> None:
    owner, holder, late = ready.connect(), ready.connect(), ready.connect()
    insert(owner, [Question()], [Response(1, 0, EDGES[4])])
    owner.execute("drop index public.analytics_heatmap_agg_idx")
    with holder.transaction():
        holder.execute(f"select pg_advisory_xact_lock({HERE})".encode())
        applying = pool.submit(run, ready, paused("analytics_heatmap.sql", FILL))
        assert eventually(lambda: owner.execute(WAITING).fetchone() == (1,))
        # The new view is filled, without this answer.
        insert(owner, [], [Response(2, 0, EDGES[4])])
        refreshing = pool.submit(refresh, late)
        assert eventually(lambda: owner.execute(WAITING).fetchone() == (2,))
    assert applying.result(60) == "applied"
    assert refreshing.result(60)["status"] == "refreshed"
    assert attempts(owner) == 2


def test_applying_waits_for_a_refresh_before_it_looks_at_anything(
    ready: Database, pool: ThreadPoolExecutor
) -> None:
    owner, running = ready.connect(), ready.connect()
    insert(owner, [Question()], [Response(1, 0, EDGES[4])])
    owner.execute("drop materialized view public.analytics_heatmap_agg cascade")
    ready.apply("analytics_heatmap.sql")
    owner.execute("comment on materialized view public.analytics_heatmap_agg is null")
    with running.transaction():
        refresh(running)
        # Committed after the running refresh has looked; a refresh of its own would see it.
        insert(owner, [], [Response(2, 0, EDGES[4])])
        script = (SQL / "analytics_heatmap.sql").read_bytes()
        applying = pool.submit(run, ready, script)
        assert eventually(lambda: owner.execute(WAITING).fetchone() == (1,))
        touched = owner.execute(
            "select count(*) from pg_locks l join pg_stat_activity a using (pid) "
            "where a.wait_event = 'advisory' and l.mode in "
            "('RowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock', 'ShareRowExclusiveLock') "
            "and l.locktype = 'relation'"
        )
        assert touched.fetchone() == (0,)
    assert applying.result(60) == "applied"


@pytest.mark.parametrize("file", [*ANALYTICS, "analytics_heatmap_rollback.sql"])
def test_two_at_once_both_succeed(ready: Database, pool: ThreadPoolExecutor, file: str) -> None:
    owner, holder = ready.connect(), ready.connect()
    end = "notify pgrst, 'reload schema';\n"
    with holder.transaction():
        holder.execute(f"select pg_advisory_xact_lock({HERE})".encode())
        first = pool.submit(run, ready, paused(file, end))
        assert eventually(lambda: owner.execute(WAITING).fetchone() == (1,))
        second: Future[str] = pool.submit(run, ready, (SQL / file).read_bytes())
        assert eventually(lambda: owner.execute(WAITING).fetchone() == (2,))
    assert (first.result(60), second.result(60)) == ("applied", "applied")


@pytest.fixture
def member(ready: Database) -> Iterator[str]:
    """A login role that is a member of the owner."""
    admin = ready.connect("supabase_admin")
    admin.execute("create role dana login bypassrls in role postgres")
    admin.execute(f"grant create on database {ready.name} to dana".encode())
    try:
        yield "dana"
    finally:
        admin.execute("reassign owned by dana to postgres; drop owned by dana; drop role dana")


def test_a_member_of_the_owner_is_told_to_switch(ready: Database, member: str) -> None:
    for user in (member, "supabase_admin"):
        result = ready.cluster.psql(ready.name, SQL / "analytics_heatmap.sql", user)
        assert result.returncode != 0
        assert f"role {user} does not own public.responses: postgres does" in result.stderr
        assert "set role postgres" in result.stderr
        switch = ("--command", "set role postgres")
        result = ready.cluster.psql(ready.name, SQL / "analytics_heatmap.sql", user, *switch)
        assert result.returncode == 0, result.stderr
    owners = ready.connect().execute(
        "select distinct pg_get_userbyid(proowner) from pg_proc where proname like 'analytics_%'"
    )
    assert owners.fetchall() == [(OWNER,)]


TAKEN = (
    "function public.analytics_refresh_heatmap()",
    "function public.analytics_heatmap_environment()",
    "materialized view public.analytics_heatmap_agg",
)


@pytest.mark.parametrize("taken", TAKEN)
def test_what_a_member_owns_in_public_is_replaced(ready: Database, member: str, taken: str) -> None:
    before = catalogue(ready)
    ready.connect("supabase_admin").execute(f"alter {taken} owner to {member}".encode())
    ready.apply("analytics_heatmap.sql", user=OWNER)
    assert catalogue(ready) == before


@pytest.mark.parametrize("taken", [
    *TAKEN,
    "function analytics_private.heatmap_caller_is_allowed()",
    "table analytics_private.environment",
    "schema analytics_private",
])  # fmt: skip
def test_what_cannot_be_replaced_is_named_with_its_repair(
    ready: Database, member: str, taken: str
) -> None:
    admin = ready.connect("supabase_admin")
    admin.execute(f"alter {taken} owner to {member}".encode())
    # Here the project's owner does not own the schema, as on projects of long ago.
    admin.execute("alter schema public owner to supabase_admin")
    with pytest.raises(psycopg.Error, match="do not belong to postgres") as error:
        ready.apply("analytics_heatmap.sql", user=OWNER)
    hint = error.value.diag.message_hint or ""
    admin.execute(hint.partition(":  ")[2].encode())
    ready.apply("analytics_heatmap.sql", user=OWNER)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_another_encoding_gets_a_sentence(bare: Database, encoding: str) -> None:
    name = f"{bare.name}_{encoding.lower()}"
    with bare.cluster.connect("postgres") as session:
        session.execute(
            f"create database {name} template template0 encoding '{encoding}' locale 'C' "
            f"owner {OWNER}".encode()
        )
    try:
        for file in ("sandbox/10_roles.sql", "sandbox/20_auth.sql", "sandbox/30_app.sql"):
            bare.cluster.apply(name, file)
        with pytest.raises(psycopg.Error, match=f"encoded in {encoding}; the heatmap needs UTF8"):
            bare.cluster.apply(name, "analytics_heatmap.sql", user=OWNER)
        bare.cluster.apply(name, "analytics_heatmap_preflight.sql", user=OWNER)
    finally:
        bare.cluster.drop(name)


def test_backslashes_as_they_used_to_be(bare: Database) -> None:
    owner = bare.connect()
    owner.execute(f"alter database {bare.name} set standard_conforming_strings = off".encode())
    owner.execute(
        "create function public.unflag() returns trigger language plpgsql as $$ begin "
        "new.flagged := false; return new; end $$;"
        "create trigger unflag before insert on public.responses "
        "for each row execute function public.unflag()"
    )
    # Nothing of the files is read or run with the newer meaning by accident.
    bare.apply(*ANALYTICS)
    session = bare.connect()
    assert session.execute("show standard_conforming_strings").fetchone() == ("off",)
    insert(session, [Question(lesion=" A \t b ")], [Response(1, 0, EDGES[4])])
    assert refresh(session)["rows"] == 1
    row = session.execute("select lesion from public.analytics_heatmap_admin()").fetchone()
    assert row == ("a b",)
    preflight = session.execute("select public.analytics_heatmap_preflight()").fetchone()
    assert preflight is not None
    limit = preflight[0]["functions"]["analytics_refresh_heatmap"]["statement_timeout_ms"]
    assert limit == 300_000
    owner.execute("set standard_conforming_strings = on")
    as_now = owner.execute("select public.analytics_heatmap_preflight()").fetchone()
    assert as_now is not None
    filling = [each["may_fill"] for each in as_now[0]["tables"]["responses"]["triggers"]]
    assert ["flagged"] in filling
    for document in (preflight[0], as_now[0]):
        del document["server"]["now"]
    assert preflight == as_now


OWN = (
    "CREATE INDEX mine ON public.analytics_heatmap_agg USING btree (topic)",
    "CREATE STATISTICS public.theirs ON lesion, topic FROM analytics_heatmap_agg",
    "alter materialized view public.analytics_heatmap_agg alter column topic set statistics 500",
    "alter materialized view public.analytics_heatmap_agg set (autovacuum_enabled=false)",
)


def test_what_goes_with_the_old_view_is_said_as_it_was(ready: Database) -> None:
    owner = ready.connect()
    for statement in OWN:
        owner.execute(statement.encode())
    warned: list[str] = []
    owner.add_notice_handler(lambda said: warned.append(said.message_primary or ""))
    owner.execute((SQL / "analytics_heatmap.sql").read_bytes())
    assert warned == [], "nothing is rebuilt"
    owner.execute("drop index public.analytics_heatmap_agg_idx")
    owner.execute((SQL / "analytics_heatmap.sql").read_bytes())
    said = [text.partition(" goes: ")[2] for text in warned]
    assert [line.replace("public.analytics", "analytics") for line in said] == [
        line.replace("public.analytics", "analytics") for line in OWN
    ]
    for statement in said:
        owner.execute(statement.encode())
