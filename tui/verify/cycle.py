"""The cycle: write, refresh, check, sample, clean up, refresh again, audit.

Clean-up belongs to the cycle, not to its success: whatever stops the first half, the second half
runs. Questions are written while users are made, the sample is read while the check compares, and
users are deleted while the final refresh runs: those depend on nothing of each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from tui.errors import OperatorError
from tui.project import IDS_PER_REQUEST, ProjectError, TimedOut, one_of
from tui.verify import check
from tui.verify.cleanup import CleanUp, Unexplained, find
from tui.verify.driver import Cancelled
from tui.verify.events import (
    AuditFinished,
    Cancelling,
    Notice,
    Outcome,
    RefreshTimed,
    RunFinished,
    Stage,
    Tally,
)
from tui.verify.feed import BatchSize, Row, batched, batches_ahead
from tui.verify.progress import stage
from tui.verify.verdict import CycleState, judge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tui.project import Project, Writer
    from tui.settings import Volume
    from tui.verify.dataset import Dataset
    from tui.verify.driver import Cancellation
    from tui.verify.events import Event
    from tui.verify.journal import Journal

STAGES: Final = tuple(Stage)
# A trigger fills app_users from auth.users; on some projects it does so a moment later.
_LEARNERS_APPEAR_S: Final = 10.0
# The refresh itself waits up to 15 s for another one: this is five minutes in all.
_BUSY_TRIES: Final = 20
_LOCK_NOT_AVAILABLE: Final = "55P03"
_FOREIGN_KEY_VIOLATION: Final = "23503"
_PAYLOAD_TOO_LARGE: Final = 413


class Cycle:
    """One verification of one project.

    Args:
        project: Where to read.
        writer: Where to write; its permission is the guard's.
        dataset: What to write and what must come of it.
        volume: Batch size.
        journal: Opened before the first write, closed by a clean audit.
        cancellation: The operator's wish to stop.
        refresh_runs: How often the refresh is timed after the write, at least once.
        emit: Where events go.
    """

    def __init__(
        self,
        project: Project,
        writer: Writer,
        dataset: Dataset,
        *,
        volume: Volume,
        journal: Journal,
        cancellation: Cancellation,
        refresh_runs: int,
        emit: Callable[[Event], None],
    ) -> None:
        self._project = project
        self._writer = writer
        self._dataset = dataset
        self._volume = volume
        self._journal = journal
        self._cancellation = cancellation
        self._refresh_runs = refresh_runs
        self._emit = emit
        self._state = CycleState()

    async def run(self) -> RunFinished:
        """Do it all. Returns the last event, which the caller emits.

        Raises:
            ConfigurationError: The journal cannot be written; nothing was written to the project.
            ProjectError: The project could not even be read; nothing was written to it.
        """
        state = self._state
        state.real = await self._count_real()
        self._journal.open()
        try:
            await self._first_half()
            audit = await self._second_half()
            verdict = judge(self._dataset.run_id, state, audit, self._cancellation.reason)
            if verdict.outcome is not Outcome.LEFTOVERS:
                self._journal.close()
        finally:
            self._journal.leave()
        if state.defect is not None:
            raise state.defect
        return verdict

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
        except Exception as error:  # noqa: BLE001 - raised again once everything is cleaned up
            state.defect = error
            self._emit(Notice("stopping: a mistake of ours", warning=True))

    async def _write_and_check(self) -> None:
        await _together(self._create_users(), self._write_questions())
        await self._write_responses()
        await self._refresh()
        # Nothing more is written under this tag: what clean-up needs can be looked up meanwhile.
        await _together(
            self._check(), self._sample(), self._remember_real_rows(), self._find_tagged()
        )

    async def _create_users(self) -> None:
        self._journal.note(Stage.USERS)
        total = self._volume.users
        with stage(Stage.USERS, total, "creating synthetic users", self._emit) as progress:

            async def create(number: int) -> None:
                await self._writer.create_user(self._dataset.user(number))
                progress.advance()

            await self._project.each(
                self._cancellation.until(range(total)),
                create,
                at_once=self._project.small_requests,
            )

    async def _write_questions(self) -> None:
        total = self._volume.questions
        with stage(Stage.QUESTIONS, total, "writing synthetic questions", self._emit) as progress:
            batches = batched(map(self._dataset.question, range(total)), self._volume.batch)

            async def write(rows: list[Row]) -> None:
                await self._writer.insert("questions", rows)
                progress.advance(len(rows))

            await self._project.each(self._cancellation.until(batches), write)

    async def _await_learners(self) -> None:
        """Wait until `app_users` knows the new users: responses refer to it."""
        ids = self._dataset.user_ids
        deadline = time.perf_counter() + _LEARNERS_APPEAR_S
        for start in range(0, len(ids), IDS_PER_REQUEST):
            chunk = ids[start : start + IDS_PER_REQUEST]
            while (known := await self._project.count("app_users", [one_of("id", chunk)])) < len(
                chunk
            ):
                self._cancellation.check()
                if time.perf_counter() > deadline:
                    raise ProjectError(
                        f"app_users knows {known} of {len(chunk)} new users after "
                        f"{_LEARNERS_APPEAR_S:.0f} s",
                        hint="look at the trigger on auth.users that fills app_users",
                    )
                await asyncio.sleep(0.1)

    async def _write_responses(self) -> None:
        self._journal.note(Stage.RESPONSES)
        total = self._volume.responses
        with stage(Stage.RESPONSES, total, "writing synthetic responses", self._emit) as progress:
            volume = self._volume
            size = BatchSize(volume.batch, volume.concurrency, total)
            batches = batches_ahead(
                self._responses(), size, ahead=volume.batch * volume.concurrency
            )

            async def write(rows: list[Row]) -> None:
                # Some rows are ready ahead of the socket: they must not go out any more.
                self._cancellation.check()
                began = time.perf_counter()
                try:
                    await self._insert_responses(rows)
                except ProjectError as error:
                    if len(rows) == 1 or not _is_too_much(error):
                        raise
                    size.refused(len(rows))
                    middle = len(rows) // 2
                    await write(rows[:middle])
                    await write(rows[middle:])
                    return
                size.answered(len(rows), time.perf_counter() - began)
                progress.advance(len(rows))

            async with contextlib.aclosing(batches):
                await self._project.each(batches, write)

    async def _insert_responses(self, rows: list[Row]) -> None:
        try:
            await self._writer.insert("responses", rows)
        except ProjectError as error:
            if error.code != _FOREIGN_KEY_VIOLATION:
                raise
            await self._await_learners()
            await self._writer.insert("responses", rows)

    def _responses(self) -> Iterator[Row]:
        """All responses, made when they are needed; their aggregates are kept, the rows are not."""
        for number in self._cancellation.until(range(self._volume.questions)):
            answers = self._dataset.answers(number)
            self._state.expected += self._dataset.expected(number, answers)
            yield from self._dataset.responses(number, answers)

    async def _refresh(self) -> None:
        self._journal.note(Stage.REFRESH)
        with stage(
            Stage.REFRESH, self._refresh_runs, "refreshing the view", self._emit
        ) as progress:
            for number in range(1, self._refresh_runs + 1):
                self._cancellation.check()
                await self._refresh_once(number, final=False)
                progress.advance()

    async def _refresh_once(self, number: int, *, final: bool) -> None:
        """Refresh once ourselves: joining another's refresh gives right rows but not our time."""
        for _ in range(_BUSY_TRIES):
            try:
                result = await self._writer.refresh()
            except TimedOut as error:
                if error.code != _LOCK_NOT_AVAILABLE:
                    raise
                self._emit(Notice("another refresh is still running; asking again"))
                self._cancellation.check()
                continue
            if result.details.get("status") == "joined" and not final:
                self._emit(Notice("another refresh did the work; refreshing again to time it"))
                continue
            self._emit(RefreshTimed(result.ms, result.server_ms, number, final))
            return
        raise ProjectError(
            f"another refresh was in the way {_BUSY_TRIES} times",
            hint="see pg_stat_activity for REFRESH MATERIALIZED VIEW, and the pg_cron jobs",
        )

    async def _check(self) -> None:
        self._journal.note(Stage.CHECK)
        expected = self._state.expected
        with stage(Stage.CHECK, len(expected), "comparing every aggregate", self._emit) as progress:
            result = await check.compare(
                self._project, self._dataset.question_ids, expected, progress.advance
            )
        self._state.checked = result
        self._emit(result)

    async def _sample(self) -> None:
        with stage(Stage.SAMPLE, None, "reading the heatmap", self._emit) as progress:
            taken = await check.sample(self._project, self._dataset.question_ids)
            progress.advance(len(taken.rows))
        self._emit(taken)

    async def _remember_real_rows(self) -> None:
        self._state.before = await check.real_rows(self._project, self._dataset.question_ids)

    async def _find_tagged(self) -> None:
        self._state.tagged = await find(self._project, self._dataset.run_id)

    async def _second_half(self) -> AuditFinished | None:
        """Clean up, refresh, audit; None when what is left could not be counted."""
        state = self._state
        outcome: AuditFinished | None = None

        async def work() -> None:
            nonlocal outcome
            outcome = await self._clean_up_and_audit()

        try:
            await self._cancellation.guard_clean_up(work())
        except Cancelled:
            state.problems.append("the clean-up was left before it was done")
        except OperatorError as error:
            state.problems.append(error.message)
        return outcome

    async def _clean_up_and_audit(self) -> AuditFinished:
        state = self._state
        self._journal.note(Stage.CLEANUP_RESPONSES)
        if state.tagged is None:
            await self._find_tagged()
        assert state.tagged is not None  # noqa: S101 - the line above saw to it
        clean_up = CleanUp(self._project, self._writer, state.tagged, self._emit)
        try:
            clean_up.check_cap()
            await clean_up.responses()
            await _together(self._questions_then_refresh(clean_up), clean_up.users())
        except Unexplained as error:
            state.on_the_way.append(error.message)
        state.on_the_way += clean_up.report.problems
        self._journal.note(Stage.AUDIT)
        with stage(Stage.AUDIT, None, "counting what is left", self._emit) as progress:
            result = await self._audit()
            progress.advance(result.leftovers.total)
        self._emit(result)
        if result.leftovers.total or result.in_view:
            state.problems += state.on_the_way
        else:
            # A delete that failed for good may have been carried out all the same: the audit says.
            for text in state.on_the_way:
                self._emit(Notice(f"overcome: {text}"))
        return result

    async def _questions_then_refresh(self, clean_up: CleanUp) -> None:
        await clean_up.questions()
        self._journal.note(Stage.FINAL_REFRESH)
        await self._final_refresh()

    async def _final_refresh(self) -> None:
        with stage(Stage.FINAL_REFRESH, 1, "refreshing the view again", self._emit) as progress:
            try:
                await self._refresh_once(1, final=True)
                progress.advance()
            except ProjectError as error:
                self._state.on_the_way.append(f"final refresh: {error.message}")

    async def _audit(self) -> AuditFinished:
        question_ids = self._dataset.question_ids
        left, in_view, (restored, why), real = await asyncio.gather(
            find(self._project, self._dataset.run_id),
            self._project.count(check.VIEW, check.within(question_ids)),
            check.judge_view(self._project, question_ids, self._state.before),
            self._count_real(),
        )
        if in_view:
            restored, why = False, f"the view still holds {in_view:,} rows of this run"
        before = self._state.real
        if before is not None and real is not None:
            for table in ("questions", "responses"):
                lost = getattr(before, table) - getattr(real, table)
                if lost > 0:
                    self._state.problems.append(
                        f"{lost:,} {table} that are not synthetic went away during the run"
                    )
        return AuditFinished(left.tally, restored, why, in_view)

    async def _count_real(self) -> Tally | None:
        return await check.count_real(self._project)


def _is_too_much(error: ProjectError) -> bool:
    """Whether fewer rows in one request may get through where these did not."""
    return isinstance(error, TimedOut) or error.status == _PAYLOAD_TOO_LARGE


async def _together(*work: Awaitable[None]) -> None:
    """Await all, then raise the first failure: nothing is dropped with a request in flight."""
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [each for each in results if isinstance(each, BaseException)]
    # A failure says more than the cancellation that may have come with it.
    for failure in sorted(failures, key=lambda each: isinstance(each, Cancelled)):
        raise failure
