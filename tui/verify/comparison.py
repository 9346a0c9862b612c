"""Whether every synthetic aggregate is what it must be, and if not, why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tui.heatmap.rows import COLUMNS, AggregateRow
from tui.project import VIEW
from tui.verify.dataset import normalize_lesion
from tui.verify.events import CheckFinished, Difference, DifferenceGroup
from tui.verify.view import ORDER, key_of, pages_of, row_of, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from tui.project import Project

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
