"""Work in a thread that a cancelled start does not leave behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

ResultT = TypeVar("ResultT")


async def in_thread(work: Callable[[], ResultT]) -> ResultT:
    """Do what `asyncio.to_thread` does; but cancelled, wait for the work to end first.

    A thread cannot be stopped: left to itself it would go on writing into a directory that has been
    removed meanwhile, and bring it back.

    Args:
        work: What to do. It must end by itself within seconds.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()
        raise
