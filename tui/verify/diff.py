"""Whether the view holds for others what it would had the run never been."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.heatmap.rows import COLUMNS, AggregateRow
from tui.project import (
    IDS_PER_REQUEST,
    VIEW,
    Filter,
    TimedOut,
    Truncated,
    one_of,
    outside,
)
from tui.verify.events import Tally
from tui.verify.leftovers import ANY_SLUG, chunks, questions_of, responses_to, run_of_slug
from tui.verify.view import ORDER, Key, key_of, row_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from tui.project import Project

# A larger view is judged by its number of rows: reading it whole would outlast the run.
_FINGERPRINT_ROWS: Final = 10_000
# Another console's refresh may shrink the view between two pages; hardly three times in a row.
_READS: Final = 3


@dataclass(frozen=True, slots=True)
class RealRows:
    """What the view holds for questions outside a run.

    `rows` is None when there are too many to read.
    """

    count: int
    rows: dict[Key, AggregateRow] | None

    def attempts(self) -> dict[UUID, int]:
        """Attempts per question."""
        found: dict[UUID, int] = defaultdict(int)
        for row in (self.rows or {}).values():
            found[row.question_id] += row.attempts
        return found


async def real_rows(project: Project, question_ids: Sequence[UUID]) -> RealRows:
    """Read, or for a large view count, the rows that do not belong to the run."""
    for _ in range(_READS - 1):
        try:
            return await _real_rows(project, question_ids)
        except Truncated:
            continue
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
        return _judge_by_count(before.count, after.count)
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


def _judge_by_count(before: int, after: int) -> tuple[bool | None, str]:
    if before == after:
        return True, f"the view holds {after:,} rows of others, as before"
    return None, (
        f"the view holds {after:,} rows of others, {before:,} before: too many to compare each"
    )


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
        had, has = was.get(question_id, 0), shown.get(question_id, 0)
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
        by_id = {str(each): each for each in ids}
        rows = await project.rows(
            "questions", ("id", "slug", "status"), [one_of("id", ids)], order=("id",)
        )
        found.extend(
            (by_id[row["id"]], row["status"] == "published")
            for row in rows
            if row["id"] in by_id and not run_of_slug(row["slug"] or "")
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
