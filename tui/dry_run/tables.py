"""What a run writes must fit the tables, and what it relies on must hold there.

Part of the schema group, beside `schema`, which looks at the heatmap's own objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tui.dry_run.probe import (
    Finding,
    Probe,
    UnansweredError,
    failed,
    listed,
    passed,
    skipped,
    warned,
)
from tui.project import PREFLIGHT
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.dry_run.facts import Evidence

_TEXT: Final = frozenset({"text", "character varying", "citext"})
_UUID: Final = frozenset({"uuid"})
_WHOLE: Final = frozenset({"smallint", "integer", "bigint"})
_ANY: Final[frozenset[str]] = frozenset()

# What a run writes, and the types that take it; no types means any.
COLUMNS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
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


async def tables(evidence: Evidence) -> Finding:
    """Are the tables there, and shown by the API?"""
    await evidence.ready()
    door = await evidence.door()
    if door.document is None:
        why = door.error.message if door.error else "no reply"
        return failed(why, "let PostgREST describe the API: openapi-mode follow-privileges")
    there = await evidence.definitions()
    missing = [name for name in COLUMNS if name not in there]
    if missing:
        return failed(f"not in the API: {listed(missing)}")
    return passed(f"{listed(list(COLUMNS))} are in the API")


async def columns(evidence: Evidence) -> Finding:
    """Are the columns there that a run writes, of types that take it?"""
    problems, repairs = [], []
    for table, described in (await _described(evidence)).items():
        for column, types in COLUMNS[table].items():
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
    return passed(f"all {sum(map(len, COLUMNS.values()))} columns are there, of the right types")


async def required(evidence: Evidence) -> Finding:
    """Can every required column be filled?"""
    described = await _described(evidence)
    try:
        preflight = await evidence.preflight()
    except UnansweredError as error:
        return await _required_by_rest(evidence, error)
    unfilled = [
        f"{table}.{name}"
        for table in WRITTEN
        if table in described
        for name in preflight.at("tables", table, "required")
        if name not in COLUMNS[table]
    ]
    if unfilled:
        return failed(f"required, and filled by no run: {listed(unfilled)}")
    return passed("every column without a default is one that a run fills")


async def _required_by_rest(evidence: Evidence, lacking: UnansweredError) -> Finding:
    """The same by the API description, which marks NOT NULL but shows only simple defaults."""
    definitions = await evidence.definitions()
    doubtful = [
        f"{table}.{name}"
        for table in WRITTEN
        for name in definitions.get(table, {}).get("required", [])
        if name not in COLUMNS[table] and "default" not in definitions[table]["properties"][name]
    ]
    if doubtful:
        return skipped(
            f"the API does not tell whether {listed(doubtful)} has a default", lacking.hint
        )
    return passed("every column without a default is one that a run fills")


async def keys(evidence: Evidence) -> Finding:
    """Do the keys hold that writing twice and cleaning up rely on?"""
    preflight = await evidence.preflight()
    there = [name for name in COLUMNS if preflight.at("tables", name, "exists")]
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
        f"rows of a run would collide on {table} unique ({', '.join(unique)})"
        for table in WRITTEN
        for unique in preflight.at("tables", table, "unique")
        if _collides(table, set(unique))
    ]
    if problems:
        return failed("; ".join(problems))
    if not there:
        return skipped("the tables are missing", "see schema.tables")
    return passed("primary keys on id; deleting users and questions deletes their responses")


def _collides(table: str, unique: set[str]) -> bool:
    """Whether synthetic rows may be alike in columns that have to be unique together.

    A column that no run fills is taken for one that keeps them apart.
    """
    ours = unique <= COLUMNS[table].keys()
    return ours and _NULL not in unique and not any(key <= unique for key in DISTINCT[table])


async def triggers(evidence: Evidence) -> Finding:
    """What else does a write to the three tables touch, and is any of it known to call out?

    By the name of the trigger's function: what a function of the project's own does inside, and
    triggers on auth.users, are not looked at.
    """
    preflight = await evidence.preflight()
    found, outward = [], []
    for table in COLUMNS:
        for trigger in preflight.at("tables", table, "triggers"):
            if not trigger["enabled"]:
                continue
            name = f"{table}.{trigger['name']} ({trigger['timing']})"
            found.append(name)
            if any(part in str(trigger["function"]) for part in _OUTWARD):
                outward.append(name)
    if outward:
        return warned(f"synthetic rows would be sent out of the database by {listed(outward)}")
    also = f"a write also runs {listed(found)}" if found else "a write runs no trigger"
    return passed(f"{also}; none is a known webhook")


async def _described(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """Columns of our tables as the API describes them; a missing table is told by `tables`."""
    definitions = await evidence.definitions()
    found = {
        name: definitions[name].get("properties", {}) for name in COLUMNS if name in definitions
    }
    if not found:
        raise UnansweredError("the tables are missing", "see schema.tables")
    return found


_FAIL: Final = ProbeStatus.FAIL

PROBES: Final = (
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
        f"{PREFLIGHT}(): names of the trigger functions on the three tables",
        "a trigger runs a webhook, pg_notify or dblink; what the project's own functions do "
        "inside, and triggers on auth.users, are not looked at",
        "disable the webhook for the run, or have its receiver ignore synthetic rows",
        ProbeStatus.WARN,
        triggers,
    ),
)
