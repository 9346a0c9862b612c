"""The end of a run that wrote: judged, put on record, kept. None of it outranks what was found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tui.errors import ExitCode, OperatorError
from tui.evidence.keeper import after_thresholds
from tui.verify.events import Notice, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.evidence.gathered import RunEvidence
    from tui.verify.approval import LeaveToWrite
    from tui.verify.events import Event, RunFinished


def conclude(
    leave: LeaveToWrite,
    finished: RunFinished,
    judge: Callable[[RunFinished], RunEvidence | None],
    emit: Callable[[Event], None],
) -> tuple[RunFinished, RunEvidence | None]:
    """Judge a run's thresholds, then put its outcome on record: log and exit code say one thing.

    Args:
        leave: Where the outcome goes on record.
        finished: How the run ended.
        judge: Makes the evidence of an end; None where that failed.
        emit: Where events go.

    Returns:
        How the run ended after all that, and its evidence.
    """
    evidence = judge(finished)
    if evidence is not None:
        finished = after_thresholds(finished, evidence)
    recorded = record(leave, finished, emit)
    return recorded, evidence if recorded is finished else judge(recorded)


def record(
    leave: LeaveToWrite, finished: RunFinished, emit: Callable[[Event], None]
) -> RunFinished:
    """Put an outcome on record.

    Returns:
        The end as given. Where the log could not take it, with that problem; an end without fault
        is then a failure, and no other is made better or worse by it.
    """
    try:
        leave.ended(finished)
    except OperatorError as error:
        emit(Notice(error.message, warning=True))
        problems = (*finished.problems, error.message)
        if finished.exit_code is not ExitCode.VERIFIED:
            return replace(finished, problems=problems)
        return replace(
            finished,
            outcome=Outcome.FAILED,
            exit_code=ExitCode.FAILED,
            message=f"{finished.message}, but that is not on record: {error.message}",
            hint=error.hint,
            problems=problems,
        )
    return finished
