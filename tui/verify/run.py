"""One run under way: its task, its events, its result, the ways to stop it.

The work runs in a task of its own and never waits for whoever listens. It never dies with the
listener either: when that goes away the work is asked to stop and is awaited, so that it cleans up.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from tui.errors import OperatorError
from tui.project import GATEWAY_TIMEOUT, ProjectError, ProjectUnreachable, TimedOut
from tui.verify.events import (
    Event,
    Mode,
    Notice,
    Outcome,
    RefreshTimed,
    Retrying,
    RunFinished,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
)
from tui.verify.result import Result, finished_by

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping

    from tui.guard.break_glass import Approval, Intent
    from tui.guard.target import Target
    from tui.project import Project, Writer
    from tui.verify.causes import Causes
    from tui.verify.clean_up import PurgeCommand
    from tui.verify.journal import Journal
    from tui.verify.result import Pace

    Emit = Callable[[Event], None]

T = TypeVar("T")

# Requests in flight may still commit on the server. They are given this long to come back before
# they are dropped, so that clean-up does not race them. PostgREST's own statement timeout is 8 s.
DRAIN_S: Final = 9.0
# The refresh itself waits up to 15 s for another one: this is five minutes in all.
BUSY_TRIES: Final = 20
# For a refresh that outlasts its gateway: ten minutes, as long as a refresh may take.
_LOOK_EVERY_S: Final = 2.0
_LOOK_AGAIN_S: Final = 0.5
_LOOKS: Final = 300
# A request may wait at the gateway or in a pool: one look before it begins is none.
_LOOKS_WITHOUT_REFRESH: Final = 4
_LOCK_NOT_AVAILABLE: Final = "55P03"
_ONLY_READS: Final = frozenset({Mode.DRY_RUN, Mode.HEATMAP})


class Cancelled(Exception):
    """Raised in a run once the operator has asked to stop."""


class Cancellation:
    """The operator's wish to stop, in two degrees, and the reason given."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._requested = asyncio.Event()
        self._abandoned = asyncio.Event()

    @property
    def requested(self) -> bool:
        """Stop writing, then clean up."""
        return self._requested.is_set()

    def request(self, reason: str) -> None:
        """Ask to stop; the first reason counts."""
        self.reason = self.reason or reason
        self._requested.set()

    def abandon(self, reason: str) -> None:
        """Ask to leave without finishing the clean-up."""
        self.request(reason)
        self._abandoned.set()

    def check(self) -> None:
        if self.requested:
            raise Cancelled

    async def race(self, work: Awaitable[T]) -> T:
        """Do work that writes nothing; dropped at once when a stop is asked for."""
        return await _race(work, self._requested, 0.0)

    async def guard(self, work: Awaitable[None]) -> None:
        """Do the writing half of a run; drained, then dropped, at a stop.

        `Cancelled` once a stop was asked for, even if the work just managed to finish.
        """
        await _race(work, self._requested, DRAIN_S)
        self.check()

    async def guard_clean_up(self, work: Awaitable[None]) -> None:
        """Do the clean-up; only abandoning drops it."""
        await _race(work, self._abandoned, 0.0)


async def _race(work: Awaitable[T], stop: asyncio.Event, drain_s: float) -> T:
    async def awaited() -> T:
        return await work

    # As a task: the future of a `gather` that was cancelled does not say that it was.
    task = asyncio.create_task(awaited())
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=drain_s)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            raise Cancelled
        return await task
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def stream(
    work: Callable[[Emit], Awaitable[None]], cancellation: Cancellation
) -> AsyncGenerator[Event, None]:
    """The events of `work`, which is called with the function to emit them by.

    Whatever `work` raises is raised here after its last event. When the generator is closed or its
    consumer cancelled, the work is asked to cancel, and awaited.
    """
    queue: asyncio.Queue[Event | None] = asyncio.Queue()

    async def body() -> None:
        try:
            await work(queue.put_nowait)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(body())
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
    finally:
        cancellation.request("the run was left")
        # A second cancellation of the consumer must not cut the clean-up short either.
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})


async def together(*work: Awaitable[None]) -> None:
    """Await all, then raise the first failure: no request is dropped in flight."""
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [each for each in results if isinstance(each, BaseException)]
    # A failure says more than the cancellation that may have come with it.
    for failure in sorted(failures, key=lambda each: isinstance(each, Cancelled)):
        raise failure


