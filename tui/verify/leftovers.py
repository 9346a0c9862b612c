"""What carries the tag, found live: by the exact pattern of `tags`, and by that alone.

It needs no journal, so it works from any machine.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tui.project import IDS_PER_REQUEST, Filter, one_of
from tui.verify import tags
from tui.verify.events import Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tui.project import Project

# Longer than a run takes; see the bounds of a volume in `tui.settings`.
_LONGEST_RUN: Final = timedelta(hours=1)
_QUESTION_ORDER: Final = ("id",)
# PostgREST joins the question, so that its slug can be a condition.
RESPONSES_WITH_SLUG: Final = ("id", "questions!inner(slug)")


@dataclass(frozen=True, slots=True)
class Tagged:
    """What carries the tag, found live.

    Attributes:
        questions: Question id to run id.
        users: User id to run id.
        responses: Responses to those questions, per run.
        begun: When the newest user of a run was created, per run, where the auth service tells.
    """

    questions: Mapping[str, str]
    users: Mapping[str, str]
    responses: Mapping[str, int]
    begun: Mapping[str, datetime] = field(default_factory=dict)

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

    def without(self, runs: Collection[str]) -> Tagged:
        """The same, but for the rows of some runs."""
        return Tagged(
            questions={key: run for key, run in self.questions.items() if run not in runs},
            users={key: run for key, run in self.users.items() if run not in runs},
            responses={run: count for run, count in self.responses.items() if run not in runs},
            begun={run: when for run, when in self.begun.items() if run not in runs},
        )


async def find(project: Project, run_id: str | None = None) -> Tagged:
    """Everything that carries the tag of one run, or of any run when None.

    Raises:
        ProjectError: The project could not be asked.
    """
    if run_id is not None:
        questions, (users, begun), count_of_run = await asyncio.gather(
            tagged_questions(project, run_id),
            tagged_users(project, run_id),
            project.count("responses", [joined_slug(run_id)], columns=RESPONSES_WITH_SLUG),
        )
        return Tagged(questions, users, {run_id: count_of_run}, begun)
    questions, (users, begun) = await asyncio.gather(
        tagged_questions(project, run_id), tagged_users(project, run_id)
    )
    responses: Counter[str] = Counter()

    async def count(chunk: Sequence[str]) -> None:
        # Not `+= await`: that reads the old value before the wait, and loses others' counts.
        found = await project.count("responses", [one_of("question_id", chunk)])
        responses[questions[chunk[0]]] += found

    await project.each(chunks_by_run(questions, IDS_PER_REQUEST), count)
    return Tagged(questions, users, responses, begun)


def joined_slug(run_id: str | None) -> Filter:
    """Responses to the questions of one run, or of any; goes with `RESPONSES_WITH_SLUG`."""
    return Filter("questions.slug", "match", tags.slug_pattern(run_id))


async def tagged_users(
    project: Project, run_id: str | None
) -> tuple[dict[str, str], dict[str, datetime]]:
    """Tagged users of one run, or of any: id to run id; and when each run's newest was created.

    Raises:
        ProjectError: The project could not be asked.
    """
    users: dict[str, str] = {}
    begun: dict[str, datetime] = {}
    fragment = tags.EMAIL_FRAGMENT + (f"{run_id}-" if run_id else "")
    async for page in project.users_matching(fragment):
        for user in page:
            run = tags.run_of_email(user.get("email") or "")
            if run is None or run_id not in (None, run):
                continue
            users[user["id"]] = run
            created = _instant(user.get("created_at"))
            if created is not None:
                begun[run] = max(created, begun.get(run, created))
    return users, begun


def may_be_under_way(begun: Mapping[str, datetime], now: datetime) -> tuple[str, ...]:
    """Runs that another machine, user or home may be in the middle of.

    Those of this console whose newest user was created within the hour. The script before it made
    other run ids, and has no part in this.

    Args:
        begun: When a run's newest user was created, per run.
        now: The present.
    """
    return tuple(
        run
        for run, created in sorted(begun.items())
        if tags.is_ours(run) and now - created < _LONGEST_RUN
    )


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


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


def chunks_by_run(questions: Mapping[str, str], size: int) -> list[list[str]]:
    """Question ids in chunks that each belong to one run."""
    by_run: dict[str, list[str]] = defaultdict(list)
    for question_id, run in questions.items():
        by_run[run].append(question_id)
    return [
        ids[start : start + size] for ids in by_run.values() for start in range(0, len(ids), size)
    ]
