"""How much there is and will be, how long it takes, and who else is at it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tui.dry_run.facts import READ, Facts
from tui.dry_run.probe import Finding, Probes, failed, listed, passed, warned
from tui.heatmap.formatting import utc_iso
from tui.project import VIEW, outside
from tui.settings import WEEKS
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

# Beyond this many times what is there, the planner's picture of the tables is a different one.
_OVERWHELMING: Final = 100
# A project with fewer responses has no picture to spoil.
_SOME: Final = 1_000
_LONG_S: Final = 600.0
_EARLIEST: Final = "2000-01-01"
_AHEAD: Final = timedelta(days=366)
_NAMED: Final = 3

PROBES: Final = Probes()


@PROBES.add(
    "volume.rows",
    "the volume suits the project",
    "exact counts of responses, questions and app_users",
    f"fewer than {WEEKS} users are planned, or over {_OVERWHELMING} times the responses there "
    f"where there are {_SOME:,} or more",
    "lower HEATMAP_VERIFY_USERS or HEATMAP_VERIFY_QUESTIONS",
    severity=ProbeStatus.WARN,
    needs=("schema.tables",),
)
async def _rows(facts: Facts) -> Finding:
    pages = await asyncio.gather(*map(facts.table, READ))
    counts = {name: page.total for name, page in zip(READ, pages, strict=True)}
    there = counts["responses"]
    questions, responses, learners = (
        "more than can be counted" if count is None else f"{count:,}" for count in counts.values()
    )
    planned = facts.context.settings.volume
    seen = (
        f"there are {learners} users, {questions} questions, {responses} responses; a run adds "
        f"{planned.users:,}, {planned.questions:,} and {planned.responses:,}, and removes them"
    )
    if planned.users < WEEKS:
        return warned(
            f"{seen}; under {WEEKS} users, questions miss weeks",
            f"set HEATMAP_VERIFY_USERS to {WEEKS} or more",
        )
    if there is not None and there >= _SOME and planned.responses > _OVERWHELMING * there:
        return warned(f"{seen}; that is over {_OVERWHELMING} times what is there")
    return passed(seen)


@PROBES.add(
    "volume.duration",
    "a run will not take long",
    "earlier runs against this target, as recorded here",
    f"it is expected to take over {_LONG_S / 60:.0f} minutes",
    "lower HEATMAP_VERIFY_USERS or HEATMAP_VERIFY_QUESTIONS",
    severity=ProbeStatus.WARN,
)
async def _duration(facts: Facts) -> Finding:
    past = facts.context.past
    if past is None or past.runs < 1 or past.rows_per_s <= 0:
        return passed("no earlier run is on record; this one will set the measure")
    seconds = facts.context.settings.volume.responses / past.rows_per_s
    spoken = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    seen = f"about {spoken}, going by {past.runs} earlier run{'s'[: past.runs > 1]}"
    return passed(seen) if seconds <= _LONG_S else warned(seen)


@PROBES.add(
    "volume.dates",
    "no answer is of an impossible date",
    f"rows of {VIEW} before {_EARLIEST}, or more than a year ahead",
    "there are such weeks, as milliseconds make that were sent as seconds: the heatmap leaves "
    "out what no calendar holds",
    "correct the responses where created_at not between '2000-01-01' and now() + "
    "interval '1 year', and refresh",
    severity=ProbeStatus.WARN,
    needs=("schema.populated",),
)
async def _dates(facts: Facts) -> Finding:
    latest = datetime.now(UTC).date() + _AHEAD
    strange = outside("week_start", _EARLIEST, latest)
    page = await facts.project.page(
        VIEW, ["week_start"], [strange], order=["week_start"], limit=_NAMED, count=True
    )
    if not page.rows:
        return passed(f"no week before {_EARLIEST} or after {latest}")
    weeks = listed(sorted({str(row["week_start"]) for row in page.rows}))
    return warned(f"{page.total or len(page.rows):,} aggregates of impossible weeks, as {weeks}")


def _held(lock: Mapping[str, Any]) -> str:
    state = lock["state"] or "active"
    if since := utc_iso(lock["since"] or ""):
        state += f" since {since.replace('T', ' ')[:19]} UTC"
    return f"process {lock['pid']} ({state}) holds {lock['modes']} on {lock['relation']}"


@PROBES.add(
    "volume.jobs",
    "nothing else is refreshing the view",
    "the preflight function: locks on the view and the tables, pg_cron jobs that name the view",
    "an idle transaction holds a lock that a run waits for (fails); a refresh is running, or a "
    "job may start one: times are then not the run's own",
    "pause the job for the run: select cron.alter_job(<id>, active := false)",
    needs=("schema.preflight",),
)
async def _jobs(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    active = [job for job in preflight.at("jobs", "scheduled") if job["active"]]
    named = [f"{job['name'] or 'unnamed'} ({job['schedule']})" for job in active]
    locks = preflight.many("locks")
    if idle := [each for each in locks if (each["state"] or "").startswith("idle")]:
        pids = dict.fromkeys(each["pid"] for each in idle)
        return failed(
            f"{listed(map(_held, idle))}: a run would wait for that transaction in vain",
            "; ".join(f"select pg_terminate_backend({pid})" for pid in pids),
        )
    if locks:
        return warned(f"{listed(map(_held, locks))}: work is under way", "wait until it is done")
    if named:
        return warned(f"scheduled jobs use the view: {listed(named)}")
    scheduler = "" if preflight.at("jobs", "pg_cron") else "; pg_cron is not installed"
    return passed(f"no scheduled job uses the view, and no refresh is running{scheduler}")
