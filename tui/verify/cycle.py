"""The cycle: write, refresh, check, sample, clean up, refresh again, audit.

Clean-up belongs to the cycle, not to its success: whatever stops the first half, the second half
runs, see `aftermath`. Questions are written while users are made, the sample is read while the
check compares, and users are deleted while the final refresh runs: those depend on nothing of each
other.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tui.errors import OperatorError
from tui.project import IDS_PER_REQUEST, ProjectError, ProjectUnreachable, TimedOut, one_of
from tui.verify import comparison, diff, tags
from tui.verify.aftermath import Aftermath
from tui.verify.driver import Cancelled, together
from tui.verify.events import (
    AuditFinished,
    Cancelling,
    Notice,
    Outcome,
    RunFinished,
    Stage,
)
from tui.verify.feed import BatchSize, Row, batched, batches_ahead
from tui.verify.leftovers import find
from tui.verify.progress import stage
from tui.verify.refresh import refresh_once
from tui.verify.verdict import CycleState, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.project import Project, Writer
    from tui.settings import Volume
    from tui.verify.dataset import Dataset
    from tui.verify.driver import Cancellation
    from tui.verify.events import Event
    from tui.verify.journal import Journal
    from tui.verify.purge_command import PurgeCommand

STAGES: Final = tuple(Stage)
# A trigger fills app_users from auth.users; on some projects it does so a moment later.
_LEARNERS_APPEAR_S: Final = 10.0
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
        command: What removes the rows of a run that could not clean up.
        report_crash: Told of a mistake of ours; says where its report is.
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
        command: PurgeCommand,
        report_crash: Callable[[Exception], str],
        emit: Callable[[Event], None],
    ) -> None:
        self._project = project
        self._writer = writer
        self._dataset = dataset
        self._volume = volume
        self._journal = journal
        self._cancellation = cancellation
        self._refresh_runs = refresh_runs
        self._command = command
        self._report_crash = report_crash
        self._emit = emit
        self._state = CycleState()

    async def run(self) -> RunFinished:
        """Do it all. Returns the last event, which the caller emits.

        Raises:
            Cancelled: A stop was asked for before anything was written.
            ConfigurationError: The journal cannot be written; nothing was written to the project.
            ProjectError: The project could not even be read; nothing was written to it.
        """
        state = self._state
        state.real = await self._cancellation.race(diff.count_real(self._project))
        self._journal.open()
        finished: RunFinished | None = None
        try:
            await self._first_half()
            audit = await self._second_half()
            if state.defect is not None:
                state.crash = self._report_crash(state.defect)
            finished = judge(
                self._dataset.run_id,
                state,
                audit,
                self._cancellation.reason,
                purge=self._command.line(),
            )
        finally:
            self._leave_journal(finished)
        return finished

    def _leave_journal(self, finished: RunFinished | None) -> None:
        """Close it where nothing is left; a disk that is in the way changes no verdict."""
        told = None
        if finished is not None and finished.outcome is not Outcome.LEFTOVERS:
            told = self._journal.close()
        told = self._journal.leave() or told
        if told is not None:
            self._emit(Notice(told, warning=True))

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
        except Exception as error:  # noqa: BLE001 - told in the verdict, once cleaned up
            state.defect = error
            self._emit(Notice("stopping: a mistake of ours", warning=True))

    async def _write_and_check(self) -> None:
        await together(self._create_users(), self._write_questions())
        await self._write_responses()
        await self._refresh()
        # Nothing more is written under this tag: what clean-up needs can be looked up meanwhile.
        await together(
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
                await refresh_once(
                    self._writer,
                    self._emit,
                    number=number,
                    final=False,
                    check=self._cancellation.check,
                )
                progress.advance()

    async def _check(self) -> None:
        self._journal.note(Stage.CHECK)
        expected = self._state.expected
        with stage(Stage.CHECK, len(expected), "comparing every aggregate", self._emit) as progress:
            result = await comparison.compare(
                self._project, self._dataset.question_ids, expected, progress.advance
            )
        self._state.checked = result
        self._emit(result)

    async def _sample(self) -> None:
        with stage(Stage.SAMPLE, None, "reading the heatmap", self._emit) as progress:
            dataset = self._dataset
            taken = await comparison.sample(self._project, dataset.question_ids)
            progress.advance(len(taken.rows))
        names = {
            question: tags.label(tags.slug(dataset.run_id, number))
            for number, question in enumerate(dataset.question_ids)
        }
        self._emit(replace(taken, names=names))

    async def _remember_real_rows(self) -> None:
        state = self._state
        try:
            state.before = await diff.real_rows(self._project, self._dataset.question_ids)
        except ProjectUnreachable:
            raise
        except ProjectError as error:
            # Says nothing about the run's own rows; the audit will say that it cannot compare.
            state.unread = error.message

    async def _find_tagged(self) -> None:
        self._state.tagged = await find(self._project, self._dataset.run_id)

    async def _second_half(self) -> AuditFinished | None:
        """Clean up, refresh, audit; None when what is left could not be counted."""
        state = self._state
        after = Aftermath(
            self._project,
            self._writer,
            self._dataset,
            state=state,
            journal=self._journal,
            command=self._command,
            emit=self._emit,
        )
        try:
            await self._cancellation.guard_clean_up(after.run())
        except Cancelled:
            state.problems.append("the clean-up was left before it was done")
        except OperatorError as error:
            state.problems.append(error.message)
        except Exception as error:  # noqa: BLE001 - told in the verdict, with what it left
            state.defect = state.defect or error
        return after.audit


def _is_too_much(error: ProjectError) -> bool:
    """Whether fewer rows in one request may get through where these did not."""
    return isinstance(error, TimedOut) or error.status == _PAYLOAD_TOO_LARGE
