"""One sitting with one project: what screens and the headless twin ask for work."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tui.dry_run.facts import DryRunContext
from tui.dry_run.registry import probe_of
from tui.dry_run.runner import end_of, run_one, run_probes, verdict_of
from tui.errors import ExitCode
from tui.evidence.conclude import conclude, record
from tui.evidence.crash import save_crash
from tui.evidence.history import HistoryFile
from tui.evidence.keeper import Keeper, Thresholds, server_versions
from tui.guard import break_glass
from tui.verify import cycle, journal, purge, view
from tui.verify.approval import TABLES, LeaveToWrite, leave_to_write
from tui.verify.connected import Connected
from tui.verify.cycle import Cycle
from tui.verify.dataset import Dataset
from tui.verify.events import (
    DryRunFinished,
    Event,
    Mode,
    Notice,
    Outcome,
    RunFinished,
    RunStarted,
    SampleTaken,
)
from tui.verify.leftovers import new_run_id
from tui.verify.run import Run, RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tui.evidence.gathered import RunEvidence
    from tui.evidence.history import ServerVersions
    from tui.guard.break_glass import Permit
    from tui.guard.target import Target
    from tui.project import RetryPolicy
    from tui.redact import Secret
    from tui.settings import Settings
    from tui.verify.connected import ObtainPermit

    Emit = Callable[[Event], None]

__all__ = ["ConnectStage", "Run", "Session"]

_ASKED_LATELY_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class ConnectStage:
    """Progress of getting connected; `seconds` is None while it lasts."""

    title: str
    seconds: float | None
    detail: str | None = None


class Session(Connected):
    """A project, connected, and the work that can be done on it.

    Attributes:
        keeper: What outlives a run.
        evidence: Of the last run of this sitting that was more than a look at the heatmap, or None.
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
        super().__init__(
            settings, target, key=key, is_sandbox=is_sandbox, allow_prod=allow_prod, policy=policy
        )
        self.evidence: RunEvidence | None = None
        self.keeper = Keeper(
            HistoryFile(settings.state_dir / "history.jsonl"),
            self.deployment_log,
            Thresholds(settings.max_refresh_ms, settings.max_regression_percent),
            is_sandbox=is_sandbox,
        )

    @property
    def journals(self) -> list[journal.Record]:
        """Runs on this target that did not close and whose process is gone."""
        return self._journals()[1]

    def _journals(self) -> tuple[frozenset[str], list[journal.Record]]:
        """Runs of this machine on this target: ids of those under way, journals of the dead."""
        records = journal.open_journals(self._journal_dir, self.target.place)
        alive = {r.run_id for r in records if journal.is_alive(self._journal_dir, r.run_id)}
        return frozenset(alive), [r for r in records if r.run_id not in alive]

    def dry_run(self) -> Run:
        """Ask every probe. Writes nothing."""
        run_id = new_run_id()

        async def work(emit: Emit) -> None:
            began = time.perf_counter()
            emit(RunStarted(run_id, Mode.DRY_RUN, self.target, self.settings.volume))
            verdict = await self._probe(run, emit)
            emit(end_of(verdict, run.result, time.perf_counter() - began))

        run = Run(run_id, Mode.DRY_RUN, self._project, work, at_end=self._remember)
        return run

    def ask_again(self, probe_id: str) -> Run:
        """Ask one probe again, and judge the last dry run anew. Writes nothing.

        Raises:
            KeyError: There is no probe of this id.
        """
        probe_of(probe_id)
        known = self.last_dry_run
        run_id = known.run_id if known and known.run_id else new_run_id()

        async def work(emit: Emit) -> None:
            began = time.perf_counter()
            if run.result.started is None:
                emit(RunStarted(run_id, Mode.DRY_RUN, self.target, self.settings.volume))
            self.last_dry_run = run.result
            await run_one(self._context(), probe_id, emit)
            verdict = verdict_of([each for each in run.result.probes.values() if each.status])
            emit(verdict)
            emit(end_of(verdict, run.result, time.perf_counter() - began))

        # It goes on with the dry run that it belongs to.
        run = Run(run_id, Mode.DRY_RUN, self._project, work, at_end=self._remember, result=known)
        return run

    def cycle(
        self,
        *,
        permit: Permit | None = None,
        refresh_runs: int = 1,
        with_dry_run: bool = False,
        obtain_permit: ObtainPermit = lambda: None,
    ) -> Run:
        """Verify: write, refresh, check, sample, clean up, refresh again, audit.

        Args:
            permit: Break-glass permission; needed on production.
            refresh_runs: How often the refresh is timed after the write.
            with_dry_run: Ask the probes first, and stop there unless ready.
            obtain_permit: Asked for a permit after that dry run, when the target is production.

        On production without a permit the run ends at once, refused.
        """
        run_id = new_run_id()
        volume = self.settings.volume

        async def work(emit: Emit) -> None:
            emit(RunStarted(run_id, Mode.CYCLE, self.target, volume, cycle.STAGES))
            if with_dry_run and not await self._is_ready(run, emit):
                return
            dataset = Dataset(run_id, users=volume.users, questions=volume.questions)
            planned = {name: getattr(volume, name) for name in TABLES}
            allowed = permit or await self._obtain(run, obtain_permit)
            with await self._leave(run, allowed, planned) as leave:
                versions = asyncio.create_task(server_versions(self._project, self.preflight))
                try:
                    context = RunContext(
                        self._project,
                        leave.writer,
                        emit,
                        run.cancellation,
                        journal.of_run(self._journal_dir, dataset, self.target),
                    )
                    finished = await Cycle(
                        context,
                        dataset,
                        volume=volume,
                        refresh_runs=refresh_runs,
                        command=self._purge_command(),
                        report_crash=self._report_crash,
                    ).run()
                    served = await versions
                finally:
                    versions.cancel()
                    await asyncio.wait({versions})
                finished, evidence = conclude(
                    leave, finished, lambda end: self._judge(run, end, served), emit
                )
            if evidence is not None:
                self.evidence = self.keeper.sealed(evidence)
                self.keeper.keep(evidence, emit)
            emit(finished)

        run = Run(run_id, Mode.CYCLE, self._project, work, at_end=self._remember)
        if self.last_dry_run is not None and not with_dry_run:
            run.result.take_probes(self.last_dry_run)
        return run

    def purge(
        self,
        *,
        permit: Permit | None = None,
        obtain_permit: ObtainPermit = lambda: None,
        unexplained: int | None = None,
        runs: Collection[str] = (),
    ) -> Run:
        """Remove what earlier runs left.

        On production, a dry run comes first where there is no permit yet; without one the run ends
        there, refused. Runs that may be under way elsewhere are spared.

        Args:
            permit: Break-glass permission; needed on production.
            obtain_permit: Asked for a permit after that dry run.
            unexplained: Delete what the tag does not explain too, if it is exactly so many rows.
            runs: Runs to delete whether or not they are under way elsewhere.
        """
        run_id = new_run_id()

        async def work(emit: Emit) -> None:
            emit(RunStarted(run_id, Mode.PURGE, self.target, self.settings.volume, purge.STAGES))
            allowed = permit
            if self.target.is_production and permit is None:
                if not await self._is_ready(run, emit):
                    return
                allowed = await self._obtain(run, obtain_permit)
            alive, journals = self._journals()
            dead = [each.run_id for each in journals]
            with await self._leave(run, allowed, {}) as leave:
                purged = await purge.Purge(
                    RunContext(self._project, leave.writer, emit, run.cancellation),
                    purge.Scope(alive, dead, runs, unexplained),
                    self._purge_command(),
                ).run()
                finished = record(leave, purged.finished, emit)
            if purged.left is not None:
                try:
                    journal.forget(
                        self._journal_dir, [each for each in dead if each not in purged.left]
                    )
                except OSError as error:
                    emit(Notice(f"a journal stays: {error.strerror or error}", warning=True))
            emit(finished)

        run = Run(run_id, Mode.PURGE, self._project, work, at_end=self._remember)
        return run

    def heatmap(self) -> Run:
        """Read the live heatmap. Writes nothing."""
        run_id = new_run_id()

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
        return await view.read(self._project)

    @property
    def _journal_dir(self) -> Path:
        return self.settings.state_dir / "runs"

    def _context(self) -> DryRunContext:
        return DryRunContext(
            project=self._project,
            anon=self._anon,
            target=self.target,
            settings=self.settings,
            past=self.keeper.pace(self.target),
            alive=self._journals()[0],
            purge=self.purge_command(),
        )

    async def _probe(self, run: Run, emit: Emit) -> DryRunFinished:
        # Until this one has come to its verdict there is none: it may be broken off.
        self.last_dry_run = run.result
        return await run_probes(self._context(), emit)

    async def _is_ready(self, run: Run, emit: Emit) -> bool:
        """The dry run within a run that is to write; a run that may not go on is ended here."""
        began = time.perf_counter()
        verdict = await run.cancellation.race(self._probe(run, emit))
        run.cancellation.check()
        if not verdict.ready:
            emit(end_of(verdict, run.result, time.perf_counter() - began))
        return verdict.ready

    def _judge(
        self, run: Run, finished: RunFinished, versions: ServerVersions | None = None
    ) -> RunEvidence | None:
        """The evidence of a run; None, with a report, where a mistake of ours is in the way."""
        try:
            return self.keeper.judge(
                run,
                finished,
                versions=versions,
                preflight=self.preflight,
            )
        except Exception as error:  # noqa: BLE001 - the run is over, and its verdict must be told
            self._report_crash(error)
            return None

    def _remember(self, run: Run, finished: RunFinished) -> None:
        """Have the evidence of a run ready when its end is told."""
        kept = self.evidence.document["run_id"] if self.evidence is not None else None
        if run.mode is Mode.CYCLE and kept == run.run_id:
            return
        self.evidence = self._judge(run, finished)

    def _report_crash(self, error: Exception) -> str:
        """Put a mistake of ours on file; says where."""
        try:
            return f"the report is in {save_crash(error, self.settings.state_dir / 'crashes')}"
        except OSError as problem:
            return f"a report could not be written: {problem.strerror or problem}"

    def check_guard(self) -> None:
        """Refuse before anything is asked of the project what the gate would refuse anyway.

        Raises:
            GuardRefused: The target is production and `--allow-prod` was not given.
        """
        if self.target.is_production and not self.allow_prod:
            # Whatever the database may say of itself, it cannot lower this.
            asked = replace(self.target, asked_database=True)
            break_glass.authorize_write(asked, allow_prod=False, now=break_glass.Moment.now())

    async def _leave(
        self, run: Run, permit: break_glass.Permit | None, planned: Mapping[str, int]
    ) -> AbstractContextManager[LeaveToWrite]:
        # It may have said something else since the operator was shown the banner.
        if time.monotonic() - self._asked_at > _ASKED_LATELY_S:
            await run.cancellation.race(self._ask_database())
        run.cancellation.check()
        self._permit = permit or self._permit
        return leave_to_write(
            run,
            self._project,
            self.target,
            self.deployment_log,
            allow_prod=self.allow_prod,
            permit=permit,
            planned=planned,
        )
