"""A session on a sandbox, as the command line would open it, and ways to look past it."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tui.evidence.archive import Archive
from tui.guard.target import classify
from tui.project import RetryPolicy
from tui.redact import Secret
from tui.settings import load_settings
from tui.verify.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tui.sandbox import Sandbox
    from tui.verify.events import Event
    from tui.verify.result import Result
    from tui.verify.session import Run

# Waits are cut short so that tests of failures are quick; the number of tries is the real one.
QUICK = RetryPolicy(base_s=0.02, cap_s=0.1, deadline_s=20.0, in_doubt_s=0.0)


@asynccontextmanager
async def open_session(
    sandbox: Sandbox,
    *,
    users: int = 9,
    questions: int = 20,
    batch: int = 50,
    canary: bool | None = None,
    **env: str,
) -> AsyncIterator[Session]:
    """A session with a small volume; the sandbox is a local target like any other."""
    settings = load_settings(
        environ={
            **os.environ,
            "HEATMAP_VERIFY_USERS": str(users),
            "HEATMAP_VERIFY_QUESTIONS": str(questions),
            "HEATMAP_VERIFY_BATCH": str(batch),
            "SUPABASE_ANON_KEY": sandbox.anon_key,
            **env,
        },
        directory=Path.cwd(),
    )
    session = Session(
        settings,
        classify(
            sandbox.url,
            sandbox.service_role_key,
            prod_hosts=settings.prod_hosts,
            non_prod_hosts=settings.non_prod_hosts,
        ),
        key=Secret(sandbox.service_role_key),
        archive=Archive.configured(settings, is_sandbox=False),
        is_sandbox=False,
        policy=QUICK,
        canary=canary,
    )
    async with session:
        await session.ask_database()
        yield session


async def finish(run: Run, watch: Callable[[Event], None] = lambda _: None) -> Result:
    """Follow a run to its end."""
    async for event in run.events():
        watch(event)
    assert run.result.finished is not None
    return run.result


def trigger(table: str, body: str, *, when: str = "before insert") -> str:
    """A row trigger `meddle` on a table."""
    return f"""
        create function public.meddle() returns trigger language plpgsql security definer
            set search_path = public, pg_temp as $$
        begin {body} return new; end $$;
        create trigger meddle {when} on public.{table}
            for each row execute function public.meddle();
    """


def contents(sandbox: Sandbox) -> dict[str, tuple[int, str | None]]:
    """Rows and their checksum, for every table and matview that a run could touch.

    Left out is the auth server's audit log, which keeps two rows of every user on purpose.
    """
    found = {}
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        relations = connection.execute(
            """
            select n.nspname, c.relname
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'm') and n.nspname in ('public', 'auth')
              and c.relname <> 'audit_log_entries'
            order by 1, 2
            """
        ).fetchall()
        for schema, name in relations:
            query = sql.SQL(
                "select count(*), md5(string_agg(t::text, '|' order by t::text)) from {} t"
            ).format(sql.Identifier(schema, name))
            row = connection.execute(query).fetchone()
            assert row is not None
            found[f"{schema}.{name}"] = (row[0], row[1])
    return found


@pytest.fixture
def untouched(sandbox: Sandbox) -> Callable[[], None]:
    """Call it to assert that every table holds exactly what it held when the test began."""
    before = contents(sandbox)
    assert before["public.responses"][0] > 1_000, "there must be something that could be harmed"

    def check() -> None:
        assert contents(sandbox) == before

    return check
