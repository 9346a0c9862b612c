"""What a cycle came to know, and what that comes to. Pure."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui.errors import ExitCode
from tui.project import ProjectUnreachable
from tui.verify.events import AuditFinished, CheckFinished, Outcome, RunFinished, Tally

if TYPE_CHECKING:
    from tui.errors import OperatorError
    from tui.heatmap.rows import AggregateRow
    from tui.verify import check
    from tui.verify.cleanup import Tagged


@dataclass(slots=True)
class CycleState:
    """What the cycle has come to know."""

    began: float = field(default_factory=time.perf_counter)
    expected: list[AggregateRow] = field(default_factory=list)
    before: check.RealRows | None = None
    real: Tally | None = None
    tagged: Tagged | None = None
    checked: CheckFinished | None = None
    failure: OperatorError | None = None
    defect: Exception | None = None
    cancelled: bool = False
    on_the_way: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def judge(
    run_id: str, state: CycleState, audit: AuditFinished | None, reason: str | None
) -> RunFinished:
    """How a cycle ended. What is left behind counts first, then why it stopped, then the numbers.

    Args:
        run_id: The run.
        state: What it came to know.
        audit: What is left, or None when that could not be found out.
        reason: Why the operator stopped it, or None.
    """
    purge = "run heatmap-tui --purge with the same settings to remove it"
    problems = list(state.problems)
    if state.failure is not None:
        problems.insert(0, state.failure.message)
    checked = state.checked
    hint: str | None = None
    if audit is None:
        outcome, code = Outcome.LEFTOVERS, ExitCode.LEFTOVERS
        message = f"what run {run_id} left behind could not be removed or counted"
        hint = purge
    elif audit.leftovers.total:
        outcome, code = Outcome.LEFTOVERS, ExitCode.LEFTOVERS
        message = f"left behind by run {run_id}: {audit.leftovers}"
        hint = purge
    elif audit.in_view:
        outcome, code = Outcome.LEFTOVERS, ExitCode.LEFTOVERS
        message = f"all rows are deleted, but {audit.explanation}"
        hint = "run heatmap-tui --purge, which refreshes the view"
    elif isinstance(state.failure, ProjectUnreachable):
        outcome, code = Outcome.INTERRUPTED, ExitCode.INTERRUPTED
        message = f"stopped by a fault of the network, cleaned up: {state.failure.message}"
        hint = state.failure.hint
    elif state.failure is not None:
        outcome, code = Outcome.FAILED, ExitCode.FAILED
        message, hint = f"failed, cleaned up: {state.failure.message}", state.failure.hint
    elif state.cancelled:
        outcome, code = Outcome.INTERRUPTED, ExitCode.INTERRUPTED
        message = f"{reason}; everything written was cleaned up"
    elif checked is None or not checked.right:
        outcome, code = Outcome.FAILED, ExitCode.FAILED
        message = "the view is wrong: " + (
            checked.examples[0] if checked and checked.examples else "nothing was compared"
        )
        hint = "compare sql/analytics_heatmap.sql with what the project has"
    elif problems or audit.view_restored is False:
        outcome, code = Outcome.FAILED, ExitCode.FAILED
        message = (problems or [audit.explanation])[0]
    else:
        outcome, code = Outcome.VERIFIED, ExitCode.VERIFIED
        message = f"verified: all {checked.matched:,} aggregates are right, nothing is left behind"
    seconds = time.perf_counter() - state.began
    return RunFinished(outcome, code, message, hint, seconds, tuple(problems))
