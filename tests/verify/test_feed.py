"""Rows are ready ahead of the socket, in bounded number, in batches that suit the server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.verify.feed import BatchSize, batched, batches_ahead, largest

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK, MIDDLING, SLOW = 0.2, 2.0, 5.0


@given(
    rows=st.integers(0, 900),
    start=st.integers(1, 300),
    in_flight=st.integers(1, 4),
    replies=st.lists(st.sampled_from([QUICK, MIDDLING, SLOW]), min_size=1, max_size=9),
)
async def test_every_row_comes_once_and_in_order(
    rows: int, start: int, in_flight: int, replies: list[float]
) -> None:
    source: list[dict[str, Any]] = [{"n": n} for n in range(rows)]
    size = BatchSize(start, in_flight, rows)
    came: list[dict[str, Any]] = []
    async for batch in batches_ahead(source, size, ahead=start):
        assert 1 <= len(batch) <= largest(start)
        came += batch
        size.answered(len(batch), replies[len(batch) % len(replies)])
    assert came == source


async def test_no_more_rows_than_asked_for_are_built_ahead() -> None:
    built = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal built
        for n in range(100_000):
            built += 1
            yield {"n": n}

    size = BatchSize(500, 8, 100_000)
    async with contextlib.aclosing(batches_ahead(rows(), size, ahead=3_000)) as batches:
        await anext(batches)
        for _ in range(2_000):
            await asyncio.sleep(0)
        assert 3_500 <= built <= 500 + 3_000 + 100, "one batch taken, 3,000 waiting, some in hand"


async def test_the_loop_gets_its_turn_while_rows_are_made() -> None:
    longest = since = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal since, longest
        for n in range(5_000):
            since += 1
            longest = max(longest, since)
            yield {"n": n}

    async def others() -> None:
        nonlocal since
        while True:
            since = 0
            await asyncio.sleep(0)

    turning = asyncio.create_task(others())
    size = BatchSize(2_000, 1, 5_000)
    assert sum([len(batch) async for batch in batches_ahead(rows(), size, ahead=5_000)]) == 5_000
    turning.cancel()
    assert longest <= 100


async def test_what_goes_wrong_while_building_is_raised_after_the_rows_before_it() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"n": 0}
        raise RuntimeError("no more rows")

    batches = batches_ahead(rows(), BatchSize(1, 1, 2), ahead=1)
    assert await anext(batches) == [{"n": 0}]
    with pytest.raises(RuntimeError, match="no more rows"):
        await anext(batches)


async def test_leaving_while_everything_is_full_does_not_hang() -> None:
    rows = ({"n": n} for n in range(1_000))
    batches = batches_ahead(rows, BatchSize(1, 1, 1_000), ahead=1)
    await anext(batches)
    await asyncio.wait_for(batches.aclose(), 5)


def sizes(size: BatchSize, total: int, *, in_flight: int, seconds: float) -> list[int]:
    """Sizes of all batches, where replies come in after each `in_flight` of them."""
    taken: list[int] = []
    while (left := total - sum(taken)) > 0:
        wave: list[int] = []
        while len(wave) < in_flight and (rest := left - sum(wave)) > 0:
            wave.append(min(size.take(), rest))
        taken += wave
        for rows in wave:
            size.answered(rows, seconds)
    return taken


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (10_000, [500] * 8 + [750] * 8),  # two full waves rather than two and a half
        (4_000, [500] * 8),
        (180, [180]),  # less than a batch
        (1_300, [500, 500, 300]),  # no crumbs
        (20_000, [500] * 8 + [1_000] * 16),
        (25_000, [500] * 8 + [875] * 8 + [1_750] * 8),
    ],
)
def test_the_last_wave_is_as_full_as_the_others(total: int, expected: list[int]) -> None:
    assert sizes(BatchSize(500, 8, total), total, in_flight=8, seconds=QUICK) == expected


def test_batches_grow_to_four_times_the_size_while_replies_are_quick() -> None:
    taken = sizes(BatchSize(500, 8, 100_000), 100_000, in_flight=8, seconds=QUICK)
    assert taken[:8] == [500] * 8
    assert 1_800 < max(taken) <= 2_000


@pytest.mark.parametrize(("start", "most"), [(1, 4), (50, 200), (1_000, 2_000), (5_000, 5_000)])
def test_growth_has_a_bound(start: int, most: int) -> None:
    taken = sizes(BatchSize(start, 2, 40_000), 40_000, in_flight=2, seconds=QUICK)
    assert largest(start) == most
    assert 0.9 * most < max(taken) <= most


def test_batches_stay_as_they_are_where_replies_are_neither_quick_nor_slow() -> None:
    taken = sizes(BatchSize(500, 8, 40_000), 40_000, in_flight=8, seconds=MIDDLING)
    assert set(taken) == {500}


def test_slow_replies_halve_the_size_once_for_a_wave() -> None:
    size = BatchSize(500, 1, 100_000)
    first = size.take()
    second = size.take()
    size.answered(first, SLOW)
    size.answered(second, SLOW)
    assert size.take() == 250


def test_what_was_refused_is_not_tried_again() -> None:
    size = BatchSize(500, 1, 100_000)
    size.refused(size.take())
    for _ in range(5):
        size.answered(rows := size.take(), QUICK)
        assert rows == 250


@given(rows=st.integers(0, 900), size=st.integers(1, 300))
def test_batches_of_one_size(rows: int, size: int) -> None:
    source: list[dict[str, Any]] = [{"n": n} for n in range(rows)]
    batches = list(batched(source, size))
    assert [row for batch in batches for row in batch] == source
    assert all(len(batch) == size for batch in batches[:-1])
