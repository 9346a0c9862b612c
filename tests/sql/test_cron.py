"""The scheduled refresh: applied where pg_cron is, refused in words where it is not.

pg_cron itself is not at hand; a stand-in with its three entry points records what it is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from .cluster import SQL

if TYPE_CHECKING:
    from .conftest import Database

STAND_IN = """
create schema cron;
create table cron.job (
  jobid bigint generated always as identity, schedule text, command text, jobname text unique,
  username text default current_user, active boolean default true);
create function cron.schedule(job_name text, schedule text, command text) returns bigint
language sql as $$
  insert into cron.job as j (jobname, schedule, command) values (job_name, schedule, command)
  on conflict (jobname) do update set schedule = excluded.schedule, command = excluded.command
  returning j.jobid
$$;
create function cron.unschedule(job_id bigint) returns boolean language sql as $$
  delete from cron.job where jobid = job_id returning true
$$;
"""
FILE = "analytics_heatmap_cron.sql"


@pytest.fixture
def scheduled(ready: Database) -> psycopg.Connection:
    """The owner's session in a project with the stand-in for pg_cron."""
    session = ready.connect()
    session.execute(STAND_IN)
    return session


def test_says_what_to_do_without_pg_cron(ready: Database) -> None:
    with pytest.raises(psycopg.Error, match="pg_cron is not enabled") as error:
        ready.apply(FILE)
    assert "create extension pg_cron" in (error.value.diag.message_hint or "")


def test_applies_twice_and_the_command_works(
    ready: Database, scheduled: psycopg.Connection
) -> None:
    ready.apply(FILE)
    ready.apply(FILE)
    jobs = scheduled.execute("select jobname, schedule, command from cron.job").fetchall()
    assert [job[:2] for job in jobs] == [("analytics-heatmap-refresh", "3-59/15 * * * *")]
    before = scheduled.execute("select refreshed_at from analytics_private.heatmap_refresh")
    earlier = before.fetchone()
    ready.connect().execute(jobs[0][2].encode())
    after = scheduled.execute("select refreshed_at from analytics_private.heatmap_refresh")
    assert after.fetchone() != earlier


def test_refuses_before_the_heatmap_or_for_another_role(
    bare: Database, ready: Database, scheduled: psycopg.Connection
) -> None:
    bare.connect().execute(STAND_IN)
    with pytest.raises(psycopg.Error, match="does not exist"):
        bare.apply(FILE)
    scheduled.execute("grant usage on schema cron to service_role")
    scheduled.execute("grant all on all tables in schema cron to service_role")
    scheduled.execute("set role service_role")
    text = SQL / FILE
    with pytest.raises(psycopg.Error, match="may not refresh the heatmap"):
        scheduled.execute(text.read_bytes())


def test_rollback_unschedules_it(ready: Database, scheduled: psycopg.Connection) -> None:
    ready.apply(FILE)
    scheduled.execute("select cron.schedule('another', '* * * * *', 'select 1')")
    ready.apply("analytics_heatmap_rollback.sql")
    assert scheduled.execute("select jobname from cron.job").fetchall() == [("another",)]
