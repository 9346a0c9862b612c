"""Whether the tables take a run's rows, give them back, let them be removed.

Part of the schema group, beside `schema`, which looks at the heatmap's own objects.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tui.dry_run.facts import READ, Preflight, UnansweredError
from tui.dry_run.probe import Finding, Probes, failed, listed, passed, skipped, warned
from tui.project import APPLY_PREFLIGHT, PREFLIGHT, Denied, Missing, ProjectError
from tui.verify.causes import quoted
from tui.verify.events import ProbeStatus
from tui.verify.plan import APART, FILLED, PLAIN, arbiters

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from tui.dry_run.facts import Facts

# Columns that may be of an enum.
_LABELS: Final = ("topic", "lesion")
# app_users is filled by the project's own trigger, whose business its required columns are.
WRITTEN: Final = ("questions", "responses")
# Types that a column may have and a run cannot fill; any other word for a type is not known here.
KNOWN: Final = PLAIN.keys() | {"text[]", "integer[]", "uuid[]", "xml", "oid"}

# (table, column, tables it may refer to): deleting there must delete here.
CASCADES: Final = (
    ("responses", "question_id", ("public.questions",)),
    ("responses", "user_id", ("public.app_users", "auth.users")),
    ("app_users", "id", ("auth.users",)),
)
# Always NULL in a synthetic row, and NULLs do not collide.
_NULL: Final = "subtopic"

# PostgREST's word for a schema that is not in db-schemas.
_SCHEMA_NOT_SERVED: Final = "PGRST106"
# What PostgreSQL says of a column that is not there.
_NO_SUCH_COLUMN: Final = "42703"
_EXPOSE: Final = (
    "expose schema public in the API settings, then: notify pgrst, 'reload config'; "
    "notify pgrst, 'reload schema'"
)

_USERS: Final = "auth.users"
# Functions by which triggers tell somebody outside the database.
_OUTWARD: Final = ("http_request", "http_post", "net.http", "pg_notify", "dblink")

PROBES: Final = Probes()


@PROBES.add(
    "schema.tables",
    "these are the tables that a run is made for",
    "rows of questions, responses, app_users, and how many there are",
    "a table is missing, not exposed, or not readable for the service role; most columns are "
    "missing: this is another application's schema",
    "apply the platform's migrations, expose schema public, grant select to service_role",
    vital=True,
    needs=("target.key", "authentication.key"),
)
async def tables(facts: Facts) -> Finding:
    """Are these the tables that a run is made for, and can they be read?"""
    seen = await asyncio.gather(*(facts.table(name) for name in READ), return_exceptions=True)
    errors = dict(zip(READ, seen, strict=True))
    for error in errors.values():
        if isinstance(error, ProjectError) and error.code == _SCHEMA_NOT_SERVED:
            return failed(f"the API does not serve schema public: {error.message}", _EXPOSE)
    missing = [name for name, error in errors.items() if isinstance(error, Missing)]
    lacking = await _lacking(facts, missing)
    if lacking is not None:
        return lacking
    if missing:
        return failed(f"not in the API: {listed(missing)}", f"restore the table, {_EXPOSE}")
    for name, error in errors.items():
        if isinstance(error, Denied):
            if "schema public" in error.message:
                return failed(error.message, "grant usage on schema public to service_role")
            if isinstance(await facts.preflight_reply(), Preflight):
                continue
            return failed(error.message, f"grant select on public.{name} to service_role")
        if isinstance(error, Exception) and getattr(error, "code", None) != _NO_SUCH_COLUMN:
            raise error
    return passed(f"{listed(READ)} are in the API")


async def _lacking(facts: Facts, missing: list[str]) -> Finding | None:
    """A failure where most columns are absent: another application's schema."""
    there = 0
    for table, needed in FILLED.items():
        if table in missing:
            continue
        try:
            found = await facts.columns(table)
        except UnansweredError:
            return None
        there += len(needed.keys() & (found or {}).keys())
    wanted = sum(map(len, FILLED.values()))
    if 2 * there >= wanted:
        return None
    what = "; ".join(f"{table} ({', '.join(columns)})" for table, columns in FILLED.items())
    return failed(
        f"this is another application's schema: {there} of the {wanted} columns that a run needs "
        "are there",
        f"point SUPABASE_URL at the learning platform's project; needed are {what}",
    )


