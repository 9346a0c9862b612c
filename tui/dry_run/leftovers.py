"""Did an earlier run leave anything behind?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tui.dry_run.facts import is_user_list
from tui.dry_run.probe import Finding, Probe, listed, passed, skipped, warned
from tui.project import ProjectError
from tui.verify.events import ProbeStatus
from tui.verify.leftovers import (
    RESPONSES_WITH_SLUG,
    joined_slug,
    may_be_under_way,
    questions_of,
    server_time,
    users_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.dry_run.facts import Facts
    from tui.project import Project

_PURGE: Final = "heatmap-tui --purge removes them"


async def questions(facts: Facts) -> Finding:
    """Are there synthetic questions, and responses to them?"""
    project = await facts.ready()
    found = await questions_of(project, None)
    left, under_way = _apart(found.values(), facts.context.alive)
    if not left:
        return passed(f"no synthetic question is left{under_way}")
    seen = f"{_per_run(left, 'questions')}; {await _responses(project)}{under_way}"
    return warned(seen, f"{facts.context.purge} removes them")


async def _responses(project: Project) -> str:
    try:
        page = await project.page(
            "responses", RESPONSES_WITH_SLUG, [joined_slug(None)], limit=1, count=True
        )
    except ProjectError as error:
        return f"their responses cannot be counted ({error.code or error.status})"
    return f"{page.total or 0:,} responses to synthetic questions"


async def users(facts: Facts) -> Finding:
    """Are there synthetic users?"""
    project = await facts.ready()
    if not await _lists_users(facts):
        return skipped("the auth admin API lists no users", "see authentication.admin")
    found, begun = await users_of(project, None)
    left, under_way = _apart(found.values(), facts.context.alive)
    if not left:
        return passed(f"no synthetic user is left{under_way}")
    recent = [run for run in may_be_under_way(begun, await server_time(project)) if run in left]
    seen = _per_run(left, "users") + under_way
    if recent:
        seen += f"; {listed(recent, most=4)} began within the hour, perhaps elsewhere"
    return warned(seen, f"{facts.context.purge} removes them")


async def _lists_users(facts: Facts) -> bool:
    try:
        return is_user_list(await facts.first_user())
    except ProjectError:
        return False


def _apart(runs: Iterable[str], alive: frozenset[str]) -> tuple[Counter[str], str]:
    """Rows of runs that are over, per run; and, in words, those under way on this machine."""
    found = Counter(runs)
    going = sorted(alive & found.keys())
    left = Counter({run: count for run, count in found.items() if run not in alive})
    return left, f"; {listed(going)} is under way on this machine" if going else ""


def _per_run(runs: Counter[str], what: str) -> str:
    of = listed([f"{run}: {count:,}" for run, count in runs.most_common()], most=4)
    return f"{runs.total():,} {what} of {len(runs)} other run{'s'[: len(runs) > 1]} ({of})"


PROBES: Final = (
    Probe(
        "leftovers.questions",
        "no synthetic question is left",
        "questions whose slug carries the tag, per run",
        "an earlier run, of this console or of the script before it, was not cleaned up",
        _PURGE,
        ProbeStatus.WARN,
        questions,
    ),
    Probe(
        "leftovers.users",
        "no synthetic user is left",
        "auth users whose email carries the tag, per run",
        "an earlier run, of this console or of the script before it, was not cleaned up",
        _PURGE,
        ProbeStatus.WARN,
        users,
    ),
)
