"""The heatmap as it is now, read the way the admin page reads it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tui.project import Missing, ProjectError
from tui.verify.check import READER, VIEW, row_of
from tui.verify.cleanup import tagged_questions
from tui.verify.events import SampleTaken

if TYPE_CHECKING:
    from tui.heatmap.rows import AggregateRow
    from tui.project import Project

PREFLIGHT: Final = "analytics_heatmap_preflight"
MOST_ROWS: Final = 100_000
_PAGE: Final = 1_000


async def read(project: Project, *, most: int = MOST_ROWS) -> SampleTaken:
    """Read the whole view through `analytics_heatmap_admin()`, in pages by key.

    Args:
        project: Where to read.
        most: Rows after which reading stops; `SampleTaken.total` then says that there are more.

    Raises:
        ProjectError: The reader refuses, is missing or fails.
    """
    rows, total, synthetic, refreshed_at = await asyncio.gather(
        _rows(project, most),
        project.count(VIEW),
        tagged_questions(project, None),
        _refreshed_at(project),
    )
    return SampleTaken(tuple(rows), total, frozenset(map(UUID, synthetic)), refreshed_at)


async def _rows(project: Project, most: int) -> list[AggregateRow]:
    rows: list[AggregateRow] = []
    page_by_page = _by_key
    while len(rows) < most:
        try:
            page = await page_by_page(project, rows)
        except Missing:
            if page_by_page is _by_offset:
                raise
            # A reader of an earlier shape takes no arguments: its pages cost a whole read each.
            page_by_page = _by_offset
            continue
        rows += page
        if len(page) == 0:
            break
    return rows[:most]


async def _by_key(project: Project, rows: list[AggregateRow]) -> list[AggregateRow]:
    after: dict[str, Any] = {"max_rows": _PAGE}
    if rows:
        after["after_week"] = rows[-1].week_start.isoformat()
        after["after_question"] = str(rows[-1].question_id)
    data, _ = await project.call_read_only(READER, after)
    return [row_of(row, READER) for row in data]


async def _by_offset(project: Project, rows: list[AggregateRow]) -> list[AggregateRow]:
    data, _ = await project.call_read_only(READER, offset=len(rows), limit=_PAGE)
    return [row_of(row, READER) for row in data]


async def _refreshed_at(project: Project) -> str | None:
    """What the database has on record; None where the preflight is missing or does not know."""
    try:
        facts, _ = await project.call_read_only(PREFLIGHT)
    except ProjectError:
        return None
    last = facts.get("last_refresh") if isinstance(facts, dict) else None
    return str(last["refreshed_at"]) if isinstance(last, dict) else None