@PROBES.add(
    "schema.columns",
    "the columns we write are there",
    f"{PREFLIGHT}(), else GET /rest/v1/: columns and types of the three tables",
    "a column is missing or renamed, of another type, or status knows no 'published'",
    "bring the project to the schema that this console is made for",
    needs=("schema.tables",),
)
async def _columns(facts: Facts) -> Finding:
    problems, repairs, unknown = [], [], []
    for table, needed in FILLED.items():
        found = await facts.columns(table) or {}
        for column, types in needed.items():
            if (table, column) == ("responses", "id") and not await _has_id(facts):
                continue
            name, wanted = f"{table}.{column}", " or ".join(sorted(types))
            if column not in found:
                problems.append(f"{name} is missing")
                repairs.append(f"restore {name}" + (f" ({wanted})" if wanted else ""))
                continue
            kind, labels = found[column].type, found[column].labels
            if types and kind not in types and not (labels and column in _LABELS):
                if kind not in KNOWN and not labels:
                    unknown.append(f"{name} is {kind or 'of no type'}")
                    continue
                problems.append(f"{name} is {kind}, not {wanted}")
                # Where the database describes itself, a run may do without an id of its own.
                of_theirs = (table, column) == ("responses", "id")
                repairs.append(APPLY_PREFLIGHT if of_theirs else f"make {name} {wanted}")
            elif column == "status" and labels and "published" not in labels:
                problems.append(f"{name} has no label 'published'")
                repairs.append(f"give the type of {name} the label 'published'")
    if problems:
        return failed("; ".join(problems), "; ".join(repairs))
    if unknown:
        return skipped(f"cannot tell whether these take what a run writes: {listed(unknown)}")
    return passed(f"all {sum(map(len, FILLED.values()))} columns are there, of the right types")


async def _has_id(facts: Facts) -> bool:
    """Whether responses take an id of a run's own."""
    reply = await facts.preflight_reply()
    return not isinstance(reply, Preflight) or reply.dataset is None or reply.dataset.plan.has_id


@PROBES.add(
    "schema.required",
    "we fill every required column",
    f"{PREFLIGHT}(), else GET /rest/v1/: NOT NULL columns without a default",
    "a required column needs what a run would have to invent: a row of another table that is "
    "not there, or that belongs to somebody else's question; responses have no unique key by "
    "which a request that is sent twice writes once",
    "what would do is said of each column; a run invents nothing else",
    needs=("schema.columns",),
)
async def _required(facts: Facts) -> Finding:
    reply = await facts.preflight_reply()
    if isinstance(reply, Preflight) and reply.dataset is not None:
        plan = reply.dataset.plan
        if plan.lacking:
            return failed(
                "; ".join(plan.lacking),
                # An earlier version of the function does not tell what could be referred to.
                None if "rows" in reply.document else APPLY_PREFLIGHT,
            )
        extra = [
            f"{each.column} ({each.source})"
            for each in plan.fills
            if each.column not in FILLED[each.table]
        ]
        also = f"; besides what it is about: {listed(extra)}" if extra else ""
        return passed(f"a run fills {len(plan.fills)} columns{also}")
    others = {
        f"{table}.{name}": column.required
        for table in WRITTEN
        for name, column in (await facts.columns(table) or {}).items()
        if name not in FILLED[table]
    }
    unfilled = [name for name, is_required in others.items() if is_required]
    doubtful = [name for name, is_required in others.items() if is_required is None]
    if unfilled:
        return failed(f"required, and filled by no run: {listed(unfilled)}")
    if doubtful:
        raise UnansweredError(
            f"the API does not tell whether {listed(doubtful)} has a default",
            cause="schema.preflight",
        )
    return passed("every column without a default is one that a run fills")


