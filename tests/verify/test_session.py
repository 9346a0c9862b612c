"""A session: what it believes of a database, when it is ready, and how its work is stopped."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.dry_run.contexts import OPAQUE, context_on
from tests.verify.conftest import QUICK, finish, open_session
from tui.dry_run.runner import PROBES
from tui.errors import ExitCode, GuardRefused
from tui.evidence.archive import Archive
from tui.guard.target import TargetKind, classify
from tui.redact import Secret
from tui.verify.events import DryRunFinished, Event, Mode, Outcome, ProbeResult, RunStarted
from tui.verify.result import document
from tui.verify.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.dry_run.contexts import Handler
    from tui.sandbox import Sandbox
    from tui.verify.session import Run

NOT_INSTALLED = {"code": "PGRST202", "message": "Could not find the function"}


@asynccontextmanager
async def session_on(handler: Handler, tmp_path: Path) -> AsyncIterator[Session]:
    async with (
        context_on(handler) as context,
        Session(
            context.settings,
            classify(context.target.url, OPAQUE, sandbox=True),
            key=Secret(OPAQUE),
            archive=Archive.configured(context.settings, is_sandbox=False),
            is_sandbox=False,
            policy=QUICK,
        ) as session,
    ):
        object.__setattr__(session.settings, "state_dir", tmp_path)
        yield session


def saying(body: Any, status: int = 200) -> Handler:
    """A server whose preflight function gives one answer."""

    async def handler(request: web.Request) -> web.Response:
        assert request.method in {"GET", "HEAD"}, "nothing may be written"
        if request.path.startswith("/rest/v1/rpc/"):
            return web.json_response(body, status=status)
        return web.json_response([], headers={"Content-Range": "*/0"})

    return handler


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, 200),
        ([], 200),
        ([{"schema": 1, "declared_environment": None}], 200),
        ({}, 200),
        ({"schema": 2, "declared_environment": None}, 200),
        ({"schema": 1}, 200),
        ({"schema": 1, "declared_environment": 7}, 200),
        ({"schema": 1, "declared_environment": False}, 200),
        ({"message": "no route"}, 404),
        ([], 404),
        ({"code": "PGRST106", "message": "schema must be one of"}, 406),
        ({"code": "42P01", "message": "no relation"}, 404),
        ({"code": "42501", "message": "denied"}, 403),
    ],
    ids=json.dumps,
)
async def test_an_answer_that_cannot_be_read_permits_no_write(
    body: Any, status: int, tmp_path: Path
) -> None:
    async with session_on(saying(body, status), tmp_path) as session:
        await session.ask_database()
        assert session.target.kind is TargetKind.LOCAL
        assert not session.target.asked_database
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.exit_code is not ExitCode.VERIFIED


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (NOT_INSTALLED, 404, TargetKind.LOCAL),
        ({"schema": 1, "declared_environment": None}, 200, TargetKind.LOCAL),
        ({"schema": 1, "declared_environment": "staging"}, 200, TargetKind.LOCAL),
        ({"schema": 1, "declared_environment": "prod"}, 200, TargetKind.PRODUCTION),
    ],
    ids=["not installed", "nothing", "staging", "prod"],
)
async def test_an_answer_that_can_be_read_counts(
    body: Any, status: int, kind: TargetKind, tmp_path: Path
) -> None:
    async with session_on(saying(body, status), tmp_path) as session:
        await session.ask_database()
        assert session.target.asked_database
        assert session.target.kind is kind


async def test_one_probe_makes_no_project_ready(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        result = await finish(session.ask_again("target.key"))
        assert session.last_dry_run is not None
        assert not session.last_dry_run.ready
        assert result.finished is not None
        assert result.finished.outcome is Outcome.NOT_READY
        left = len(PROBES) - 1
        assert f"{left} of {len(PROBES)} probes were not asked" in result.finished.message
        with pytest.raises(GuardRefused, match="no dry run was ready"):
            session.grant(confirmation="127.0.0.1", justification="x")


async def test_asking_again_completes_a_whole_dry_run(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        whole = await finish(session.dry_run())
        assert session.last_dry_run is not None
        assert session.last_dry_run.ready
        result = await finish(session.ask_again("target.key"))
        assert session.last_dry_run.ready
    assert result.finished is not None
    assert result.finished.outcome is Outcome.READY
    assert document(whole)["leftovers"] == {"users": None, "questions": None, "responses": None}


async def test_a_dry_run_that_breaks_off_takes_its_verdict_back(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        await finish(session.dry_run())
        run = session.dry_run()

        def stop(event: Event) -> None:
            if isinstance(event, ProbeResult) and event.status is None:
                run.cancel("stopped by the test")

        result = await finish(run, stop)
        assert session.last_dry_run is not None
        assert not session.last_dry_run.ready
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.INTERRUPTED
    assert result.finished.message == "stopped by the test; nothing was written"


@pytest.mark.parametrize(
    "work", [Session.dry_run, Session.heatmap, lambda session: session.ask_again("schema.view")]
)
async def test_what_only_reads_ends_at_once_however_the_server_hangs(
    work: Callable[[Session], Run], tmp_path: Path
) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        asked.set()
        await over.wait()
        return web.Response(status=500)

    async with session_on(hang, tmp_path) as session:
        run = work(session)
        following = asyncio.create_task(finish(run))
        await asked.wait()
        run.cancel("stopped by the test")
        result = await asyncio.wait_for(following, 10)
        over.set()
    assert result.finished is not None
    assert result.finished.outcome is Outcome.INTERRUPTED
    assert result.finished.exit_code is ExitCode.INTERRUPTED


async def test_a_run_stopped_in_its_dry_run_writes_nothing_and_asks_for_nothing(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    def never() -> None:
        raise AssertionError("no approval may be asked for")

    sandbox.clear_requests()
    async with open_session(sandbox) as session:
        for kind in (RunStarted, ProbeResult, DryRunFinished):
            run = session.cycle(with_dry_run=True, obtain_approval=never)

            def stop(event: Event, run: Run = run, kind: type[Event] = kind) -> None:
                if isinstance(event, kind):
                    run.cancel("stopped by the test")

            result = await finish(run, stop)
            assert result.finished is not None
            if kind is DryRunFinished:
                # The listener is told a moment later: the first writes may be under way.
                assert result.finished.outcome is Outcome.INTERRUPTED
                continue
            assert result.finished.message == "stopped by the test; nothing was written"
            assert {seen.method for seen in sandbox.requests()} <= {"GET", "HEAD"}
        assert session.journals == []
    untouched()


async def test_waiting_for_an_approval_ends_when_the_run_is_stopped(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    asked, dropped = asyncio.Event(), asyncio.Event()

    async def prompt() -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            dropped.set()

    sandbox.clear_requests()
    async with open_session(sandbox, HEATMAP_VERIFY_PROD_HOSTS="127.0.0.1") as session:
        assert session.target.is_production
        for work in (session.cycle, session.purge):
            asked.clear()
            run = work(
                obtain_approval=prompt, **({"with_dry_run": True} if work == session.cycle else {})
            )
            following = asyncio.create_task(finish(run))
            await asked.wait()
            run.cancel("stopped by the test")
            result = await asyncio.wait_for(following, 10)
            assert dropped.is_set()
            assert document(result)["exit_code"] == 4
    assert {seen.method for seen in sandbox.requests()} <= {"GET", "HEAD"}
    untouched()


async def test_a_purge_stopped_before_it_found_anything_deletes_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = asyncio.Event()

    async def forever(*_: object) -> None:
        looking.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("tui.verify.leftovers.find", forever)
    async with open_session(sandbox) as session:
        run = session.purge()
        following = asyncio.create_task(finish(run))
        await looking.wait()
        run.cancel("stopped by the test")
        result = await asyncio.wait_for(following, 10)
    assert document(result)["exit_code"] == 4


async def test_every_run_but_a_look_at_the_heatmap_leaves_evidence(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        archive, seen = Archive.of(session), list[str]()
        for begin in (
            session.dry_run,
            lambda: session.ask_again("target.key"),
            session.purge,
            session.heatmap,
            session.cycle,
        ):
            run = begin()
            was = archive.evidence
            result = await finish(run)
            assert result.finished is not None
            assert archive.evidence is not None
            assert (archive.evidence is was) == (run.mode is Mode.HEATMAP)
            kept = archive.evidence.result
            seen.append(str(kept.mode))
            assert kept.finished is not None
            assert kept.finished.exit_code == result.finished.exit_code == 0
            if kept.mode is not Mode.PURGE:
                assert len(kept.probes) == len(PROBES)
    assert seen == ["dry-run", "dry-run", "purge", "purge", "cycle"]
