"""What a run's rows hold, and from where, fitted to a project's catalog.

A plan starts from what a run means to write. Where a column takes no such value, or needs one that
a run has no meaning for, the plan takes the next of what could stand there: the key of an existing
parent row, what the newest row holds, the first label of an enum, a plain value of the type. The
database says which values it refuses (`analytics_heatmap_preflight`, read-only), and the plan is
made again without them, until it is taken or nothing is left to try.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tui.verify.events import Fill
from tui.verify.leftovers import COUNTED, SLUG_FORMS, SlugForm, code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Row = dict[str, Any]

LONGEST_MS: Final = 600_000
# Normalization must make six lesions and one "none" of these.
LESIONS: Final = (
    "Basal Cell Carcinoma",
    "  basal  cell\tcarcinoma ",
    "BASAL CELL CARCINOMA",
    "Melanoma in situ",
    "melanoma   IN   situ",
    "Spitz nevus",
    "Dermatofibroma",
    "\uff24ermatofibroma",  # full-width D: equal after NFKC
    "lichen planus",
    "Lichen\u00a0Planus",  # no-break space: a plain one after NFKC
    "Seborrheic keratosis",
    "   ",
    None,
)
TOPICS: Final = (
    "Synthetic: neoplasms",
    "Synthetic: inflammatory",
    "synthetic:  Mixed Case ",
    None,
)


class Own(NamedTuple):
    """How a row's own value is made: for a unique column, or one that refers.

    Attributes:
        form: `_NUMBER`, `_CODE`, or a text with `{run}`, `{n}` (the number of the row), `{id}`,
            `{question}` (that the row is of) or `{user}` (one of the run) to be filled in.
        size: The number of the first row, or the length of a code.
    """

    form: str
    size: int = 0

    def of(self, run_id: str, number: int, ids: Mapping[str, str]) -> str | int:
        """The value in one row."""
        if self.form == _NUMBER:
            return self.size + number
        if self.form == _CODE:
            return code_of(run_id, number, self.size)
        return self.form.format(run=run_id, n=number, **ids)


_NUMBER, _CODE = "number", "code"
_OWN_ID: Final = Own("{id}")
_STEM: Final = "Synthetic question {n} of verification run {run}."
_LONG: Final = " This question is synthetic and will be deleted."
# Texts of a question; the first that is taken is used.
_TEXTS: Final[Mapping[str, tuple[Own | str | None, ...]]] = {
    "stem_md": (
        Own(_STEM),
        # Different from its beginning, where that has to be unique.
        Own("{n}. Synthetic question of verification run {run}."),
        Own("{run}-{n}"),
        Own(_STEM + 3 * _LONG),
        Own(_STEM + 12 * _LONG),
    ),
    "lead_in": (_LONG[1:], None, "Synthetic?", 3 * _LONG[1:], 12 * _LONG[1:]),
    "explanation_brief_md": ("Synthetic.", "-", 3 * _LONG[1:], 12 * _LONG[1:]),
    "subtopic": (None, "Synthetic"),
}
_TEXT: Final = frozenset({"text", "character varying", "citext"})
_TEXT_OR_NAME: Final = _TEXT | {"character", "name"}
_WHOLE: Final = frozenset({"smallint", "integer", "bigint"})
_UUID: Final = frozenset({"uuid"})
# What a run writes, and the types that take it; no types means any.
FILLED: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "questions": {
        "id": _UUID,
        "slug": _TEXT,
        "status": frozenset(),
        **dict.fromkeys(("topic", "lesion", *_TEXTS), _TEXT),
    },
    "responses": {
        **dict.fromkeys(("id", "user_id", "question_id"), _UUID),
        "is_correct": frozenset({"boolean"}),
        "created_at": frozenset({"timestamp with time zone"}),
        "ms_to_answer": _WHOLE,
    },
    "app_users": {"id": _UUID},
}
# What of it a run cannot do without, or vary: the view, or clean-up, means just this.
FIXED: Final[Mapping[str, tuple[str, ...]]] = {
    "questions": ("id", "status"),
    "responses": ("id", "user_id", "question_id", "is_correct", "created_at"),
}
# Columns of which no two rows of a run share the values; a unique index has to hold a set.
APART: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "questions": tuple(frozenset({name}) for name in ("id", "slug", "stem_md")),
    "responses": (frozenset({"id"}), frozenset({"user_id", "question_id"})),
}
_FIRST_NUMBER: Final = 1_000_000
_CODES: Final = (12, 8, 6, 5)
# As long as any.
_A_RUN: Final = "20000101-00000000"
_AN_ID: Final = "00000000-0000-4000-8000-000000000000"
_THE_IDS: Final = dict.fromkeys(("id", "question", "user"), _AN_ID)
_MOST_VALUES: Final = 8
_LARGEST_SMALL: Final = 32_767
# How the API description of newer servers writes types; smallint and integer are one there.
_SPELLINGS: Final = {"int32": "integer", "int64": "bigint"}
# Plain values of each type that a run can fill, besides lists.
PLAIN: Final[Mapping[str, tuple[Any, ...]]] = {
    **dict.fromkeys(_TEXT_OR_NAME, ("Synthetic", "-")),
    **dict.fromkeys((*_WHOLE, "numeric", "real", "double precision"), (0, 1)),
    "boolean": (False, True),
    "uuid": (_AN_ID,),
    **dict.fromkeys(("json", "jsonb"), ({}, [])),
    "date": ("2000-01-01",),
    "timestamp with time zone": ("2000-01-01T00:00:00Z",),
    "timestamp without time zone": ("2000-01-01T00:00:00",),
    "time without time zone": ("00:00:00",),
    "interval": ("00:00:01",),
    "inet": ("127.0.0.1",),
    "bytea": ("",),
}
_OF_USERS: Final = frozenset({"app_users", "auth.users"})
_LITERAL: Final = re.compile(r"'((?:[^']|'')*)'::")
_DIGITS: Final = re.compile(r"(?<![\w.])-?\d+")
_LENGTH: Final = re.compile(r"^(?:character varying|character)\((\d+)\)")


def arbiters(primary_key: list[str], unique: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Columns of the keys that `on conflict` may name: whole and not deferrable."""
    whole = [each for each in unique if each["where"] is None]
    # A deferrable one over the same columns is an error, whatever else there is.
    barred = [{*each["columns"]} for each in whole if each.get("on_conflict", True) is False]
    keys = [primary_key, *(each["columns"] for each in whole)]
    return [key for key in keys if {*key} not in barred]


