"""Batches are ready ahead of the socket, in bounded number, and the loop is not held."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.verify.feed import batched, batches_ahead, even_batch

if TYPE_CHECKING:
    from collections.abc import Iterator


@given(rows=st.integers(0, 900), size=st.integers(1, 300), depth=st.integers(1, 4))
async def test_every_row_comes_once_and_in_order(rows: int, size: int, depth: int) -> None:
    source: list[dict[str, Any]] = [{"n": n} for n in range(rows)]
    ahead = [batch async for batch in batches_ahead(source, size, depth=depth)]
    assert ahead == list(batched(source, size))
    assert [row for batch in ahead for row in batch] == source
    assert all(len(batch) == size for batch in ahead[:-1])


async def test_no_more_than_the_depth_is_built_ahead() -> None:
    built = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal built
        for n in range(10_000):
            built += 1
            yield {"n": n}

    async with contextlib.aclosing(batches_ahead(rows(), 10, depth=3)) as batches:
        await anext(batches)
        for _ in range(200):
            await asyncio.sleep(0)
        assert built <= 10 * (1 + 3 + 1), "one taken, three waiting, one in hand"


async def test_what_goes_wrong_while_building_is_raised() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"n": 0}
        raise RuntimeError("no more rows")

    batches = batches_ahead(rows(), 1, depth=1)
    assert await anext(batches) == [{"n": 0}]
    with pytest.raises(RuntimeError, match="no more rows"):
        await anext(batches)


async def test_leaving_while_everything_is_full_does_not_hang() -> None:
    batches = batches_ahead(({"n": n} for n in range(1_000)), 1, depth=1)
    await anext(batches)
    await asyncio.sleep(0.01)
    await asyncio.wait_for(batches.aclose(), 5)


@pytest.mark.parametrize(
    ("total", "batch", "in_flight", "expected"),
    [
        (10_000, 500, 8, 625),  # two full waves instead of two and a half
        (8_000, 500, 8, 500),
        (100_000, 500, 8, 500),
        (180, 50, 8, 50),  # less than a wave: as configured
        (7_999, 500, 8, 1_000),  # never more than twice
        (1, 500, 8, 500),
    ],
)
def test_batches_fill_the_waves(total: int, batch: int, in_flight: int, expected: int) -> None:
    assert even_batch(total, batch, in_flight) == expected
