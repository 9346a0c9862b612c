"""A session that replays recorded events, for tests of what is painted.

The real session is driven in `test_end_to_end.py`; this one exists to hold a run at a chosen event
and to make what no healthy project shows.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from textual.worker import WorkerCancelled

from tui.app import HeatmapApp
from tui.errors import ExitCode
from tui.heatmap.rows import AggregateRow
from tui.keys import KeyFacts, KeyKind
from tui.settings import Settings, Volume
from tui.target import Target, TargetKind
from tui.verify.driver import Cancellation
from tui.verify.events import (
    AuditFinished,
    Cancelling,
    CheckFinished,
    DryRunFinished,
    Event,
    Mode,
    Notice,
    Outcome,
    ProbeFinished,
    ProbeStarted,
    ProbeStatus,
    RefreshTimed,
    RunFinished,
    RunStarted,
    SampleTaken,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
    Tally,
)
from tui.verify.session import ConnectStage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from textual.pilot import Pilot

RUN_ID = "20260102t030405-abcdef"
VOLUME = Volume()
STAGES = tuple(Stage)
COUNTS = {
    Stage.USERS: 50,
    Stage.QUESTIONS: 200,
    Stage.RESPONSES: 10_000,
    Stage.REFRESH: 1,
    Stage.CHECK: 1_600,
    Stage.SAMPLE: 2_080,
    Stage.CLEANUP_RESPONSES: 10_000,
    Stage.CLEANUP_QUESTIONS: 200,
    Stage.FINAL_REFRESH: 1,
    Stage.CLEANUP_USERS: 50,
    Stage.AUDIT: 0,
}


def make_target(
    kind: TargetKind = TargetKind.LOCAL,
    *,
    host: str = "127.0.0.1",
    port: int = 54321,
    ref: str | None = None,
    reason: str = "started by this console on this machine",
) -> Target:
    scheme = "http" if host == "127.0.0.1" else "https"
    return Target(
        url=f"{scheme}://{host}" + (f":{port}" if port != 443 else ""),
        host=host,
        port=port,
        ref=ref,
        kind=kind,
        reason=reason,
        key=KeyFacts(KeyKind.LEGACY_JWT, role="service_role", ref=ref),
        aliases=(host,),
        asked_database=True,
    )


STAGING = make_target(
    TargetKind.STAGING,
    host="abcdefghijklmnopqrst.supabase.co",
    port=443,
    ref="abcdefghijklmnopqrst",
    reason="host abcdefghijklmnopqrst.supabase.co is declared in HEATMAP_VERIFY_NON_PROD_HOSTS",
)
PRODUCTION = make_target(
    TargetKind.PRODUCTION,
    host="zyxwvutsrqponmlkjihg.supabase.co",
    port=443,
    ref="zyxwvutsrqponmlkjihg",
    reason="unknown remote host: production until declared in HEATMAP_VERIFY_NON_PROD_HOSTS",
)


def make_settings(state_dir: Path = Path("/nowhere"), volume: Volume = VOLUME) -> Settings:
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


def probes(*changed: ProbeFinished) -> list[ProbeFinished]:
    """A dry run's answers, all as they should be but for the changed ones."""
    table = [
        ("target.reachable", "The project answers", "200 in 12 ms", 12.0),
        ("target.key", "The key is a service-role key of this project", "role service_role", 0.2),
        ("authentication.admin", "The admin API lists users", "60 users", 9.0),
        ("authentication.wrong-key", "A wrong key is refused", "401", 4.0),
        ("schema.tables", "Tables and their required columns are there", "3 tables", 18.0),
        ("schema.view", "The view has its eight columns", "8 of 8", 18.0),
        ("schema.index", "The unique index is valid", "analytics_heatmap_agg_idx", 21.0),
        ("schema.reader", "analytics_heatmap_admin() answers", "480 rows", 31.0),
        ("permissions.anon-view", "Anonymous callers cannot read the view", "42501", 6.0),
        ("permissions.anon-refresh", "Anonymous callers cannot refresh", "42501", 6.0),
        ("permissions.refresh", "We may refresh the view", "25006: allowed", 8.0),
        ("limits.max-rows", "Reads are paged at the server's row limit", "1,000 rows", 14.0),
        ("limits.timeout", "The refresh fits the statement timeout", "0.2 s of 8 s", 3.0),
        ("residue.leftovers", "Nothing is left of earlier runs", "0 rows", 11.0),
        ("volume.planned", "The planned volume is bearable", "10,000 responses on 4,812", 5.0),
    ]
    answers = [
        ProbeFinished(
            identity,
            identity.split(".")[0],
            title,
            ProbeStatus.PASS,
            detail,
            None,
            ms,
            asked="GET /rest/v1/analytics_heatmap_agg?limit=1",
        )
        for identity, title, detail, ms in table
    ]
    by_id = {each.id: each for each in changed}
    return [by_id.get(each.id, each) for each in answers]


def failing(identity: str, detail: str, hint: str) -> ProbeFinished:
    """The probe `identity` with a failure."""
    was = next(each for each in probes() if each.id == identity)
    return replace(was, status=ProbeStatus.FAIL, detail=detail, hint=hint)


