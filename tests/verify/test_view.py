"""A reader of an earlier shape is read whole, in one order, or not said to be whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest

from tui.project import PAGE, Missing, Truncated
from tui.verify import view
from tui.verify.view import ORDER

if TYPE_CHECKING:
    from tui.project import Project


def row(number: int) -> dict[str, Any]:
    return {
        "question_id": str(UUID(int=number)),
        "lesion": None,
        "topic": None,
        "week_start": "2026-01-26",
        "attempts": 1,
        "correct_attempts": 1,
        "accuracy_rate": 1,
        "median_duration_ms": None,
    }


class EarlierReader:
    """A project whose reader takes no arguments; it may repeat a row from page to page."""

    def __init__(self, rows: int, *, repeats: bool = False) -> None:
        self._rows = [row(n) for n in range(rows)]
        if repeats:
            self._rows[PAGE] = self._rows[PAGE - 1]

    async def call_read_only(
        self, _: str, parameters: Any = None, **asked: Any
    ) -> tuple[list[dict[str, Any]], int | None]:
        if parameters:
            raise Missing("no such function", code="PGRST202")
        assert asked["order"] == ORDER
        page = self._rows[asked["offset"] : asked["offset"] + asked["limit"]]
        return page, len(self._rows) if asked["count"] else None


async def rows_of(reader: EarlierReader, most: int = view.MOST_ROWS) -> int:
    return len(await view._rows(cast("Project", reader), most))


@pytest.mark.parametrize("rows", [0, 1, PAGE, PAGE + 1, 2 * PAGE + 5])
async def test_all_rows_come_in_pages_of_one_order(rows: int) -> None:
    assert await rows_of(EarlierReader(rows)) == rows


async def test_reading_stops_at_the_most() -> None:
    assert await rows_of(EarlierReader(2 * PAGE), most=PAGE + 10) == PAGE + 10


async def test_rows_that_repeat_are_not_taken_for_all() -> None:
    with pytest.raises(Truncated, match=r"1,000 rows came of 1,001"):
        await rows_of(EarlierReader(PAGE + 1, repeats=True))
