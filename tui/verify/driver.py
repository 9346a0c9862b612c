"""Runs work in a task of its own and hands its events to whoever listens.

The work never waits for the listener, and never dies with it: when the listener goes away the
work is asked to cancel and is awaited, so that it cleans up.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator

    from tui.verify.events import Event

T = TypeVar("T")

# Requests in flight may still commit on the server. They are given this long to come back before
# they are dropped, so that clean-up does not race them. PostgREST's own statement timeout is 8 s.
DRAIN_S: Final = 9.0


class Cancelled(Exception):
    """Raised in a run once the operator has asked to stop."""


class Cancellation:
    """The operator's wish to stop, in two degrees.

    Attributes:
        reason: Why, in words; None as long as nobody asked.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._requested = asyncio.Event()
        self._abandoned = asyncio.Event()

    @property
    def requested(self) -> bool:
        """Stop writing, then clean up."""
        return self._requested.is_set()

    @property
    def abandoned(self) -> bool:
        """Leave without finishing the clean-up."""
        return self._abandoned.is_set()

    def request(self, reason: str) -> None:
        """Ask to stop; the first reason counts."""
        self.reason = self.reason or reason
        self._requested.set()

    def abandon(self, reason: str) -> None:
        """Ask to leave at once."""
        self.request(reason)
        self._abandoned.set()

    def check(self) -> None:
        """Raise `Cancelled` once a stop was asked for."""
        if self.requested:
            raise Cancelled

    def until(self, items: Iterable[T]) -> Iterator[T]:
        """The items, with the question asked before each whether to go on.

        Raises:
            Cancelled: A stop was asked for.
        """
        for item in items:
            self.check()
            yield item

    async def race(self, work: Awaitable[T]) -> T:
        """Do work that writes nothing; once a stop is asked for, drop it at once.

        Raises:
            Cancelled: It was dropped. Work that just managed to finish is not.
        """
        return await _race(work, self._requested, 0.0)

    async def guard(self, work: Awaitable[None]) -> None:
        """Do the writing half of a run; once a stop is asked for, let it drain, then drop it.

        Raises:
            Cancelled: A stop was asked for, even if the work just managed to finish.
        """
        await _race(work, self._requested, DRAIN_S)
        self.check()

    async def guard_clean_up(self, work: Awaitable[None]) -> None:
        """Do the clean-up; only abandoning drops it.

        Raises:
            Cancelled: The operator chose to leave.
        """
        await _race(work, self._abandoned, 0.0)


async def _race(work: Awaitable[T], stop: asyncio.Event, drain_s: float) -> T:
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=drain_s)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            raise Cancelled
        return await task
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def stream(
    work: Callable[[Callable[[Event], None]], Awaitable[None]], cancellation: Cancellation
) -> AsyncGenerator[Event, None]:
    """The events of `work`, which is called with the function to emit them by.

    Whatever `work` raises is raised here after its last event. When the generator is closed or
    its consumer cancelled, the work is asked to cancel, and awaited.
    """
    queue: asyncio.Queue[Event | None] = asyncio.Queue()

    async def body() -> None:
        try:
            await work(queue.put_nowait)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(body())
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
    finally:
        cancellation.request("the run was left")
        # A second cancellation of the consumer must not cut the clean-up short either.
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})


async def together(*work: Awaitable[None]) -> None:
    """Await all, then raise the first failure: nothing is dropped with a request in flight."""
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [each for each in results if isinstance(each, BaseException)]
    # A failure says more than the cancellation that may have come with it.
    for failure in sorted(failures, key=lambda each: isinstance(each, Cancelled)):
        raise failure