@PROBES.add(
    "schema.keys",
    "the keys we rely on hold",
    f"{PREFLIGHT}(): primary and foreign keys, unique indexes",
    "questions has no unique key on id; a foreign key is missing or does not cascade; a run's "
    "rows would collide on a unique index",
    "restore the key, on delete cascade, which clean-up relies on",
    needs=("schema.tables", "schema.preflight"),
)
async def keys(facts: Facts) -> Finding:
    """Do the keys hold that writing twice and cleaning up rely on?"""
    preflight = await facts.preflight()
    dataset = preflight.dataset
    # Where a run was fitted to the tables, `required` says whether any key of responses will do.
    problems = [
        f"{table} has no unique key on id"
        for table in (WRITTEN if dataset is None else ("questions",))
        if ["id"]
        not in arbiters(
            preflight.at("tables", table, "primary_key"),
            preflight.many("tables", table, "unique"),
        )
    ]
    # Tables whose rows hold a run's: `references` says so of them.
    held = {each["table"] for each in preflight.many("held")}
    for table, column, refers_to in CASCADES:
        keys = [
            key
            for key in preflight.many("tables", table, "foreign_keys")
            if key["columns"] == [column]
        ]
        if not any(_cascades(key, refers_to) or key["references"] in held for key in keys):
            found = any(key["references"] in refers_to for key in keys)
            what = "does not cascade" if found else "is missing"
            problems.append(f"the foreign key {table}.{column} to {' or '.join(refers_to)} {what}")
    collisions = [
        f"rows of a run would collide on {each['name']}, unique on {table} "
        f"({', '.join(each['columns'])})"
        for table in WRITTEN
        for each in preflight.many("tables", table, "unique")
        if each["where"] is None
        and _collides(table, set(each["columns"]), nulls_differ=each["nulls_distinct"])
    ]
    if problems:
        return failed("; ".join(problems + collisions))
    if collisions:
        return failed("; ".join(collisions), "a run can write no rows that differ there")
    repeat = dataset.plan.repeat if dataset else ("id",)
    by = f"on questions.id and on {', '.join(f'responses.{each}' for each in repeat)}"
    return passed(f"unique keys {by}; deleting users and questions deletes their responses")


def _cascades(key: Mapping[str, Any], refers_to: Collection[str]) -> bool:
    """Whether deletes in one of these tables cascade to the rows that hold a key."""
    if "cascades_from" not in key:
        # An earlier preflight looks no further than the key.
        return key["on_delete"] == "cascade" and key["references"] in refers_to
    return any(table in refers_to for table in key["cascades_from"])


