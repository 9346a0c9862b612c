"""One piece of work under way: its events, its result so far, and the ways to stop it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tui.errors import ExitCode, OperatorError
from tui.verify.cleanup import Unexplained
from tui.verify.driver import Cancellation, Cancelled, stream
from tui.verify.events import Event, Mode, Outcome, Retrying, RunFinished
from tui.verify.result import Result, finished_by

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from tui.project import Project, RetryNotice

    Emit = Callable[[Event], None]

_ONLY_READS: Final = frozenset({Mode.DRY_RUN, Mode.HEATMAP})


class Run:
    """A dry run, a cycle or a purge. Made by `Session`.

    Args:
        run_id: Its name, and the tag of all it writes.
        mode: What kind of work.
        project: Whose retries are to be shown.
        work: Does it, emitting events; the last is `RunFinished`, unless it raises an
            `OperatorError`, or `Cancelled` before it wrote anything, which is then made into one.
            Work of a mode that only reads is dropped when a stop is asked for.
        at_end: Told of the last event before anybody else is.
        result: What to fold the events into; None for a new one.

    Attributes:
        cancellation: The operator's wish to stop.
        result: What its events have shown so far.
    """

    def __init__(
        self,
        run_id: str,
        mode: Mode,
        project: Project,
        work: Callable[[Emit], Awaitable[None]],
        *,
        at_end: Callable[[Run, RunFinished], None] = lambda _run, _finished: None,
        result: Result | None = None,
    ) -> None:
        self.run_id = run_id
        self.mode = mode
        self.cancellation = Cancellation()
        self.result = result or Result(mode)
        self._project = project
        self._work = work
        self._at_end = at_end

    def events(self) -> AsyncGenerator[Event, None]:
        """Do the work; its events, the last of which is `RunFinished`. Call once.

        Closing the generator cancels the work and waits for its clean-up.
        """
        return stream(self._body, self.cancellation)

    async def _body(self, emit: Emit) -> None:
        began = time.perf_counter()

        def fold(event: Event) -> None:
            self.result.apply(event)
            if isinstance(event, RunFinished):
                self._at_end(self, event)
            emit(event)

        self._project.on_retry = lambda notice: fold(_retrying(notice))
        work = self._work(fold)
        try:
            await (self.cancellation.race(work) if self.mode in _ONLY_READS else work)
        except Cancelled:
            reason = self.cancellation.reason or "stopped"
            fold(
                RunFinished(
                    Outcome.INTERRUPTED,
                    ExitCode.INTERRUPTED,
                    f"{reason}; nothing was written",
                    None,
                    time.perf_counter() - began,
                )
            )
        except OperatorError as error:
            fold(_failed(error, time.perf_counter() - began))

    def cancel(self, reason: str) -> None:
        """Stop: what was written is cleaned up, what only reads ends at once.

        Safe to call at any time, any number of times.
        """
        self.cancellation.request(reason)

    def abandon(self, reason: str = "left at the operator's request") -> None:
        """Leave without finishing the clean-up; the journal stays open."""
        self.cancellation.abandon(reason)


def _failed(error: OperatorError, seconds: float) -> RunFinished:
    count = error.count if isinstance(error, Unexplained) else None
    return replace(finished_by(error, seconds), unexplained=count)


def _retrying(notice: RetryNotice) -> Retrying:
    return Retrying(notice.what, notice.attempt, notice.attempts, notice.wait_s, notice.reason)
