"""One sitting with one project: what screens and the headless twin ask for work."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tui.crash import report_crash
from tui.dry_run.facts import DryRunContext
from tui.dry_run.registry import probe_of
from tui.dry_run.runner import end_of, run_one, run_probes, verdict_of
from tui.errors import ExitCode
from tui.guard import break_glass
from tui.verify import cycle, journal, purge, view
from tui.verify.approval import leave_to_write
from tui.verify.causes import Causes
from tui.verify.connected import Connected
from tui.verify.cycle import Cycle
from tui.verify.dataset import Dataset
from tui.verify.described import describe, described
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

    from tui.guard.break_glass import Permit
    from tui.guard.target import Target
    from tui.project import RetryPolicy, Writer
    from tui.redact import Secret
    from tui.settings import Settings
    from tui.verify.archive import Archive
    from tui.verify.connected import ObtainPermit

    Emit = Callable[[Event], None]

__all__ = ["ConnectStage", "Run", "Session"]

_TABLES: Final = ("users", "questions", "responses")


@dataclass(frozen=True, slots=True)
class ConnectStage:
    """Progress of getting connected; `seconds` is None while it lasts."""

    title: str
    seconds: float | None
    detail: str | None = None


class Session(Connected):
    """A project, connected, and the work that can be done on it.

    Args:
        settings: Volume, files, and the anon key for the negative probes.
        target: The project as classified from the environment.
        key: Service-role key.
        archive: Keeps what outlives a run.
        is_sandbox: This process started the target itself.
        allow_prod: `--allow-prod` was given; without a permit it opens nothing.
        policy: Retry policy; None for the default.
    """

    def __init__(
        self,
        settings: Settings,
        target: Target,
        *,
        key: Secret,
        archive: Archive,
        is_sandbox: bool,
        allow_prod: bool = False,
        policy: RetryPolicy | None = None,
    ) -> None:
        super().__init__(
            settings, target, key=key, is_sandbox=is_sandbox, allow_prod=allow_prod, policy=policy
        )
        self.archive = archive

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

        async def work(emit: Emit) -> RunFinished:
            began = time.perf_counter()
            emit(RunStarted(run_id, Mode.DRY_RUN, self.target, self.settings.volume))
            verdict = await self._probe(run, emit)
            return end_of(verdict, run.result, time.perf_counter() - began)

        run = Run(run_id, Mode.DRY_RUN, self._project, work, archive=self.archive)
        return run

    def ask_again(self, probe_id: str) -> Run:
        """Ask one probe again, and judge the last dry run anew. Writes nothing.

        Raises:
            KeyError: There is no probe of this id.
        """
        probe_of(probe_id)
        known = self.last_dry_run
        run_id = known.run_id if known and known.run_id else new_run_id()

        async def work(emit: Emit) -> RunFinished:
            began = time.perf_counter()
            if run.result.started is None:
                emit(RunStarted(run_id, Mode.DRY_RUN, self.target, self.settings.volume))
            self.last_dry_run = run.result
            await run_one(await self._context(), probe_id, emit)
            verdict = verdict_of([each for each in run.result.probes.values() if each.status])
            emit(verdict)
            return end_of(verdict, run.result, time.perf_counter() - began)

        # It goes on with the dry run that it belongs to.
        run = Run(run_id, Mode.DRY_RUN, self._project, work, archive=self.archive, result=known)
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

        async def work(emit: Emit) -> RunFinished:
            emit(RunStarted(run_id, Mode.CYCLE, self.target, volume, cycle.STAGES))
            if with_dry_run and (unready := await self._why_not_ready(run, emit)):
                return unready
            dataset = Dataset(run_id, users=volume.users, questions=volume.questions)
            planned = {name: getattr(volume, name) for name in _TABLES}
            allowed = permit or await self._obtain(run, obtain_permit)
            with await self._leave(run, allowed, planned, emit) as writer:
                describing = asyncio.create_task(describe(self._project, self.preflight))
                try:
                    context = RunContext(
                        self._project,
                        writer,
                        emit,
                        run.cancellation,
                        journal.of_run(self._journal_dir, dataset, self.target),
                        Causes(self.preflight),
                    )
                    finished = await Cycle(
                        context,
                        dataset,
                        volume=volume,
                        refresh_runs=refresh_runs,
                        command=self._purge_command(),
                        report_crash=self._report_crash,
                    ).run()
                    emit(await describing)
                finally:
                    describing.cancel()
                    await asyncio.wait({describing})
            return finished

        run = Run(run_id, Mode.CYCLE, self._project, work, archive=self.archive)
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

        async def work(emit: Emit) -> RunFinished:
            emit(RunStarted(run_id, Mode.PURGE, self.target, self.settings.volume, purge.STAGES))
            allowed = permit
            if self.target.is_production and permit is None:
                if unready := await self._why_not_ready(run, emit):
                    return unready
                allowed = await self._obtain(run, obtain_permit)
            alive, journals = self._journals()
            dead = [each.run_id for each in journals]
            with await self._leave(run, allowed, {}, emit) as writer:
                purged = await purge.Purge(
                    RunContext(
                        self._project,
                        writer,
                        emit,
                        run.cancellation,
                        causes=Causes(self.preflight),
                    ),
                    purge.Scope(alive, dead, runs, unexplained),
                    self._purge_command(),
                ).run()
            if purged.left is not None:
                try:
                    journal.forget(
                        self._journal_dir, [each for each in dead if each not in purged.left]
                    )
                except OSError as error:
                    emit(Notice(f"a journal stays: {error.strerror or error}", warning=True))
            return purged.finished

        run = Run(run_id, Mode.PURGE, self._project, work, archive=self.archive)
        return run

    def heatmap(self) -> Run:
        """Read the live heatmap. Writes nothing."""
        run_id = new_run_id()

        async def work(emit: Emit) -> RunFinished:
            began = time.perf_counter()
            emit(RunStarted(run_id, Mode.HEATMAP, self.target, self.settings.volume))
            taken = await self.live_heatmap()
            emit(taken)
            seconds = time.perf_counter() - began
            message = f"{len(taken.rows):,} of {taken.total:,} rows read"
            return RunFinished(Outcome.READ, ExitCode.VERIFIED, message, None, seconds)

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

    async def _context(self) -> DryRunContext:
        return DryRunContext(
            project=self._project,
            anon=self._anon,
            target=self.target,
            settings=self.settings,
            past=await self.archive.pace(self.target),
            alive=self._journals()[0],
            purge=self.purge_command(),
        )

    async def _probe(self, run: Run, emit: Emit) -> DryRunFinished:
        # Until this one has come to its verdict there is none: it may be broken off.
        self.last_dry_run = run.result
        return await run_probes(await self._context(), emit)

    async def _why_not_ready(self, run: Run, emit: Emit) -> RunFinished | None:
        """The dry run within a run that is to write: the end of one that may not go on, or None."""
        began = time.perf_counter()
        verdict = await run.cancellation.race(self._probe(run, emit))
        run.cancellation.check()
        if verdict.ready:
            return None
        return end_of(verdict, run.result, time.perf_counter() - began)

    def _report_crash(self, error: Exception) -> str:
        """Put an internal error on file; says where."""
        return report_crash(error, self.settings.state_dir / "crashes")

    def check_guard(self) -> None:
        """Refuse before anything is asked of the project what the gate would refuse anyway.

        Raises:
            GuardRefused: The target is production and `--allow-prod` was not given, or the
                deployment log could not be written.
        """
        if self.target.is_production and self.allow_prod:
            self.archive.require_log()
        elif self.target.is_production:
            # Whatever the database may say of itself, it cannot lower this.
            asked = replace(self.target, asked_database=True)
            break_glass.authorize_write(asked, allow_prod=False, now=break_glass.Moment.now())

    async def _leave(
        self,
        run: Run,
        permit: break_glass.Permit | None,
        planned: Mapping[str, int],
        emit: Emit,
    ) -> AbstractContextManager[Writer]:
        # What was true when the operator was shown the banner need not be true any more.
        await run.cancellation.race(self._ask_database())
        run.cancellation.check()
        emit(described(self.preflight))
        self._permit = permit or self._permit
        if self.allow_prod and self.target.is_production and permit is not None:
            if permit.problem(self.target, break_glass.Moment.now()) is None:
                run.intent = await self.archive.announce(
                    run.result, self.target, permit, planned, emit
                )
            run.cancellation.check()
        return leave_to_write(
            self._project,
            self.target,
            allow_prod=self.allow_prod,
            permit=permit,
            intent=run.intent,
        )