def _collides(table: str, unique: set[str], *, nulls_differ: bool) -> bool:
    """Whether synthetic rows may be alike in columns of a unique key.

    A column that no run fills is taken for one that keeps them apart.
    """
    if not unique <= FILLED[table].keys() or (_NULL in unique and nulls_differ):
        return False
    return not any(key <= unique for key in APART[table])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the tables say to a run's rows.

    Attributes:
        met: Constraints that they meet.
        refused: Constraints that refuse a value, in words.
        excused: Those that a trigger may have met before they are looked at.
        untold: Those that cannot be evaluated read-only, with the reason.
    """

    met: int
    refused: tuple[str, ...]
    excused: tuple[str, ...]
    untold: tuple[str, ...]

    @property
    def words(self) -> str:
        """How many are met."""
        total = self.met + len(self.refused) + len(self.excused) + len(self.untold)
        return f"the rows of a run meet {self.met} of {total} constraints"


def judge_rows(preflight: Preflight) -> Judgement:
    """What the database said to the rows that it was shown.

    Raises:
        UnansweredError: It was shown none.
    """
    if preflight.unshown:
        raise UnansweredError("rows make too long a URL", cause="limits.url_length")
    said = preflight.at("rows")
    if preflight.unread:
        raise UnansweredError(
            f"what the preflight function tells of the tables cannot be read ({preflight.unread})",
            APPLY_PREFLIGHT,
        )
    if preflight.dataset is None or said is None:
        raise UnansweredError("the preflight function was shown no rows", APPLY_PREFLIGHT)
    shown = preflight.dataset.samples()
    met, refusals, excused, untold = 0, [], [], []
    for table in shown:
        if said[table] is None:
            continue
        met += preflight.at("rows", table, "met")
        for each in preflight.many("rows", table, "refused"):
            row = shown[table].all[each["rows"][0]]
            values = [
                f"{name} {row[name]!r}" if name in row else f"{name}, which no run fills"
                for name in each["columns"]
            ]
            text = f"{table}: {_constraint(each)} refuses {listed(values)}"
            if fillers := _may_fill(preflight, table, each):
                excused.append(f"{text}, unless {listed(fillers)} changes it first")
            else:
                refusals.append(text)
        untold += [
            f"{table}: {_constraint(each)} ({each['why']})"
            for each in preflight.many("rows", table, "untold")
        ]
    return Judgement(met, tuple(refusals), tuple(excused), tuple(untold))


@PROBES.add(
    "schema.rows",
    "the database takes a run's rows",
    f"{PREFLIGHT}(), shown rows that stand for all: constraint by constraint, read-only",
    "a constraint refuses a value; where a trigger may change it first (warns); skipped where "
    "a constraint cannot be evaluated read-only",
    "look at the constraint: a run has nothing else that it takes",
    needs=("schema.required", "schema.keys"),
)
async def _rows(facts: Facts) -> Finding:
    judged = judge_rows(await facts.preflight())
    if judged.refused:
        return failed("; ".join(judged.refused))
    if judged.excused:
        return warned(f"{judged.words}; {'; '.join(judged.excused)}")
    if judged.untold:
        return skipped(
            f"{judged.words}; cannot tell of {listed(judged.untold)}", "a run's first rows tell"
        )
    return passed(judged.words)


def _constraint(each: Mapping[str, Any]) -> str:
    kind, name = each["kind"], each["name"]
    return f"{name} not null" if kind == "not null" else f"{kind} {name}"


def _may_fill(preflight: Preflight, table: str, refusal: Mapping[str, Any]) -> list[str]:
    """Triggers by which a constraint may be met before it is looked at."""
    makers = [
        key["filled_by"]
        for key in preflight.many("tables", table, "foreign_keys")
        if refusal["kind"] == "foreign key" and key["name"] == refusal["name"]
        if key.get("filled_by")
    ]
    return makers + [
        str(each["name"])
        for each in preflight.many("tables", table, "triggers")
        if each["enabled"] and set(each["may_fill"] or ()) & set(refusal["columns"])
    ]


@PROBES.add(
    "schema.references",
    "clean-up can delete what a run writes",
    f"{PREFLIGHT}(): foreign keys of other tables to ours and to auth.users",
    "a key that neither cascades nor can set null belongs to a table that a trigger fills",
    "have the key cascade",
    needs=("schema.tables", "schema.preflight"),
)
async def _references(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    held = preflight.many("held")
    filled = [key for key in held if key["filled_by"]]
    if filled:
        named = [
            f"{key['table']}.{key['name']} to {key['to']} (rows are made by {key['filled_by']})"
            for key in filled
        ]
        return failed(
            f"what a run writes could not be deleted: no cascade on {listed(named)}",
            "; ".join(key["release"] for key in filled),
        )
    idle = f"; {len(held)} that could are filled by no trigger seen" if held else ""
    return passed(f"no foreign key of another table holds on to what a run writes{idle}")


def _triggers_on(
    preflight: Preflight, names: Iterable[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Enabled triggers that fire when a run writes or deletes, by table."""
    for table in names:
        for trigger in preflight.many("tables", table, "triggers"):
            if trigger["enabled"] and {"insert", "delete"} & set(trigger["events"]):
                yield table, trigger


