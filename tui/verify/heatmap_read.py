"""The heatmap as it is now, read the way the admin page reads it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tui.dry_run.facts import Preflight
from tui.heatmap.text import utc_iso
from tui.project import PAGE, PREFLIGHT, READER, VIEW, Missing, ProjectError, Truncated
from tui.verify import tags
from tui.verify.comparison import ORDER, row_of
from tui.verify.events import SampleTaken

if TYPE_CHECKING:
    from tui.heatmap.rows import AggregateRow
    from tui.project import Project

MOST_ROWS: Final = 100_000


async def read(project: Project, *, most: int = MOST_ROWS) -> SampleTaken:
    """Read the whole view through `analytics_heatmap_admin()`, in pages by key.

    Args:
        project: Where to read.
        most: Rows after which reading stops; `SampleTaken.total` then says that there are more.

    Raises:
        ProjectError: The reader refuses, is missing or fails.
        Truncated: Fewer rows came than there are, and not because of `most`.
    """
    rows, total, slugs, refreshed_at = await asyncio.gather(
        _rows(project, most), project.count(VIEW), _slugs(project), _refreshed_at(project)
    )
    synthetic = frozenset(one for one, slug in slugs.items() if tags.run_of_slug(slug))
    names = {one: tags.label(slug) for one, slug in slugs.items()}
    return SampleTaken(tuple(rows), total, synthetic, refreshed_at, names)


async def _slugs(project: Project) -> dict[UUID, str]:
    return {
        UUID(row["id"]): str(row["slug"] or "")
        async for page in project.pages("questions", ("id", "slug"), order=("id",))
        for row in page
    }


async def _rows(project: Project, most: int) -> list[AggregateRow]:
    try:
        return await _by_key(project, most)
    except Missing:
        # A reader of an earlier shape takes no arguments: its pages cost a whole read each.
        return await _by_offset(project, most)


async def _by_key(project: Project, most: int) -> list[AggregateRow]:
    rows: list[AggregateRow] = []
    while len(rows) < most:
        after: dict[str, Any] = {"max_rows": PAGE}
        if rows:
            after["after_week"] = rows[-1].week_start
            after["after_question"] = str(rows[-1].question_id)
        page, _ = await project.call_read_only(READER, after)
        if not page:
            break
        rows += [row_of(row, READER) for row in page]
    return rows[:most]


async def _by_offset(project: Project, most: int) -> list[AggregateRow]:
    """Pages of one order, for without it the server may repeat rows and miss others."""
    rows: dict[tuple[Any, ...], AggregateRow] = {}
    seen = total = 0
    while seen < most:
        page, counted = await project.call_read_only(
            READER, order=ORDER, offset=seen, limit=PAGE, count=not seen
        )
        total = counted or total
        if not page:
            break
        seen += len(page)
        rows |= {
            (row.week_start, row.question_id): row for row in (row_of(r, READER) for r in page)
        }
    if len(rows) < min(total, most):
        raise Truncated(f"calling {READER}: {len(rows):,} rows came of {total:,}")
    return list(rows.values())[:most]


async def _refreshed_at(project: Project) -> str | None:
    """What the database has on record; None where the preflight is missing or does not know."""
    try:
        reply, _ = await project.call_read_only(PREFLIGHT)
        last = Preflight.read(reply).at("last_refresh")
    except (ProjectError, ValueError):
        return None
    return utc_iso(str(last.get("refreshed_at"))) if isinstance(last, dict) else None
