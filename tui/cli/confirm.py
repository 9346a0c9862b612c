"""Break-glass without screens: check the flags first, then ask at a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

from tui.errors import GuardRefused
from tui.guard.break_glass import confirm_unattended, judge_typed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tui.cli.output import Console
    from tui.guard.break_glass import Approval
    from tui.verify.session import Session


def judge_flags(session: Session, options: argparse.Namespace) -> None:
    """Refuse, before anything is asked, what break-glass cannot grant."""
    session.check_guard()
    if not session.target.is_production:
        return
    judge_typed(
        session.target,
        confirmation=options.confirm or "",
        justification=options.justification or "",
    )
    if not _is_at_terminal():
        confirm_unattended(session.target, session.settings.unattended)


async def break_glass(
    session: Session, options: argparse.Namespace, effects: Sequence[str], console: Console
) -> Approval:
    """Obtain the approval of a run: by the flags, and a terminal or a variable."""
    # It may be production since a moment ago only.
    judge_flags(session, options)
    identity = session.target.identity
    if _is_at_terminal():
        console.say(f"PRODUCTION: this writes to {identity} ({session.target.reason}).")
        for line in effects:
            console.say(f"  {line}")
        _forget_typed()
        console.say(f"Type {identity} to go on, anything else to stop:")
        if (await _typed()).strip() != identity:
            raise GuardRefused("break-glass was not confirmed at the terminal", hint=None)
    return session.grant(
        confirmation=options.confirm or "",
        justification=options.justification or "",
        ticket=options.ticket,
    )


def _is_at_terminal() -> bool:
    """Whether somebody can be asked; then no variable answers for them."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _forget_typed() -> None:
    """Throw away what was typed before the question was there to be read."""
    if sys.platform != "win32":
        import termios

        with contextlib.suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def _typed() -> str:
    """The next line from the terminal; signals are heard meanwhile."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()
    number = sys.stdin.fileno()

    def settle(text: str) -> None:
        if not line.done():
            line.set_result(text)

    def read() -> None:
        text = b""
        # A terminal that is gone says nothing more.
        with contextlib.suppress(OSError):
            while not text.endswith(b"\n") and (more := os.read(number, 1024)):
                text += more
        # Where the loop is closed, nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, text.decode(errors="replace"))

    threading.Thread(target=read, name="terminal", daemon=True).start()
    return await line