def _name(table: str, trigger: Mapping[str, Any]) -> str:
    return f"{trigger['name']} on {table} ({trigger['timing']}, {trigger['function']}())"


@PROBES.add(
    "schema.triggers",
    "no known webhook is sent what we write",
    f"{PREFLIGHT}(): names of the trigger functions on the three tables and auth.users",
    "a trigger runs a webhook, pg_notify or dblink; what the project's own functions do "
    "inside is not looked at",
    "disable the webhook for the run, or have its receiver ignore synthetic rows",
    severity=ProbeStatus.WARN,
    needs=("schema.tables", "schema.preflight"),
)
async def _triggers(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    found = list(_triggers_on(preflight, (*FILLED, _USERS)))
    outward = [
        (table, each)
        for table, each in found
        if any(part in str(each["function"]) for part in _OUTWARD)
    ]
    if outward:
        return warned(
            "synthetic rows would be sent out of the database by "
            + listed(_name(*each) for each in outward),
            "; ".join(_disable("trigger", *each) for each in outward)
            + "; enable them after the run, or have the receiver ignore synthetic rows",
        )
    names = listed(_name(*each) for each in found)
    also = f"a write also runs {names}" if found else "a write runs no trigger"
    return passed(f"{also}; none is a known webhook")


def _disable(kind: str, table: str, each: Mapping[str, Any]) -> str:
    qualified = table if "." in table else f"public.{table}"
    return f"alter table {qualified} disable {kind} {quoted(each['name'])}"


# Why rows of a run stay in other tables, as the preflight has it.
_TRACES: Final = {
    "written": "a run deletes nothing from what triggers write to:",
    "kept": "rows stay although what they belong to goes:",
}


@PROBES.add(
    "schema.interference",
    "nothing changes, swallows or keeps what we write",
    f"{PREFLIGHT}(): BEFORE and INSTEAD OF triggers on the three tables and auth.users, rules; "
    "tables that their triggers write to",
    "one is enabled for INSERT or DELETE; a trigger writes to a table from which nothing is "
    "deleted, as an audit trail, or keeps rows that would go with a run's; a rule on INSERT or "
    "UPDATE refuses every write (fails)",
    "look at what it does; a run notices and says so",
    needs=("schema.tables", "schema.preflight"),
)
async def _interference(facts: Facts) -> Finding:
    """May a trigger or a rule change or swallow what a run writes or deletes?"""
    preflight = await facts.preflight()
    rules = [(table, rule) for table in FILLED for rule in preflight.many("tables", table, "rules")]
    refusing = [
        (table, rule)
        for table, rule in rules
        if table in WRITTEN and rule["event"] in {"insert", "update"}
    ]
    if refusing:
        named = [f"rule {rule['name']} on {table} (on {rule['event']})" for table, rule in refusing]
        return failed(
            "a run could write nothing: what it writes twice has to be harmless, and PostgreSQL "
            f"takes no ON CONFLICT on a table with an INSERT or UPDATE rule: {listed(named)}",
            f"for the run: {'; '.join(_disable('rule', *each) for each in refusing)}",
        )
    found = [
        (table, each)
        for table, each in _triggers_on(preflight, (*FILLED, _USERS))
        if each["timing"] in {"before", "instead of"} and each["level"] == "row"
    ]
    instead = [
        (table, rule)
        for table, rule in rules
        if rule["instead"] and rule["event"] in {"insert", "delete"}
    ]
    named = [_name(*each) for each in found]
    named += [
        f"rule {rule['name']} on {table} (instead of {rule['event']})" for table, rule in instead
    ]
    switches = [_disable("trigger", *each) for each in found]
    switches += [_disable("rule", *each) for each in instead]
    seen, hints = [], []
    if named:
        seen.append(f"what a run writes or deletes may be changed or swallowed by {listed(named)}")
        hints.append(
            "look at what it does; where it keeps rows from being deleted, for the run: "
            + "; ".join(switches)
        )
    traces = preflight.many("traces")
    for why, words in _TRACES.items():
        if of := [f"{each['table']} ({each['by']})" for each in traces if each["why"] == why]:
            seen.append(f"{words} {listed(of)}")
            hints.append("a run counts what it leaves there, and says so")
    if seen:
        return warned("; ".join(seen), "; ".join(dict.fromkeys(hints)))
    return passed(
        "no trigger and no rule comes before a write or a delete, or keeps a row of its own"
    )


@PROBES.add(
    "schema.signup",
    "creating a user runs triggers that can work",
    f"{PREFLIGHT}(): triggers on auth.users and their functions' search_path",
    "a function sets no search_path: it runs with the auth server's; no trigger makes the rows "
    "of app_users",
    "alter function ... set search_path = public",
    severity=ProbeStatus.WARN,
    needs=("schema.preflight",),
)
async def _signup(facts: Facts) -> Finding:
    """Can the triggers work that creating and deleting a user runs?"""
    preflight = await facts.preflight()
    found = list(_triggers_on(preflight, [_USERS]))
    loose = [(table, each) for table, each in found if each["search_path"] is None]
    if loose:
        functions = [str(each["function"]) for _, each in loose]
        return warned(
            f"no search_path is set on the function of {listed(_name(*each) for each in loose)}: "
            "it runs with the auth server's, which is auth alone, and finds no table of public "
            "that it does not name in full",
            "; ".join(f"alter function {name}() set search_path = public" for name in functions),
        )
    if not any("insert" in each["events"] for _, each in found):
        return warned(
            "creating a user runs no trigger, and a run needs a row of app_users for each of its",
            "have something make those rows within 10 s, as the platform's trigger on auth.users",
        )
    return passed(f"creating a user runs {listed(_name(*each) for each in found)}")


@PROBES.add(
    "schema.publications",
    "no subscriber is sent what we write",
    f"{PREFLIGHT}(): publications that carry the tables or auth.users",
    "realtime subscribers or a warehouse get every synthetic row; it has the table refuse "
    "deletes (fails)",
    "drop the tables from the publication for the run, or have subscribers ignore them",
    needs=("schema.preflight",),
)
async def _publications(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    found = preflight.many("publications")
    if refusing := [each for each in found if each["refusing"]]:
        tables = dict.fromkeys(table for each in refusing for table in each["refusing"])
        told = [f"{each['name']} ({', '.join(each['refusing'])})" for each in refusing]
        return failed(
            f"publications that tell no deleted row from another refuse deletes: {listed(told)}",
            "; ".join(
                _drops(refusing, "refusing")
                or [f"alter table {table} replica identity default" for table in tables]
            ),
        )
    if found:
        volume = facts.context.settings.volume
        told = [f"{each['name']} ({', '.join(each['tables'])})" for each in found]
        advice = "have subscribers ignore synthetic rows, or add what was dropped after the run"
        return warned(
            f"every row that a run writes and deletes ({volume.responses:,} responses) goes to the "
            f"subscribers of {listed(told)}",
            "; ".join([*_drops(found, "tables"), advice]),
        )
    return passed("no publication carries the tables")


def _drops(publications: Iterable[Mapping[str, Any]], which: str) -> list[str]:
    """What drops some of the tables from publications that name them."""
    return [
        f"alter publication {each['name']} drop table {', '.join(each[which])}"
        for each in publications
        if each["by_name"]
    ]
