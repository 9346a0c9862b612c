"""Delete what `tagged` found: one piece of code for every occasion.

The end of a run, cancelling, failure, recovery of a crashed run and `--purge` all come here. It
needs no journal, only the tag, so it works from any machine. Rows are found by the exact pattern
of `tags`, and each delete repeats that pattern (or names rows that belong to what it found), so a
row without the tag is never touched. Every step can be interrupted and repeated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from tui.errors import ExitCode, OperatorError
from tui.project import IDS_PER_REQUEST, Filter, ProjectError, TimedOut, one_of
from tui.verify import tags
from tui.verify.events import Notice, Stage
from tui.verify.leftovers import chunks_by_run
from tui.verify.progress import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tui.project import Project, Writer
    from tui.verify.events import Event
    from tui.verify.leftovers import Tagged
    from tui.verify.progress import OpenStage

# With the triggers that cascade, 10,000 responses take 0.25 s to delete on a small machine: this
# many stay far below the 8 s that a hosted project allows a statement.
_RESPONSES_PER_DELETE: Final = 10_000
# Synthetic questions are published, so a learner may answer one while it exists. A few such answers
# go with their question; many mean that the tag is not what it seems.
_FEW: Final = 10
_FEW_PERCENT: Final = 1


class Unexplained(OperatorError):
    """There are more responses than tagged users can have given; nothing was deleted.

    Attributes:
        count: How many more.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.LEFTOVERS

    def __init__(self, message: str, *, count: int, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.count = count


@dataclass(slots=True)
class Report:
    """What a clean-up did.

    Attributes:
        removed: Rows deleted.
        problems: What could not be deleted and why, one line each.
    """

    removed: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class CleanUp:
    """Deletes what `find` found, going on past single failures.

    Args:
        project: Where to read.
        writer: Where to delete.
        tagged: What to delete.
        emit: Where progress goes.
    """

    def __init__(
        self, project: Project, writer: Writer, tagged: Tagged, emit: Callable[[Event], None]
    ) -> None:
        self._project = project
        self._writer = writer
        self._tagged = tagged
        self._emit = emit
        self.report = Report()

    def check_cap(
        self,
        *,
        accepted: int | None = None,
        command: Callable[[int], str],
    ) -> None:
        """Make sure that the tag explains what is about to be deleted.

        Args:
            accepted: So many of them the operator wants deleted, and no other number.
            command: The command line that accepts a number of them.

        Raises:
            Unexplained: It does not, and nobody accepted that.
        """
        foreign = self._tagged.foreign
        if not foreign:
            return
        text = f"{foreign:,} responses to synthetic questions are not of synthetic users"
        explained = self._tagged.tally.responses - foreign
        few = foreign <= _FEW + explained * _FEW_PERCENT // 100
        if not (few or accepted == foreign):
            told = "" if accepted is None else f", and not the {accepted:,} that were accepted"
            raise Unexplained(
                f"{text}{told}: more than the tag explains, so nothing was deleted",
                count=foreign,
                hint=f"look at them; if they may go with the questions: {command(foreign)}",
            )
        self._emit(Notice(f"{text}; they go with the questions", warning=True))

    async def responses(self) -> None:
        """Delete the responses to tagged questions, a bounded number at a time."""
        total = self._tagged.tally.responses
        with stage(
            Stage.CLEANUP_RESPONSES, total, "deleting synthetic responses", self._emit
        ) as progress:
            per_question = max(1, total // max(1, len(self._tagged.questions)))
            size = max(1, min(IDS_PER_REQUEST, _RESPONSES_PER_DELETE // per_question))

            async def delete(chunk: Sequence[str]) -> None:
                await self._delete_responses(chunk, progress)

            if total:
                await self._project.each(chunks_by_run(self._tagged.questions, size), delete)
            if progress.done < total:
                await self._recount(progress, total)

    async def _recount(self, progress: OpenStage, total: int) -> None:
        """A delete whose reply was lost counts nothing when it is repeated: count what is left."""
        left = 0

        async def count(chunk: Sequence[str]) -> None:
            nonlocal left
            found = await self._project.count("responses", [one_of("question_id", chunk)])
            left += found

        try:
            await self._project.each(chunks_by_run(self._tagged.questions, IDS_PER_REQUEST), count)
        except ProjectError as error:
            self.report.problems.append(str(error))
            return
        progress.advance(total - left - progress.done)

    async def _delete_responses(self, questions: Sequence[str], progress: OpenStage) -> None:
        try:
            removed = await self._writer.delete("responses", [one_of("question_id", questions)])
        except TimedOut as error:
            if len(questions) == 1:
                self.report.problems.append(str(error))
                return
            half = len(questions) // 2
            await self._delete_responses(questions[:half], progress)
            await self._delete_responses(questions[half:], progress)
        except ProjectError as error:
            self.report.problems.append(str(error))
        else:
            self.report.removed["responses"] += removed
            progress.advance(removed)

    async def questions(self) -> None:
        """Delete the tagged questions; what still hangs on them cascades."""
        with stage(
            Stage.CLEANUP_QUESTIONS,
            len(self._tagged.questions),
            "deleting synthetic questions",
            self._emit,
        ) as progress:

            async def delete(chunk: Sequence[str]) -> None:
                run = self._tagged.questions[chunk[0]]
                conditions = [
                    one_of("id", chunk),
                    Filter("slug", "match", tags.slug_pattern(run)),
                ]
                try:
                    removed = await self._writer.delete("questions", conditions)
                except ProjectError as error:
                    self.report.problems.append(str(error))
                else:
                    self.report.removed["questions"] += removed
                    progress.advance(removed)

            await self._project.each(chunks_by_run(self._tagged.questions, IDS_PER_REQUEST), delete)

    async def users(self) -> None:
        """Delete the tagged users."""
        with stage(
            Stage.CLEANUP_USERS, len(self._tagged.users), "deleting synthetic users", self._emit
        ) as progress:

            async def delete(user_id: str) -> None:
                try:
                    removed = await self._writer.delete_user(user_id)
                except ProjectError as error:
                    self.report.problems.append(str(error))
                else:
                    self.report.removed["users"] += removed
                    progress.advance()

            await self._project.each(
                self._tagged.users, delete, at_once=self._project.small_requests
            )
