"""Delete by tag and count what is left: one piece of code for every occasion.

The end of a run, cancelling, failure, recovery of a crashed run and `--purge` all come here. It
needs no journal, only the tag, so it works from any machine. Rows are found by the exact pattern
of `tags`, and each delete repeats that pattern (or names rows that belong to what it found), so a
row without the tag is never touched. Every step can be interrupted and repeated.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from tui.errors import ExitCode, OperatorError
from tui.project import IDS_PER_REQUEST, Filter, ProjectError, TimedOut, one_of
from tui.verify import tags
from tui.verify.events import Notice, Stage, Tally
from tui.verify.progress import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tui.project import Project, Writer
    from tui.verify.events import Event
    from tui.verify.progress import OpenStage

# With the triggers that cascade, 10,000 responses take 0.25 s to delete on a small machine: this
# many stay far below the 8 s that a hosted project allows a statement.
_RESPONSES_PER_DELETE: Final = 10_000
_QUESTION_ORDER: Final = ("id",)
# PostgREST joins the question, so that its slug can be a condition.
RESPONSES_WITH_SLUG: Final = ("id", "questions!inner(slug)")
# Synthetic questions are published, so a learner may answer one while it exists. A few such answers
# go with their question; many mean that the tag is not what it seems.
_FEW: Final = 10
_FEW_PERCENT: Final = 1


class Unexplained(OperatorError):
    """There are more responses than tagged users can have given; nothing was deleted."""

    exit_code: ClassVar[ExitCode] = ExitCode.LEFTOVERS


@dataclass(frozen=True, slots=True)
class Tagged:
    """What carries the tag, found live.

    Attributes:
        questions: Question id to run id.
        users: User id to run id.
        responses: Responses to those questions, per run.
    """

    questions: Mapping[str, str]
    users: Mapping[str, str]
    responses: Mapping[str, int]

    @property
    def tally(self) -> Tally:
        """Rows in all."""
        return Tally(len(self.users), len(self.questions), sum(self.responses.values()))

    @property
    def foreign(self) -> int:
        """Responses to tagged questions beyond what tagged users can have given.

        A user answers a question once, so a run explains users x questions of them.
        """
        return sum(
            max(0, tally.responses - tally.users * tally.questions)
            for tally in self.by_run().values()
        )

    def by_run(self) -> dict[str, Tally]:
        """Rows per run, for telling an operator whose they are."""
        questions = Counter(self.questions.values())
        users = Counter(self.users.values())
        return {
            run: Tally(users[run], questions[run], self.responses.get(run, 0))
            for run in sorted({*questions, *users})
        }


@dataclass(slots=True)
class Report:
    """What a clean-up did.

    Attributes:
        removed: Rows deleted.
        problems: What could not be deleted and why, one line each.
    """

    removed: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


async def find(project: Project, run_id: str | None = None) -> Tagged:
    """Everything that carries the tag of one run, or of any run when None.

    Raises:
        ProjectError: The project could not be asked.
    """
    if run_id is not None:
        questions, users, count_of_run = await asyncio.gather(
            tagged_questions(project, run_id),
            _tagged_users(project, run_id),
            project.count("responses", [_joined_slug(run_id)], columns=RESPONSES_WITH_SLUG),
        )
        return Tagged(questions, users, {run_id: count_of_run})
    questions, users = await asyncio.gather(
        tagged_questions(project, run_id), _tagged_users(project, run_id)
    )
    responses: Counter[str] = Counter()

    async def count(chunk: Sequence[str]) -> None:
        # Not `+= await`: that reads the old value before the wait, and loses others' counts.
        found = await project.count("responses", [one_of("question_id", chunk)])
        responses[questions[chunk[0]]] += found

    await project.each(_chunks_by_run(questions, IDS_PER_REQUEST), count)
    return Tagged(questions, users, responses)


def _joined_slug(run_id: str) -> Filter:
    return Filter("questions.slug", "match", tags.slug_pattern(run_id))


async def _tagged_users(project: Project, run_id: str | None) -> dict[str, str]:
    users: dict[str, str] = {}
    fragment = tags.EMAIL_FRAGMENT + (f"{run_id}-" if run_id else "")
    async for page in project.users_matching(fragment):
        for user in page:
            run = tags.run_of_email(user.get("email") or "")
            if run is not None and run_id in (None, run):
                users[user["id"]] = run
    return users


async def tagged_questions(project: Project, run_id: str | None) -> dict[str, str]:
    """Tagged questions of one run, or of any: id to run id.

    Raises:
        ProjectError: The project could not be asked.
    """
    # `like` can use an index on the slug; `match` then makes it exact.
    conditions = [
        Filter("slug", "like", f"{tags.SLUG_PREFIX}{run_id or ''}*"),
        Filter("slug", "match", tags.slug_pattern(run_id)),
    ]
    found: dict[str, str] = {}
    async for page in project.pages("questions", ("id", "slug"), conditions, order=_QUESTION_ORDER):
        for row in page:
            run = tags.run_of_slug(row["slug"])
            if run is not None and run_id in (None, run):
                found[row["id"]] = run
    return found


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

    def check_cap(self, *, confirmed: bool = False) -> None:
        """Make sure that the tag explains what is about to be deleted.

        Args:
            confirmed: The operator was asked, and wants it deleted all the same.

        Raises:
            Unexplained: It does not, and nobody was asked.
        """
        foreign = self._tagged.foreign
        if not foreign:
            return
        text = f"{foreign:,} responses to synthetic questions are not of synthetic users"
        explained = self._tagged.tally.responses - foreign
        if foreign > _FEW + explained * _FEW_PERCENT // 100 and not confirmed:
            raise Unexplained(
                f"{text}: more than the tag explains, so nothing was deleted",
                hint="look at them; if they may go with the questions: "
                "heatmap-tui --purge --confirm <project ref or host>",
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
                await self._project.each(_chunks_by_run(self._tagged.questions, size), delete)
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
            await self._project.each(_chunks_by_run(self._tagged.questions, IDS_PER_REQUEST), count)
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

            # The pattern takes room in the URL beside the ids.
            await self._project.each(_chunks_by_run(self._tagged.questions, 100), delete)

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


def _chunks_by_run(questions: Mapping[str, str], size: int) -> list[list[str]]:
    """Question ids in chunks that each belong to one run."""
    by_run: dict[str, list[str]] = defaultdict(list)
    for question_id, run in questions.items():
        by_run[run].append(question_id)
    return [
        ids[start : start + size] for ids in by_run.values() for start in range(0, len(ids), size)
    ]
