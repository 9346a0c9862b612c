"""The scheduled refresh, by the real pg_cron; refused in words where that is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.sandbox.helpers import eventually

from .cluster import OWNER, SQL, running
from .conftest import ANALYTICS, PEOPLE, PLATFORM, VERSIONS, Database
from .test_numbers import EDGES, Question, Response, insert

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "analytics_heatmap_cron.sql"
NAME = "analytics-heatmap-refresh"
REFRESHED = "select refreshed_at from analytics_private.heatmap_refresh"


def test_without_pg_cron_it_says_so(ready: Database) -> None:
    with pytest.raises(psycopg.Error, match="pg_cron is not enabled") as error:
        ready.apply(FILE, user=OWNER)
    assert "create extension pg_cron" in (error.value.diag.message_hint or "")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Database]:
    """A database with pg_cron, the platform and the heatmap, on a server that runs the jobs."""
    library = Path("/usr/lib/postgresql/15/lib/pg_cron.so")
    if not library.is_file():
        pytest.skip("pg_cron is not installed for a PostgreSQL at hand")
    settings = {
        "shared_preload_libraries": "pg_cron",
        "cron.database_name": "app",
        "cron.host": "127.0.0.1",
    }
    with running(VERSIONS["pg15"](), settings) as server:
        server.create("app")
        server.apply("app", "sandbox/10_roles.sql", *PLATFORM)
        with server.connect("app") as admin:
            admin.execute(PEOPLE)
            admin.execute("create extension pg_cron; grant usage on schema cron to postgres")
        server.apply("app", *ANALYTICS, user=OWNER)
        yield Database(server, "app")


@pytest.fixture
def jobs(scheduler: Database) -> Iterator[psycopg.Connection]:
    """The owner's session; what it scheduled is gone afterwards."""
    with scheduler.cluster.connect(scheduler.name, OWNER) as session:
        yield session
        session.execute("select cron.unschedule(jobid) from cron.job")


def warned(session: psycopg.Connection) -> list[str]:
    """What the file warns of, applied by this session."""
    said: list[str] = []
    session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    session.execute((SQL / FILE).read_bytes())
    return said


def test_the_job_refreshes_as_the_owner_who_is_no_superuser(
    scheduler: Database, jobs: psycopg.Connection
) -> None:
    insert(jobs, [Question()], [Response(1, 0, EDGES[4])])
    assert warned(jobs) == []
    assert warned(jobs) == []
    scheduled = jobs.execute("select jobname, schedule, username from cron.job").fetchall()
    assert scheduled == [(NAME, "3-59/15 * * * *", OWNER)]
    before = jobs.execute(REFRESHED).fetchone()
    # Every minute instead of every quarter of an hour: the command is the one that was scheduled.
    row = jobs.execute("select command from cron.job").fetchone()
    assert row is not None
    jobs.execute("select cron.schedule(%s, '* * * * *', %s)", (NAME, row[0]))
    assert eventually(lambda: jobs.execute(REFRESHED).fetchone() != before, 150)
    told = "select distinct status, username from cron.job_run_details where end_time is not null"
    assert eventually(lambda: jobs.execute(told).fetchall() == [("succeeded", OWNER)])
    attempts = jobs.execute("select sum(attempts)::int from public.analytics_heatmap_agg")
    assert attempts.fetchone() == (1,)


OTHERS = {
    "by the function": "select public.analytics_refresh_heatmap()",
    "by hand": "refresh materialized view concurrently public.analytics_heatmap_agg",
    "reading it": "create table if not exists x as select * from analytics_heatmap_admin()",
    "through a function": "select public.nightly()",
    "through a procedure": "call public.nightly_too()",
}


def test_other_jobs_that_have_to_do_with_it_are_told_of_and_left_alone(
    jobs: psycopg.Connection,
) -> None:
    jobs.execute(
        "create or replace function public.nightly() returns void language plpgsql as "
        "'begin perform public.analytics_refresh_heatmap(); end'; "
        "create or replace procedure public.nightly_too() begin atomic "
        "select public.analytics_refresh_heatmap(); end"
    )
    for name, command in {**OTHERS, "another": "vacuum", "heatmap in name": "select 1"}.items():
        jobs.execute("select cron.schedule(%s, '0 3 * * *', %s)", (name, command))
    said = warned(jobs)
    assert [line.partition("too: ")[2] for line in said] == list(OTHERS.values())
    assert all(f"({name})" in line for name, line in zip(OTHERS, said, strict=True))
    assert jobs.execute("select count(*) from cron.job").fetchone() == (len(OTHERS) + 3,)
    row = jobs.execute("select public.analytics_heatmap_preflight() -> 'jobs'").fetchone()
    assert row is not None
    assert row[0]["pg_cron"] is True
    assert {job["name"] for job in row[0]["scheduled"]} == {*OTHERS, NAME}


def test_refuses_before_the_heatmap_or_for_another_role(
    scheduler: Database, jobs: psycopg.Connection
) -> None:
    function = "function public.analytics_refresh_heatmap()"
    jobs.execute(f"alter {function} rename to elsewhere".encode())
    try:
        with pytest.raises(psycopg.Error, match="does not exist"):
            scheduler.apply(FILE, user=OWNER)
    finally:
        jobs.execute("alter function public.elsewhere() rename to analytics_refresh_heatmap")
    with scheduler.cluster.connect(scheduler.name) as admin:
        admin.execute("grant usage on schema cron to service_role")
        admin.execute("set role service_role")
        with pytest.raises(psycopg.Error, match="may not refresh the heatmap"):
            admin.execute((SQL / FILE).read_bytes())


def test_rollback_unschedules_it_and_nothing_else(
    scheduler: Database, jobs: psycopg.Connection
) -> None:
    scheduler.apply(FILE, user=OWNER)
    jobs.execute("select cron.schedule('another', '* * * * *', 'select 1')")
    jobs.execute("drop procedure if exists public.nightly_too")
    scheduler.apply("analytics_heatmap_rollback.sql", user=OWNER)
    assert jobs.execute("select jobname from cron.job").fetchall() == [("another",)]
    scheduler.apply(*ANALYTICS, user=OWNER)
