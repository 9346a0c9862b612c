"""Are tables, view and functions there, right for what a run writes, and callable?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tui.dry_run.facts import AMBIGUOUS, APPLY_PREFLIGHT, UnansweredError
from tui.dry_run.probe import (
    APPLY,
    Finding,
    Probe,
    failed,
    listed,
    passed,
    skipped,
    warned,
)
from tui.heatmap.formatting import utc_iso
from tui.heatmap.rows import COLUMNS
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
    from collections.abc import Mapping

    from tui.dry_run.facts import Facts

_TEXT: Final = frozenset({"text", "character varying", "citext"})
_UUID: Final = frozenset({"uuid"})
_WHOLE: Final = frozenset({"smallint", "integer", "bigint"})
_ANY: Final[frozenset[str]] = frozenset()

# What a run writes, and the types that take it; no types means any.
FILLED: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "questions": {
        "id": _UUID,
        "slug": _TEXT,
        "status": _ANY,
        "stem_md": _TEXT,
        "lead_in": _TEXT,
        "explanation_brief_md": _TEXT,
        "topic": _TEXT,
        "subtopic": _TEXT,
        "lesion": _TEXT,
    },
    "responses": {
        "id": _UUID,
        "user_id": _UUID,
        "question_id": _UUID,
        "is_correct": frozenset({"boolean"}),
        "ms_to_answer": _WHOLE,
        "created_at": frozenset({"timestamp with time zone"}),
    },
    "app_users": {"id": _UUID},
}
# app_users is filled by the project's own trigger, whose business its required columns are.
WRITTEN: Final = ("questions", "responses")

# (table, column, tables it may refer to): deleting there must delete here.
CASCADES: Final = (
    ("responses", "question_id", ("public.questions",)),
    ("responses", "user_id", ("public.app_users", "auth.users")),
    ("app_users", "id", ("auth.users",)),
)
# Columns of which no two synthetic rows share the values; a unique constraint has to hold a set.
DISTINCT: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "questions": tuple(frozenset({name}) for name in ("id", "slug", "stem_md")),
    "responses": (frozenset({"id"}), frozenset({"user_id", "question_id"})),
}
# Always NULL in a synthetic row, and NULLs do not collide.
_NULL: Final = "subtopic"

# Functions by which triggers tell somebody outside the database.
_OUTWARD: Final = ("http_request", "http_post", "net.http", "pg_notify", "dblink")

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


async def preflight(facts: Facts) -> Finding:
    """Does the database describe itself?"""
    try:
        document = await facts.preflight_reply()
    except Missing:
        return skipped("not installed: what only the database knows is not looked at")
    except (ProjectError, ValueError) as error:
        return failed(str(error))
    return passed(f"document of version {document.at('schema')}")


async def tables(facts: Facts) -> Finding:
    """Are the tables there, and shown by the API?"""
    await facts.ready()
    door = await facts.door()
    if door.document is None:
        why = door.error.message if door.error else "no reply"
        return failed(why, "let PostgREST describe the API: openapi-mode follow-privileges")
    there = await facts.definitions()
    missing = [name for name in FILLED if name not in there]
    if missing:
        return failed(f"not in the API: {listed(missing)}")
    return passed(f"{listed(list(FILLED))} are in the API")


async def columns(facts: Facts) -> Finding:
    """Are the columns there that a run writes, of types that take it?"""
    problems, repairs = [], []
    for table, described in (await _described(facts)).items():
        for column, types in FILLED[table].items():
            name, wanted = f"{table}.{column}", " or ".join(sorted(types))
            if column not in described:
                problems.append(f"{name} is missing")
                repairs.append(f"restore {name}" + (f" ({wanted})" if wanted else ""))
                continue
            found = str(described[column].get("format", "")).partition("(")[0]
            labels = described[column].get("enum")
            if types and found not in types:
                problems.append(f"{name} is {found}, not {wanted}")
                repairs.append(f"make {name} {wanted}")
            elif column == "status" and labels and "published" not in labels:
                problems.append(f"{name} has no label 'published'")
                repairs.append(f"give the type of {name} the label 'published'")
    if problems:
        return failed("; ".join(problems), "; ".join(repairs))
    return passed(f"all {sum(map(len, FILLED.values()))} columns are there, of the right types")


async def required(facts: Facts) -> Finding:
    """Can every required column be filled?"""
    described = await _described(facts)
    try:
        preflight = await facts.preflight()
    except UnansweredError as error:
        return await _required_by_rest(facts, error)
    unfilled = [
        f"{table}.{name}"
        for table in WRITTEN
        if table in described
        for name in preflight.at("tables", table, "required")
        if name not in FILLED[table]
    ]
    if unfilled:
        return failed(f"required, and filled by no run: {listed(unfilled)}")
    return passed("every column without a default is one that a run fills")


async def _required_by_rest(facts: Facts, lacking: UnansweredError) -> Finding:
    """The same by the API description, which marks NOT NULL but shows only simple defaults."""
    definitions = await facts.definitions()
    doubtful = [
        f"{table}.{name}"
        for table in WRITTEN
        for name in definitions.get(table, {}).get("required", [])
        if name not in FILLED[table] and "default" not in definitions[table]["properties"][name]
    ]
    if doubtful:
        return skipped(
            f"the API does not tell whether {listed(doubtful)} has a default", lacking.hint
        )
    return passed("every column without a default is one that a run fills")


async def keys(facts: Facts) -> Finding:
    """Do the keys hold that writing twice and cleaning up rely on?"""
    preflight = await facts.preflight()
    there = [name for name in FILLED if preflight.at("tables", name, "exists")]
    problems = [
        f"{table} has no primary key on id"
        for table in WRITTEN
        if table in there and preflight.at("tables", table, "primary_key") != ["id"]
    ]
    for table, column, refers_to in CASCADES:
        if table not in there:
            continue
        found = [
            key
            for key in preflight.at("tables", table, "foreign_keys")
            if key["columns"] == [column] and key["references"] in refers_to
        ]
        if not any(key["on_delete"] == "cascade" for key in found):
            what = "does not cascade" if found else "is missing"
            problems.append(f"the foreign key {table}.{column} to {' or '.join(refers_to)} {what}")
    problems += [
        f"rows of a run would collide on {unique['name']} ({', '.join(unique['columns'])})"
        for table in WRITTEN
        for unique in preflight.at("tables", table, "unique")
        if _collides(table, unique)
    ]
    if problems:
        return failed("; ".join(problems))
    if not there:
        return skipped("the tables are missing", "see schema.tables")
    return passed("primary keys on id; deleting users and questions deletes their responses")


def _collides(table: str, unique: Mapping[str, Any]) -> bool:
    """Whether synthetic rows may be alike in columns that have to be unique together.

    A column that no run fills, and an expression, is taken for one that keeps them apart.
    """
    columns = set(unique["columns"])
    apart = any(key <= columns for key in DISTINCT[table]) or (
        _NULL in columns and unique["nulls_distinct"]
    )
    return columns <= FILLED[table].keys() and not apart


async def triggers(facts: Facts) -> Finding:
    """What else does a write to the three tables touch, and is any of it known to call out?

    By the name of the trigger's function: what a function of the project's own does inside is not
    looked at.
    """
    preflight = await facts.preflight()
    found, outward = [], []
    for table in (*FILLED, "auth.users"):
        for trigger in preflight.at("tables", table, "triggers"):
            if not trigger["enabled"]:
                continue
            when = f"{trigger['timing']} {' or '.join(trigger['events'])}"
            name = f"{table}.{trigger['name']} ({when})"
            found.append(name)
            if any(part in str(trigger["function"]) for part in _OUTWARD):
                outward.append(name)
    if outward:
        return warned(f"synthetic rows would be sent out of the database by {listed(outward)}")
    also = f"a write also runs {listed(found)}" if found else "a write runs no trigger"
    return passed(f"{also}; none is a known webhook")


async def _described(facts: Facts) -> dict[str, dict[str, Any]]:
    """Columns of our tables as the API describes them; a missing table is told by `tables`."""
    definitions = await facts.definitions()
    found = {
        name: definitions[name].get("properties", {}) for name in FILLED if name in definitions
    }
    if not found:
        raise UnansweredError("the tables are missing", "see schema.tables")
    return found


async def view(facts: Facts) -> Finding:
    """Has the view exactly the documented columns?"""
    try:
        described = await _columns_of_view(facts)
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


async def _columns_of_view(facts: Facts) -> dict[str, str]:
    try:
        preflight = await facts.preflight()
    except UnansweredError:
        definitions = await facts.definitions()
        if VIEW not in definitions:
            raise Missing(f"{VIEW} is not in the API") from None
        found: dict[str, Any] = definitions[VIEW].get("properties", {})
        return {name: str(described.get("format")) for name, described in found.items()}
    if not preflight.at("view", "exists"):
        raise Missing(f"there is no {VIEW}")
    if (kind := preflight.at("view", "kind")) != "materialized view":
        raise Missing(f"{VIEW} is a {kind}, not a materialized view")
    return {column["name"]: column["type"] for column in preflight.at("view", "columns")}


async def owner(facts: Facts) -> Finding:
    """Does the view count every response?"""
    preflight = await facts.preflight()
    if not preflight.at("view", "exists"):
        return skipped("there is no view", "see schema.view")
    name = preflight.at("view", "owner")
    if not preflight.at("view", "owner_bypasses_rls"):
        return failed(f"its owner {name} is subject to row level security: it would count nothing")
    return passed(f"its owner {name} bypasses row level security")


async def populated(facts: Facts) -> Finding:
    """Has the view been filled, and can it be read?"""
    project = await facts.ready()
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


async def index(facts: Facts) -> Finding:
    """Is there the index that a concurrent refresh needs?"""
    preflight = await facts.preflight()
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


async def functions(facts: Facts) -> Finding:
    """Are the functions defined as they have to be?"""
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


async def reader(facts: Facts) -> Finding:
    """Does the reader answer, with the documented columns?"""
    project = await facts.ready()
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


async def refresh(facts: Facts) -> Finding:
    """May we refresh? Asked in a read-only transaction, which cannot."""
    project = await facts.ready()
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
    Probe(
        "schema.tables",
        "the tables are there",
        "GET /rest/v1/: questions, responses, app_users",
        "a table is missing, not exposed, or not readable for the service role",
        "apply the platform's migrations, expose schema public, grant select to service_role",
        _FAIL,
        tables,
    ),
    Probe(
        "schema.columns",
        "the columns we write are there",
        "GET /rest/v1/: columns and types of the three tables",
        "a column is missing or renamed, of another type, or status knows no 'published'",
        "bring the project to the schema that this console is made for",
        _FAIL,
        columns,
    ),
    Probe(
        "schema.required",
        "we fill every required column",
        "the preflight function, else GET /rest/v1/: NOT NULL columns without a default",
        "questions or responses got a required column that a run does not fill",
        "give the column a default, or allow NULL",
        _FAIL,
        required,
    ),
    Probe(
        "schema.keys",
        "the keys we rely on hold",
        f"{PREFLIGHT}(): primary, foreign and unique keys",
        "a primary key on id is missing; a foreign key is missing or does not cascade; a run's "
        "rows would collide on a unique key",
        "restore the key, on delete cascade, which clean-up relies on; drop a unique key that "
        "a run cannot respect",
        _FAIL,
        keys,
    ),
    Probe(
        "schema.triggers",
        "no known webhook is told of what we write",
        f"{PREFLIGHT}(): names of the trigger functions on the three tables and auth.users",
        "a trigger runs a webhook, pg_notify or dblink; what the project's own functions do "
        "inside is not looked at",
        "disable the webhook for the run, or have its receiver ignore synthetic rows",
        ProbeStatus.WARN,
        triggers,
    ),
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
