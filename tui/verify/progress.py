"""Stages as the code that does the work sees them: begin, advance, end; timed and emitted."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tui.verify.events import Stage, StageFinished, StageProgress, StageStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.verify.events import Event


class OpenStage:
    """A stage under way.

    Attributes:
        done: Items handled so far.
    """

    def __init__(self, stage: Stage, total: int | None, emit: Callable[[Event], None]) -> None:
        self._stage = stage
        self._total = total
        self._emit = emit
        self.done = 0

    def advance(self, items: int = 1) -> None:
        """Note that so many more items are done."""
        self.done += items
        self._emit(StageProgress(self._stage, self.done, self._total))


@contextmanager
def stage(
    which: Stage, total: int | None, what: str, emit: Callable[[Event], None]
) -> Iterator[OpenStage]:
    """Emit the beginning and, however it goes, the end of a stage.

    Args:
        which: The stage.
        total: Items it has, None where that is not known yet.
        what: What it does, for the progress line.
        emit: Where events go.
    """
    emit(StageStarted(which, total, what))
    began = time.perf_counter()
    current = OpenStage(which, total, emit)
    failed = True
    try:
        yield current
        failed = False
    finally:
        emit(StageFinished(which, time.perf_counter() - began, current.done, failed))
