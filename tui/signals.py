"""The signals that ask the command to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

HUNG_UP: Final = "SIGHUP"

REASONS: Final = {
    "SIGINT": "interrupted (SIGINT)",
    "SIGTERM": "interrupted (SIGTERM)",
    HUNG_UP: "the terminal was closed (SIGHUP)",
}
"""What each of them means to the operator. Windows has no SIGHUP."""


def listen(handle: Callable[[str], None]) -> Callable[[], None]:
    """Call `handle` in the loop with each signal's name; returns what ends it."""
    loop = asyncio.get_running_loop()
    undo = contextlib.ExitStack()
    for name in REASONS:
        number = getattr(signal, name, None)
        if number is not None:
            undo.callback(_hear(loop, number, name, handle))
    return undo.close


def _hear(
    loop: asyncio.AbstractEventLoop,
    number: signal.Signals,
    name: str,
    handle: Callable[[str], None],
) -> Callable[[], object]:
    try:
        loop.add_signal_handler(number, handle, name)
    except NotImplementedError:
        # The loop of Windows has none of its own, but is woken by those of the interpreter.
        before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(handle, name))
        return lambda: signal.signal(number, before)
    return lambda: loop.remove_signal_handler(number)
