"""A session that replays recorded events, for tests of what is painted.

The real session is driven in `test_end_to_end.py`; this one exists to hold a run at a chosen event
and to make what no healthy project shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from textual.worker import WorkerCancelled

from tests.console.recorded import (
    DRY_RUN_ID,
    FINGERPRINT,
    FINISHED,
    PRODUCTION,
    RUN_ID,
    STAGES,
    STAGING,
    VERSIONS,
    VOLUME,
    Moment,
    cancelled_events,
    cycle_events,
    dry_run_events,
    failing,
    make_target,
    probes,
    purge_events,
    sample,
    stage_events,
)
from tui.console.app import HeatmapApp
from tui.evidence.archive import SANDBOX, Archive
from tui.evidence.comparison import Limits
from tui.evidence.deployment_log import DeploymentLog
from tui.evidence.history import entry_of
from tui.settings import Settings, Volume
from tui.verify.events import (
    Event,
    Mode,
    Outcome,
    ProjectDescribed,
    RunFinished,
    SampleTaken,
)
from tui.verify.result import Result
from tui.verify.run import Cancellation
from tui.verify.session import ConnectStage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from textual.pilot import Pilot

    from tui.guard.target import Target

__all__ = [
    "ASKING",
    "DRY_RUN_ID",
    "FINGERPRINT",
    "FINISHED",
    "PRODUCTION",
    "RUN_ID",
    "STAGES",
    "STAGING",
    "VERSIONS",
    "VOLUME",
    "Clock",
    "FakeRun",
    "FakeSession",
    "Held",
    "Moment",
    "cancelled_events",
    "cycle_events",
    "dry_run_events",
    "failing",
    "make_app",
    "make_settings",
    "make_target",
    "press",
    "probes",
    "purge_events",
    "sample",
    "settle",
    "stage_events",
    "text_of",
    "until",
]


@functools.cache
def _home() -> tempfile.TemporaryDirectory[str]:
    """Where all sessions of this process keep their files; gone when it ends."""
    return tempfile.TemporaryDirectory(prefix="heatmap-fakes-")


def make_settings(state_dir: Path | None = None, volume: Volume = VOLUME) -> Settings:
    """Settings with a state directory of their own."""
    state_dir = state_dir or Path(tempfile.mkdtemp(dir=_home().name))
    return Settings(
        url=None,
        service_role_key=None,
        anon_key=None,
        volume=volume,
        prod_hosts=(),
        non_prod_hosts=(),
        state_dir=state_dir,
        deployment_log=state_dir / "deployment-log.jsonl",
    )


class Held:
    """A point in a replay at which it waits until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()


