"""The parts of a running sandbox: stopped, started, cancelled half-way, or dead by themselves."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from tests.sandbox.helpers import eventually, headers, rows
from tui.errors import ConfigurationError, SandboxError
from tui.sandbox import postgres, processes
from tui.sandbox.processes import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox

    Start = Callable[..., Sandbox]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_the_database_and_postgrest_can_be_stopped_and_started(
    start_private_sandbox: Start,
) -> None:
    running = start_private_sandbox()
    before = rows(running)
    running.restart_postgrest()
    assert rows(running) == before
    running.stop_database()
    answer = httpx.get(
        f"{running.url}/rest/v1/questions", headers=headers(running.service_role_key)
    )
    assert answer.status_code >= 500
    running.start_database()
    assert rows(running) == before
    assert running.failure is None


def test_starting_a_database_that_runs_leaves_it_as_it_is(start_private_sandbox: Start) -> None:
    running = start_private_sandbox()
    status = running.directory / "data" / "postmaster.pid"
    before = status.read_text()
    running.start_database()
    assert status.read_text() == before
    assert running.failure is None
    running.stop_database()
    assert not status.exists(), "the server that was started first is still the one that is stopped"
    answer = httpx.get(
        f"{running.url}/rest/v1/questions", headers=headers(running.service_role_key)
    )
    assert answer.status_code >= 500
    running.start_database()
    assert rows(running) > 0
    assert running.failure is None


async def test_a_request_that_fails_unexpectedly_is_told_and_the_sandbox_goes_on(
    start_private_sandbox: Start,
) -> None:
    running = start_private_sandbox()
    with pytest.raises(SandboxError, match="the sandbox could not do faults: AttributeError"):
        running._ask("faults", 7)
    with pytest.raises(ConfigurationError, match="does not know how to 'dance'"):
        running._ask("dance")
    assert rows(running) > 0
    assert running.failure is None


def test_connections_that_the_server_ended_are_not_lent(start_private_sandbox: Start) -> None:
    running = start_private_sandbox(auth=None, auth_migrations=None)
    users = f"{running.url}/auth/v1/admin/users"

    async def ask() -> list[int]:
        async with httpx.AsyncClient(headers=headers(running.service_role_key)) as client:
            replies = await asyncio.gather(*(client.get(users) for _ in range(8)))
            return [reply.status_code for reply in replies]

    assert asyncio.run(ask()) == [200] * 8
    with psycopg.connect(running.db_url, autocommit=True) as connection:
        ended = connection.execute(
            "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity "
            "where usename = 'supabase_auth_admin'"
        ).fetchone()
    assert ended is not None
    assert ended[0] > 1
    assert asyncio.run(ask()) == [200] * 8


async def test_cancelled_work_in_a_thread_has_ended_when_the_cancelling_has() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait(10)
        ended.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=0.1)
    assert not task.done(), "it waits for the thread"
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_copy_that_is_cancelled_has_ended_before_its_directory_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started, go_on = threading.Event(), threading.Event()

    async def closed(*_: object) -> str:
        raise PermissionError

    def copy(_: Path, into: Path) -> Path:
        started.set()
        go_on.wait(10)
        into.mkdir(parents=True, exist_ok=True)
        return into

    run = processes.RunDirectory.create()
    server = postgres.Postgres(Path("/nowhere"), run)
    monkeypatch.setattr(server, "account", pwd.getpwnam("nobody"))
    monkeypatch.setattr(processes, "version_of", closed)
    monkeypatch.setattr(postgres, "copy_programs", copy)
    probe = asyncio.create_task(server.probe())
    assert await asyncio.to_thread(started.wait, 10)
    probe.cancel()
    await asyncio.wait({probe}, timeout=0.1)
    assert not probe.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await probe
    run.remove()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not run.path.exists()


@linux_only
def test_a_part_that_dies_is_told(start_private_sandbox: Start) -> None:
    running = start_private_sandbox()
    postmaster = int((running.directory / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGQUIT)
    assert eventually(lambda: running.failure is not None)
    assert str(running.failure).startswith("PostgreSQL has died: ")
    running.stop_sync()
    assert not running.directory.exists()
