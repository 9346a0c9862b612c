"""The cycle: write, refresh, check, sample, clean up, refresh again, audit.

Clean-up belongs to the cycle, not to its success: whatever stops the first half, the second half
runs. Questions are written while users are made, the sample is read while the check compares, and
users are deleted while the final refresh runs: those depend on nothing of each other.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tui.crash import report_crash
from tui.errors import OperatorError
from tui.project import VIEW, ProjectError, ProjectUnreachable, TimedOut
from tui.verify import comparison, leftovers, traces, view
from tui.verify.canary import Canary
from tui.verify.causes import AUTH_USERS
from tui.verify.clean_up import CleanUp, read_tables
from tui.verify.dataset import batches
from tui.verify.events import (
    AuditFinished,
    CanaryFinished,
    Cancelling,
    Notice,
    Outcome,
    RunFinished,
    Stage,
)
from tui.verify.run import Cancelled, together
from tui.verify.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tui.heatmap.rows import AggregateRow
    from tui.project import Project
    from tui.settings import Volume
    from tui.verify.dataset import Dataset
    from tui.verify.events import CheckFinished, SampleTaken, Tally
    from tui.verify.leftovers import Leftovers
    from tui.verify.plan import Row
    from tui.verify.run import Emit, RunContext

T = TypeVar("T")

STAGES: Final = tuple(Stage)
# A trigger fills app_users from auth.users; on some projects it does so a moment later.
_LEARNERS_APPEAR_S: Final = 10.0
_FOREIGN_KEY_VIOLATION: Final = "23503"
# A body that is too large, and gateways that give up waiting.
_TOO_MUCH: Final = frozenset({413, 504, 524})


@dataclass(frozen=True, slots=True)
class Baseline:
    """What others have, as it was before the first write.

    Attributes:
        real: Rows that are not synthetic; None where there are too many to count.
        tables: The project's own tables, as `traces.read` tells of them.
    """

    real: Tally | None
    tables: dict[str, dict[str, Any]]

    @classmethod
    async def read(
        cls, project: Project, preflight: Mapping[str, Any], run_id: str, emit: Emit
    ) -> Self:
        """Read it for a run.

        Raises:
            ProjectError: The project could not be read.
        """
        around = read_tables(project, preflight, [run_id], emit)
        return cls(*await asyncio.gather(comparison.count_real(project), around))


@dataclass(slots=True)
class CycleState:
    """What the cycle has come to know.

    Attributes:
        before: The view's rows of others, or None while they have not been read.
        unread: Why those rows could not be read, or None.
        failure: What stopped the first half, or None.
        defect: An internal error, in whichever half, or None.
        refreshed: The final refresh has been done.
    """

    expected: list[AggregateRow] = field(default_factory=list)
    before: comparison.RealRows | None = None
    unread: str | None = None
    found: Leftovers | None = None
    checked: CheckFinished | None = None
    sample: SampleTaken | None = None
    audit: AuditFinished | None = None
    remedy: str | None = None
    traces: Traces = field(default_factory=Traces)
    failure: OperatorError | None = None
    defect: Exception | None = None
    cancelled: bool = False
    refreshed: bool = False
    problems: list[str] = field(default_factory=list)


class Cycle:
    """One verification of one project.

    Args:
        context: The run; its journal is opened before the first write, closed by a clean audit.
        dataset: What to write and what must come of it.
        baseline: What is to be there when it is over.
        volume: Batch size.
        refresh_runs: How often the refresh is timed after the write, at least once.
        crashes: Where an internal error's report goes.
        no_canary: Why the canary is left out, or None.
    """

    def __init__(
        self,
        context: RunContext,
        dataset: Dataset,
        baseline: Baseline,
        *,
        volume: Volume,
        refresh_runs: int,
        crashes: Path,
        no_canary: str | None = None,
    ) -> None:
        self._context = context
        self._project = context.project
        self._writer = context.writer
        self._cancellation = context.cancellation
        self._emit = context.emit
        self._dataset = dataset
        self._baseline = baseline
        self._volume = volume
        self._refresh_runs = refresh_runs
        self._crashes = crashes
        self._no_canary = no_canary
        self._state = CycleState()

    async def run(self) -> RunFinished:
        """Do it all. Returns the last event, which the caller emits.

        Raises:
            ConfigurationError: The journal cannot be written; nothing was written to the project.
        """
        journal = self._context.journal
        if journal is None:
            raise ValueError("a cycle needs a journal")
        journal.open()
        finished: RunFinished | None = None
        try:
            await self._first_half()
            await self._second_half()
            finished = self._verdict()
        finally:
            # A disk that is in the way changes no verdict.
            is_over = finished is not None and finished.outcome is not Outcome.LEFTOVERS
            if problem := journal.close() if is_over else journal.release():
                self._emit(Notice(problem, warning=True))
        return finished

    async def _first_half(self) -> None:
        state = self._state
        try:
            await self._cancellation.guard(self._write_and_check())
        except Cancelled:
            state.cancelled = True
            self._emit(Cancelling(self._cancellation.reason or "stopped"))
        except OperatorError as error:
            state.failure = error
            self._emit(Notice(f"stopping: {error.message}", warning=True))
        except Exception as error:  # noqa: BLE001 - in the verdict, once cleaned up
            state.defect = error
            self._emit(Notice("stopping: internal error", warning=True))

    async def _write_and_check(self) -> None:
        state = self._state
        if self._no_canary is None:
            await Canary(self._context, self._dataset, self._insert).run()
        else:
            self._emit(CanaryFinished(self._no_canary))
        questions = map(self._dataset.question, range(self._volume.questions))
        await together(self._create_users(), self._write_rows(Stage.QUESTIONS, questions))
        await self._write_rows(Stage.RESPONSES, self._responses())
        await self._refresh()
        # Nothing more is written under this tag: what clean-up needs can be looked up meanwhile.
        try:
            await together(self._check(), self._sample(), self._read_others(), self._find_own())
        finally:
            if state.sample is not None:
                is_other = state.checked is not None and state.checked.deviations
                remark = "as stored, which is not as sent" if is_other else ""
                self._emit(replace(state.sample, remark=remark))
        self._count_stored()

    async def _create_users(self) -> None:
        total = self._volume.users
        with self._context.stage(Stage.USERS, total, "creating synthetic users") as progress:

            async def create(number: int) -> None:
                self._cancellation.check()
                with self._context.naming(AUTH_USERS, "insert"):
                    await self._writer.create_user(self._dataset.user(number))
                progress.advance()

            await self._project.each(range(total), create, at_once=self._project.small_requests)

    async def _write_rows(self, which: Stage, rows: Iterable[Row]) -> None:
        """Write rows in batches, halved from the first one that is too much."""
        table, size = which.value, self._volume.batch
        total = getattr(self._volume, table)
        with self._context.stage(which, total, f"writing synthetic {table}") as progress:

            async def write(batch: list[Row]) -> None:
                nonlocal size
                self._cancellation.check()
                try:
                    await self._insert(table, batch, self._dataset.user_ids)
                except ProjectError as error:
                    if len(batch) == 1 or not _is_too_much(error):
                        raise self._context.causes.name(error, table, "insert") from None
                    half = len(batch) // 2
                    size = min(size, half)
                    await write(batch[:half])
                    await write(batch[half:])
                else:
                    progress.advance(len(batch))

            await self._project.each(batches(rows, lambda: size), write)

    async def _insert(self, table: str, rows: list[Row], users: Sequence[str]) -> None:
        unique = ",".join(self._dataset.plan.repeat) if table == "responses" else "id"
        try:
            await self._writer.insert(table, rows, unique=unique)
        except ProjectError as error:
            if table != "responses" or error.code != _FOREIGN_KEY_VIOLATION:
                raise
            await self._await_learners(users)
            await self._writer.insert(table, rows, unique=unique)

    def _responses(self) -> Iterator[Row]:
        """All responses, made when needed; only their aggregates are kept."""
        for number in range(self._volume.questions):
            answers = self._dataset.answers(number)
            self._state.expected += self._dataset.expected(number, answers)
            yield from self._dataset.responses(number, answers)

    async def _await_learners(self, ids: Sequence[str]) -> None:
        """Wait until `app_users` knows the new users: responses refer to it."""
        deadline = time.perf_counter() + _LEARNERS_APPEAR_S
        while (known := await self._project.count("app_users", leftovers.these("id", ids))) < len(
            ids
        ):
            self._cancellation.check()
            if time.perf_counter() > deadline:
                raise ProjectError(
                    f"app_users knows {known} of {len(ids)} new users after "
                    f"{_LEARNERS_APPEAR_S:.0f} s",
                    hint="look at the trigger on auth.users that fills app_users",
                )
            await asyncio.sleep(0.1)

    async def _refresh(self) -> None:
        with self._context.stage(
            Stage.REFRESH, self._refresh_runs, "refreshing the view"
        ) as progress:
            for number in range(1, self._refresh_runs + 1):
                await self._context.refresh(number=number)
                progress.advance()

    async def _check(self) -> None:
        """Compare the view with what was sent, then with what is stored."""
        project, ids, expected = self._project, self._dataset.question_ids, self._state.expected
        with self._context.stage(
            Stage.CHECK, len(expected), "comparing every aggregate"
        ) as progress:
            result = await comparison.compare(project, ids, expected, progress.advance)
            if not result.right:
                stored, deviations = await comparison.read_back(
                    project, self._dataset, self._context.causes
                )
                if deviations:
                    progress.done = 0
                    again = await comparison.compare(project, ids, stored, progress.advance)
                    result = replace(again, deviations=deviations)
            if not result.right:
                progress.fail(f"{result.wrong:,} of {result.expected:,} differ")
        self._state.checked = result
        for each in result.deviations:
            self._emit(Notice(f"stored otherwise than sent: {each}", warning=True))
        self._emit(result)

    async def _sample(self) -> None:
        with self._context.stage(Stage.SAMPLE, None, "reading the heatmap") as progress:
            dataset = self._dataset
            taken = await view.sample(self._project, dataset.question_ids)
            progress.advance(len(taken.rows))
        names = {
            question: leftovers.label(leftovers.slug(dataset.run_id, number, dataset.plan.form))
            for number, question in enumerate(dataset.question_ids)
        }
        self._state.sample = replace(taken, names=names)

    async def _read_others(self) -> None:
        state = self._state
        try:
            state.before = await comparison.real_rows(self._project, self._dataset.question_ids)
        except ProjectUnreachable:
            raise
        except ProjectError as error:
            # Says nothing about the run's own rows; the audit will say that it cannot compare.
            state.unread = error.message

    async def _find_own(self) -> None:
        self._state.found = await leftovers.find(self._project, self._dataset.run_id)

    def _count_stored(self) -> None:
        """Notice rows that went away after the view was right about them."""
        found, checked = self._state.found, self._state.checked
        if found is None or checked is None or checked.deviations:
            return
        for table in ("users", "questions", "responses"):
            sent, there = getattr(self._volume, table), getattr(found.tally, table)
            if there < sent:
                text = f"{sent - there:,} of {sent:,} {table} are not there any more"
                self._emit(Notice(text, warning=True))

    async def _second_half(self) -> None:
        """Clean up, refresh, audit; what cannot be counted stays unknown."""
        state = self._state
        try:
            await self._cancellation.guard_clean_up(self._clean_up())
        except Cancelled:
            state.problems.append("the clean-up was left before it was done")
        except OperatorError as error:
            state.problems.append(error.message)
        except Exception as error:  # noqa: BLE001 - in the verdict, with what it left
            state.defect = state.defect or error

    async def _clean_up(self) -> None:
        """Each part by itself: what fails keeps none of the rest from being done.

        Raises:
            ProjectError: What there is could not be found out.
        """
        state = self._state
        clean_up = await self._remove(
            state.found or await leftovers.find(self._project, self._dataset.run_id)
        )
        audit = await self._audit()
        if audit.leftovers.total and not clean_up.problems:
            late = await leftovers.find(self._project, self._dataset.run_id)
            if late.tally.total:
                # A write that a gateway gave up on may be carried out after the delete.
                self._emit(Notice(f"came in after the clean-up, so once more: {late.tally}"))
                clean_up = await self._remove(late)
                audit = await self._audit()
        unknown = audit.in_view is None and not state.refreshed
        stays = bool(audit.leftovers.total or audit.in_view or unknown)
        state.problems += clean_up.settle(audit.leftovers, stays=stays)
        state.remedy = clean_up.remedy(audit.leftovers, [self._dataset.run_id])

    async def _remove(self, found: Leftovers) -> CleanUp:
        clean_up = CleanUp(self._context, found)
        if stopped := clean_up.unexplained():
            clean_up.add_problem(stopped.message)
            return clean_up
        await together(
            *(
                (self._questions_then_refresh(clean_up), clean_up.users())
                if await clean_up.responses()
                else (self._final_refresh(clean_up),)
            )
        )
        return clean_up

    async def _audit(self) -> AuditFinished:
        with self._context.stage(Stage.AUDIT, None, "counting what is left") as progress:
            audit = self._state.audit = await self._count()
            progress.advance(audit.leftovers.total)
        self._emit(audit)
        return audit

    async def _questions_then_refresh(self, clean_up: CleanUp) -> None:
        await clean_up.questions()
        await self._final_refresh(clean_up)

    async def _final_refresh(self, clean_up: CleanUp) -> None:
        problem = await self._context.final_refresh("refreshing the view again")
        if problem is None:
            self._state.refreshed = True
        else:
            clean_up.add_problem(f"final refresh: {problem}")

    async def _count(self) -> AuditFinished:
        left, in_view, (judged, why), real, around = await asyncio.gather(
            leftovers.count_run(self._project, self._dataset.run_id),
            self._unless_refused(
                self._project.count(VIEW, view.within(self._dataset.question_ids)),
                "the view could not be audited",
            ),
            self._judge_view(),
            self._unless_refused(
                comparison.count_real(self._project), "real rows could not be counted"
            ),
            read_tables(
                self._project, self._context.causes.preflight, [self._dataset.run_id], self._emit
            ),
        )
        before = self._baseline.real
        changed = None
        if before is not None and real is not None:
            more = {
                table: getattr(real, table) - getattr(before, table)
                for table in ("questions", "responses")
            }
            changed = [table for table, by in more.items() if by]
            self._state.problems += [
                f"{-by:,} {table} that are not synthetic went away during the run"
                for table, by in more.items()
                if by < 0
            ]
        self._state.traces = traces.left(
            self._baseline.tables, around, self._dataset.run_id, changed=changed
        )
        for text in self._state.traces.remarks:
            self._emit(Notice(text, warning=True))
        if in_view:
            judged, why = False, f"the view still holds {in_view:,} rows of this run"
        elif in_view is None and judged:
            judged, why = None, "the view could not be read"
        return AuditFinished(left, judged, why, in_view)

    async def _unless_refused(self, work: Awaitable[T], trouble: str) -> T | None:
        """What can be found out; None, and a warning, where it cannot."""
        try:
            return await work
        except ProjectError as error:
            self._emit(Notice(f"{trouble}: {error.message}", warning=True))
            return None

    async def _judge_view(self) -> tuple[bool | None, str]:
        if self._state.unread is not None:
            return None, f"the view could not be compared: {self._state.unread}"
        try:
            return await comparison.judge_view(
                self._project, self._dataset.question_ids, self._state.before
            )
        except ProjectError as error:
            return None, f"the view could not be compared: {error.message}"

    def _verdict(self) -> RunFinished:
        """How it ended: leftovers first, then why it stopped, then the numbers."""
        state = self._state
        problems = list(state.problems)
        if state.failure is not None:
            problems.insert(0, state.failure.message)
        if state.defect is not None:
            crash = report_crash(state.defect, self._crashes)
            problems.insert(0, f"internal error ({type(state.defect).__name__}); {crash}")
        hint: str | None
        if (left := self._left()) is not None:
            outcome, (message, hint) = Outcome.LEFTOVERS, left
        elif state.defect is not None:
            outcome = Outcome.FAILED
            message, hint = f"failed, cleaned up: {problems[0]}", "send the report"
        elif state.failure is not None:
            outcome, how, hint = Outcome.FAILED, "failed", state.failure.hint
            if isinstance(state.failure, ProjectUnreachable):
                outcome, how = Outcome.INTERRUPTED, "stopped by a fault of the network"
            message = f"{how}, cleaned up: {state.failure.message}"
        elif state.cancelled:
            outcome, hint = Outcome.INTERRUPTED, None
            message = f"{self._cancellation.reason}; everything written was cleaned up"
        else:
            outcome, message, hint = _by_numbers(state.checked, state.audit, problems)
        return RunFinished(outcome, message, hint, problems=tuple(problems))

    def _left(self) -> tuple[str, str] | None:
        """What is left and what removes it, in words."""
        state, audit, run_id = self._state, self._state.audit, self._dataset.run_id
        purge = self._context.command.line()
        remove, refresh = f"run {purge} to remove it", f"run {purge}, which refreshes the view"
        if audit is None:
            return f"what run {run_id} left behind could not be removed or counted", remove
        if audit.leftovers.total:
            why = f"; {state.problems[0]}" if state.problems else ""
            return f"left behind by run {run_id}: {audit.leftovers}{why}", state.remedy or remove
        if audit.in_view:
            return f"all rows are deleted, but {audit.explanation}", refresh
        if state.traces.left:
            return f"left behind by run {run_id}: {state.traces.told()}", state.traces.remedy()
        if audit.in_view is None and not state.refreshed:
            return f"all rows are deleted, but the view may show rows of run {run_id}", refresh
        return None


def _is_too_much(error: ProjectError) -> bool:
    """Whether fewer rows in one request may get through where these did not."""
    return isinstance(error, TimedOut) or error.status in _TOO_MUCH


def _by_numbers(
    checked: CheckFinished | None, audit: AuditFinished | None, problems: list[str]
) -> tuple[Outcome, str, str | None]:
    """How a cycle ended that nothing stopped and that left nothing behind."""
    if checked is None:
        return Outcome.FAILED, "the view is wrong: nothing was compared", None
    of_what, otherwise = "", ""
    if checked.deviations:
        of_what = " for what is stored"
        otherwise = f"; stored otherwise than sent: {'; '.join(map(str, checked.deviations))}"
    if not checked.right:
        if not checked.groups:
            return Outcome.FAILED, "the view is wrong: nothing was compared", None
        most = checked.groups[0]
        message = f"{checked.wrong:,} of {checked.expected:,} aggregates differ, first {most.first}"
        message = f"the view is wrong{of_what}: {message}{otherwise}"
        hint = f"{most.reason}; compare sql/analytics_heatmap.sql with what the project has"
        return Outcome.FAILED, message, hint
    if problems:
        return Outcome.FAILED, problems[0], None
    if audit is not None and audit.view_restored is False:
        return Outcome.FAILED, audit.explanation, None
    numbers = f"all {checked.matched:,} aggregates are right{of_what}"
    if not checked.expected:
        numbers = f"the view is right{of_what}: it holds no aggregate of it"
    message = f"verified: {numbers}, nothing is left behind{otherwise}"
    return Outcome.VERIFIED, message, None
