"""Is every synthetic aggregate what it must be?"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tui.heatmap.rows import COLUMNS, AggregateRow
from tui.project import PAGE, READER, VIEW, Filter, ProjectError, Truncated
from tui.settings import WEEKS
from tui.verify.events import CheckFinished, SampleTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tui.project import Project

# A total order of the view's rows; pages overlap without one.
ORDER: Final = ("week_start", "question_id")
# One page holds this many questions with an answer in every week.
_QUESTIONS_PER_READ: Final = PAGE // WEEKS
_SAMPLE_ROWS: Final = 5_000
_EXAMPLES: Final = 2
Key = tuple[UUID, str]


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
    wanted = {key_of(row): row for row in expected}
    surplus: list[str] = []
    wrong: list[str] = []
    seen: set[Key] = set()
    matched = mismatched = unexpected = 0

    async def read(ids: Sequence[UUID]) -> None:
        nonlocal matched, mismatched, unexpected
        async for page in project.pages(VIEW, COLUMNS, within(ids), order=ORDER):
            for raw in page:
                row = row_of(raw, VIEW)
                key = key_of(row)
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


def key_of(row: AggregateRow) -> Key:
    """What tells a row of the view from every other."""
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

    At most `_SAMPLE_ROWS` rows, of whole questions, so that no week is cut off; the total is that
    of all the run's questions.

    Raises:
        ProjectError: It could not be read.
        Truncated: Fewer rows came than the server counts.
    """
    chosen = question_ids[: _SAMPLE_ROWS // WEEKS]
    chunks = [
        chosen[start : start + _QUESTIONS_PER_READ]
        for start in range(0, len(chosen), _QUESTIONS_PER_READ)
    ]
    rows: list[AggregateRow] = []

    async def read(ids: Sequence[UUID]) -> None:
        found: list[Any] = []
        expected = 1
        while len(found) < expected:
            page, counted = await project.call_read_only(
                READER,
                filters=within(ids),
                order=ORDER,
                offset=len(found),
                limit=PAGE,
                count=not found,
            )
            expected = counted if counted is not None else expected
            if not page:
                break
            found += page
        if found and len(found) != expected:
            raise Truncated(f"calling {READER}: {len(found):,} rows came of {expected:,}")
        rows.extend(row_of(raw, READER) for raw in found)

    await project.each(chunks, read)
    rows.sort(key=lambda row: (row.week_start, row.question_id))
    total = len(rows)
    if len(chosen) < len(question_ids):
        total = await project.count(VIEW, within(question_ids))
    return SampleTaken(tuple(rows), total, frozenset(question_ids))
