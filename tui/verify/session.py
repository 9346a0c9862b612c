"""One sitting with one project: what screens and the headless twin ask for work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tui import override
from tui.errors import ExitCode
from tui.project import Missing, Project, ProjectError, RetryPolicy
from tui.records.deployment_log import DeploymentLog
from tui.records.history import HistoryFile
from tui.target import Target, declared_by_database
from tui.verify import cycle, journal, live, purge, tags
from tui.verify.cycle import Cycle
from tui.verify.dataset import Dataset
from tui.verify.dry_run import DryRunContext, run_one, run_probes, verdict_of
from tui.verify.events import (
    DryRunFinished,
    Event,
    Mode,
    Outcome,
    ProbeFinished,
    ProbeStatus,
    RunFinished,
    RunStarted,
    SampleTaken,
)
from tui.verify.keeping import Keeper, Thresholds, after_thresholds, server_versions
from tui.verify.leave import TABLES, LeaveToWrite, leave_to_write
from tui.verify.probes.registry import probe_of
from tui.verify.run import Run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from tui.records.evidence import RunEvidence
    from tui.redact import Secret
    from tui.settings import Settings
    from tui.verify.result import Result

    Emit = Callable[[Event], None]

__all__ = ["ConnectStage", "Run", "Session"]

_ASKED_LATELY_S: Final = 20.0
# The probe without which no other says anything about the project.
REACHABLE: Final = "target.reachable"


@dataclass(frozen=True, slots=True)
class ConnectStage:
    """Progress of getting connected; `seconds` is None while it lasts."""

    title: str
    seconds: float | None
    detail: str | None = None


class Session:
    """A project, connected, and the work that can be done on it.

    Args:
        settings: Volume, files, and the anon key for the negative probes.
        target: The project as classified from the environment.
        key: Service-role key.
        is_sandbox: This process started the target itself.
        allow_prod: `--allow-prod` was given; without a permit it opens nothing.
        policy: Retry policy; None for the default.

    Attributes:
        target: The project; may turn production once its database was asked.
        dry_run_result: Verdict of the last dry run of this sitting, or None.
        preflight: What the database last said of itself; empty where it cannot.
        deployment_log: Where break-glass runs are on record.
        keeper: What outlives a run.
        evidence: Of the last cycle of this sitting, or None.
    """

    def __init__(
        self,
        settings: Settings,
        target: Target,
        *,
        key: Secret,
        is_sandbox: bool,
        allow_prod: bool = False,
        policy: RetryPolicy | None = None,
    ) -> None:
        self.settings = settings
        self.target = target
        self.is_sandbox = is_sandbox
        self.allow_prod = allow_prod
        self.dry_run_result: DryRunFinished | None = None
        self._answers: dict[str, ProbeFinished] = {}
        concurrency = settings.volume.concurrency
        self._project = Project(target.url, key, concurrency=concurrency, policy=policy)
        anon_key = settings.anon_key
        self._anon = (
            Project(target.url, anon_key, concurrency=2, policy=policy) if anon_key else None
        )
        self.preflight: Mapping[str, Any] = {}
        self._asked_at = float("-inf")
        self.evidence: RunEvidence | None = None
        self.deployment_log = DeploymentLog(settings.deployment_log)
        self.keeper = Keeper(
            HistoryFile(settings.state_dir / "history.jsonl"),
            self.deployment_log,
            Thresholds(settings.max_refresh_ms, settings.max_regression_percent),
        )
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, and whatever `on_close` was given."""
        await self._project.aclose()
        if self._anon is not None:
            await self._anon.aclose()
        while self._closers:
            await self._closers.pop()()

    def on_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Have something closed together with the session, such as the sandbox behind it."""
        self._closers.append(closer)

    async def ask_database(self) -> None:
        """Let the database say whether it is production.

        A project that cannot be asked keeps its classification and accepts no write: the dry run
        then says what is wrong.
        """
        with contextlib.suppress(ProjectError):
            await self._ask_database(RetryPolicy(attempts=2))

    async def _ask_database(self, policy: RetryPolicy | None = None) -> None:
        try:
            facts, _ = await self._project.call_read_only(live.PREFLIGHT, policy=policy)
        except Missing:
            facts = None
        self._asked_at = time.monotonic()
        self.preflight = facts if isinstance(facts, dict) else {}
        self.target = declared_by_database(self.target, self.preflight.get("declared_environment"))

    @property
    def journals(self) -> list[journal.Record]:
        """Runs on this target that did not close and whose process is gone."""
        records = journal.open_journals(self._journal_dir, self.target.identity)
        return [r for r in records if not journal.is_alive(self._journal_dir, r.run_id)]

    def dry_run(self) -> Run:
        """Ask every probe. Writes nothing."""
        run_id = tags.new_run_id()

        async def work(emit: Emit) -> None:
            began = time.perf_counter()
            emit(RunStarted(run_id, Mode.DRY_RUN, self.target, self.settings.volume))
            emit(_dry_run_end(await self._probe(emit), run.result, began))

        run = Run(run_id, Mode.DRY_RUN, self._project, work)
        return run

    def ask_again(self, probe_id: str) -> Run:
        """Ask one probe again, and judge the last dry run anew. Writes nothing.

        Raises:
            KeyError: There is no probe of this id.
        """
        probe_of(probe_id)

        async def work(emit: Emit) -> None:
            began = time.perf_counter()
            self._answers[probe_id] = await run_one(self._context(), probe_id, emit)
            self.dry_run_result = verdict_of(list(self._answers.values()))
            emit(self.dry_run_result)
            emit(_dry_run_end(self.dry_run_result, run.result, began))

        run = Run(tags.new_run_id(), Mode.DRY_RUN, self._project, work)
        return run

    def cycle(
        self,
        *,
        permit: override.Permit | None = None,
        refresh_runs: int = 1,
        with_dry_run: bool = False,
        obtain_permit: Callable[[], override.Permit | None] = lambda: None,
    ) -> Run:
        """Verify: write, refresh, check, sample, clean up, refresh again, audit.

        Args:
            permit: Break-glass permission; needed on production.
            refresh_runs: How often the refresh is timed after the write.
            with_dry_run: Ask the probes first, and stop there unless ready.
            obtain_permit: Asked for a permit after that dry run, when the target is production.

        On production without a permit the run ends at once, refused.
        """
        run_id = tags.new_run_id()
        volume = self.settings.volume

        async def work(emit: Emit) -> None:
            began = time.perf_counter()
            emit(RunStarted(run_id, Mode.CYCLE, self.target, volume, cycle.STAGES))
            if with_dry_run:
                verdict = await self._probe(emit)
                if not verdict.ready:
                    emit(_dry_run_end(verdict, run.result, began))
                    return
            dataset = Dataset(run_id, users=volume.users, questions=volume.questions)
            planned = {name: getattr(volume, name) for name in TABLES}
            allowed = permit or (obtain_permit() if self.target.is_production else None)
            with await self._leave(run, allowed, planned) as leave:
                versions = asyncio.create_task(server_versions(self._project, self.preflight))
                finished = await Cycle(
                    self._project,
                    leave.writer,
                    dataset,
                    volume=volume,
                    journal=journal.of_run(self._journal_dir, dataset, self.target),
                    cancellation=run.cancellation,
                    refresh_runs=refresh_runs,
                    emit=emit,
                ).run()
                leave.ended(finished)
            self.evidence = self.keeper.judge(
                run, finished, versions=await versions, preflight=self.preflight
            )
            self.keeper.keep(self.evidence, emit)
            emit(after_thresholds(finished, self.evidence))

        run = Run(run_id, Mode.CYCLE, self._project, work)
        return run

    def purge(
        self,
        *,
        permit: override.Permit | None = None,
        obtain_permit: Callable[[], override.Permit | None] = lambda: None,
        confirmed: bool = False,
    ) -> Run:
        """Remove what earlier runs left.

        On production, a dry run comes first where there is no permit yet; without one the run ends
        there, refused.

        Args:
            permit: Break-glass permission; needed on production.
            obtain_permit: Asked for a permit after that dry run.
            confirmed: Delete even what the tag does not explain.
        """
        run_id = tags.new_run_id()

        async def work(emit: Emit) -> None:
            began = time.perf_counter()
            emit(RunStarted(run_id, Mode.PURGE, self.target, self.settings.volume, purge.STAGES))
            allowed = permit
            if self.target.is_production and permit is None:
                verdict = await self._probe(emit)
                if not verdict.ready:
                    emit(_dry_run_end(verdict, run.result, began))
                    return
                allowed = obtain_permit()
            records = journal.open_journals(self._journal_dir, self.target.identity)
            alive = {r.run_id for r in records if journal.is_alive(self._journal_dir, r.run_id)}
            with await self._leave(run, allowed, {}) as leave:
                finished = await purge.purge(
                    self._project,
                    leave.writer,
                    spare=alive,
                    confirmed=confirmed,
                    cancellation=run.cancellation,
                    emit=emit,
                )
                leave.ended(finished)
            if finished.outcome is Outcome.CLEAN:
                gone = [record.run_id for record in records if record.run_id not in alive]
                journal.forget(self._journal_dir, gone)
            emit(finished)

        run = Run(run_id, Mode.PURGE, self._project, work)
        return run

    def heatmap(self) -> Run:
        """Read the live heatmap. Writes nothing."""
        run_id = tags.new_run_id()

        async def work(emit: Emit) -> None:
            began = time.perf_counter()
            emit(RunStarted(run_id, Mode.HEATMAP, self.target, self.settings.volume))
            taken = await self.live_heatmap()
            emit(taken)
            seconds = time.perf_counter() - began
            message = f"{len(taken.rows):,} of {taken.total:,} rows read"
            emit(RunFinished(Outcome.READ, ExitCode.VERIFIED, message, None, seconds))

        return Run(run_id, Mode.HEATMAP, self._project, work)

    async def live_heatmap(self) -> SampleTaken:
        """The view as it is now, real rows and synthetic.

        Raises:
            ProjectError: The view cannot be read.
        """
        return await live.read(self._project)

    @property
    def _journal_dir(self) -> Path:
        return self.settings.state_dir / "runs"

    def _context(self) -> DryRunContext:
        return DryRunContext(
            project=self._project,
            anon=self._anon,
            target=self.target,
            settings=self.settings,
            past=self.keeper.pace(self.target.identity),
        )

    async def _probe(self, emit: Emit) -> DryRunFinished:
        self._answers.clear()

        def remember(event: Event) -> None:
            if isinstance(event, ProbeFinished):
                self._answers[event.id] = event
            emit(event)

        self.dry_run_result = await run_probes(self._context(), remember)
        return self.dry_run_result

    def grant(
        self, *, confirmation: str, justification: str, ticket: str | None = None
    ) -> override.Permit:
        """Break-glass: turn what was typed into leave for one run on this target.

        Raises:
            GuardRefused: A condition is not met; the message says which.
        """
        return override.grant(
            self.target,
            confirmation=confirmation,
            justification=justification,
            ticket=ticket,
            dry_run_ready=self.dry_run_result is not None and self.dry_run_result.ready,
            now=override.Moment.now(),
        )

    def check_guard(self) -> None:
        """Refuse before anything is asked of the project what the gate would refuse anyway.

        Raises:
            GuardRefused: The target is production and `--allow-prod` was not given.
        """
        if self.target.is_production and not self.allow_prod:
            # Whatever the database may say of itself, it cannot lower this.
            asked = replace(self.target, asked_database=True)
            override.authorize_write(asked, allow_prod=False, now=override.Moment.now())

    async def _leave(
        self, run: Run, permit: override.Permit | None, planned: Mapping[str, int]
    ) -> AbstractContextManager[LeaveToWrite]:
        # It may have said something else since the operator was shown the banner.
        if time.monotonic() - self._asked_at > _ASKED_LATELY_S:
            await self._ask_database()
        return leave_to_write(
            run,
            self._project,
            self.target,
            self.deployment_log,
            allow_prod=self.allow_prod,
            permit=permit,
            planned=planned,
        )


def _dry_run_end(verdict: DryRunFinished, result: Result, began: float) -> RunFinished:
    seconds = time.perf_counter() - began
    if verdict.ready:
        return RunFinished(Outcome.READY, ExitCode.VERIFIED, verdict.verdict, None, seconds)
    outcome, code = Outcome.NOT_READY, ExitCode.FAILED
    reachable = result.probes.get(REACHABLE)
    if reachable is not None and reachable.status is ProbeStatus.FAIL:
        outcome, code = Outcome.UNREACHABLE, ExitCode.UNREACHABLE
    return RunFinished(outcome, code, verdict.verdict, None, seconds, verdict.reasons)
