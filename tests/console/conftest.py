"""Pilots that wait for what the console still has to do, not for a quiet processor."""

from __future__ import annotations

import asyncio
import time

import pytest
from textual._context import active_app

QUIET_TURNS = 3
"""Of the event loop, in which nothing became ready."""


async def until_idle(min_sleep: float = 0, max_sleep: float = 30) -> None:
    """Wait until no callback is ready, and paint what waits for the next tick of the painter.

    In place of Textual's own, which sleeps until the process has used no processor for 20 ms: long
    where nothing is to be done, and no proof where other processes hold the processor.
    """
    loop = asyncio.get_running_loop()
    end = time.monotonic() + max_sleep
    quiet = 0
    while quiet < QUIET_TURNS and time.monotonic() < end:
        await asyncio.sleep(0)
        if loop._ready:  # type: ignore[attr-defined]
            quiet = 0
            continue
        quiet += 1
        app = active_app.get()
        if app.is_running and app.screen_stack and app.screen._update_timer._active.is_set():
            quiet = 0
            app.screen._on_timer_update()


@pytest.fixture(autouse=True, scope="session")
def pilots_wait_for_the_loop() -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr("textual.app.wait_for_idle", until_idle)
    patch.setattr("textual.pilot.wait_for_idle", until_idle)
