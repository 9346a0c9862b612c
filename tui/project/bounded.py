"""Many requests, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")


async def each(
    items: Iterable[T] | AsyncIterator[T],
    work: Callable[[T], Awaitable[None]],
    *,
    at_once: int,
) -> None:
    """Do `work` on every item, at most `at_once` at a time.

    Items are drawn as workers become free, so a generator is never ahead by more than that. After
    a failure nothing new is begun, but requests in flight are awaited: the server may commit them
    anyhow, and whoever cleans up must not race them. The first failure is raised.
    """
    draw = _drawing(items)
    failures: list[Exception] = []

    async def worker() -> None:
        while not failures:
            try:
                item = await draw()
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 - raised below
                failures.append(error)
                return
            try:
                await work(item)
            except Exception as error:  # noqa: BLE001 - raised below
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    if failures:
        raise failures[0]


def _drawing(items: Iterable[T] | AsyncIterator[T]) -> Callable[[], Awaitable[T]]:
    """A way for several workers to draw from one source; raises `StopAsyncIteration` at its end."""
    turn = asyncio.Lock()
    source = items if isinstance(items, AsyncIterator) else None
    plain = iter(()) if isinstance(items, AsyncIterator) else iter(items)

    async def draw() -> T:
        async with turn:
            if source is not None:
                return await anext(source)
            for item in plain:
                return item
            raise StopAsyncIteration

    return draw
