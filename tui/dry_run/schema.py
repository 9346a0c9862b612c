"""Are the heatmap's own objects there, right, and callable?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tui.dry_run import tables
from tui.dry_run.facts import AMBIGUOUS
from tui.dry_run.probe import (
    APPLY,
    APPLY_PREFLIGHT,
    Finding,
    Probe,
    UnansweredError,
    failed,
    listed,
    passed,
    skipped,
)
from tui.heatmap.rows import COLUMNS
from tui.heatmap.text import utc_iso
from tui.project import (
    PREFLIGHT,
    READER,
    REFRESH,
    VIEW,
    Denied,
    Missing,
    ProjectError,
    ProjectUnreachable,
)
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from tui.dry_run.facts import Evidence

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

# What PostgreSQL says when a materialized view has never been filled (object not in
# prerequisite state), and when a write is asked of a read-only transaction.
_UNPOPULATED: Final = "55000"
_READ_ONLY: Final = "25006"


async def preflight(evidence: Evidence) -> Finding:
    """Does the database describe itself?"""
    try:
        document = await evidence.preflight_reply()
    except Missing:
        return skipped("not installed: what only the database knows is not looked at")
    except (ProjectError, ValueError) as error:
        return failed(str(error))
    return passed(f"document of version {document.at('schema')}")


async def view(evidence: Evidence) -> Finding:
    """Has the view exactly the documented columns?"""
    try:
        described = await _columns_of_view(evidence)
    except Missing as error:
        return failed(error.message)
    problems = [f"{name} is missing" for name in _TYPES if name not in described]
    problems += [f"{name} is not documented" for name in described if name not in _TYPES]
    problems += [
        f"{name} is {described[name]}, not {kind}"
        for name, kind in _TYPES.items()
        if name in described and described[name].partition("(")[0] != kind
    ]
    if not problems and list(described) != list(COLUMNS):
        problems.append("the columns stand in another order")
    return (
        failed("; ".join(problems))
        if problems
        else passed(f"{len(COLUMNS)} columns, as documented")
    )


async def _columns_of_view(evidence: Evidence) -> dict[str, str]:
    try:
        preflight = await evidence.preflight()
    except UnansweredError:
        definitions = await evidence.definitions()
        if VIEW not in definitions:
            raise Missing(f"{VIEW} is not in the API") from None
        found: dict[str, Any] = definitions[VIEW].get("properties", {})
        return {name: str(described.get("format")) for name, described in found.items()}
    if not preflight.at("view", "exists"):
        raise Missing(f"there is no {VIEW}")
    if (kind := preflight.at("view", "kind")) != "materialized view":
        raise Missing(f"{VIEW} is a {kind}, not a materialized view")
    return {column["name"]: column["type"] for column in preflight.at("view", "columns")}


async def owner(evidence: Evidence) -> Finding:
    """Does the view count every response?"""
    preflight = await evidence.preflight()
    if not preflight.at("view", "exists"):
        return skipped("there is no view", "see schema.view")
    name = preflight.at("view", "owner")
    if not preflight.at("view", "owner_bypasses_rls"):
        return failed(f"its owner {name} is subject to row level security: it would count nothing")
    return passed(f"its owner {name} bypasses row level security")


async def populated(evidence: Evidence) -> Finding:
    """Has the view been filled, and can it be read?"""
    project = await evidence.ready()
    try:
        page = await project.page(VIEW, ["question_id"], limit=1, count=True)
    except Missing:
        return skipped("there is no view", "see schema.view")
    except ProjectUnreachable:
        raise
    except ProjectError as error:
        if error.code == _UNPOPULATED:
            return failed("the view has never been filled")
        return failed(error.message, None if isinstance(error, Denied) else APPLY)
    return passed(f"{page.total or 0:,} rows{await _last_refresh(evidence)}")


async def _last_refresh(evidence: Evidence) -> str:
    try:
        last = (await evidence.preflight()).at("last_refresh")
    except UnansweredError:
        return ""
    if not last:
        return ", no refresh on record"
    when = (utc_iso(str(last["refreshed_at"])) or "at an unknown time")[:16].replace("T", " ")
    return f", refreshed {when} UTC in {float(last['server_ms']):,.0f} ms"


async def index(evidence: Evidence) -> Finding:
    """Is there the index that a concurrent refresh needs?"""
    preflight = await evidence.preflight()
    if not preflight.at("view", "exists"):
        return skipped("there is no view", "see schema.view")
    if not preflight.at("index", "exists") or not preflight.at("index", "on_view"):
        return failed(f"there is no {_INDEX} on the view")
    problems = [
        words
        for fact, words in (
            ("unique", "is not unique"),
            ("valid", "is not valid"),
            ("plain", "has a predicate or an expression"),
        )
        if not preflight.at("index", fact)
    ]
    if (found := preflight.at("index", "columns")) != _INDEX_COLUMNS:
        problems.append(f"is on ({', '.join(found)}), not on ({', '.join(_INDEX_COLUMNS)})")
    if problems:
        return failed(f"{_INDEX} {' and '.join(problems)}")
    return passed(f"{_INDEX}: unique, valid, on ({', '.join(_INDEX_COLUMNS)})")


async def functions(evidence: Evidence) -> Finding:
    """Are the functions defined as they have to be?"""
    preflight = await evidence.preflight()
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


async def reader(evidence: Evidence) -> Finding:
    """Does the reader answer, with the documented columns?"""
    project = await evidence.ready()
    try:
        rows, _ = await project.call_read_only(READER, limit=1)
    except ProjectUnreachable:
        raise
    except ProjectError as error:
        if error.code == _UNPOPULATED:
            return skipped("the view has never been filled", "see schema.populated")
        if error.status == AMBIGUOUS:
            return failed("several functions of this name fit the call")
        return failed(error.message)
    return _judge_rows(rows)


def _judge_rows(rows: Any) -> Finding:
    if not isinstance(rows, list):
        return failed(f"it returned {type(rows).__name__}, not rows")
    if not rows:
        return passed("it answers; the view is empty")
    if list(rows[0]) != list(COLUMNS):
        return failed(f"it returns other columns: {listed(list(rows[0]), most=10)}")
    return passed("it answers, with the documented columns")


async def refresh(evidence: Evidence) -> Finding:
    """May we refresh? Asked in a read-only transaction, which cannot."""
    project = await evidence.ready()
    try:
        await project.call_read_only(REFRESH)
    except ProjectUnreachable:
        raise
    except Denied as error:
        return failed(
            error.message, "grant execute to service_role: apply sql/analytics_heatmap.sql"
        )
    except ProjectError as error:
        if error.code == _READ_ONLY:
            return passed("it lets us in, and stops at the read-only transaction (25006)")
        if error.status == AMBIGUOUS:
            return failed("several functions of this name fit the call")
        return failed(error.message)
    return failed("it returned without refreshing: in a read-only transaction it must fail (25006)")


_FAIL: Final = ProbeStatus.FAIL

PROBES: Final = (
    Probe(
        "schema.preflight",
        "the database describes itself",
        f"{PREFLIGHT}(), by GET",
        "the function fails or is of another version; skipped where it is not installed",
        APPLY_PREFLIGHT,
        _FAIL,
        preflight,
    ),
    *tables.PROBES,
    Probe(
        "schema.view",
        "the view is exactly as documented",
        f"the preflight function, else GET /rest/v1/: columns of {VIEW}",
        "it is missing, or a column is missing, renamed, extra, moved or of another type",
        APPLY,
        _FAIL,
        view,
    ),
    Probe(
        "schema.owner",
        "the view counts every response",
        f"{PREFLIGHT}(): owner of the view",
        "its owner is subject to row level security, so that it silently counts too little",
        "apply sql/analytics_heatmap.sql as the project's owner, which has BYPASSRLS",
        _FAIL,
        owner,
    ),
    Probe(
        "schema.populated",
        "the view has been filled",
        f"one row of {VIEW}, and how many there are",
        "it was never refreshed, or the service role may not read it",
        APPLY,
        _FAIL,
        populated,
    ),
    Probe(
        "schema.index",
        "a concurrent refresh is possible",
        f"{PREFLIGHT}(): {_INDEX}",
        "the index is missing, not unique, not valid, partial, or on other columns",
        APPLY,
        _FAIL,
        index,
    ),
    Probe(
        "schema.functions",
        "the functions are defined as they must be",
        f"{PREFLIGHT}(): definition of both functions",
        "one is missing, there twice or not SECURITY DEFINER; the refresh is not VOLATILE",
        APPLY,
        _FAIL,
        functions,
    ),
    Probe(
        "schema.reader",
        "the reader works for us",
        f"{READER}(), by GET",
        "it is missing, denied, fails when called, or returns other columns",
        APPLY,
        _FAIL,
        reader,
    ),
    Probe(
        "schema.refresh",
        "we may refresh the view",
        f"{REFRESH}(), by GET: a read-only transaction",
        "it is missing, denied (42501), or fails otherwise than by 25006",
        APPLY,
        _FAIL,
        refresh,
    ),
)