class Archive(Protocol):
    """Keeps what outlives a run; made by `tui.evidence.archive`.

    Other processes may hold its files: what waits for them does so beside the event loop, and says
    so through `emit`.
    """

    async def pace(self, target: Target) -> Pace | None:
        """How fast earlier runs on a target were."""

    async def verified_with(self, target: Target, schema: str) -> str | None:
        """The last verified run on a target with this fingerprint of its schema."""

    def require_log(self) -> None:
        """Refuse where the deployment log could not be written."""

    async def announce(
        self,
        result: Result,
        target: Target,
        approval: Approval,
        planned: Mapping[str, int],
        emit: Emit,
    ) -> Intent:
        """Put on record that a run is about to write to production, and why.

        Refused where the log cannot be written or is not whole.
        """

    async def conclude(
        self, result: Result, finished: RunFinished, intent: Intent | None, emit: Emit
    ) -> RunFinished:
        """Judge a run's thresholds, record its outcome, and keep its evidence.

        Returns how it ended after all that. Nothing of it outranks what the run found.
        """


class Run:
    """A dry run, a cycle or a purge. Made by `Session`.

    `work` is called with the run, and says how it ended; an `OperatorError`, or `Cancelled` before
    it wrote anything, is made into an end. Work of a mode that only reads is dropped when a stop is
    asked for.

    Attributes:
        intent: The run's announcement in the deployment log.
        began: When it began, by `time.perf_counter`; of a run that writes, when it was let to: a
            dry run and a prompt before that do not count.
    """

    def __init__(
        self,
        run_id: str,
        mode: Mode,
        project: Project,
        work: Callable[[Run], Awaitable[RunFinished]],
        *,
        archive: Archive | None = None,
        result: Result | None = None,
    ) -> None:
        self.run_id = run_id
        self.mode = mode
        self.cancellation = Cancellation()
        self.result = result or Result(mode)
        self.intent: Intent | None = None
        self.began = 0.0
        self._project = project
        self._work = work
        self._archive = archive
        self._show: Emit = lambda _: None

    def events(self) -> AsyncGenerator[Event, None]:
        """Do the work; its events, the last of which is `RunFinished`. Call once.

        Closing the generator cancels the work and waits for its clean-up.
        """
        return stream(self._body, self.cancellation)

    def emit(self, event: Event) -> None:
        """Fold an event into the result, and show it to whoever listens."""
        self.result.apply(event)
        self._show(event)

    async def _body(self, show: Emit) -> None:
        self._show, self.began = show, time.perf_counter()
        self._project.on_retry = lambda notice: self.emit(Retrying(**asdict(notice)))
        work, defect = self._work(self), None
        try:
            reads = self.mode in _ONLY_READS
            finished = await (self.cancellation.race(work) if reads else work)
        except Cancelled:
            reason = self.cancellation.reason or "stopped"
            finished = RunFinished(Outcome.INTERRUPTED, f"{reason}; nothing was written")
        except OperatorError as error:
            finished = finished_by(error)
        except Exception as error:  # noqa: BLE001 - raised below, once it is on record
            defect = error
            kind = type(defect).__name__
            finished = finished_by(OperatorError(f"an internal error ({kind})"))
        finished = replace(finished, seconds=time.perf_counter() - self.began)
        if self._archive is not None:
            archive = self._archive
            finished = await archive.conclude(self.result, finished, self.intent, self.emit)
        if defect is not None:
            raise defect
        self.emit(finished)

    def cancel(self, reason: str) -> None:
        """Stop: what was written is cleaned up, what only reads ends at once.

        Safe to call at any time, any number of times.
        """
        self.cancellation.request(reason)

    def abandon(self, reason: str = "left at the operator's request") -> None:
        """Leave without finishing the clean-up; the journal stays open."""
        self.cancellation.abandon(reason)


