"""Are the heatmap's own objects there, right, and callable?"""

from __future__ import annotations

import asyncio
from typing import Final

from tui.dry_run import tables
from tui.dry_run.facts import AMBIGUOUS, Facts, Preflight, UnansweredError, is_broken
from tui.dry_run.permissions import EXECUTE, READ_ONLY, UNPOPULATED
from tui.dry_run.probe import APPLY, Finding, Probes, failed, listed, passed, skipped, warned
from tui.heatmap.formatting import utc_iso
from tui.heatmap.rows import COLUMNS
from tui.project import (
    APPLY_PREFLIGHT,
    PREFLIGHT,
    READER,
    REFRESH,
    VIEW,
    Denied,
    Filter,
    Missing,
    NotOurs,
    ProjectError,
    ProjectUnreachable,
    outside,
)
from tui.verify.comparison import compare
from tui.verify.events import ProbeStatus
from tui.verify.leftovers import ANY_SLUG, count_run, id_of
from tui.verify.view import ORDER, sample, within

# Type of each column without its modifier.
_TYPES: Final = dict(
    zip(
        COLUMNS,
        ("uuid", "text", "text", "date", "bigint", "bigint", "numeric", "double precision"),
        strict=True,
    )
)
_INDEX: Final = "analytics_heatmap_agg_idx"
_INDEX_COLUMNS: Final = ["week_start", "question_id"]

# A run that never was: of a day before this console.
_NO_RUN: Final = "20000101-00000000"
# PostgREST's own words on a request: it cannot read it, or finds no such thing in its schema cache.
_NOT_SERVED: Final = ("PGRST1", "PGRST2")

PROBES: Final = Probes()


@PROBES.add(
    "schema.preflight",
    "the database describes itself",
    f"{PREFLIGHT}(), by GET",
    "the function fails or is of another version; skipped where it is not installed",
    APPLY_PREFLIGHT,
    needs=("target.key", "authentication.key"),
)
async def _preflight(facts: Facts) -> Finding:
    reply = await facts.preflight_reply()
    if isinstance(reply, Preflight):
        return passed(f"document of version {reply.at('schema')}")
    if isinstance(reply, Missing | Denied) and (
        (await tables.tables(facts)).status is ProbeStatus.FAIL
    ):
        raise UnansweredError(reply.message, cause="schema.tables")
    if isinstance(reply, Missing):
        return skipped("not installed: what only the database knows is not looked at")
    if isinstance(reply, ProjectUnreachable | NotOurs):
        raise reply
    if isinstance(reply, Denied) or reply.code is None or is_broken(reply.code):
        return failed(reply.message)
    raise reply


PROBES.extend(tables.PROBES)


@PROBES.add(
    "schema.view",
    "the view is exactly as documented",
    f"the preflight function, else GET /rest/v1/: columns of {VIEW}",
    "it is missing, or a column is missing, renamed, extra, moved or of another type",
    APPLY,
    needs=("schema.tables",),
)
async def _view(facts: Facts) -> Finding:
    preflight = await facts.preflight_reply()
    told = isinstance(preflight, Preflight)
    found = await facts.columns(VIEW)
    if found is None:
        return failed(f"there is no {VIEW}" if told else f"{VIEW} is not in the API")
    if isinstance(preflight, Preflight) and (
        (kind := preflight.at("view", "kind")) != "materialized view"
    ):
        return failed(f"{VIEW} is a {kind}, not a materialized view")
    problems = [f"{name} is missing" for name in _TYPES if name not in found]
    problems += [f"{name} is not documented" for name in found if name not in _TYPES]
    unknown = []
    for name, kind in _TYPES.items():
        if name not in found or found[name].type == kind:
            continue
        if not told and found[name].type not in tables.KNOWN:
            unknown.append(f"{name} is {found[name].type or 'of no type'}")
        else:
            problems.append(f"{name} is {found[name].type}, not {kind}")
    if not problems and list(found) != list(COLUMNS):
        problems.append("the columns stand in another order")
    if problems:
        return failed("; ".join(problems))
    if unknown:
        return skipped(f"cannot tell: {listed(unknown)}", APPLY_PREFLIGHT)
    return passed(f"{len(COLUMNS)} columns, as documented")


