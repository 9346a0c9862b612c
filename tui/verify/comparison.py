"""Whether the view holds what it must: a run's aggregates, and others' rows.

A run's aggregates are compared with those of the rows as sent; where they differ, with those of the
rows as stored, which triggers may have changed. The expectation stays what it is: it is computed
from stored rows just as from sent ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tui.heatmap.rows import COLUMNS, AggregateRow
from tui.project import (
    IDS_PER_REQUEST,
    PAGE,
    VIEW,
    Filter,
    ProjectError,
    TimedOut,
    Truncated,
    one_of,
    outside,
)
from tui.verify.dataset import Answer, aggregates, normalize_lesion
from tui.verify.events import CheckFinished, Deviation, Difference, DifferenceGroup, Tally
from tui.verify.leftovers import (
    ANY_SLUG,
    between,
    chunks,
    instant,
    questions_of,
    responses_to,
    run_of_slug,
)
from tui.verify.view import ORDER, key_of, pages_of, row_of, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from tui.project import Project
    from tui.verify.causes import Causes
    from tui.verify.dataset import Dataset
    from tui.verify.plan import Row
    from tui.verify.view import Key

_CENT: Final = Decimal("0.01")
_LOOK_AT_THE_SQL: Final = "no cause is known that makes just these"
_REASONS: Final = {
    "missing": "the view leaves rows out: a filter, a join, or a refresh that did not happen",
    "unexpected": "the view holds rows twice, or groups by more than question and week",
    "accuracy_rate": "rates are counted otherwise: they are correct_attempts / attempts",
    "topic": "topics are to be as stored, without normalization",
    "median_duration_ms": "the median counts missing durations, or does not take the mean of the "
    "middle two",
}

# What tells a stored row of a table from every other, and what of it is compared: all that the view
# is made of, and the slug, by which clean-up finds a question.
_KEYS: Final = {"questions": ("id",), "responses": ("question_id", "user_id")}
_COLUMNS: Final = {
    "questions": ("slug", "status", "topic", "lesion"),
    "responses": ("is_correct", "ms_to_answer", "created_at"),
}
_LACKING: Final = "not stored"
_OTHERS: Final = "not of this run"
_IN_THE_VIEW: Final = "published"

# A larger view is judged by its number of rows: reading it whole would outlast the run.
_FINGERPRINT_ROWS: Final = 10_000
# Another console's refresh may shrink the view between two pages; hardly three times in a row.
_READS: Final = 3


async def compare(
    project: Project,
    question_ids: Sequence[UUID],
    expected: Iterable[AggregateRow],
    advance: Callable[[int], None],
) -> CheckFinished:
    """Read the run's rows from the view and compare all eight columns of each.

    `question_ids` are in ascending order; `advance` is called with the number of rows read.
    """
    wanted = {key_of(row): row for row in expected}
    differences: list[Difference] = []
    surplus: list[AggregateRow] = []
    total, matched = len(wanted), 0

    async def read(ids: Sequence[UUID]) -> None:
        nonlocal matched
        async for page in project.pages(VIEW, COLUMNS, within(ids), order=ORDER):
            for raw in page:
                row = row_of(raw, VIEW)
                want = wanted.pop(key_of(row), None)
                if want is None:
                    surplus.append(row)
                elif want == row:
                    matched += 1
                else:
                    differences.append(_difference(want, row))
            advance(len(page))

    await project.each(pages_of(question_ids), read)
    mismatched = len(differences)
    differences += _paired(wanted.values(), surplus)
    return CheckFinished(
        expected=total,
        matched=matched,
        mismatched=mismatched,
        missing=len(wanted),
        unexpected=len(surplus),
        differences=tuple(differences),
        groups=grouped(differences),
    )


def _difference(want: AggregateRow | None, got: AggregateRow | None) -> Difference:
    if want is None or got is None:
        return Difference(want, got, ())
    columns = tuple(
        field.name
        for field in fields(AggregateRow)
        if getattr(want, field.name) != getattr(got, field.name)
    )
    return Difference(want, got, columns)


def _paired(absent: Iterable[AggregateRow], surplus: Iterable[AggregateRow]) -> list[Difference]:
    """Missing and unexpected rows, two of a question as one if a week is off."""
    left: dict[UUID, list[AggregateRow]] = defaultdict(list)
    for row in surplus:
        left[row.question_id].append(row)
    found = []
    for want in absent:
        near = [row for row in left[want.question_id] if _near(row, want)]
        got = min(near, key=lambda row: abs(row.attempts - want.attempts), default=None)
        if got is not None:
            left[want.question_id].remove(got)
        found.append(_difference(want, got))
    return found + [_difference(None, row) for rows in left.values() for row in rows]


def _near(one: AggregateRow, other: AggregateRow) -> bool:
    """Whether two weeks overlap without being the same."""
    if one.week is None or other.week is None:
        return False
    return 0 < abs((one.week - other.week).days) < 7


def grouped(differences: Iterable[Difference]) -> tuple[DifferenceGroup, ...]:
    """Differences by the columns that differ, the most frequent first."""
    groups: dict[str, list[Difference]] = defaultdict(list)
    for each in differences:
        groups[each.kind].append(each)
    return tuple(
        DifferenceGroup(kind, len(those), _reason(those), those[0])
        for kind, those in sorted(groups.items(), key=lambda item: -len(item[1]))
    )


def _reason(differences: Sequence[Difference]) -> str:
    """What is known to make such differences; else where to look."""
    kind, columns = differences[0].kind, differences[0].columns
    pairs = [(each.expected, each.found) for each in differences if each.expected and each.found]
    if "week_start" in columns:
        return "weeks begin elsewhere: truncated in a time zone that is not UTC, or not on Monday"
    if "attempts" in columns:
        return "responses are not counted, or counted twice: a filter or a join"
    if kind == "accuracy_rate" and all(
        abs(want.accuracy_rate - got.accuracy_rate) <= _CENT for want, got in pairs
    ):
        return "rates are rounded otherwise than round(numeric, 2) does"
    if kind == "lesion" and all(normalize_lesion(got.lesion) == want.lesion for want, got in pairs):
        return "lesions differ in case, spacing or Unicode form only: they are not normalized"
    return _REASONS.get(kind, _LOOK_AT_THE_SQL)


class Beside:
    """Rows as stored beside the same rows as sent; counts what differs."""

    def __init__(self, causes: Causes) -> None:
        self._causes = causes
        self._sent: Counter[str] = Counter()
        self._found: Counter[tuple[str, str | None, str]] = Counter()

    def compare(self, table: str, sent: Sequence[Row], stored: Iterable[Row]) -> None:
        """Take in some rows of a table."""
        wanted = {_key_in(table, row): row for row in sent}
        self._sent[table] += len(sent)
        for row in stored:
            want = wanted.pop(_key_in(table, row), None)
            if want is None:
                self._found[table, None, _OTHERS] += 1
                continue
            for column in _COLUMNS[table]:
                # What a run leaves to the database, it expects to be empty.
                if not _is_same(column, want.get(column), row[column]):
                    self._found[table, column, ""] += 1
        if wanted:
            self._found[table, None, _LACKING] += len(wanted)

    def deviations(self) -> tuple[Deviation, ...]:
        """What differs, rows that are lacking first."""
        return tuple(
            Deviation(
                table,
                column,
                count,
                self._sent[table],
                "" if what == _OTHERS else self._causes.writers(table, column),
                what,
            )
            for (table, column, what), count in sorted(
                self._found.items(), key=lambda item: (item[0][1] or "", item[0])
            )
        )

    def lacking(self, table: str) -> int:
        """Rows of a table that are not stored."""
        return self._found[table, None, _LACKING]


def _key_in(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in _KEYS[table])


def _is_same(column: str, sent: Any, stored: Any) -> bool:
    if column == "created_at" and sent is not None and stored is not None:
        return _instant(sent) == _instant(stored)
    return bool(sent == stored)


def _instant(text: Any) -> datetime:
    found = instant(text)
    if found is None:
        raise ProjectError(f"responses.created_at is {text}, which is no date that can be judged")
    return found


async def rows_of(project: Project, table: str, conditions: Sequence[Filter]) -> list[Row]:
    """Rows as they are stored, in the columns that are compared.

    Raises:
        ProjectError: They could not be read.
    """
    keys = _KEYS[table]
    return await project.rows(table, (*keys, *_COLUMNS[table]), conditions, order=keys)


async def read_back(
    project: Project, dataset: Dataset, causes: Causes
) -> tuple[list[AggregateRow], tuple[Deviation, ...]]:
    """Aggregates of a run's rows as stored, and how those differ from the sent.

    Raises:
        ProjectError: They could not be read, or none is stored.
    """
    beside = Beside(causes)
    ids = dataset.question_ids
    expected: list[AggregateRow] = []

    async def read(numbers: Sequence[int]) -> None:
        first, last = ids[numbers[0]], ids[numbers[-1]]
        questions, responses = await asyncio.gather(
            rows_of(project, "questions", between("id", first, last)),
            rows_of(project, "responses", between("question_id", first, last)),
        )
        beside.compare("questions", [dataset.question(n) for n in numbers], questions)
        sent = [row for n in numbers for row in dataset.responses(n, dataset.answers(n))]
        beside.compare("responses", sent, responses)
        answers: dict[str, list[Answer]] = defaultdict(list)
        for row in responses:
            at, ms = _instant(row["created_at"]), row["ms_to_answer"]
            answers[row["question_id"]].append(Answer(0, at, bool(row["is_correct"]), ms))
        for row in questions:
            if row["status"] == _IN_THE_VIEW:
                given = answers[row["id"]]
                expected.extend(aggregates(UUID(row["id"]), row["lesion"], row["topic"], given))

    size = max(1, PAGE // dataset.users)
    await project.each(chunks(range(dataset.questions), size), read)
    deviations = beside.deviations()
    if beside.lacking("responses") == dataset.users * dataset.questions:
        raise ProjectError(f"nothing can be verified: {deviations[0]}")
    return expected, deviations


@dataclass(frozen=True, slots=True)
class RealRows:
    """What the view holds for questions outside a run.

    `rows` is None when there are too many to read.
    """

    count: int
    rows: dict[Key, AggregateRow] | None

    def attempts(self) -> Counter[UUID]:
        """Attempts per question."""
        found: Counter[UUID] = Counter()
        for row in (self.rows or {}).values():
            found[row.question_id] += row.attempts
        return found


async def real_rows(project: Project, question_ids: Sequence[UUID]) -> RealRows:
    """Read, or for a large view count, the rows that do not belong to the run."""
    for _ in range(_READS - 1):
        with contextlib.suppress(Truncated):
            return await _real_rows(project, question_ids)
    return await _real_rows(project, question_ids)


async def _real_rows(project: Project, question_ids: Sequence[UUID]) -> RealRows:
    others = [outside("question_id", question_ids[0], question_ids[-1])]
    first = await project.page(VIEW, COLUMNS, others, order=ORDER, count=True)
    count = first.total or 0
    if count > _FINGERPRINT_ROWS:
        return RealRows(count, None)
    raw = first.rows
    if len(raw) < count:
        raw = await project.rows(VIEW, COLUMNS, others, order=ORDER)
    rows = [row_of(each, VIEW) for each in raw]
    return RealRows(len(rows), {key_of(row): row for row in rows})


async def judge_view(
    project: Project, question_ids: Sequence[UUID], before: RealRows | None
) -> tuple[bool | None, str]:
    """Whether the view is, for others, what it would be had the run never been.

    True, False, or None where it cannot be judged, and the reason in words. Rows of other synthetic
    runs come and go by themselves and are left out. A real question that changed is explained when
    the view counts no less than before and no more than there is now: somebody answered.
    """
    if before is None:
        return True, "the view holds nothing of this run"
    after = await real_rows(project, question_ids)
    if before.rows is None or after.rows is None:
        is_same = before.count == after.count
        was = "as before" if is_same else f"{before.count:,} before: too many to compare each"
        return is_same or None, f"the view holds {after.count:,} rows of others, {was}"
    keys = before.rows.keys() | after.rows.keys()
    changed = {key[0] for key in keys if before.rows.get(key) != after.rows.get(key)}
    if not changed:
        return True, f"all {len(after.rows):,} rows of others are as before"
    lost, unclear = await _unexplained(project, sorted(changed), before, after)
    if lost:
        return False, (
            f"{len(lost):,} questions of others lost answers in the view that are still there, "
            f"{lost[0]} first"
        )
    if unclear:
        return None, (
            f"{len(unclear):,} questions of others changed while this was judged, "
            f"{unclear[0]} first"
        )
    return True, f"{len(changed):,} questions have new answers of others, the rest is as before"


async def _unexplained(
    project: Project, changed: Sequence[UUID], before: RealRows, after: RealRows
) -> tuple[list[str], list[str]]:
    """Changed questions whose answers the view lost, and those traffic explains.

    The responses are counted after the view was read, and the view was made before: in between,
    people may have answered, or deleted their accounts.
    """
    was, shown = before.attempts(), after.attempts()
    lost: list[str] = []
    unclear: list[str] = []

    async def look(question: tuple[UUID, bool]) -> None:
        question_id, published = question
        had, has = was[question_id], shown[question_id]
        answered = await project.count("responses", [one_of("question_id", [question_id])])
        should = answered if published else 0
        if has == should or (published and had <= has <= answered):
            return
        (lost if published and has < min(had, answered) else unclear).append(str(question_id))

    await project.each(await _still_real(project, changed), look)
    return sorted(lost), sorted(unclear)


async def _still_real(project: Project, changed: Sequence[UUID]) -> list[tuple[UUID, bool]]:
    """Those questions that exist and belong to no run; whether published."""
    found: list[tuple[UUID, bool]] = []

    async def look(ids: Sequence[UUID]) -> None:
        rows = await project.rows(
            "questions", ("id", "slug", "status"), [one_of("id", ids)], order=("id",)
        )
        found.extend(
            (UUID(row["id"]), row["status"] == _IN_THE_VIEW)
            for row in rows
            if not run_of_slug(row["slug"] or "")
        )

    await project.each(chunks(changed, IDS_PER_REQUEST), look)
    return found


async def count_real(project: Project) -> Tally | None:
    """Questions and responses that are not synthetic.

    None where the database will not count: counting many millions of responses may hit the
    statement timeout, which says nothing about the run.
    """
    real = Filter("slug", "not.match", ANY_SLUG)
    try:
        questions, responses, synthetic = await asyncio.gather(
            project.count("questions", [real]),
            project.count("responses"),
            questions_of(project, None),
        )
        theirs = await responses_to(project, synthetic)
    except TimedOut:
        return None
    return Tally(questions=questions, responses=responses - theirs.total())