def dry_run_events(target: Target, answers: Sequence[ProbeFinished]) -> list[Event]:
    counts = {status: sum(each.status is status for each in answers) for status in ProbeStatus}
    failed = [each for each in answers if each.status is ProbeStatus.FAIL]
    verdict = (
        f"not ready: {len(failed)} of {len(answers)} probes failed"
        if failed
        else "ready to write synthetic data"
    )
    return [
        RunStarted(RUN_ID, Mode.DRY_RUN, target, VOLUME),
        *(ProbeStarted(each.id, each.group, each.title) for each in answers),
        *answers,
        DryRunFinished(not failed, counts, tuple(each.detail for each in failed), verdict),
        RunFinished(
            Outcome.NOT_READY if failed else Outcome.READY,
            ExitCode.FAILED if failed else ExitCode.VERIFIED,
            verdict,
            None,
            0.42,
        ),
    ]


def sample(questions: int = 8, weeks: int = 8) -> SampleTaken:
    """A small heatmap, uneven and the same every time."""
    lesions = ("fracture", "sprain", "burn", None)
    rows = []
    for number in range(questions):
        for week in range(weeks):
            attempts = 3 + (number * 7 + week * 5) % 11
            correct = (attempts * ((number * 3 + week) % 10)) // 10
            rows.append(
                AggregateRow(
                    UUID(int=number + 1),
                    lesions[number % 4],
                    ("wrist", "ankle", None)[number % 3],
                    date.fromordinal(date(2025, 11, 3).toordinal() + 7 * week),
                    attempts,
                    correct,
                    round(Decimal(correct) / attempts, 2),
                    Decimal(1000 + 100 * number + week),
                )
            )
    return SampleTaken(tuple(rows), len(rows))


def stage_events(stage: Stage, *, steps: int = 2, seconds: float = 0.25) -> list[Event]:
    count = COUNTS[stage]
    return [
        StageStarted(stage, count, f"{stage.value}: working"),
        *(StageProgress(stage, count * (step + 1) // steps, count) for step in range(steps)),
        StageFinished(stage, seconds, count),
    ]


def cycle_events(target: Target) -> list[Event]:
    """A run that is verified."""
    events: list[Event] = [RunStarted(RUN_ID, Mode.CYCLE, target, VOLUME, STAGES)]
    for stage in STAGES:
        events += stage_events(stage)
        if stage is Stage.REFRESH:
            events.append(RefreshTimed(212.4, 190.0, 1))
        elif stage is Stage.CHECK:
            events.append(CheckFinished(1600, 1600, 0, 0, 0))
        elif stage is Stage.SAMPLE:
            events.append(sample())
        elif stage is Stage.FINAL_REFRESH:
            events.append(RefreshTimed(98.0, 80.0, 1, final=True))
    return [
        *events,
        AuditFinished(Tally(), view_restored=True, explanation="as before"),
        RunFinished(
            Outcome.VERIFIED, ExitCode.VERIFIED, "verified: all numbers are right", None, 2.9
        ),
    ]


def cancelled_events(target: Target) -> list[Event]:
    """What follows once a run was asked to stop."""
    del target
    return [
        Cancelling("esc was pressed"),
        *stage_events(Stage.CLEANUP_RESPONSES),
        *stage_events(Stage.CLEANUP_QUESTIONS),
        *stage_events(Stage.CLEANUP_USERS),
        AuditFinished(Tally(), view_restored=True),
        Notice("stopped after 5,000 responses"),
        RunFinished(
            Outcome.INTERRUPTED, ExitCode.INTERRUPTED, "stopped; everything was removed", None, 1.4
        ),
    ]


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
        script: Sequence[Event | Held | Exception],
        *,
        after_cancel: Sequence[Event | Held] = (),
    ) -> None:
        self.run_id = RUN_ID
        self.mode = mode
        self.cancellation = Cancellation()
        self._script = script
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
        for item in self._script:
            if isinstance(item, Held):
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
            else:
                yield item
            if self.cancellation.abandoned:
                yield RunFinished(
                    Outcome.LEFTOVERS,
                    ExitCode.LEFTOVERS,
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
        dry_run: Sequence[Event | Held | Exception] | None = None,
        cycle: Sequence[Event | Held | Exception] | None = None,
        after_cancel: Sequence[Event | Held] | None = None,
    ) -> None:
        self.target = target or make_target()
        self.settings = settings or make_settings()
        self.is_sandbox = is_sandbox
        self.dry_run_result: DryRunFinished | None = None
        self.journals: list[object] = []
        self.evidence = None
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
        return FakeRun(Mode.DRY_RUN, self._dry_run)

    def ask_again(self, probe_id: str) -> FakeRun:
        self.asked_again.append(probe_id)
        return FakeRun(Mode.DRY_RUN, self.again)

    def cycle(self, **arguments: object) -> FakeRun:
        self.cycles_started += 1
        self.asked_for = arguments
        return FakeRun(Mode.CYCLE, self._cycle, after_cancel=self._after)

    def purge(self, **arguments: object) -> FakeRun:
        self.asked_for = arguments
        return FakeRun(Mode.PURGE, self.purges.pop(0) if self.purges else self._cycle)

    async def live_heatmap(self) -> SampleTaken:
        return self.live

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

    return HeatmapApp(connect, clock=Clock(), **options)  # type: ignore[arg-type]


async def settle(pilot: Pilot[int]) -> None:
    """Wait until nothing is under way but held runs, and paint it."""
    app = pilot.app
    assert isinstance(app, HeatmapApp)
    await pilot.pause()
    for worker in [each for each in app.workers if each.group != "ask"]:
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
