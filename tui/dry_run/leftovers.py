"""Did an earlier run leave anything behind?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tui.dry_run.probe import Finding, Probes, listed, passed, skipped, warned
from tui.project import PREFLIGHT, REFRESH, VIEW
from tui.verify.events import ProbeStatus
from tui.verify.leftovers import may_be_under_way, questions_of, responses_to, server_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.dry_run.facts import Facts

_PURGE: Final = "heatmap-tui --purge removes them"

PROBES: Final = Probes()


@PROBES.add(
    "leftovers.questions",
    "no synthetic question is left",
    "questions whose slug carries the tag, per run",
    "an earlier run, of this console or of the script before it, was not cleaned up",
    _PURGE,
    severity=ProbeStatus.WARN,
    vital=True,
    needs=("schema.tables",),
)
async def _questions(facts: Facts) -> Finding:
    found = await questions_of(facts.project, None)
    left, under_way = _apart(found.values(), facts.context.alive)
    if not left:
        return passed(f"no synthetic question is left{under_way}")
    responses = await responses_to(facts.project, found)
    seen = f"{_per_run(left, 'questions')}; {responses.total():,} responses to them{under_way}"
    return warned(seen, f"{facts.context.purge} removes them")


@PROBES.add(
    "leftovers.users",
    "no synthetic user is left",
    "auth users whose email carries the tag, per run",
    "an earlier run, of this console or of the script before it, was not cleaned up",
    _PURGE,
    severity=ProbeStatus.WARN,
    needs=("authentication.admin",),
)
async def _users(facts: Facts) -> Finding:
    found, begun = await facts.users()
    left, under_way = _apart(found.values(), facts.context.alive)
    if not left:
        return passed(f"no synthetic user is left{under_way}")
    recent = [
        run for run in may_be_under_way(begun, await server_time(facts.project)) if run in left
    ]
    seen = _per_run(left, "users") + under_way
    if recent:
        seen += f"; {listed(recent, most=4)} began within the hour, perhaps elsewhere"
    return warned(seen, f"{facts.context.purge} removes them")


@PROBES.add(
    "leftovers.view",
    "the view shows no question that is gone",
    f"{PREFLIGHT}(): rows of {VIEW} without their question",
    "a run died between deleting and refreshing, or questions were deleted since",
    f"refresh the view: select public.{REFRESH}()",
    severity=ProbeStatus.WARN,
    needs=("schema.preflight", "schema.populated"),
)
async def _view(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    stale = preflight.at("view", "stale")
    if stale is None:
        return skipped("cannot tell: the view is being refreshed, or cannot be read")
    if stale:
        return warned(
            f"the view still holds {stale:,} rows of questions that are gone: a run ended before "
            "its last refresh, or questions were deleted since"
        )
    return passed("the view holds no row of a question that is gone")


def _apart(runs: Iterable[str], alive: frozenset[str]) -> tuple[Counter[str], str]:
    """Rows of runs that are over, per run; and those under way here, in words."""
    found = Counter(runs)
    going = sorted(alive & found.keys())
    left = Counter({run: count for run, count in found.items() if run not in alive})
    return left, f"; {listed(going)} is under way on this machine" if going else ""


def _per_run(runs: Counter[str], what: str) -> str:
    of = listed([f"{run}: {count:,}" for run, count in runs.most_common()], most=4)
    return f"{runs.total():,} {what} of {len(runs)} other run{'s'[: len(runs) > 1]} ({of})"
