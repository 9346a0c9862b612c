"""Delete what carries a run's tag, and prove that it is gone.

The end of a run, cancelling, failure, recovery of a crashed run and `--purge` all come here. It
needs no journal, only the tag, so it works from any machine. Rows are found by the exact pattern of
`leftovers`, and each delete repeats that pattern (or names rows that belong to what it found), so a
row without the tag is never touched. Every step can be interrupted and repeated.

Questions and users stay until no response to the questions is counted any more: where a trigger
keeps responses, they would be orphans that no tag finds.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar, Final

from tui.errors import ExitCode, OperatorError
from tui.project import IDS_PER_REQUEST, Filter, ProjectError, TimedOut
from tui.verify import leftovers
from tui.verify.causes import AUTH_USERS, is_refusal
from tui.verify.events import Notice, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tui.verify.events import Tally
    from tui.verify.leftovers import Leftovers
    from tui.verify.run import OpenStage, RunContext

# With the triggers that cascade, 10,000 responses take 0.25 s to delete on a small machine: this
# many stay far below the 8 s that a hosted project allows a statement.
_RESPONSES_PER_DELETE: Final = 10_000
# Synthetic questions are published, so a learner may answer one while it exists. A few such answers
# go with their question; many mean that the tag is not what it seems.
_FEW: Final = 10
_FEW_PERCENT: Final = 1


class Unexplained(OperatorError):
    """There are more responses than synthetic users can have given.

    `count` says how many more; nothing was deleted.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.LEFTOVERS

    def __init__(self, message: str, *, count: int, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.count = count


class CleanUp:
    """Deletes what `leftovers.find` found, going on past single failures."""

    def __init__(self, context: RunContext, found: Leftovers) -> None:
        self._project = context.project
        self._writer = context.writer
        self._context = context
        self._found = found
        self._troubled: set[str] = set()
        self._problems: Counter[str] = Counter()
        self._held: dict[str, str] = {}

    @property
    def problems(self) -> list[str]:
        """What could not be deleted and why, equal refusals in one line."""
        return [
            text if count == 1 else f"{text} ({count:,} times)"
            for text, count in self._problems.items()
        ]

    @property
    def runs(self) -> frozenset[str]:
        return frozenset(self._found.by_run())

    def check_cap(self, *, accepted: int | None = None, command: Callable[[int], str]) -> None:
        """Raise `Unexplained` where the tag does not explain all of it.

        `accepted` is the only number of unexplained responses that the operator agrees to;
        `command` is the command line that accepts a number.
        """
        foreign = self._found.foreign
        if not foreign:
            return
        text = f"{foreign:,} responses to synthetic questions are none that a run wrote"
        explained = self._found.tally.responses - foreign
        few = foreign <= _FEW + explained * _FEW_PERCENT // 100
        if not (few or accepted == foreign):
            told = "" if accepted is None else f", and not the {accepted:,} that were accepted"
            raise Unexplained(
                f"{text}{told}: more than the tag explains, so nothing was deleted",
                count=foreign,
                hint=f"look at them; if they may go with the questions: {command(foreign)}",
            )
        self._context.emit(Notice(f"{text}; they go with the questions", warning=True))

    async def responses(self) -> bool:
        """Delete the responses to synthetic questions; whether none is left."""
        total = self._found.tally.responses
        with self._context.stage(
            Stage.CLEANUP_RESPONSES, total, "deleting synthetic responses"
        ) as progress:
            per_question = max(1, total // max(1, len(self._found.questions)))
            size = max(1, min(IDS_PER_REQUEST, _RESPONSES_PER_DELETE // per_question))
            refused = self._problems.total()

            async def delete(chunk: Sequence[str]) -> None:
                await self._delete_responses(chunk, progress)

            if total:
                await self._project.each(self._found.chunks(size), delete)
            left = await self._recount()
            # A delete whose reply was lost counts nothing when it is repeated.
            progress.advance(total - (left or 0) - progress.done)
            if left == 0:
                return True
            if left is not None and self._problems.total() == refused:
                self.add_problem(
                    f"{self._still_there(left, 'responses')}; questions and users stay, so that "
                    "they can be found"
                )
            progress.fail(f"{left:,} still there" if left is not None else "not counted")
            return False

    async def _recount(self) -> int | None:
        """Responses to the questions; None where they cannot be counted."""
        left = 0

        async def count(chunk: Sequence[str]) -> None:
            nonlocal left
            found = await self._project.count("responses", leftovers.these("question_id", chunk))
            left += found

        try:
            await self._project.each(self._found.chunks(IDS_PER_REQUEST), count)
        except ProjectError as error:
            self.add_problem(str(error))
            return None
        return left

    async def _delete_responses(self, questions: Sequence[str], progress: OpenStage) -> None:
        try:
            removed = await self._writer.delete(
                "responses", leftovers.these("question_id", questions)
            )
        except TimedOut as error:
            if len(questions) == 1:
                self.add_problem(str(error))
                return
            half = len(questions) // 2
            await self._delete_responses(questions[:half], progress)
            await self._delete_responses(questions[half:], progress)
        except ProjectError as error:
            self._refused(error, "responses")
        else:
            progress.advance(removed)

    async def questions(self) -> None:
        questions = self._found.questions
        with self._context.stage(
            Stage.CLEANUP_QUESTIONS, len(questions), "deleting synthetic questions"
        ) as progress:

            async def delete(chunk: Sequence[str]) -> None:
                run = questions[chunk[0]]
                conditions = [
                    *leftovers.these("id", chunk),
                    Filter("slug", "match", leftovers.slug_pattern(run)),
                ]
                try:
                    removed = await self._writer.delete("questions", conditions)
                except ProjectError as error:
                    self._refused(error, "questions")
                    progress.fail()
                else:
                    progress.advance(removed)

            await self._project.each(self._found.chunks(IDS_PER_REQUEST), delete)

    async def users(self) -> None:
        users = self._found.users
        with self._context.stage(
            Stage.CLEANUP_USERS, len(users), "deleting synthetic users"
        ) as progress:

            async def delete(user_id: str) -> None:
                try:
                    await self._writer.delete_user(user_id)
                except ProjectError as error:
                    self._refused(error, AUTH_USERS)
                    progress.fail()
                else:
                    progress.advance()

            await self._project.each(users, delete, at_once=self._project.small_requests)

    def add_problem(self, text: str) -> None:
        self._problems[text] += 1

    def _still_there(self, rows: int, table: str) -> str:
        keepers = ", ".join(self._context.causes.keepers(table))
        by = f": kept by {keepers}" if keepers else ""
        return f"{rows:,} {table} are still there after the project said that they were deleted{by}"

    def _refused(self, error: ProjectError, table: str) -> None:
        causes = self._context.causes
        held = causes.holding(error, table)
        self._held |= held
        text = str(error)
        if not is_refusal(error):
            self._troubled.add(table)
        elif held:
            if not any(name.split()[0] in text for name in held):
                text += f"; held by {', '.join(held)}"
        elif keepers := causes.keepers(table):
            text += f"; refused by {', '.join(keepers)}"
        self.add_problem(text)

    def explain(self, left: Tally) -> None:
        """Note rows that are left although nothing was refused."""
        for table, rows in (("questions", left.questions), ("app_users", left.users)):
            if rows and not self._problems:
                self.add_problem(self._still_there(rows, table))

    def remedy(self, left: Tally, runs: Collection[str]) -> str | None:
        """The SQL that removes what this clean-up could not, and what comes after.

        Args:
            left: What is there.
            runs: Whose rows those are.
        """
        causes = self._context.causes
        if self._held:
            return "; ".join(self._held.values()) + "; then purge again"
        for table, rows in (("responses", left.responses), ("questions", left.questions)):
            if rows:
                return None if table in self._troubled else causes.clearing(table)
        if not left.users or AUTH_USERS in self._troubled:
            return None
        if self._problems.total() and (keepers := causes.keepers(AUTH_USERS)):
            return (
                f"repair what keeps them: {', '.join(keepers)} on {AUTH_USERS}; where it refuses, "
                "the reason stands in the project's Postgres log; then purge again"
            )
        # Without their auth user, only the id tells whose they are.
        ids = [str(leftovers.id_of(run, "user", 0))[:-12] for run in sorted(runs)]
        tagged = " or ".join(f"id::text like '{each}%'" for each in ids)
        return causes.clearing("app_users", tagged)