class Candidate(NamedTuple):
    """A value that could stand in a column, and where it comes from."""

    value: Any
    source: str


def _meant() -> dict[str, dict[str, Any]]:
    return {"questions": {name: texts[0] for name, texts in _TEXTS.items()}, "responses": {}}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run writes, column by column.

    Attributes:
        form: How a question's slug is written.
        topics: Topics in turn.
        lesions: Lesions in turn.
        durations: Shortest and longest duration in milliseconds.
        spread: Durations between those two are taken as well.
        lacks_durations: Some answers come without one.
        values: Per table, what stands in all other columns: in every row the same, or an `Own`.
        has_id: Responses carry an id of ours.
        repeat: Columns of the unique key by which a response that is sent twice is written once.
        spared: Columns that the database generates, and a run leaves out.
        fills: Every column filled, with its source.
        lacking: What a run would have to invent and may not, a line each.
    """

    form: SlugForm = SLUG_FORMS[0]
    topics: tuple[str | None, ...] = TOPICS
    lesions: tuple[str | None, ...] = LESIONS
    durations: tuple[int, int] = (0, LONGEST_MS)
    spread: bool = True
    lacks_durations: bool = True
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=_meant)
    has_id: bool = True
    repeat: tuple[str, ...] = ("id",)
    spared: frozenset[str] = frozenset()
    fills: tuple[Fill, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def changes_responses(self) -> bool:
        """Whether responses hold something else than every run means to write."""
        return bool(self.values["responses"]) or not self.has_id or "ms_to_answer" in self.spared

    def others(self, table: str, run_id: str, number: int, ids: Mapping[str, str]) -> Row:
        """What stands in `values` in one row, by its number and its ids."""
        return {
            name: value.of(run_id, number, ids) if isinstance(value, Own) else value
            for name, value in self.values[table].items()
        }

    def key(self, table: str, column: str, value: Any) -> str:
        """What stands for a value among refusals: itself, or what it is made by."""
        if (table, column) == ("questions", "slug"):
            return _key(self.form.begins + self.form.run)
        return _key(self.values[table].get(column, value))


@dataclass(slots=True)
class Refusals:
    """What a database does not take, and what its own rows hold.

    Attributes:
        values: Per table and column, values (or what they are made by) as JSON.
        needed: Columns without which a constraint is not met.
        newest: Per table, the values of its newest row.
    """

    values: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    needed: set[tuple[str, str]] = field(default_factory=set)
    newest: dict[str, Row] = field(default_factory=dict)

    def take(self, plan: Plan, rows: Mapping[str, Sequence[Row]], said: Mapping[str, Any]) -> None:
        """Take in what the database said of rows: its document's `rows`."""
        for table, shown in rows.items():
            told = said.get(table) or {}
            if told.get("newest") is not None:
                self.newest[table] = told["newest"]
            # A default that cannot be looked into may be null for us, as auth.uid() is.
            self.needed |= {
                (table, name)
                for each in told.get("untold", ())
                if each["kind"] == "not null"
                for name in each.get("columns", ())
                if name not in shown[0]
            }
            for refusal in told.get("refused", ()):
                columns = [name for name in refusal["columns"] if name not in FIXED[table]]
                if refusal["kind"] in {"unique", "exclusion"}:
                    # Only what differs from row to row can be written otherwise.
                    values = plan.values[table]
                    columns = [name for name in columns if isinstance(values.get(name), Own)]
                wrong = [shown[number] for number in refusal["rows"]]
                empty = _empty(columns, wrong)
                # The column to change to meet a constraint: an empty one, else the first.
                for name in (empty or columns)[:1]:
                    if name not in wrong[0]:
                        self.needed.add((table, name))
                        continue
                    self.values[table, name] |= {
                        plan.key(table, name, row[name])
                        for row in wrong
                        if row[name] is None or not empty
                    }


