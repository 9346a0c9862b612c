"""Rows in batches, built ahead of the socket in constant memory, without holding the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

Row = dict[str, Any]

# About a millisecond of making rows; then the loop gets its turn.
_ROWS_AT_A_STRETCH: Final = 100


def even_batch(total: int, batch: int, in_flight: int) -> int:
    """Rows in a batch, so that the last wave of requests is as full as the others.

    Starts from the configured size and at most doubles it: 10,000 rows by 500 with 8 in flight are
    two waves and a half, and become two of 625.
    """
    waves = max(1, total // (batch * in_flight))
    even = -(-total // (waves * in_flight))
    return min(max(batch, even), 2 * batch)


def batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Rows in lists of `size`; the last may be shorter."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


async def batches_ahead(
    rows: Iterable[Row], size: int, *, depth: int
) -> AsyncGenerator[list[Row], None]:
    """Batches, of which up to `depth` are ready before they are asked for.

    Whatever making a row raises is raised here, after the batches that were ready.
    """
    queue: asyncio.Queue[list[Row] | None] = asyncio.Queue(depth)

    failures: list[Exception] = []

    async def fill() -> None:
        try:
            async for batch in _gently(rows, size):
                await queue.put(batch)
        except Exception as error:  # noqa: BLE001 - raised below, where the batches are awaited
            failures.append(error)
        await queue.put(None)

    filling = asyncio.create_task(fill())
    try:
        while (batch := await queue.get()) is not None:
            yield batch
        if failures:
            raise failures[0]
    finally:
        filling.cancel()
        await asyncio.wait({filling})


async def _gently(rows: Iterable[Row], size: int) -> AsyncIterator[list[Row]]:
    batch: list[Row] = []
    for number, row in enumerate(rows, start=1):
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
        if number % _ROWS_AT_A_STRETCH == 0:
            await asyncio.sleep(0)
    if batch:
        yield batch