class FakeRun:
    """Replays events; a `Held` among them stops it until it is let go or cancelled."""

    def __init__(
        self,
        mode: Mode,
        script: Sequence[Event | Moment | Held | Exception],
        *,
        after_cancel: Sequence[Event | Moment | Held] = (),
        archive: Archive | None = None,
        result: Result | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.run_id = DRY_RUN_ID if mode is Mode.DRY_RUN else RUN_ID
        self.mode = mode
        self.result = result or Result(mode)
        self._archive = archive
        self._clock = clock or Clock()
        self.cancellation = Cancellation()
        self._script: Sequence[Event | Moment | Held | Exception] = script
        self._after_cancel = after_cancel
        self._cancelled = asyncio.Event()
        self._abandoned = asyncio.Event()

    def cancel(self, reason: str) -> None:
        self.cancellation.request(reason)
        self._cancelled.set()

    def abandon(self, reason: str = "left") -> None:
        self.cancellation.abandon(reason)
        self._abandoned.set()

    async def events(self) -> AsyncGenerator[Event, None]:
        async for event in self._replay():
            if isinstance(event, RunFinished) and self._archive is not None:
                self.result.apply(ProjectDescribed(VERSIONS, FINGERPRINT))
                ended = await self._archive.conclude(self.result, event, None, lambda _: None)
                self.result.apply(ended)
                yield ended
                continue
            self.result.apply(event)
            yield event

    async def _replay(self) -> AsyncGenerator[Event, None]:
        began = self._clock.now
        for item in self._script:
            if isinstance(item, Moment):
                self._clock.now = began + item.at
            elif isinstance(item, Held):
                await self._hold(item, self._cancelled)
            elif isinstance(item, Exception):
                raise item
            else:
                yield item
            if self.cancellation.requested:
                break
        else:
            return
        for item in self._after_cancel:
            if isinstance(item, Held):
                await self._hold(item, self._abandoned)
            elif not isinstance(item, Moment):
                yield item
            if self._abandoned.is_set():
                yield RunFinished(
                    Outcome.LEFTOVERS,
                    "left behind: 50 users, 200 questions, 5,000 responses",
                    "run heatmap-tui --purge",
                    1.0,
                )
                return

    async def _hold(self, held: Held, unless: asyncio.Event) -> None:
        held.reached.set()
        waits = {asyncio.create_task(held.go.wait()), asyncio.create_task(unless.wait())}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()


class FakeSession:
    """Scripts in place of a project."""

    def __init__(
        self,
        target: Target | None = None,
        *,
        is_sandbox: bool = True,
        settings: Settings | None = None,
        dry_run: Sequence[Event | Moment | Held | Exception] | None = None,
        cycle: Sequence[Event | Moment | Held | Exception] | None = None,
        after_cancel: Sequence[Event | Moment | Held] | None = None,
    ) -> None:
        self.target = target or make_target()
        self.settings = settings or make_settings()
        self.is_sandbox = is_sandbox
        self.clock = Clock()
        self.last_dry_run: Result | None = None
        self.journals: list[object] = []
        self.archive = Archive(
            self.settings.state_dir,
            DeploymentLog(self.settings.deployment_log),
            Limits(),
            is_sandbox=is_sandbox,
            now=lambda: FINISHED,
        )
        self.closed = False
        self.cycles_started = 0
        self.live = sample()
        self.asked_again: list[str] = []
        self.again: Sequence[Event] = ()
        self.purges: list[Sequence[Event]] = []
        self.asked_for: dict[str, object] = {}
        self._dry_run = dry_run or dry_run_events(self.target, probes())
        self._cycle = cycle or cycle_events(self.target)
        self._after = after_cancel or cancelled_events(self.target)

    def dry_run(self) -> FakeRun:
        self.last_dry_run = Result(Mode.DRY_RUN, self.clock)
        return self._run(Mode.DRY_RUN, self._dry_run, self.last_dry_run)

    def ask_again(self, probe_id: str) -> FakeRun:
        self.asked_again.append(probe_id)
        return self._run(Mode.DRY_RUN, self.again, self.last_dry_run)

    def cycle(self, **arguments: object) -> FakeRun:
        self.cycles_started += 1
        self.asked_for = arguments
        result = Result(Mode.CYCLE, self.clock)
        if self.last_dry_run is not None:
            result.take_probes(self.last_dry_run)
        return self._run(Mode.CYCLE, self._cycle, result, after_cancel=self._after)

    def purge(self, **arguments: object) -> FakeRun:
        self.asked_for = arguments
        script = self.purges.pop(0) if self.purges else purge_events(self.target)
        return self._run(Mode.PURGE, script, Result(Mode.PURGE, self.clock))

    def _run(
        self,
        mode: Mode,
        script: Sequence[Event | Moment | Held | Exception],
        result: Result | None,
        *,
        after_cancel: Sequence[Event | Moment | Held] = (),
    ) -> FakeRun:
        return FakeRun(
            mode,
            script,
            after_cancel=after_cancel,
            archive=self.archive,
            result=result,
            clock=self.clock,
        )

    async def count_rows(self) -> dict[str, int | None]:
        return {"users": 62, "questions": 54, "responses": 1_583, "view rows": 576}

    def purge_command(self) -> str:
        return "heatmap-tui --purge --sandbox"

    async def read_heatmap(self) -> SampleTaken:
        return self.live

    def remember(self, *refreshes_ms: float) -> None:
        """Put earlier runs into the history, an hour apart."""
        result = Result(Mode.CYCLE)
        for event in cycle_events(self.target):
            if not isinstance(event, Moment):
                result.apply(event)
        place = SANDBOX if self.is_sandbox else self.target.place
        entry = entry_of(result, at=FINISHED, place=place)
        assert entry is not None
        for number, ms in enumerate(refreshes_ms):
            self.archive.history.append(
                replace(
                    entry,
                    run_id=f"20260101t{number:02d}0000-abcdef",
                    at=datetime(2026, 1, 1, number, tzinfo=UTC),
                    refresh_runs_ms=(ms,),
                )
            )

    async def aclose(self) -> None:
        self.closed = True


class Clock:
    """A clock that stands still unless told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_app(session: FakeSession | None = None, **options: object) -> HeatmapApp:
    """The console on a fake session, with a clock that stands still."""
    chosen = session or FakeSession()

    async def connect(on_stage: Callable[[ConnectStage], None]) -> FakeSession:
        if chosen.is_sandbox:
            for title, seconds in (
                ("start PostgreSQL", 0.61),
                ("apply the SQL", 0.22),
                ("start PostgREST", 0.18),
            ):
                on_stage(ConnectStage(title, None))
                on_stage(ConnectStage(title, seconds, "18.4" if "Postgre" in title else None))
        return chosen

    return HeatmapApp(connect, clock=chosen.clock, **options)  # type: ignore[arg-type]


ASKING = {"ask", "heatmap-export"}
"""Work that waits for an answer to a question."""


async def settle(pilot: Pilot[int]) -> None:
    """Wait until nothing is under way but held runs, and paint it."""
    app = pilot.app
    assert isinstance(app, HeatmapApp)
    await pilot.pause()
    for worker in [each for each in app.workers if each.group not in ASKING]:
        with contextlib.suppress(WorkerCancelled):
            await worker.wait()
    await pilot.pause()
    app.paint()
    await pilot.pause()


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys one after the other, letting each take effect."""
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def until(pilot: Pilot[int], condition: Callable[[], object], *, seconds: float = 30) -> None:
    """Let the console work until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await pilot.pause(0.01)


def text_of(app: HeatmapApp) -> str:
    """What is on the screen, as text, one line per row."""
    screen = app.screen
    width, height = app.size
    lines = screen._compositor.render_strips(app.size)
    return "\n".join(strip.text.ljust(width) for strip in lines[:height])
