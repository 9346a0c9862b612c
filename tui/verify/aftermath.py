"""The second half of a cycle: clean up, refresh, audit. It runs whatever stopped the first half.

Each part is told apart from the others: what could not be deleted, refreshed or read keeps none of
the rest from being done, and above all not the count of what is left.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tui.project import VIEW, ProjectError
from tui.verify import diff
from tui.verify.cleanup import CleanUp, Unexplained
from tui.verify.comparison import within
from tui.verify.driver import together
from tui.verify.events import AuditFinished, Notice, Stage
from tui.verify.leftovers import find
from tui.verify.progress import stage
from tui.verify.refresh import refresh_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.project import Project, Writer
    from tui.verify.dataset import Dataset
    from tui.verify.events import Event, Tally
    from tui.verify.journal import Journal
    from tui.verify.purge_command import PurgeCommand
    from tui.verify.verdict import CycleState


class Aftermath:
    """Cleans up after one run.

    Args:
        project: Where to read.
        writer: Where to delete.
        dataset: What the run was to write.
        state: What the run has come to know; problems are added to it.
        journal: Told of each stage.
        command: What removes the rows of a run that could not clean up.
        emit: Where events go.

    Attributes:
        audit: What is left, or None while that has not been counted.
    """

    def __init__(
        self,
        project: Project,
        writer: Writer,
        dataset: Dataset,
        *,
        state: CycleState,
        journal: Journal,
        command: PurgeCommand,
        emit: Callable[[Event], None],
    ) -> None:
        self._project = project
        self._writer = writer
        self._dataset = dataset
        self._state = state
        self._journal = journal
        self._command = command
        self._emit = emit
        self.audit: AuditFinished | None = None

    async def run(self) -> None:
        """Do it all; the result is in `audit` and in the state.

        Raises:
            ProjectError: What there is could not be found out.
        """
        state = self._state
        self._journal.note(Stage.CLEANUP_RESPONSES)
        tagged = state.tagged or await find(self._project, self._dataset.run_id)
        clean_up = CleanUp(self._project, self._writer, tagged, self._emit)
        try:
            clean_up.check_cap(command=lambda count: self._command.line(unexplained=count))
            await clean_up.responses()
            await together(self._questions_then_refresh(clean_up), clean_up.users())
        except Unexplained as error:
            state.on_the_way.append(error.message)
        state.on_the_way += clean_up.report.problems
        self._journal.note(Stage.AUDIT)
        with stage(Stage.AUDIT, None, "counting what is left", self._emit) as progress:
            self.audit = await self._count()
            progress.advance(self.audit.leftovers.total)
        self._emit(self.audit)
        unknown = self.audit.in_view is None and not state.refreshed
        if self.audit.leftovers.total or self.audit.in_view or unknown:
            state.problems += state.on_the_way
        else:
            # A delete that failed for good may have been carried out all the same: the audit says.
            for text in state.on_the_way:
                self._emit(Notice(f"overcome: {text}"))

    async def _questions_then_refresh(self, clean_up: CleanUp) -> None:
        await clean_up.questions()
        self._journal.note(Stage.FINAL_REFRESH)
        with stage(Stage.FINAL_REFRESH, 1, "refreshing the view again", self._emit) as progress:
            try:
                # However the run was stopped: only leaving it for good drops this refresh.
                await refresh_once(self._writer, self._emit, final=True)
            except ProjectError as error:
                self._state.on_the_way.append(f"final refresh: {error.message}")
                return
            progress.advance()
        self._state.refreshed = True

    async def _count(self) -> AuditFinished:
        left, in_view, (judged, why), real = await asyncio.gather(
            find(self._project, self._dataset.run_id),
            self._in_view(),
            self._judge_view(),
            self._count_real(),
        )
        if in_view:
            judged, why = False, f"the view still holds {in_view:,} rows of this run"
        elif in_view is None and judged:
            judged, why = None, "the view could not be read"
        before = self._state.real
        if before is not None and real is not None:
            for table in ("questions", "responses"):
                lost = getattr(before, table) - getattr(real, table)
                if lost > 0:
                    self._state.problems.append(
                        f"{lost:,} {table} that are not synthetic went away during the run"
                    )
        return AuditFinished(left.tally, judged, why, in_view)

    async def _in_view(self) -> int | None:
        try:
            return await self._project.count(VIEW, within(self._dataset.question_ids))
        except ProjectError as error:
            self._emit(Notice(f"the view could not be audited: {error.message}", warning=True))
            return None

    async def _judge_view(self) -> tuple[bool | None, str]:
        if self._state.unread is not None:
            return None, f"the view could not be compared: {self._state.unread}"
        try:
            return await diff.judge_view(
                self._project, self._dataset.question_ids, self._state.before
            )
        except ProjectError as error:
            return None, f"the view could not be compared: {error.message}"

    async def _count_real(self) -> Tally | None:
        try:
            return await diff.count_real(self._project)
        except ProjectError as error:
            self._emit(Notice(f"real rows could not be counted: {error.message}", warning=True))
            return None