def _empty(columns: Iterable[str], rows: Sequence[Row]) -> list[str]:
    """Columns that are empty in each of some rows, or else in any."""
    each = [name for name in columns if all(row.get(name) is None for row in rows)]
    return each or [name for name in columns if any(row.get(name) is None for row in rows)]


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


class Planner:
    """Makes the plan for a project.

    Args:
        document: The preflight document, or as much of it as is known.
        refusals: What the database refused of earlier plans.
    """

    def __init__(
        self, document: Mapping[str, Any], refusals: Refusals, questions: int, users: int
    ) -> None:
        self._tables = document.get("tables") or {}
        self._columns: dict[str, dict[str, Mapping[str, Any]]] = {
            table: {each["name"]: each for each in self._listed(table, "columns")}
            for table in FIXED
        }
        self._refusals = refusals
        self._rows = {"questions": questions, "responses": questions * users}
        self._values: dict[str, dict[str, Any]] = {"questions": {}, "responses": {}}
        self._fills: list[Fill] = []
        self._lacking: list[str] = []
        self._spared: set[str] = set()

    def plan(self) -> Plan:
        has_id = self._has_id()
        repeat = self._repeat(has_id=has_id)
        self._spare()
        self._fill("questions", "id", "the run's own")
        form = self._form()
        self._fill("questions", "status", "published")
        self._values["questions"] = {name: self._text(name) for name in _TEXTS}
        topics, lesions = self._many("topic", TOPICS), self._many("lesion", LESIONS)
        self._extra("questions")
        for name in FIXED["responses"][0 if has_id else 1 :]:
            self._fill("responses", name, "the run's own")
        shortest, longest, spread = self._durations()
        self._extra("responses")
        return Plan(
            form=form,
            topics=topics,
            lesions=lesions,
            durations=(shortest, longest),
            spread=spread,
            lacks_durations=self._takes("responses", "ms_to_answer", None),
            values=self._values,
            has_id=has_id,
            repeat=repeat,
            spared=frozenset(self._spared),
            fills=tuple(self._fills),
            lacking=tuple(self._lacking),
        )

    def _fill(self, table: str, column: str, source: str) -> None:
        if column not in self._spared:
            self._fills.append(Fill(table, column, source))

    def _lack(self, table: str, column: str, what: str) -> None:
        self._lacking.append(f"{table}.{column} is required, and {what}")

    def _spare(self) -> None:
        """Leave out what the database generates, where a run can; else say so."""
        for table, columns in self._columns.items():
            for name in FILLED[table]:
                if columns.get(name, {}).get("filled") != "generated":
                    continue
                if name not in FIXED[table] and name != "slug":
                    self._spared.add(name)
                elif (table, name) != ("responses", "id"):
                    self._lacking.append(
                        f"{table}.{name} is generated by the database, and a run writes its own"
                    )

    def _listed(self, table: str, key: str) -> list[Any]:
        return (self._tables.get(table) or {}).get(key) or []

    def _column(self, table: str, name: str) -> Mapping[str, Any]:
        return self._columns[table].get(name, {})

    def _takes(self, table: str, name: str, value: Any) -> bool:
        """Whether nothing is known that refuses a value."""
        column = self._column(table, name)
        if value is None and column.get("not_null"):
            return False
        length = _length(column)
        last = value
        if isinstance(value, Own):
            last = value.of(_A_RUN, self._rows[table] - 1, _THE_IDS)
        if isinstance(last, str) and length is not None and len(last) > length:
            return False
        return _key(value) not in self._refusals.values.get((table, name), ())

    def _usable(self, table: str, name: str, given: Iterable[Candidate]) -> list[Candidate]:
        return [each for each in given if self._takes(table, name, each.value)]

    def _has_id(self) -> bool:
        """Whether responses take an id of ours."""
        column = self._column("responses", "id")
        is_filled = column.get("filled") is not None
        if not self._columns["responses"] or (_type(column) == "uuid" and not is_filled):
            return True
        if column and not is_filled and column.get("default") is None:
            self._lack("responses", "id", f"is {column['type']}: a run makes uuids alone")
        return False

    def _repeat(self, *, has_id: bool) -> tuple[str, ...]:
        """The shortest key of columns that a run gives and no two of its rows share."""
        own = [each for each in APART["responses"] if has_id or "id" not in each]
        given = frozenset({"created_at"}).union(*own)
        primary_key, unique = (self._listed("responses", key) for key in ("primary_key", "unique"))
        found = [
            key
            for key in arbiters(primary_key, unique)
            if given.issuperset(key) and any(each.issubset(key) for each in own)
        ]
        if not found and self._columns["responses"]:
            which = "over (user_id, question_id)"
            which = f"over id, or {which}" if has_id else f"{which}, as its id is not ours to give"
            self._lacking.append(
                f"responses has no unique key {which}: a request sent twice would write twice"
            )
        return tuple(sorted(found, key=len)[0]) if found else ("id",)

    def _form(self) -> SlugForm:
        refused = self._refusals.values.get(("questions", "slug"), ())
        length = _length(self._column("questions", "slug"))
        for form in SLUG_FORMS:
            longest = len(form.slug(_A_RUN, self._rows["questions"] - 1))
            if _key(form.begins + form.run) not in refused and (length or longest) >= longest:
                self._fill("questions", "slug", "the run's tag")
                return form
        shortest = min((form.slug(_A_RUN, 0) for form in SLUG_FORMS), key=len)
        named = [each["name"] for each in self._checks("questions", "slug")]
        self._lacking.append(
            "questions.slug takes none of the tags by which a run finds its rows again, the "
            f"shortest being {shortest}" + (f"; see {', '.join(named)}" if named else "")
        )
        return SLUG_FORMS[0]

    def _text(self, column: str) -> Any:
        """What stands in a text of questions; where nothing is taken, the first."""
        if column in self._spared:
            return None
        table = "questions"
        given = [Candidate(each, "synthetic") for each in _TEXTS[column]]
        parents = self._parents(column)
        if parents is not None and not self._takes(table, column, None):
            given = parents
        usable = self._usable(table, column, given)
        if not usable and given:
            length = _length(self._column(table, column))
            cut = [
                each._replace(value=each.value[:length])
                for each in given
                if isinstance(each.value, str)
            ]
            usable = self._usable(table, column, [*cut, *self._fallbacks(table, column)])
        chosen = (usable or given or [Candidate(None, "nothing")])[0]
        if chosen.value is not None:
            self._fill(table, column, chosen.source)
        return chosen.value

    def _many(self, column: str, given: Sequence[str | None]) -> tuple[str | None, ...]:
        """Values of a column of questions that a run varies."""
        if column in self._spared:
            return (None,)
        table = "questions"
        labels = self._column(table, column).get("labels")
        candidates = self._parents(column)
        is_free = candidates is None
        if candidates is None:
            source = "labels of its type" if labels else "synthetic"
            candidates = [Candidate(each, source) for each in labels or given if each is not None]
        usable = self._usable(table, column, candidates)
        if not usable and is_free:
            usable = self._usable(table, column, self._fallbacks(table, column))
        values = [each.value for each in usable[: max(_MOST_VALUES, len(given))]]
        if usable:
            self._fill(table, column, usable[0].source)
        if self._takes(table, column, None):
            values.append(None)
        elif not values:
            self._lack(table, column, "nothing that it takes is known")
            values.append(None)
        return tuple(values)

    def _parents(self, column: str) -> list[Candidate] | None:
        """Keys that a column of questions may refer to; None if it refers to nothing."""
        for key in self._listed("questions", "foreign_keys"):
            if key["columns"] == [column] and "parents" in key:
                source = f"existing rows of {_bare(key['references'])}"
                return [Candidate(each[column], source) for each in key["parents"] or ()]
        return None

    def _fallbacks(self, table: str, column: str) -> list[Candidate]:
        """What could stand in a column by what else is known of it."""
        about = self._column(table, column)
        newest = self._refusals.newest.get(table, {}).get(column)
        found = []
        if newest is not None:
            found.append(Candidate(newest, f"as the newest of {table} has it"))
        found += [Candidate(each, "labels of its type") for each in about.get("labels") or ()]
        found += [
            Candidate(each.replace("''", "'"), f"named by {check['name']}")
            for check in self._checks(table, column)
            if check["columns"] == [column]
            for each in _LITERAL.findall(check["expression"])
        ]
        kind = _type(about)
        plain = PLAIN.get(kind, ([],) if kind.endswith("[]") else ())
        return found + [Candidate(each, f"a plain {kind}") for each in plain]

    def _checks(self, table: str, column: str) -> list[Mapping[str, Any]]:
        return [each for each in self._listed(table, "checks") if column in each["columns"]]

    def _numbers_named(self, table: str, column: str) -> list[int]:
        """Numbers in the checks of a column, in ascending order."""
        return sorted(
            int(each)
            for check in self._checks(table, column)
            for each in _DIGITS.findall(check["expression"])
        )

    def _durations(self) -> tuple[int, int, bool]:
        """Shortest and longest, and whether those between are taken."""
        table, column = "responses", "ms_to_answer"
        self._fill(table, column, "synthetic")
        named = self._numbers_named(table, column)
        largest = _LARGEST_SMALL if _type(self._column(table, column)) == "smallint" else LONGEST_MS
        low = [0, *(n for each in named for n in (each, each + 1))]
        high = [largest, *(n for each in reversed(named) for n in (each, each - 1))]
        shortest, longest = (
            next((n for n in each if 0 <= n <= largest and self._takes(table, column, n)), end)
            for each, end in ((low, 0), (high, largest))
        )
        # Ends once refused say nothing of what lies between other ends.
        refused = self._refusals.values.get((table, column), ())
        spread = not any(shortest < int(each) < longest for each in refused if each != "null")
        return shortest, max(shortest, longest), spread

    def _extra(self, table: str) -> None:
        """Fill the columns without a meaning for a run that have to be filled."""
        needed = {name for of, name in self._refusals.needed if of == table}
        needed |= {*self._listed(table, "required")}
        needed -= FILLED[table].keys()
        names = [
            name
            for name, column in self._columns[table].items()
            if name in needed and column.get("filled") is None
        ]
        values = self._referring(table, names)
        for name in (each for each in names if each not in values):
            given = self._own(table, name) or self._fallbacks(table, name)
            if usable := self._usable(table, name, given):
                values[name] = usable[0].value
                self._fill(table, name, usable[0].source)
            elif not self._may_do_without(table, name) and not any(
                line.startswith(f"{table}.{name} ") for line in self._lacking
            ):
                kind = self._column(table, name).get("type")
                self._lack(
                    table,
                    name,
                    f"a run knows no {kind} that it takes; a trigger of the "
                    "project's own, filling it, would do",
                )
        self._values[table] |= values

    def _referring(self, table: str, names: Sequence[str]) -> dict[str, Any]:
        """Columns that refer to other tables, together where a key has several."""
        values: dict[str, Any] = {}
        newest = self._refusals.newest.get(table, {})
        keys = self._listed(table, "foreign_keys")
        for key in sorted(keys, key=lambda each: -len(each["columns"])):
            columns, parent = key["columns"], _bare(key["references"])
            name = next((each for each in columns if each in names), None)
            if name is None:
                continue
            if (own := self._own_key(table, key)) is not None:
                for column, (value, source) in own.items():
                    if column in names and column not in values:
                        values[column] = value
                        self._fill(table, column, source)
                continue
            # A key of somebody else's question or session is none for a row of a run.
            belongs = set(key.get("parent_of") or ()) & (
                {"question_id"} if table == "questions" else {"question_id", "user_id"}
            )
            parents = key.get("parents") or ()
            if parent in _OF_USERS and all(newest.get(each) is not None for each in columns):
                # Nobody but whom the project's own rows name: no learner becomes an author.
                parents = [{each: newest[each] for each in columns}]
            usable = [
                each
                for each in parents
                if all(
                    values.get(column, value) == value and self._takes(table, column, value)
                    for column, value in each.items()
                )
            ]
            if usable and not belongs:
                for column in (each for each in columns if each not in values):
                    values[column] = usable[0][column]
                    self._fill(table, column, f"an existing row of {parent}")
            elif key.get("filled_by") or self._may_do_without(table, name):
                continue
            elif belongs:
                of = "questions" if "question_id" in belongs else "users"
                self._lack(
                    table,
                    name,
                    f"{of} of a run have no {parent}; only a trigger of the "
                    "project's own, filling it, would do",
                )
            else:
                there = "is known" if key.get("parents") is None else "is there"
                self._lack(table, name, f"no row of {parent} {there}; one to refer to would do")
        return values

    def _own_key(self, table: str, key: Mapping[str, Any]) -> dict[str, Candidate] | None:
        """What refers to a run's own row, column by column; None where nothing can."""
        to = _bare(key["references"])
        found = {}
        for column, referenced in zip(key["columns"], key.get("referenced") or (), strict=False):
            if referenced == "id" and to == table:
                found[column] = Candidate(_OWN_ID, "the row's own id")
            elif referenced == "id" and to == "questions":
                found[column] = Candidate(Own("{question}"), "the run's own question")
            elif referenced == "id" and to in _OF_USERS and table == "responses":
                found[column] = Candidate(Own("{user}"), "a user of the run")
            elif to == "questions" and table != to:
                value = self._values[to].get(referenced)
                if value is None or isinstance(value, Own):
                    return None
                found[column] = Candidate(value, "as the run's own question has it")
            else:
                return None
        return found or None

    def _own(self, table: str, name: str) -> list[Candidate]:
        """Values that differ from row to row, where a unique key asks for that."""
        keys = [each["columns"] for each in self._listed(table, "unique")]
        keys.append(self._listed(table, "primary_key"))
        if not any(
            name in key and not any(apart.issubset(key) for apart in APART[table]) for key in keys
        ):
            return []
        kind = _type(self._column(table, name))
        own_id = Candidate(_OWN_ID, "the row's own id")
        if kind == "uuid":
            return [own_id]
        if kind in _TEXT_OR_NAME:
            length = _length(self._column(table, name)) or _CODES[0]
            codes = sorted({min(each, length) for each in _CODES}, reverse=True)
            return [
                Candidate(Own("heatmap-{run}-{n}"), "the run's tag"),
                own_id,
                *(
                    Candidate(Own(_CODE, each), f"a code of {each}")
                    for each in codes
                    if each > COUNTED
                ),
            ]
        if kind in _WHOLE:
            # High, or so that the last number fits below a bound.
            rows = self._rows[table]
            high = _LARGEST_SMALL - rows if kind == "smallint" else _FIRST_NUMBER
            below = [bound - rows for bound in reversed(self._numbers_named(table, name))]
            return [
                Candidate(Own(_NUMBER, first), f"numbers from {first:,}")
                for first in (high, *below)
                if first >= 0
            ]
        return []

    def _may_do_without(self, table: str, name: str) -> bool:
        """Whether a default that the database told of, or a trigger, may fill it."""
        return self._column(table, name).get("default") is not None or any(
            name in (each.get("may_fill") or ()) and each["enabled"]
            for each in self._listed(table, "triggers")
        )


def plain_type(spelt: str) -> str:
    """A type's name without schema and modifier, as PostgreSQL spells it."""
    name, _, rest = spelt.partition("(")
    name = name.strip() + rest.partition(")")[2]
    return _SPELLINGS.get(name, name).removeprefix("public.").removeprefix("extensions.")


def _type(column: Mapping[str, Any]) -> str:
    """The plain type of a column; of a domain, the type under it."""
    return plain_type(str(column.get("base") or column.get("type") or ""))


def _length(column: Mapping[str, Any]) -> int | None:
    """The most characters that a column takes."""
    found = _LENGTH.match(str(column.get("base") or column.get("type") or ""))
    return int(found[1]) if found else None


def _bare(relation: str) -> str:
    return relation.removeprefix("public.")
