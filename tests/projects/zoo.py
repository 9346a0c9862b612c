"""One sandbox that becomes one project after another, each a fresh copy of the same database."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from tests.projects.state import state
from tests.sandbox.helpers import options
from tests.verify.conftest import finish, open_session
from tui.sandbox import start_sandbox_sync

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tests.projects.variant import Variant
    from tui.verify.result import Result

USERS, QUESTIONS, BATCH = 9, 20, 60
_TEMPLATE = "zoo"
_TRIES = 50


class Zoo:
    """A sandbox, and the copy of its database that every variant begins with."""

    def __init__(self) -> None:
        self.sandbox = start_sandbox_sync(options())
        self._copy("postgres", _TEMPLATE)

    def close(self) -> None:
        self.sandbox.stop_sync()

    def become(self, *variants: Variant) -> None:
        """Be the sandbox's own project, changed by some variants, and nothing else."""
        self._copy(_TEMPLATE, "postgres")
        for variant in variants:
            self._execute(variant.sql, superuser=variant.superuser)
        self.sandbox.restart_postgrest()

    def become_of(self, changes: Iterable[str]) -> list[str]:
        """Be the sandbox's own project with those of some changes that can be made: which."""
        self._copy(_TEMPLATE, "postgres")
        made = []
        for change in changes:
            with contextlib.suppress(psycopg.Error):
                self._execute(change, superuser=False)
                made.append(change)
        self.sandbox.restart_postgrest()
        return made

    def execute(self, script: str, *, superuser: bool = False) -> None:
        """Run a script, as the project's owner if nobody else; PostgREST then reads all anew."""
        self._execute(script, superuser=superuser)
        self.sandbox.restart_postgrest()

    def _execute(self, script: str, *, superuser: bool) -> None:
        url = (
            self.sandbox.db_url
            if superuser
            else make_conninfo(self.sandbox.db_url, user="postgres")
        )
        with psycopg.connect(url, autocommit=True) as connection:
            # On the platform the owner may repair what is read-only.
            connection.execute("set default_transaction_read_only = off")
            connection.execute(script.encode())
        with psycopg.connect(self.sandbox.db_url, autocommit=True) as connection:
            # Connections that are open keep the settings that they began with.
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename in ('authenticator', 'supabase_auth_admin')"
            )

    def _copy(self, source: str, name: str) -> None:
        url = make_conninfo(self.sandbox.db_url, dbname="template1")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)".encode())
            for attempt in range(_TRIES):
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    [source],
                )
                try:
                    connection.execute(
                        f"create database {name} template {source} owner postgres".encode()
                    )
                except psycopg.errors.ObjectInUse:
                    # PostgREST connects again as soon as it is cut off.
                    assert attempt < _TRIES - 1, "the database is never left alone"
                    time.sleep(0.05)
                else:
                    return

    def state(self) -> dict[str, Any]:
        return state(self.sandbox.db_url)

    def cycle(self, **more: Any) -> Result:
        """What the command does: a dry run, and where that is ready, the cycle."""
        return asyncio.run(self._run("cycle", with_dry_run=True, **more))

    def dry_run(self) -> Result:
        return asyncio.run(self._run("dry_run"))

    def purge(self) -> Result:
        return asyncio.run(self._run("purge"))

    async def _run(self, what: str, **arguments: Any) -> Result:
        async with open_session(
            self.sandbox, users=USERS, questions=QUESTIONS, batch=BATCH
        ) as session:
            return await finish(getattr(session, what)(**arguments))


def first_line(result: Result) -> str:
    """What an operator reads first of a run that did not go well."""
    finished = result.finished
    assert finished is not None
    if finished.outcome in {"not-ready", "unreachable"} and finished.problems:
        return finished.problems[0]
    return finished.message


def hints(result: Result, ids: Iterable[str]) -> list[str]:
    """Hints of the probes of these ids, or of the run's end where none of them has one."""
    found = [result.probes[id_].hint or "" for id_ in ids if id_ in result.probes]
    assert result.finished is not None
    return [*found, result.finished.hint or ""]
