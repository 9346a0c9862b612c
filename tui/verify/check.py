"""Is every synthetic aggregate what it must be? And does the view still hold what it held?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tui.heatmap.rows import COLUMNS, AggregateRow
from tui.project import Filter, ProjectError, TimedOut, one_of, outside
from tui.settings import WEEKS
from tui.verify import tags
from tui.verify.events import CheckFinished, SampleTaken, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from tui.project import Project

VIEW: Final = "analytics_heatmap_agg"
READER: Final = "analytics_heatmap_admin"
_ORDER: Final = ("week_start", "question_id")
# One page of 1,000 rows holds this many questions with an answer in every week.
_QUESTIONS_PER_READ: Final = 1_000 // WEEKS
_SAMPLE_PAGE: Final = 1_000
_SAMPLE_ROWS: Final = 5_000
_EXAMPLES: Final = 2
# A larger view is judged by its number of rows: reading it whole would outlast the run.
_FINGERPRINT_ROWS: Final = 10_000

Key = tuple[UUID, "date"]


def row_of(raw: Mapping[str, Any], source: str) -> AggregateRow:
    """A row as the project returned it.

    Raises:
        ProjectError: It is not as the view's columns are documented.
    """
    try:
        return AggregateRow.from_json(raw)
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise ProjectError(
            f"{source} returned a row that is not as documented: {type(error).__name__}: {error}",
            hint="apply sql/analytics_heatmap.sql, or see the probes schema.view and schema.reader",
        ) from error


def within(ids: Sequence[UUID]) -> list[Filter]:
    """Rows of questions whose ids are neighbours, as one condition of fixed length."""
    return [
        Filter("question_id", "gte", str(ids[0])),
        Filter("question_id", "lte", str(ids[-1])),
    ]


async def compare(
    project: Project,
    question_ids: Sequence[UUID],
    expected: Iterable[AggregateRow],
    advance: Callable[[int], None],
) -> CheckFinished:
    """Read the run's rows from the view and compare all eight columns of each.

    Args:
        project: Where to read.
        question_ids: The run's questions, in ascending order.
        expected: The rows that must be there.
        advance: Told how many rows have been read.

    Raises:
        ProjectError: The view could not be read.
    """
    wanted = {_key(row): row for row in expected}
    surplus: list[str] = []
    wrong: list[str] = []
    seen: set[Key] = set()
    matched = mismatched = unexpected = 0

    async def read(ids: Sequence[UUID]) -> None:
        nonlocal matched, mismatched, unexpected
        async for page in project.pages(VIEW, COLUMNS, within(ids), order=_ORDER):
            for raw in page:
                row = row_of(raw, VIEW)
                key = _key(row)
                want = wanted.get(key)
                if want == row and key not in seen:
                    matched += 1
                elif want is None or key in seen:
                    unexpected += 1
                    surplus.append(f"unexpected: {_name(row)}")
                else:
                    mismatched += 1
                    wrong.append(f"{_name(row)}: {_difference(want, row)}")
                seen.add(key)
            advance(len(page))

    chunks = [
        question_ids[start : start + _QUESTIONS_PER_READ]
        for start in range(0, len(question_ids), _QUESTIONS_PER_READ)
    ]
    await project.each(chunks, read)
    absent = [row for key, row in wanted.items() if key not in seen]
    missing = [f"missing: {_name(row)}" for row in absent[:_EXAMPLES]]
    # A few of each kind say more than many of one.
    examples = [each for kind in (wrong, missing, surplus) for each in kind[:_EXAMPLES]]
    return CheckFinished(
        expected=len(wanted),
        matched=matched,
        mismatched=mismatched,
        missing=len(absent),
        unexpected=unexpected,
        examples=tuple(examples),
    )


def _key(row: AggregateRow) -> Key:
    return row.question_id, row.week_start


def _name(row: AggregateRow) -> str:
    return f"question {row.question_id}, week {row.week_start}"


def _difference(want: AggregateRow, got: AggregateRow) -> str:
    parts = [
        f"{field.name} is {getattr(got, field.name)!s}, expected {getattr(want, field.name)!s}"
        for field in fields(AggregateRow)
        if getattr(got, field.name) != getattr(want, field.name)
    ]
    return "; ".join(parts)


async def sample(project: Project, question_ids: Sequence[UUID]) -> SampleTaken:
    """The run's heatmap as the admin page would get it: through `analytics_heatmap_admin()`.

    At most `_SAMPLE_ROWS` rows, of whole questions, so that no week is cut off.
    """
    chosen = question_ids[: _SAMPLE_ROWS // WEEKS]
    per_page = _SAMPLE_PAGE // WEEKS
    chunks = [chosen[start : start + per_page] for start in range(0, len(chosen), per_page)]
    rows: list[AggregateRow] = []
    total = 0

    async def read(ids: Sequence[UUID]) -> None:
        nonlocal total
        found: list[Any] = []
        expected = 1
        while len(found) < expected:
            page, counted = await project.call_read_only(
                READER,
                filters=within(ids),
                offset=len(found),
                limit=_SAMPLE_PAGE,
                count=not found,
            )
            expected = counted if counted is not None else expected
            if not page:
                break
            found += page
        total += expected if found else 0
        rows.extend(row_of(raw, READER) for raw in found)

    await project.each(chunks, read)
    rows.sort(key=lambda row: (row.week_start, row.question_id))
    return SampleTaken(tuple(rows), total, frozenset(question_ids))


@dataclass(frozen=True, slots=True)
class RealRows:
    """What the view holds for questions outside a run.

    Attributes:
        count: Rows.
        rows: The rows by key, or None when there are too many to read.
    """

    count: int
    rows: dict[Key, AggregateRow] | None


async def real_rows(project: Project, question_ids: Sequence[UUID]) -> RealRows:
    """Read, or for a large view count, the rows that do not belong to the run."""
    others = [outside("question_id", question_ids[0], question_ids[-1])]
    first = await project.page(VIEW, COLUMNS, others, order=_ORDER, count=True)
    count = first.total or 0
    if count > _FINGERPRINT_ROWS:
        return RealRows(count, None)
    raw = first.rows
    if len(raw) < count:
        raw = await project.rows(VIEW, COLUMNS, others, order=_ORDER)
    rows = [row_of(each, VIEW) for each in raw]
    return RealRows(len(rows), {_key(row): row for row in rows})


async def judge_view(
    project: Project, question_ids: Sequence[UUID], before: RealRows | None
) -> tuple[bool | None, str]:
    """Whether the view is, for everybody else, what it would be had the run never been.

    Rows of other synthetic runs come and go by themselves and are left out. A real question that
    changed is explained when the view agrees with the responses there are: somebody answered.

    Args:
        project: Where to read.
        question_ids: The run's questions.
        before: The real rows seen during the run, or None when it did not come so far.

    Returns:
        True, False, or None where it cannot be judged; and the reason in words.
    """
    if before is None:
        return True, "the view holds nothing of this run"
    after = await real_rows(project, question_ids)
    if before.rows is None or after.rows is None:
        return _judge_by_count(before.count, after.count)
    keys = before.rows.keys() | after.rows.keys()
    changed = {key[0] for key in keys if before.rows.get(key) != after.rows.get(key)}
    if not changed:
        return True, f"all {len(after.rows):,} rows of others are as before"
    unexplained = await _unexplained(project, sorted(changed), after.rows.values())
    if unexplained:
        return False, (
            f"{len(unexplained):,} questions of others changed and do not agree with their "
            f"responses, {unexplained[0]} first"
        )
    return True, f"{len(changed):,} questions have new answers of others, the rest is as before"


def _judge_by_count(before: int, after: int) -> tuple[bool | None, str]:
    if before == after:
        return True, f"the view holds {after:,} rows of others, as before"
    return None, (
        f"the view holds {after:,} rows of others, {before:,} before: too many to compare each"
    )


async def _unexplained(
    project: Project, changed: Sequence[UUID], rows: Iterable[AggregateRow]
) -> list[str]:
    """The changed questions whose rows in the view do not agree with their responses."""
    attempts: dict[UUID, int] = {}
    for row in rows:
        attempts[row.question_id] = attempts.get(row.question_id, 0) + row.attempts
    found: list[str] = []

    async def look(question_id: UUID) -> None:
        itself = await project.page(
            "questions", ("slug", "status"), [one_of("id", [question_id])], limit=1
        )
        if not itself.rows or tags.run_of_slug(itself.rows[0]["slug"] or ""):
            return
        answered = await project.count("responses", [one_of("question_id", [question_id])])
        published = itself.rows[0]["status"] == "published"
        if attempts.get(question_id, 0) != (answered if published else 0):
            found.append(str(question_id))

    await project.each(changed, look)
    return found


async def count_real(project: Project) -> Tally | None:
    """Questions and responses that are not synthetic; None where the database will not count.

    Counting many millions of responses may hit the statement timeout, which says nothing about
    the run.
    """
    real = Filter("slug", "not.match", tags.ANY_SLUG)
    joined = Filter("questions.slug", "not.match", tags.ANY_SLUG)
    try:
        questions, responses = await asyncio.gather(
            project.count("questions", [real]),
            project.count("responses", [joined], columns=("id", "questions!inner(slug)")),
        )
    except TimedOut:
        return None
    return Tally(questions=questions, responses=responses)
