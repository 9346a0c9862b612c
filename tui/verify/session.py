"""A session: one connected project, and the runs started on it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tui.dry_run.facts import (
    DryRunContext,
    Preflight,
    UnansweredError,
    ask_declaration,
    fills_of,
)
from tui.dry_run.runner import end_of, probe_of, run_one, run_probes, verdict_of
from tui.dry_run.tables import judge_rows
from tui.files import why
from tui.guard import break_glass
from tui.guard.target import Target, declared_by_database, named_by_reply
from tui.project import Project, ProjectError, RetryPolicy, Writer
from tui.verify import cycle, journal, view
from tui.verify.causes import Causes
from tui.verify.clean_up import Purge, PurgeCommand
from tui.verify.cycle import Cycle
from tui.verify.dataset import Dataset
from tui.verify.events import (
    CLEAN_UP,
    Mode,
    Notice,
    Outcome,
    ProjectDescribed,
    RunFinished,
    RunStarted,
    SampleTaken,
)
from tui.verify.leftovers import new_run_id
from tui.verify.run import Run, RunContext

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self, TypeAlias

    from tui.guard.break_glass import Approval, Intent
    from tui.redact import Secret
    from tui.settings import Settings
    from tui.verify.events import DryRunFinished, Stage
    from tui.verify.result import Result
    from tui.verify.run import Archive

    # Asks the operator for the approval of one run.
    ObtainApproval: TypeAlias = "Callable[[], Approval | Awaitable[Approval | None] | None]"

__all__ = ["ConnectStage", "Run", "Session"]

_TABLES: Final = ("users", "questions", "responses")


@dataclass(frozen=True, slots=True)
class ConnectStage:
    """Progress of getting connected; `seconds` is None while it lasts."""

    title: str
    seconds: float | None
    detail: str | None = None


class Session:
    """A project, connected, and the work that can be done on it.

    Args:
        target: The project as classified from the environment.
        archive: Keeps what outlives a run.
        is_sandbox: This process started the target itself.
        allow_prod: `--allow-prod` was given; without an approval it opens nothing.
        canary: Whether a run begins with one; None to leave it out on the sandbox and where an
            earlier run has verified the same project with the same schema.

    Attributes:
        target: The project; may turn production once its database was asked.
        preflight: What the database last said of itself; empty where it cannot.
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
        canary: bool | None = None,
    ) -> None:
        self._canary = canary
        self.settings = settings
        self.target = target
        self.is_sandbox = is_sandbox
        self.allow_prod = allow_prod
        self.archive = archive
        self.last_dry_run: Result | None = None
        self.preflight: Mapping[str, Any] = {}
        concurrency = settings.volume.concurrency
        self._project = Project(target.url, key, concurrency=concurrency, policy=policy)
        anon_key = settings.anon_key
        self._anon = (
            Project(target.url, anon_key, concurrency=2, policy=policy) if anon_key else None
        )
        self._approval: Approval | None = None
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, and whatever `on_close` was given."""
        await self._project.aclose()
        if self._anon is not None:
            await self._anon.aclose()
        while self._closers:
            await self._closers.pop()()

    def on_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Have something closed with the session, such as the sandbox behind it."""
        self._closers.append(closer)

    async def ask_database(self) -> None:
        """Let the database say what it is, and replies which project they are from.

        A project that cannot be asked keeps its classification and accepts no write: the dry run
        then says what is wrong.
        """
        with contextlib.suppress(ProjectError):
            await self._ask_database(self._project.under(RetryPolicy(attempts=2)))
        self._heed_replies()

    async def _ask_database(
        self, project: Project, dataset: Dataset | None = None
    ) -> Dataset | None:
        """Ask the database what it is, and with a run's rows whether it takes them."""
        said = await ask_declaration(project, dataset, self.preflight)
        self.preflight = said.document
        self.target = declared_by_database(
            self.target, said.word, could_be_asked=said.could_be_asked
        )
        self._heed_replies()
        return said.dataset

    def _heed_replies(self) -> None:
        for ref in sorted(self._project.named_by_replies):
            self.target = named_by_reply(self.target, ref)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What of the environment (proxies) could not be read, a sentence each."""
        return self._project.remarks

    def purge_command(self, runs: Sequence[str] = ()) -> str:
        """The command line that removes what earlier runs left on this project."""
        return self._purge_command().line(runs=runs)

    def _purge_command(self) -> PurgeCommand:
        said = self._approval
        return PurgeCommand(
            self.settings,
            self.target,
            self.is_sandbox,
            said.justification if said else None,
            said.ticket if said else None,
        )

    def grant(
        self, *, confirmation: str, justification: str, ticket: str | None = None
    ) -> Approval:
        """Break-glass: turn what was typed into the approval of one run."""
        self._approval = break_glass.grant(
            self.target,
            confirmation=confirmation,
            justification=justification,
            ticket=ticket,
            dry_run_ready=self.last_dry_run is not None and self.last_dry_run.ready,
            now=break_glass.Moment.now(),
        )
        return self._approval

    @property
    def journals(self) -> list[journal.Record]:
        """Runs on this target that did not close and whose process is gone."""
        return self._journals()[1]

    def _journals(self) -> tuple[frozenset[str], list[journal.Record]]:
        """Runs of this machine here: ids of those under way, journals of the dead."""
        records = journal.open_journals(self._journal_dir, self.target.place)
        alive = {r.run_id for r in records if journal.is_alive(self._journal_dir, r.run_id)}
        return frozenset(alive), [r for r in records if r.run_id not in alive]

    def _run(
        self,
        mode: Mode,
        work: Callable[[Run], Awaitable[RunFinished]],
        stages: tuple[Stage, ...] = (),
        *,
        result: Result | None = None,
    ) -> Run:
        """A run that begins by saying what it is; it goes on with `result`, if any."""

        async def begun(run: Run) -> RunFinished:
            if run.result.started is None:
                volume = self.settings.volume
                run.emit(RunStarted(run.run_id, mode, self.target, volume, stages))
            return await work(run)

        run_id = (result and result.run_id) or new_run_id()
        archive = None if mode is Mode.HEATMAP else self.archive
        return Run(run_id, mode, self._project, begun, archive=archive, result=result)

    def dry_run(self) -> Run:
        """Ask every probe. Writes nothing."""

        async def work(run: Run) -> RunFinished:
            return end_of(await self._probe(run), run.result)

        return self._run(Mode.DRY_RUN, work)

    def ask_again(self, probe_id: str) -> Run:
        """Ask one probe again, and judge the last dry run anew. Writes nothing."""
        probe_of(probe_id)

        async def work(run: Run) -> RunFinished:
            self.last_dry_run = run.result
            await run_one(await self._context(), probe_id, run.emit)
            verdict = verdict_of([each for each in run.result.probes.values() if each.status])
            run.emit(verdict)
            return end_of(verdict, run.result)

        # It goes on with the dry run that it belongs to.
        return self._run(Mode.DRY_RUN, work, result=self.last_dry_run)

    def cycle(
        self,
        *,
        approval: Approval | None = None,
        refresh_runs: int = 1,
        with_dry_run: bool = False,
        obtain_approval: ObtainApproval = lambda: None,
    ) -> Run:
        """Verify: write, refresh, check, sample, clean up, refresh again, audit.

        On production without an approval the run ends at once, refused.

        Args:
            with_dry_run: Ask the probes first, and stop there unless ready.
            obtain_approval: Asked after that dry run, when the target is production.
        """
        volume = self.settings.volume

        async def work(run: Run) -> RunFinished:
            if with_dry_run and (unready := await self._why_not_ready(run)):
                return unready
            dataset = Dataset(run.run_id, users=volume.users, questions=volume.questions)
            planned = {name: getattr(volume, name) for name in _TABLES}
            allowed = approval or await self._obtain(run, obtain_approval)
            # Both only read, and the baseline needs nothing of the rows but the run's id.
            before, fitted = await run.cancellation.race(
                asyncio.gather(
                    cycle.Baseline.read(self._project, self.preflight, run.run_id, run.emit),
                    self._look_again(run, dataset),
                )
            )
            dataset = fitted or dataset
            kept = journal.of_run(self._journal_dir, dataset, self.target)
            async with self._approve(run, allowed, planned, kept) as context:
                return await Cycle(
                    context,
                    dataset,
                    before,
                    volume=volume,
                    refresh_runs=refresh_runs,
                    crashes=self.settings.state_dir / "crashes",
                    no_canary=await self._why_no_canary(run.result),
                ).run()

        run = self._run(Mode.CYCLE, work, cycle.STAGES)
        if self.last_dry_run is not None and not with_dry_run:
            run.result.take_probes(self.last_dry_run)
        return run

    def purge(
        self,
        *,
        approval: Approval | None = None,
        obtain_approval: ObtainApproval = lambda: None,
        unexplained: int | None = None,
        runs: Sequence[str] = (),
    ) -> Run:
        """Remove what earlier runs left.

        On production, a dry run comes first where there is no approval yet; without one the run
        ends there, refused. Runs that may be under way elsewhere are spared.

        Args:
            unexplained: Delete what the tag does not explain too, if it is exactly so many rows.
            runs: Runs to delete whether or not they are under way elsewhere.
        """

        async def work(run: Run) -> RunFinished:
            allowed = approval
            if self.target.is_production and approval is None:
                if unready := await self._why_not_ready(run):
                    return unready
                allowed = await self._obtain(run, obtain_approval)
            alive, journals = self._journals()
            dead = [each.run_id for each in journals]
            await run.cancellation.race(self._look_again(run))
            async with self._approve(run, allowed, {}) as context:
                purge = Purge(context, alive=alive, dead=dead, named=runs, unexplained=unexplained)
                finished = await purge.run()
            try:
                journal.forget(self._journal_dir, purge.gone)
            except OSError as error:
                run.emit(Notice(f"a journal stays: {why(error)}", warning=True))
            return finished

        return self._run(Mode.PURGE, work, CLEAN_UP)

    def heatmap(self) -> Run:
        """Read the heatmap. Writes nothing."""

        async def work(run: Run) -> RunFinished:
            taken = await self.read_heatmap()
            run.emit(taken)
            return RunFinished(Outcome.READ, f"{len(taken.rows):,} of {taken.total:,} rows read")

        return self._run(Mode.HEATMAP, work)

    async def count_rows(self) -> dict[str, int | None]:
        """Rows of the tables and the view now; None for what cannot be counted."""

        async def count(table: str) -> int | None:
            try:
                return await self._project.count(table, [])
            except ProjectError:
                return None

        tables = {
            "users": "app_users",
            "questions": "questions",
            "responses": "responses",
            "view rows": "analytics_heatmap_agg",
        }
        counts = await asyncio.gather(*map(count, tables.values()))
        return dict(zip(tables, counts, strict=True))

    async def read_heatmap(self) -> SampleTaken:
        """The view as it is now, real rows and synthetic."""
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
            known=self.preflight,
            alive=self._journals()[0],
            purge=self.purge_command(),
        )

    async def _probe(self, run: Run) -> DryRunFinished:
        # Until this one has come to its verdict there is none: it may be broken off.
        self.last_dry_run = run.result
        return await run_probes(await self._context(), run.emit)

    async def _why_not_ready(self, run: Run) -> RunFinished | None:
        """Do the dry run of a run that is to write; its end unless it is ready."""
        verdict, _ = await run.cancellation.race(
            asyncio.gather(self._probe(run), asyncio.to_thread(self._project.load))
        )
        run.cancellation.check()
        return None if verdict.ready else end_of(verdict, run.result)

    async def _why_no_canary(self, result: Result) -> str | None:
        """Why a run begins without a canary; None where it has one."""
        if self._canary is not None:
            return None if self._canary else "not asked for"
        if self.is_sandbox:
            return "the sandbox is known"
        schema = result.described.schema if result.described else None
        known = await self.archive.verified_with(self.target, schema) if schema else None
        return f"run {known} verified this project with the same schema" if known else None

    def check_guard(self) -> None:
        """Refuse, before the project is asked anything, what the gate would refuse.

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

    async def _look_again(self, run: Run, dataset: Dataset | None = None) -> Dataset | None:
        """Ask the database once more what it is, and whether it takes a run's rows.

        What was true when the operator was shown the banner need not be true any more. Returns the
        rows as fitted to what the project takes.
        """
        versions, fitted = await asyncio.gather(
            self._versions(run.result), self._ask_database(self._project, dataset)
        )
        fills, known = fills_of(fitted), run.result.described
        if known is not None and known.fills == fills:
            fills = ()
        run.emit(ProjectDescribed.read(self.preflight, *versions, fills))
        _check_rows(self.preflight, fitted)
        return fitted

    @contextlib.asynccontextmanager
    async def _approve(
        self,
        run: Run,
        approval: Approval | None,
        planned: Mapping[str, int],
        kept: journal.Journal | None = None,
    ) -> AsyncIterator[RunContext]:
        """Obtain the guard's approval for one run, which ends with the block."""
        run.cancellation.check()
        self._approval = approval or self._approval
        if self.allow_prod and self.target.is_production and approval is not None:
            if approval.problem(self.target, break_glass.Moment.now()) is None:
                run.intent = await self.archive.announce(
                    run.result, self.target, approval, planned, run.emit
                )
            run.cancellation.check()
        with approved_writer(
            self._project,
            self.target,
            allow_prod=self.allow_prod,
            approval=approval,
            intent=run.intent,
        ) as writer:
            run.began = time.perf_counter()
            yield RunContext(
                self._project,
                writer,
                run.emit,
                run.cancellation,
                Causes(self.preflight),
                self._purge_command(),
                kept,
            )

    async def _versions(self, result: Result) -> tuple[object, object]:
        """PostgREST's and auth's, as the dry run read them, else asked for."""
        if result.described is not None:
            return result.described.versions.postgrest, result.described.versions.auth
        api, auth = await asyncio.gather(
            _answer(self._project.openapi()),
            _answer(self._project.get_json("/auth/v1/health", "asking the auth service")),
        )
        info = api.get("info")
        return info.get("version") if isinstance(info, dict) else None, auth.get("version")

    async def _obtain(self, run: Run, obtain_approval: ObtainApproval) -> Approval | None:
        if not self.target.is_production:
            return None
        given = obtain_approval()
        if inspect.isawaitable(given):
            given = await run.cancellation.race(given)
        run.cancellation.check()
        return given


def _check_rows(document: Mapping[str, Any], dataset: Dataset | None) -> None:
    """Stop before the first write where the database does not take the rows."""
    if dataset is None:
        return
    refused = dataset.plan.lacking
    with contextlib.suppress(UnansweredError):
        refused = refused or judge_rows(Preflight(dict(document), dataset)).refused
    if refused:
        raise ProjectError(f"nothing was written: {'; '.join(refused)}", hint="dry-run again")


async def _answer(request: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """The reply, or nothing where it cannot be had: it is worth no error."""
    try:
        return await request
    except ProjectError:
        return {}


@contextlib.contextmanager
def approved_writer(
    project: Project,
    target: Target,
    *,
    allow_prod: bool,
    approval: Approval | None,
    intent: Intent | None,
) -> Iterator[Writer]:
    """The only source of a writer; its permission ends with the block."""
    permission = break_glass.authorize_write(
        target,
        allow_prod=allow_prod,
        now=break_glass.Moment.now(),
        approval=approval,
        intent=intent,
    )
    with permission:
        yield Writer(project, target, permission)
