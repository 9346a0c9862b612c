"""Rows in batches, made ahead of the socket in constant memory, without holding the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

Row = dict[str, Any]

MOST_GROWTH: Final = 4
"""A batch becomes at most so many times the configured size, so that a small one stays small."""

MOST_ROWS: Final = 2_000
"""And grows no further than this: about half a megabyte of JSON. Beyond, no time is won."""

# About half a millisecond of making rows; then the loop gets its turn.
_ROWS_AT_A_STRETCH: Final = 100
# The hosted platform gives a statement 8 s: a batch that took an eighth of that may be doubled.
_QUICK_S: Final = 1.0
_SLOW_S: Final = 4.0


def largest(start: int) -> int:
    """The most rows that a batch can come to have when the first ones have `start`."""
    return max(start, min(start * MOST_GROWTH, MOST_ROWS))


class BatchSize:
    """How many rows go into the next request: as many as the network and the server take.

    Starts from the configured size, doubles while replies come quickly and halves when they are
    slow. A larger batch spares the server and us a request; its price is a longer statement.

    Args:
        start: Rows in the first batches.
        in_flight: Requests at a time.
        total: Rows in all.
    """

    def __init__(self, start: int, in_flight: int, total: int) -> None:
        self._size = start
        self._start = start
        self._most = largest(start)
        self._in_flight = in_flight
        self._left = total
        self._even: Iterator[int] = iter(())

    def take(self) -> int:
        """Rows for the next batch, at least 1.

        What is left is spread evenly over the requests in flight, rather than ending with a wave
        that leaves most of them idle; but not in crumbs below the configured size.
        """
        size = next(self._even, 0) or self._plan()
        self._left -= size
        return size

    def _plan(self) -> int:
        """Even sizes for as many batches as are in flight; the first of them."""
        waves = max(1, -(-self._left // (self._size * self._in_flight)))
        even = -(-self._left // (waves * self._in_flight))
        size = max(1, min(self._size, max(even, self._start)))
        self._even = iter([size] * (self._in_flight - 1))
        return size

    def answered(self, rows: int, seconds: float) -> None:
        """Learn from a batch of `rows` that was written in `seconds`."""
        if seconds > _SLOW_S:
            self._change(min(self._size, rows // 2))
        elif seconds < _QUICK_S:
            self._change(max(self._size, min(2 * rows, self._most)))

    def refused(self, rows: int) -> None:
        """Learn that a batch of `rows` was more than the server takes."""
        self._most = max(1, min(self._most, rows // 2))
        self._change(min(self._size, self._most))

    def _change(self, size: int) -> None:
        if size != self._size:
            self._size = max(1, size)
            self._even = iter(())


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
    rows: Iterable[Row], size: BatchSize, *, ahead: int
) -> AsyncGenerator[list[Row], None]:
    """Batches of the size that is right when they are asked for.

    Up to `ahead` rows, or one batch where that is more, are ready before.
    Whatever making a row raises is raised here, after the rows that were ready.
    """
    ready: deque[Row] = deque()
    made, room = asyncio.Event(), asyncio.Event()
    wanted = 0
    failures: list[Exception] = []

    async def fill() -> None:
        for number, row in enumerate(rows, start=1):
            ready.append(row)
            if number % _ROWS_AT_A_STRETCH == 0:
                made.set()
                await asyncio.sleep(0)
                while len(ready) >= max(ahead, wanted):
                    room.clear()
                    await room.wait()

    async def filled() -> None:
        try:
            await fill()
        except Exception as error:  # noqa: BLE001 - raised below, where the batches are awaited
            failures.append(error)

    filling = asyncio.create_task(filled())
    filling.add_done_callback(lambda _: made.set())
    try:
        while True:
            wanted = size.take()
            room.set()
            while len(ready) < wanted and not filling.done():
                made.clear()
                await made.wait()
            if not ready:
                break
            yield [ready.popleft() for _ in range(min(wanted, len(ready)))]
        if failures:
            raise failures[0]
    finally:
        filling.cancel()
        await asyncio.wait({filling})
