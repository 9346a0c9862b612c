"""Did an earlier run leave anything behind?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tui.project import Filter, ProjectError
from tui.verify import tags
from tui.verify.events import ProbeStatus
from tui.verify.probes.evidence import is_user_list
from tui.verify.probes.model import Finding, Probe, listed, passed, skipped, warned

if TYPE_CHECKING:
    from tui.project import Project
    from tui.verify.probes.evidence import Evidence

_PURGE: Final = "heatmap-tui --purge removes them"


async def questions(evidence: Evidence) -> Finding:
    """Are there synthetic questions, and responses to them?"""
    project = await evidence.ready()
    runs: Counter[str] = Counter()
    tagged = [Filter("slug", "match", tags.ANY_SLUG)]
    async for rows in project.pages("questions", ["slug"], tagged, order=["slug"]):
        # The server's judgement is not enough to call a question synthetic.
        runs.update(run for row in rows if (run := tags.run_of_slug(row["slug"])))
    if not runs:
        return passed("no synthetic question is left")
    return warned(f"{_per_run(runs, 'questions')}; {await _responses(project)}")


async def _responses(project: Project) -> str:
    columns = ["id", "questions!inner(slug)"]
    tagged = [Filter("questions.slug", "match", tags.ANY_SLUG)]
    try:
        page = await project.page("responses", columns, tagged, limit=1, count=True)
    except ProjectError as error:
        return f"their responses cannot be counted ({error.code or error.status})"
    return f"{page.total or 0:,} responses to them"


async def users(evidence: Evidence) -> Finding:
    """Are there synthetic users?"""
    project = await evidence.ready()
    if not await _lists_users(evidence):
        return skipped("the auth admin API lists no users", "see authentication.admin")
    runs: Counter[str] = Counter()
    async for page in project.users_matching(tags.EMAIL_FRAGMENT):
        runs.update(run for user in page if (run := tags.run_of_email(user.get("email") or "")))
    if not runs:
        return passed("no synthetic user is left")
    return warned(_per_run(runs, "users"))


async def _lists_users(evidence: Evidence) -> bool:
    try:
        return is_user_list(await evidence.first_user())
    except ProjectError:
        return False


def _per_run(runs: Counter[str], what: str) -> str:
    of = listed([f"{run}: {count:,}" for run, count in runs.most_common()], most=4)
    return f"{runs.total():,} {what} of {len(runs)} earlier run{'s'[: len(runs) > 1]} ({of})"


PROBES: Final = (
    Probe(
        "residue.questions",
        "no synthetic question is left",
        "questions whose slug carries the tag, per run",
        "an earlier run, of this console or of the script before it, was not cleaned up",
        _PURGE,
        ProbeStatus.WARN,
        questions,
    ),
    Probe(
        "residue.users",
        "no synthetic user is left",
        "auth users whose email carries the tag, per run",
        "an earlier run, of this console or of the script before it, was not cleaned up",
        _PURGE,
        ProbeStatus.WARN,
        users,
    ),
)