class OpenStage:
    """A stage under way."""

    def __init__(self, stage: Stage, total: int | None, emit: Emit) -> None:
        self._stage = stage
        self._total = total
        self._emit = emit
        self.done = 0
        self.failed = False
        self.note = ""

    def fail(self, note: str = "") -> None:
        self.failed, self.note = True, note or self.note

    def advance(self, items: int = 1) -> None:
        self.done += items
        self._emit(StageProgress(self._stage, self.done, self._total))


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the parts of a run that writes share.

    Attributes:
        causes: Names what of the project may be behind a refusal.
        command: What removes the rows of a run that could not clean up.
        journal: Notes each stage; None where nothing is written but deleted.
    """

    project: Project
    writer: Writer
    emit: Emit
    cancellation: Cancellation
    causes: Causes
    command: PurgeCommand
    journal: Journal | None

    @contextlib.contextmanager
    def stage(self, which: Stage, total: int | None, what: str) -> Iterator[OpenStage]:
        """Emit the beginning and, however it goes, the end of a stage."""
        if self.journal is not None:
            self.journal.note(which)
        self.emit(StageStarted(which, total, what))
        began = time.perf_counter()
        current = OpenStage(which, total, self.emit)
        try:
            yield current
        except BaseException:
            current.fail()
            raise
        finally:
            seconds = time.perf_counter() - began
            self.emit(StageFinished(which, seconds, current.done, current.failed, current.note))

    @contextlib.contextmanager
    def naming(self, table: str, event: str) -> Iterator[None]:
        """Have a refusal of the block name what of the table may have refused."""
        try:
            yield
        except ProjectError as error:
            raise self.causes.name(error, table, event) from None

    async def final_refresh(self, what: str) -> str | None:
        """Refresh the view after a clean-up; returns why it could not be.

        However the run was stopped: only leaving it for good drops this refresh.
        """
        with self.stage(Stage.FINAL_REFRESH, 1, what) as progress:
            try:
                await self.refresh(final=True)
            except ProjectError as error:
                progress.fail()
                return error.message
            progress.advance()
            return None

    async def refresh(self, *, number: int = 1, final: bool = False) -> None:
        """Refresh the view ourselves, however many others are at it; emit the time.

        Joining another's refresh gives right rows but not our time, which only the final one can do
        without. A stop is heard between two tries, but for the final one.

        A gateway that gives up waiting stops no refresh: then the view is looked at instead.
        """
        reason = ""
        for _ in range(BUSY_TRIES):
            if not final:
                self.cancellation.check()
            began = time.perf_counter()
            try:
                result = await self.writer.refresh()
            except TimedOut as error:
                if error.code != _LOCK_NOT_AVAILABLE:
                    raise
                self.emit(Notice(f"{error.message}; asking again"))
                reason = error.message
                continue
            except ProjectUnreachable as error:
                if error.code is not None or error.status not in GATEWAY_TIMEOUT:
                    raise
                server_ms = await self._refreshed_meanwhile(began, error, final=final)
                self.emit(RefreshTimed(server_ms, server_ms, number, final))
                return
            if result.details.get("status") == "joined" and not final:
                self.emit(Notice("another refresh did the work; refreshing again to time it"))
                reason = "another refresh did the work"
                continue
            self.emit(RefreshTimed(result.ms, result.server_ms, number, final))
            return
        raise ProjectError(
            f"not refreshed in {BUSY_TRIES} tries: {reason}",
            hint="see pg_stat_activity for REFRESH MATERIALIZED VIEW, and the pg_cron jobs",
        )

    async def _refreshed_meanwhile(
        self, began: float, error: ProjectUnreachable, *, final: bool
    ) -> float:
        """Wait for the refresh that goes on after a gateway gave up waiting.

        Returns the milliseconds it took, as the database has it on record. `began` is by
        `time.perf_counter`.
        """
        waited_s = time.perf_counter() - began
        limit = f"the gateway gave up after {waited_s:.0f} s ({error.status})"
        self.emit(Notice(f"{limit}; looking whether the view is refreshed all the same"))
        idle = 0
        for _ in range(_LOOKS):
            if not final:
                self.cancellation.check()
            document = await self._preflight()
            last, view = _object(document, "last_refresh"), _object(document, "view")
            now = _instant(_object(document, "server").get("now"))
            at, server_ms = _instant(last.get("refreshed_at")), last.get("server_ms")
            if now and at and isinstance(server_ms, int | float):
                # By the database's own clock: one that began earlier has not all of our rows.
                asked_at = now - timedelta(seconds=time.perf_counter() - began)
                if at - timedelta(milliseconds=server_ms) >= asked_at:
                    self.emit(Notice(f"{limit}, the refresh was done: the time is the server's"))
                    return float(server_ms)
            idle = 0 if view.get("refresh_running") is True else idle + 1
            if idle == _LOOKS_WITHOUT_REFRESH or not document:
                break
            await asyncio.sleep(_LOOK_EVERY_S if idle == 0 else _LOOK_AGAIN_S)
        raise ProjectUnreachable(
            f"refreshing the view: {limit}, and the view was not refreshed",
            hint="raise the gateway's limit (nginx: proxy_read_timeout; Envoy: the route's "
            "timeout), or leave the refresh to pg_cron",
            status=error.status,
        )

    async def _preflight(self) -> dict[str, Any]:
        """The preflight document; empty where the database does not describe itself."""
        try:
            return await self.project.preflight()
        except ProjectError:
            return {}


def _object(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None
