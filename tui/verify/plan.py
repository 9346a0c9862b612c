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
# Texts of a question, `{run}` and `{n}` filled in; the first that is taken is used.
_STEM: Final = "Synthetic question {n} of verification run {run}."
# Different from its beginning, where that has to be unique.
_STEM_BY_NUMBER: Final = "{n}. Synthetic question of verification run {run}."
_LONG: Final = " This question is synthetic and will be deleted."
_TEXTS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "stem_md": (_STEM, _STEM_BY_NUMBER, "{run}-{n}", _STEM + 3 * _LONG, _STEM + 12 * _LONG),
    "lead_in": (_LONG[1:], None, "Synthetic?", 3 * _LONG[1:], 12 * _LONG[1:]),
    "explanation_brief_md": ("Synthetic.", "-", 3 * _LONG[1:], 12 * _LONG[1:]),
    "subtopic": (None, "Synthetic"),
}
# What a run cannot do without, or vary: the view, or clean-up, means just this.
FIXED: Final[Mapping[str, tuple[str, ...]]] = {
    "questions": ("id", "status"),
    "responses": ("id", "user_id", "question_id", "is_correct", "created_at"),
}
_VARIED: Final = ("slug", "topic", "lesion", *_TEXTS, "ms_to_answer")
# Columns that keep the rows of a table apart.
_APART: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "questions": (frozenset({"id"}), frozenset({"slug"}), frozenset({"stem_md"})),
    "responses": (frozenset({"id"}), frozenset({"user_id", "question_id"})),
}
# Columns that a run does without where the database generates them.
_SPARED: Final = ("topic", "lesion", *_TEXTS, "ms_to_answer")
# Values of a row's own: for a column that has to be unique, or refers to what the run writes.
_OWN_ID, _OWN_TAG, _OWN_QUESTION, _OWN_USER = "{id}", "{tag}", "{question}", "{user}"
_OWN_NUMBER: Final = re.compile(r"^\{number:(\d+)\}$")
_OWN_CODE: Final = re.compile(r"^\{code:(\d+)\}$")
_FIRST_NUMBER: Final = 1_000_000
_CODES: Final = (12, 8, 6, 5)
# As long as any.
_A_RUN: Final = "20000101-00000000"
_AN_ID: Final = "00000000-0000-4000-8000-000000000000"
_MOST_VALUES: Final = 8
_TEXT: Final = frozenset({"text", "character varying", "character", "citext", "name"})
_WHOLE: Final = frozenset({"smallint", "integer", "bigint"})
_PLAIN: Final[Mapping[str, tuple[Any, ...]]] = {
    **dict.fromkeys(_TEXT, ("Synthetic", "-")),
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
    """Columns of the keys that `on conflict` may name: over all rows, and none deferrable."""
    whole = [each for each in unique if each["where"] is None]
    # A deferrable one over the same columns is an error, whatever else there is.
    barred = [{*each["columns"]} for each in whole if each.get("on_conflict", True) is False]
    others = (each["columns"] for each in whole if each.get("on_conflict", True))
    return [key for key in (primary_key, *others) if {*key} not in barred]


class Candidate(NamedTuple):
    """A value that could stand in a column, and where it comes from."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """What a database does not take, and what its own rows hold.

    Attributes:
        values: Per table and column, values (or what they are made by) as JSON.
        needed: Columns without which a constraint is not met.
        newest: Per table, the values of its newest row.
    """

    values: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    needed: frozenset[tuple[str, str]] = frozenset()
    newest: Mapping[str, Row] = field(default_factory=dict)


def _nothing() -> dict[str, dict[str, Any]]:
    return {table: {} for table in FIXED}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run writes, column by column.

    Attributes:
        form: How a question's slug is written.
        texts: Templates of a question's texts.
        topics: Topics in turn.
        lesions: Lesions in turn.
        durations: Shortest and longest duration in milliseconds.
        spread: Durations between those two are taken as well.
        lacks_durations: Some answers come without one.
        extra: Per table, what stands in columns that a run has no meaning for.
        has_id: Responses carry an id of ours.
        repeat: Columns of the unique key by which a response that is sent twice is written once.
        spared: Columns that the database generates, and a run leaves out.
        fills: Every column filled, with its source.
        lacking: What a run would have to invent and may not, a line each.
    """

    form: SlugForm = SLUG_FORMS[0]
    texts: Mapping[str, str | None] = field(
        default_factory=lambda: {name: texts[0] for name, texts in _TEXTS.items()}
    )
    topics: tuple[str | None, ...] = TOPICS
    lesions: tuple[str | None, ...] = LESIONS
    durations: tuple[int, int] = (0, LONGEST_MS)
    spread: bool = True
    lacks_durations: bool = True
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=_nothing)
    has_id: bool = True
    repeat: tuple[str, ...] = ("id",)
    spared: frozenset[str] = frozenset()
    fills: tuple[Fill, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def changes_responses(self) -> bool:
        """Whether responses hold something else than every run means to write."""
        return bool(self.extra["responses"]) or not self.has_id or "ms_to_answer" in self.spared

    def text(self, column: str, run_id: str, number: int) -> str | None:
        """A question's text."""
        template = self.texts[column]
        return None if template is None else template.format(run=run_id, n=number)

    def others(
        self, table: str, run_id: str, number: int, *, row_id: str, question: str, user: str
    ) -> Row:
        """The columns of a row that a run has no meaning for.

        Args:
            number: Of the row, in its table.
            question: Id of the question that the row is of.
            user: Id of a user of the run.
        """
        own = {
            _OWN_ID: row_id,
            _OWN_TAG: f"heatmap-{run_id}-{number}",
            _OWN_QUESTION: question,
            _OWN_USER: user,
        }

        def value_of(value: Any) -> Any:
            if not isinstance(value, str):
                return value
            if found := _OWN_NUMBER.match(value):
                return int(found[1]) + number
            if found := _OWN_CODE.match(value):
                return code_of(run_id, number, int(found[1]))
            return own.get(value, value)

        return {name: value_of(value) for name, value in self.extra[table].items()}

    def _key(self, table: str, column: str, value: Any) -> str:
        """What stands for a value among refusals: itself, or its template."""
        if table == "questions" and column == "slug":
            return _key(self.form.begins + self.form.run)
        if table == "questions" and column in self.texts:
            return _key(self.texts[column])
        return _key(self.extra[table].get(column, value))

    def _keeps_apart(self, table: str, column: str) -> bool:
        """Whether a column holds what differs from row to row, and may be written otherwise."""
        value = self.extra[table].get(column)
        return column == "stem_md" or (isinstance(value, str) and value.startswith("{"))

    def refused(
        self, before: Refusals, rows: Mapping[str, Sequence[Row]], said: Mapping[str, Any]
    ) -> Refusals:
        """What was refused before, and what is now of the rows of this plan.

        `rows` are those that the database was shown, `said` is `rows` of its document.
        """
        values = defaultdict(set, {key: set(seen) for key, seen in before.values.items()})
        needed = set(before.needed)
        for table, shown in rows.items():
            told = said.get(table) or {}
            # A default that cannot be looked into may be null for us, as auth.uid() is.
            needed |= {
                (table, name)
                for each in told.get("untold", ())
                if each["kind"] == "not null"
                for name in each.get("columns", ())
                if name not in shown[0]
            }
            for refusal in told.get("refused", ()):
                columns = [name for name in refusal["columns"] if name not in FIXED[table]]
                if refusal["kind"] in {"unique", "exclusion"}:
                    columns = [name for name in columns if self._keeps_apart(table, name)]
                    if not columns:
                        continue
                wrong = [shown[number] for number in refusal["rows"]]
                for name in _to_blame(columns, wrong):
                    if name in wrong[0]:
                        values[table, name] |= {
                            self._key(table, name, row[name])
                            for row in wrong
                            if row[name] is None or not _empty(columns, wrong)
                        }
                    else:
                        needed.add((table, name))
        newest = {
            table: told["newest"]
            for table, told in said.items()
            if told is not None and told["newest"] is not None
        }
        return Refusals(
            {key: frozenset(seen) for key, seen in values.items()},
            frozenset(needed),
            {**before.newest, **newest},
        )


def _empty(columns: Iterable[str], rows: Sequence[Row]) -> list[str]:
    """Columns that are empty in each of some rows, or else in any."""
    each = [name for name in columns if all(row.get(name) is None for row in rows)]
    return each or [name for name in columns if any(row.get(name) is None for row in rows)]


def _to_blame(columns: Sequence[str], rows: Sequence[Row]) -> Sequence[str]:
    """The column to change to meet a constraint: an empty one, else the first."""
    return (_empty(columns, rows) or columns)[:1]


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def plan_of(
    document: Mapping[str, Any],
    refusals: Refusals | None = None,
    *,
    questions: int = 200,
    users: int = 50,
) -> Plan:
    """The plan for a project.

    Args:
        document: The preflight document, or as much of it as is known.
        refusals: What the database refused of earlier plans.
        questions: How many questions a run writes.
        users: How many users answer each.
    """
    return _Planner(document, refusals or Refusals(), questions, users).plan()


class _Planner:
    def __init__(
        self, document: Mapping[str, Any], refusals: Refusals, questions: int, users: int
    ) -> None:
        self._tables = document.get("tables") or {}
        self._refusals = refusals
        self._questions = questions
        self._rows = {"questions": questions, "responses": questions * users}
        self._extra_of: dict[str, dict[str, Any]] = {}
        self._fills: list[Fill] = []
        self._lacking: list[str] = []
        self._spared: set[str] = set()

    def plan(self) -> Plan:
        has_id = self._has_id()
        repeat = self._repeat(has_id=has_id)
        self._generated()
        own = (*("id",) * has_id, *FIXED["responses"][1:])
        self._fill("questions", "id", "the run's own")
        form = self._form()
        self._fill("questions", "status", "published")
        texts = {
            name: self._first("questions", name, [Candidate(each, "synthetic") for each in given])
            for name, given in _TEXTS.items()
        }
        topics, lesions = self._many("topic", TOPICS), self._many("lesion", LESIONS)
        extra = self._extra_of
        extra["questions"] = self._extra("questions")
        for name in own:
            self._fill("responses", name, "the run's own")
        shortest, longest, spread, lacks = self._durations()
        extra["responses"] = self._extra("responses")
        return Plan(
            form, texts, topics, lesions, (shortest, longest), spread, lacks, extra, has_id, repeat,
            frozenset(self._spared), tuple(self._fills), tuple(self._lacking),
        )  # fmt: skip

    def _fill(self, table: str, column: str, source: str) -> None:
        if column not in self._spared:
            self._fills.append(Fill(table, column, source))

    def _generated(self) -> None:
        """Spare what the database generates, where a run can; else say so."""
        for table in FIXED:
            meant = {*FIXED[table], *_VARIED}
            for each in self._many_of(table, "columns"):
                name = each["name"]
                if name not in meant or each.get("filled") != "generated":
                    continue
                if name in _SPARED:
                    self._spared.add(name)
                elif (table, name) != ("responses", "id"):
                    self._lacking.append(
                        f"{table}.{name} is generated by the database, and a run writes its own"
                    )

    def _lack(self, table: str, column: str, what: str) -> None:
        self._lacking.append(f"{table}.{column} is required, and {what}")

    def _many_of(self, table: str, key: str) -> list[Mapping[str, Any]]:
        return (self._tables.get(table) or {}).get(key) or []

    def _key_of(self, table: str) -> list[str]:
        return (self._tables.get(table) or {}).get("primary_key") or []

    def _column(self, table: str, name: str) -> Mapping[str, Any]:
        found = (each for each in self._many_of(table, "columns") if each["name"] == name)
        return next(found, {})

    def _takes(self, table: str, name: str, value: Any) -> bool:
        """Whether nothing is known that refuses a value."""
        column = self._column(table, name)
        length = _length(column)
        if value is None and column.get("not_null"):
            return False
        if (
            isinstance(value, str)
            and length is not None
            and self._longest(table, name, value) > length
        ):
            return False
        return _key(value) not in self._refusals.values.get((table, name), ())

    def _longest(self, table: str, name: str, value: str) -> int:
        """The most characters that a value, or what it stands for, comes to."""
        if name in _TEXTS:
            return len(value.format(run=_A_RUN, n=self._questions - 1))
        if found := _OWN_CODE.match(value):
            return int(found[1])
        if value == _OWN_TAG:
            return len(f"heatmap-{_A_RUN}-{self._rows[table] - 1}")
        return len(_AN_ID) if value.startswith("{") else len(value)

    def _has_id(self) -> bool:
        """Whether responses take an id of ours."""
        column = self._column("responses", "id")
        if not self._many_of("responses", "columns") or (
            _type(column) == "uuid" and column.get("filled") is None
        ):
            return True
        if column and column.get("filled") is None and column.get("default") is None:
            self._lack("responses", "id", f"is {column['type']}: a run makes uuids alone")
        return False

    def _repeat(self, *, has_id: bool) -> tuple[str, ...]:
        """The shortest key of columns that a run gives, and that no two of its rows share."""
        own = [{"id"}] * has_id + [{"user_id", "question_id"}]
        given = set().union({"created_at"}, *own)
        keys = arbiters(self._key_of("responses"), self._many_of("responses", "unique"))
        found = [key for key in keys if given >= {*key} and any(each <= {*key} for each in own)]
        if not found and self._many_of("responses", "columns"):
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
            longest = len(form.slug(_A_RUN, self._questions - 1))
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

    def _first(self, table: str, column: str, given: Sequence[Candidate]) -> Any:
        """The first candidate that is taken; without any, the first."""
        if column in self._spared:
            return None
        parents = self._parents(table, column)
        if parents is not None and not self._takes(table, column, None):
            given = parents
        usable = [each for each in given if self._takes(table, column, each.value)]
        if not usable and given:
            length = _length(self._column(table, column))
            cut = [each._replace(value=each.value[:length]) for each in given
                   if isinstance(each.value, str) and "{" not in each.value]  # fmt: skip
            usable = [
                each
                for each in (*cut, *self._fallbacks(table, column))
                if self._takes(table, column, each.value)
            ]
        chosen = (usable or given or [Candidate(None, "nothing")])[0]
        if chosen.value is not None:
            self._fill(table, column, chosen.source)
        return chosen.value

    def _many(self, column: str, given: Sequence[str | None]) -> tuple[str | None, ...]:
        """Values of a column of questions that a run varies."""
        if column in self._spared:
            return (None,)
        labels = self._column("questions", column).get("labels")
        parents = self._parents("questions", column)
        candidates = [Candidate(each, "synthetic") for each in given if each is not None]
        if parents is not None:
            candidates = parents
        elif labels:
            candidates = [Candidate(each, "labels of its type") for each in labels]
        usable = [each for each in candidates if self._takes("questions", column, each.value)]
        if not usable and parents is None:
            usable = [
                each
                for each in self._fallbacks("questions", column)
                if self._takes("questions", column, each.value)
            ]
        values = [each.value for each in usable[: max(_MOST_VALUES, len(given))]]
        if usable:
            self._fill("questions", column, usable[0].source)
        if self._takes("questions", column, None):
            values.append(None)
        elif not values:
            self._lack("questions", column, "nothing that it takes is known")
            values.append(None)
        return tuple(values)

    def _parents(self, table: str, column: str) -> list[Candidate] | None:
        """Keys that a column may refer to; None where it refers to nothing."""
        for key in self._many_of(table, "foreign_keys"):
            if key["columns"] == [column] and "parents" in key:
                source = f"existing rows of {_bare(key['references'])}"
                return [Candidate(each[column], source) for each in key["parents"] or ()]
        return None

    def _fallbacks(self, table: str, column: str) -> list[Candidate]:
        """What could stand in a column by what else is known of it."""
        about = self._column(table, column)
        newest = self._refusals.newest.get(table, {})
        found = []
        if newest.get(column) is not None:
            found.append(Candidate(newest[column], f"as the newest of {table} has it"))
        found += [Candidate(each, "labels of its type") for each in about.get("labels") or ()]
        for check in self._checks(table, column):
            if check["columns"] == [column]:
                found += [
                    Candidate(each.replace("''", "'"), f"named by {check['name']}")
                    for each in _LITERAL.findall(check["expression"])
                ]
        kind = _type(about)
        plain = _PLAIN.get(kind, ([],) if kind.endswith("[]") else ())
        return found + [Candidate(each, f"a plain {kind}") for each in plain]

    def _checks(self, table: str, column: str) -> list[Mapping[str, Any]]:
        return [each for each in self._many_of(table, "checks") if column in each["columns"]]

    def _durations(self) -> tuple[int, int, bool, bool]:
        """Shortest and longest; whether those between, and none, are taken."""
        table, column = "responses", "ms_to_answer"
        self._fill(table, column, "synthetic")
        named = sorted(
            int(each)
            for check in self._checks(table, column)
            for each in _DIGITS.findall(check["expression"])
        )
        largest = 32_767 if _type(self._column(table, column)) == "smallint" else LONGEST_MS
        low = [0, *(n for each in named for n in (each, each + 1))]
        high = [largest, *(n for each in reversed(named) for n in (each, each - 1))]
        bounds = [
            next((n for n in each if 0 <= n <= largest and self._takes(table, column, n)), None)
            for each in (low, high)
        ]
        shortest, longest = bounds[0] or 0, largest if bounds[1] is None else bounds[1]
        # Ends once refused say nothing of what lies between other ends.
        refused = self._refusals.values.get((table, column), frozenset())
        inner = {int(each) for each in refused if each != "null"}
        spread = not any(shortest < each < longest for each in inner)
        return shortest, max(shortest, longest), spread, self._takes(table, column, None)

    def _extra(self, table: str) -> dict[str, Any]:
        """Columns without a meaning for a run that have to be filled."""
        needed = {name for of, name in self._refusals.needed if of == table}
        needed |= set((self._tables.get(table) or {}).get("required") or ())
        names = [
            each["name"]
            for each in self._many_of(table, "columns")
            if each["name"] in needed - set(FIXED[table]) - set(_VARIED)
            and each.get("filled") is None
        ]
        values = self._referring(table, names)
        for name in (each for each in names if each not in values):
            given = self._own(table, name) or self._fallbacks(table, name)
            usable = [each for each in given if self._takes(table, name, each.value)]
            if usable:
                values[name] = usable[0].value
                self._fill(table, name, usable[0].source)
            elif not self._may_do_without(table, name) and not self._is_lacking(table, name):
                kind = self._column(table, name).get("type")
                self._lack(table, name, f"a run knows no {kind} that it takes; a trigger of the "
                           "project's own, filling it, would do")  # fmt: skip
        return values

    def _referring(self, table: str, names: Sequence[str]) -> dict[str, Any]:
        """Columns that refer to other tables, together where a key has several."""
        values: dict[str, Any] = {}
        keys = self._many_of(table, "foreign_keys")
        for key in sorted(keys, key=lambda each: -len(each["columns"])):
            columns, parent = key["columns"], _bare(key["references"])
            if not set(columns) & set(names):
                continue
            if (own := self._own_key(table, key)) is not None:
                for column, (value, source) in own.items():
                    if column in names and column not in values:
                        values[column] = value
                        self._fill(table, column, source)
                continue
            name = next(each for each in columns if each in names)
            # A key of somebody else's question or session is none for a row of a run.
            belongs = set(key.get("parent_of") or ()) & (
                {"question_id"} if table == "questions" else {"question_id", "user_id"}
            )
            parents = key.get("parents") or ()
            newest = self._refusals.newest.get(table, {})
            if parent in _OF_USERS and all(newest.get(each) is not None for each in columns):
                # Nobody but whom the project's own rows name: no learner becomes an author.
                parents = [{each: newest[each] for each in columns}]
            usable = [
                each
                for each in parents
                if all(values.get(name, value) == value for name, value in each.items())
                and all(self._takes(table, name, value) for name, value in each.items())
            ]
            if usable and not belongs:
                for column in (each for each in columns if each not in values):
                    values[column] = usable[0][column]
                    self._fill(table, column, f"an existing row of {parent}")
            elif key.get("filled_by") or self._may_do_without(table, name):
                continue
            elif belongs:
                of = "questions" if "question_id" in belongs else "users"
                self._lack(table, name, f"{of} of a run have no {parent}; only a trigger of the "
                           "project's own, filling it, would do")  # fmt: skip
            else:
                there = "is known" if key.get("parents") is None else "is there"
                self._lack(table, name, f"no row of {parent} {there}; one to refer to would do")
        return values

    def _own_key(self, table: str, key: Mapping[str, Any]) -> dict[str, Candidate] | None:
        """What refers to a row of the run's own, column by column; None where nothing can."""
        to = _bare(key["references"])
        found = {}
        for column, referenced in zip(key["columns"], key.get("referenced") or (), strict=False):
            if referenced == "id" and to == table:
                found[column] = Candidate(_OWN_ID, "the row's own id")
            elif referenced == "id" and to == "questions":
                found[column] = Candidate(_OWN_QUESTION, "the run's own question")
            elif referenced == "id" and to in _OF_USERS and table == "responses":
                found[column] = Candidate(_OWN_USER, "a user of the run")
            elif to == "questions" and table != to and referenced in self._extra_of[to]:
                value = self._extra_of[to][referenced]
                if isinstance(value, str) and value.startswith("{"):
                    return None
                found[column] = Candidate(value, "as the run's own question has it")
            else:
                return None
        return found or None

    def _own(self, table: str, name: str) -> list[Candidate]:
        """Values that differ from row to row, where a unique key asks for that."""
        others = (each["columns"] for each in self._many_of(table, "unique"))
        keys = [self._key_of(table), *others]
        if not any(
            name in key and not any(apart <= set(key) for apart in _APART[table]) for key in keys
        ):
            return []
        kind = _type(self._column(table, name))
        if kind == "uuid":
            return [Candidate(_OWN_ID, "the row's own id")]
        if kind in _TEXT:
            length = _length(self._column(table, name)) or _CODES[0]
            codes = sorted({min(each, length) for each in _CODES}, reverse=True)
            return [
                Candidate(_OWN_TAG, "the run's tag"),
                Candidate(_OWN_ID, "the row's own id"),
                *(Candidate(f"{{code:{each}}}", f"a code of {each}") for each in codes
                  if each > COUNTED),
            ]  # fmt: skip
        if kind in _WHOLE:
            return [
                Candidate(f"{{number:{first}}}", f"numbers from {first:,}")
                for first in self._first_numbers(table, name, kind)
            ]
        return []

    def _first_numbers(self, table: str, name: str, kind: str) -> list[int]:
        """Where a run's numbers may begin: high, or so that the last fits below a bound."""
        named = [
            int(each)
            for check in self._checks(table, name)
            for each in _DIGITS.findall(check["expression"])
        ]
        bounds, high = ([32_767], []) if kind == "smallint" else ([], [_FIRST_NUMBER])
        below = [each - self._rows[table] for each in (*bounds, *sorted(named, reverse=True))]
        return [*high, *(each for each in below if each >= 0)]

    def _may_do_without(self, table: str, name: str) -> bool:
        """Whether a default, of which the database told, or a trigger may fill a column."""
        return self._column(table, name).get("default") is not None or any(
            name in (each.get("may_fill") or ()) and each["enabled"]
            for each in self._many_of(table, "triggers")
        )

    def _is_lacking(self, table: str, name: str) -> bool:
        return any(line.startswith(f"{table}.{name} ") for line in self._lacking)


def _type(column: Mapping[str, Any]) -> str:
    """A type's name without modifier; of a domain, of the type under it."""
    return re.sub(r"\(.*\)", "", str(column.get("base") or column.get("type") or ""))


def _length(column: Mapping[str, Any]) -> int | None:
    """The most characters that a column takes."""
    found = _LENGTH.match(str(column.get("base") or column.get("type") or ""))
    return int(found[1]) if found else None


def _bare(relation: str) -> str:
    return relation.removeprefix("public.")