@PROBES.add(
    "schema.owner",
    "the view counts every response",
    f"{PREFLIGHT}(): owner of the view",
    "its owner is subject to row level security, so that it silently counts too little",
    "apply sql/analytics_heatmap.sql as the project's owner, which has BYPASSRLS",
    needs=("schema.view", "schema.preflight"),
)
async def _owner(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    name = preflight.at("view", "owner")
    if not preflight.at("view", "owner_bypasses_rls"):
        return failed(f"its owner {name} is subject to row level security: it would count nothing")
    return passed(f"its owner {name} bypasses row level security")


@PROBES.add(
    "schema.populated",
    "the view has been filled",
    f"one row of {VIEW}, and how many there are",
    "it was never refreshed, or the service role may not read it",
    APPLY,
    vital=True,
    needs=("schema.view",),
)
async def _populated(facts: Facts) -> Finding:
    try:
        page = await facts.project.page(VIEW, ["question_id"], limit=1, count=True)
    except Denied as error:
        if isinstance(await facts.preflight_reply(), Preflight):
            raise
        return failed(error.message, f"grant select on public.{VIEW} to service_role")
    except ProjectError as error:
        if error.code == UNPOPULATED:
            return failed("the view has never been filled")
        if is_broken(error.code):
            return failed(error.message)
        raise
    return passed(f"{page.total or 0:,} rows{await _last_refresh(facts)}")


async def _last_refresh(facts: Facts) -> str:
    try:
        last = (await facts.preflight()).at("last_refresh")
    except UnansweredError:
        return ""
    if not last:
        return ", no refresh on record"
    when = (utc_iso(str(last["refreshed_at"])) or "at an unknown time")[:16].replace("T", " ")
    return f", refreshed {when} UTC in {float(last['server_ms']):,.0f} ms"


@PROBES.add(
    "schema.index",
    "a concurrent refresh is possible",
    f"{PREFLIGHT}(): {_INDEX}",
    "the index is missing, not unique, not valid, partial, or on other columns; where another "
    "unique index does for the refresh (warns)",
    APPLY,
    needs=("schema.view", "schema.preflight"),
)
async def _index(facts: Facts) -> Finding:
    """Looks at the index that a concurrent refresh needs, and pages by key."""
    preflight = await facts.preflight()
    if not preflight.at("index", "exists") or not preflight.at("index", "on_view"):
        problems = [f"there is no {_INDEX} on the view"]
    else:
        problems = [
            f"{_INDEX} {words}"
            for fact, words in (
                ("unique", "is not unique"),
                ("valid", "is not valid"),
                ("plain", "has a predicate or an expression"),
            )
            if not preflight.at("index", fact)
        ]
        if (found := preflight.at("index", "columns")) != _INDEX_COLUMNS:
            problems.append(
                f"{_INDEX} is on ({', '.join(found)}), not on ({', '.join(_INDEX_COLUMNS)})"
            )
    if not problems:
        return passed(f"{_INDEX}: unique, valid, on ({', '.join(_INDEX_COLUMNS)})")
    others = [name for name in preflight.at("view", "unique") if not name.endswith(_INDEX)]
    if others:
        return warned(
            f"{'; '.join(problems)}; a concurrent refresh works by {listed(others)}, and pages of "
            "the heatmap are slow"
        )
    return failed(f"{'; '.join(problems)}: no concurrent refresh is possible")


@PROBES.add(
    "schema.functions",
    "the functions are defined as they must be",
    f"{PREFLIGHT}(): definition of both functions",
    "one is missing, there twice or not SECURITY DEFINER; the refresh is not VOLATILE",
    APPLY,
    needs=("schema.tables", "schema.preflight"),
)
async def _functions(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    problems = []
    for name in (READER, REFRESH):
        if not preflight.at("functions", name, "exists"):
            problems.append(f"there is no {name}()")
            continue
        if not preflight.at("functions", name, "security_definer"):
            problems.append(f"{name}() is not SECURITY DEFINER")
        if (overloads := preflight.at("functions", name, "overloads")) != 1:
            problems.append(f"there are {overloads} functions {name}: a call is ambiguous")
    if preflight.at("functions", REFRESH, "volatility") not in {"volatile", None}:
        problems.append(f"{REFRESH}() is not VOLATILE, so it cannot refresh")
    if problems:
        return failed("; ".join(problems))
    return passed(f"{READER}() and {REFRESH}() are there, once each, as SECURITY DEFINER")


@PROBES.add(
    "schema.reader",
    "the reader works for us",
    f"{READER}(), by GET",
    "it is missing, denied, fails when called, or returns other columns",
    APPLY,
    vital=True,
    needs=("schema.populated",),
)
async def _reader(facts: Facts) -> Finding:
    try:
        rows, _ = await facts.project.call_read_only(READER, limit=1)
    except ProjectError as error:
        return await _judge_refusal(facts, READER, error)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return failed(f"it returned {type(rows).__name__}, not rows")
    if not rows:
        return passed("it answers; the view is empty")
    if list(rows[0]) != list(COLUMNS):
        return failed(f"it returns other columns: {listed(rows[0], most=10)}")
    return passed("it answers, with the documented columns")


@PROBES.add(
    "schema.refresh",
    "we may refresh the view",
    f"{REFRESH}(), by GET: a read-only transaction",
    "it is missing, denied (42501), or fails otherwise than by 25006",
    APPLY,
    vital=True,
    needs=("schema.view",),
)
async def _refresh(facts: Facts) -> Finding:
    try:
        answer, _ = await facts.project.call_read_only(REFRESH)
    except ProjectError as error:
        if error.code == READ_ONLY:
            return passed("it lets us in, and stops at the read-only transaction (25006)")
        return await _judge_refusal(facts, REFRESH, error)
    if not isinstance(answer, dict) or "status" not in answer:
        return skipped("cannot tell: it returned something else than a refresh does")
    return failed("it returned without refreshing: in a read-only transaction it must fail (25006)")


async def _judge_refusal(facts: Facts, function: str, error: ProjectError) -> Finding:
    """What a function's refusal of the service role comes to.

    Raises:
        UnansweredError: Another probe tells why.
        ProjectError: It cannot be told.
    """
    preflight = await facts.preflight_reply()
    if isinstance(preflight, Preflight):
        told = preflight.at("functions", function)
        if not told["exists"] or told["overloads"] != 1 or not told["security_definer"]:
            raise UnansweredError(error.message, cause="schema.functions") from None
        if not preflight.at("privileges", EXECUTE[function], "service_role"):
            raise UnansweredError(error.message, cause="permissions.service_role") from None
    if isinstance(error, Denied):
        return failed(error.message, f"grant execute to service_role: {APPLY}")
    if error.code == AMBIGUOUS:
        return failed("several functions of this name fit the call")
    if isinstance(error, Missing) or is_broken(error.code):
        return failed(error.message)
    raise error


@PROBES.add(
    "schema.requests",
    "a run's reads are answered",
    "each kind of read of a run, with ids that do not exist",
    "PostgREST or the database refuses one: a run would stop at it",
    "look at the message; PostgREST's settings and the columns' types decide",
    vital=True,
    needs=("schema.columns", "schema.reader", "authentication.admin"),
)
async def _requests(facts: Facts) -> Finding:
    """Sends them in a run's own shape, by the functions that a run reads by."""
    project = facts.project
    ids = [id_of(_NO_RUN, "question", number) for number in range(2)]
    try:
        await asyncio.gather(
            count_run(project, _NO_RUN),
            compare(project, ids, (), lambda _: None),
            sample(project, ids),
            project.count(VIEW, within(ids)),
            project.page(VIEW, COLUMNS, [outside("question_id", *ids)], order=ORDER, limit=1),
            project.count("questions", [Filter("slug", "not.match", ANY_SLUG)]),
        )
    except Denied:
        raise
    except ProjectError as error:
        if is_broken(error.code) or (error.code or "").startswith(_NOT_SERVED):
            return failed(f"a read that every run sends is refused: {error.message}", error.hint)
        raise
    return passed("every kind of read that a run sends is answered")
