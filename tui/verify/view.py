"""The view's rows, read the way the admin page reads them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tui.dry_run.facts import Preflight
from tui.heatmap.formatting import utc_iso
from tui.heatmap.rows import AggregateRow
from tui.project import PAGE, READER, VIEW, Missing, ProjectError, Truncated
from tui.settings import WEEKS
from tui.verify import leftovers
from tui.verify.events import SampleTaken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.project import Filter, Project

# A total order of the view's rows; pages overlap without one.
ORDER: Final = ("week_start", "question_id")
MOST_ROWS: Final = 100_000
# One page holds this many questions with an answer in every week.
_QUESTIONS_PER_READ: Final = PAGE // WEEKS
_SAMPLE_ROWS: Final = 5_000
Key = tuple[UUID, str]


def row_of(raw: Mapping[str, Any], source: str) -> AggregateRow:
    """A row as the project returned it."""
    try:
        return AggregateRow.from_json(raw)
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise ProjectError(
            f"{source} returned a row that is not as documented: {type(error).__name__}: {error}",
            hint="apply sql/analytics_heatmap.sql, or see the probes schema.view and schema.reader",
        ) from error


def key_of(row: AggregateRow) -> Key:
    """What identifies a row of the view."""
    return row.question_id, row.week_start


def within(ids: Sequence[UUID]) -> list[Filter]:
    """Rows of questions whose ids are neighbours, in one short condition."""
    return leftovers.between("question_id", ids[0], ids[-1])


def pages_of(ids: Sequence[UUID]) -> list[Sequence[UUID]]:
    """Questions in groups whose rows fit one page."""
    return leftovers.chunks(ids, _QUESTIONS_PER_READ)


async def sample(project: Project, question_ids: Sequence[UUID]) -> SampleTaken:
    """The run's heatmap through `analytics_heatmap_admin()`, as the admin page.

    At most `_SAMPLE_ROWS` rows, of whole questions, so that no week is cut off; the total is that
    of all the run's questions.
    """
    chosen = question_ids[: _SAMPLE_ROWS // WEEKS]
    rows: list[AggregateRow] = []

    async def read(ids: Sequence[UUID]) -> None:
        found, total = await _by_offset(project, within(ids))
        _check_whole(len(found), total)
        rows.extend(found)

    await project.each(pages_of(chosen), read)
    rows.sort(key=lambda row: (row.week_start, row.question_id))
    total = len(rows)
    if len(chosen) < len(question_ids):
        total = await project.count(VIEW, within(question_ids))
    return SampleTaken(tuple(rows), total, frozenset(question_ids))


async def read(project: Project) -> SampleTaken:
    """Read the whole view through `analytics_heatmap_admin()`, in pages by key.

    Reading stops after `MOST_ROWS`; `SampleTaken.total` then says that there are more.
    """
    rows, total, slugs, refreshed_at = await asyncio.gather(
        _rows(project), project.count(VIEW), _slugs(project), _refreshed_at(project)
    )
    synthetic = frozenset(one for one, slug in slugs.items() if leftovers.run_of_slug(slug))
    names = {one: leftovers.label(slug) for one, slug in slugs.items()}
    return SampleTaken(tuple(rows), total, synthetic, refreshed_at, names)


async def _slugs(project: Project) -> dict[UUID, str]:
    return {
        UUID(row["id"]): str(row["slug"] or "")
        async for page in project.pages("questions", ("id", "slug"), order=("id",))
        for row in page
    }


async def _rows(project: Project, most: int = MOST_ROWS) -> list[AggregateRow]:
    try:
        return await _by_key(project, most)
    except Missing:
        # A reader of an earlier shape takes no arguments: its pages cost a whole read each.
        found, total = await _by_offset(project, most=most)
        rows = list({key_of(row): row for row in found}.values())
        _check_whole(len(rows), min(total, most))
        return rows[:most]


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


async def _by_offset(
    project: Project, filters: Sequence[Filter] = (), *, most: int = MOST_ROWS
) -> tuple[list[AggregateRow], int]:
    """Rows, in pages of one order so that none repeats or misses; how many."""
    rows: list[AggregateRow] = []
    total: int | None = None
    while len(rows) < (most if total is None else min(total, most)):
        page, counted = await project.call_read_only(
            READER, filters=filters, order=ORDER, offset=len(rows), limit=PAGE, count=not rows
        )
        total = counted if total is None else total
        if not page:
            break
        rows += [row_of(row, READER) for row in page]
    return rows, total or 0


def _check_whole(rows: int, total: int) -> None:
    if rows < total:
        raise Truncated(f"calling {READER}: {rows:,} rows came of {total:,}")


async def _refreshed_at(project: Project) -> str | None:
    """When the view was last refreshed, as the database has it on record."""
    try:
        last = Preflight.read(await project.preflight()).at("last_refresh")
    except (ProjectError, ValueError):
        return None
    return utc_iso(str(last.get("refreshed_at"))) if isinstance(last, dict) else None
