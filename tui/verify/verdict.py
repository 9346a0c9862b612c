"""What a cycle came to know, and what that comes to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui.errors import ExitCode
from tui.project import ProjectUnreachable
from tui.verify.events import (
    AuditFinished,
    CheckFinished,
    Outcome,
    RunFinished,
    SampleTaken,
)
from tui.verify.traces import Traces

if TYPE_CHECKING:
    from tui.errors import OperatorError
    from tui.heatmap.rows import AggregateRow
    from tui.verify.comparison import RealRows
    from tui.verify.leftovers import Leftovers


@dataclass(slots=True)
class CycleState:
    """What the cycle has come to know.

    Attributes:
        before: The view's rows of others, or None while they have not been read.
        unread: Why those rows could not be read, or None.
        failure: What stopped the first half, or None.
        defect: An internal error, in whichever half, or None.
        refreshed: The final refresh has been done.
    """

    began: float = field(default_factory=time.perf_counter)
    expected: list[AggregateRow] = field(default_factory=list)
    before: RealRows | None = None
    unread: str | None = None
    found: Leftovers | None = None
    checked: CheckFinished | None = None
    sample: SampleTaken | None = None
    audit: AuditFinished | None = None
    remedy: str | None = None
    traces: Traces = field(default_factory=Traces)
    failure: OperatorError | None = None
    defect: Exception | None = None
    crash: str = ""
    cancelled: bool = False
    refreshed: bool = False
    problems: list[str] = field(default_factory=list)


def judge(
    run_id: str,
    state: CycleState,
    reason: str | None,
    *,
    purge: str = "heatmap-tui --purge",
) -> RunFinished:
    """How a cycle ended: leftovers first, then why it stopped, then the numbers.

    `reason` is why the operator stopped it; `purge` is the command that removes what is left.
    """
    problems = list(state.problems)
    if state.failure is not None:
        problems.insert(0, state.failure.message)
    if state.defect is not None:
        problems.insert(0, f"internal error ({type(state.defect).__name__}); {state.crash}")
    hint: str | None
    left = _left(run_id, state, purge)
    if left is not None:
        outcome, code = Outcome.LEFTOVERS, ExitCode.LEFTOVERS
        message, hint = left
    elif problems and state.defect is not None:
        outcome, code = Outcome.FAILED, ExitCode.FAILED
        message, hint = f"failed, cleaned up: {problems[0]}", "send the report"
    elif isinstance(state.failure, ProjectUnreachable):
        outcome, code = Outcome.INTERRUPTED, ExitCode.INTERRUPTED
        message = f"stopped by a fault of the network, cleaned up: {state.failure.message}"
        hint = state.failure.hint
    elif state.failure is not None:
        outcome, code = Outcome.FAILED, ExitCode.FAILED
        message, hint = f"failed, cleaned up: {state.failure.message}", state.failure.hint
    elif state.cancelled:
        outcome, code = Outcome.INTERRUPTED, ExitCode.INTERRUPTED
        message, hint = f"{reason}; everything written was cleaned up", None
    else:
        outcome, code, message, hint = _by_numbers(state.checked, state.audit, problems)
    seconds = time.perf_counter() - state.began
    return RunFinished(outcome, code, message, hint, seconds, tuple(problems))


def _left(run_id: str, state: CycleState, purge: str) -> tuple[str, str] | None:
    """What is left and what removes it, in words."""
    audit = state.audit
    remove, refresh = f"run {purge} to remove it", f"run {purge}, which refreshes the view"
    if audit is None:
        return f"what run {run_id} left behind could not be removed or counted", remove
    if audit.leftovers.total:
        why = f"; {problems[0]}" if (problems := state.problems) else ""
        return f"left behind by run {run_id}: {audit.leftovers}{why}", state.remedy or remove
    if audit.in_view:
        return f"all rows are deleted, but {audit.explanation}", refresh
    if state.traces.left:
        return f"left behind by run {run_id}: {state.traces.told()}", state.traces.remedy()
    if audit.in_view is None and not state.refreshed:
        return f"all rows are deleted, but the view may show rows of run {run_id}", refresh
    return None


def _by_numbers(
    checked: CheckFinished | None, audit: AuditFinished | None, problems: list[str]
) -> tuple[Outcome, ExitCode, str, str | None]:
    """How a cycle ended that nothing stopped and that left nothing behind."""
    failed = Outcome.FAILED, ExitCode.FAILED
    if checked is None:
        return *failed, "the view is wrong: nothing was compared", None
    of_what, otherwise = "", ""
    if checked.deviations:
        of_what = " for what is stored"
        otherwise = f"; stored otherwise than sent: {'; '.join(map(str, checked.deviations))}"
    if not checked.right:
        if not checked.groups:
            return *failed, "the view is wrong: nothing was compared", None
        most = checked.groups[0]
        words = f"{checked.wrong:,} of {checked.expected:,} aggregates differ"
        hint = f"{most.reason}; compare sql/analytics_heatmap.sql with what the project has"
        return *failed, f"the view is wrong{of_what}: {words}, first {most.first}{otherwise}", hint
    if problems:
        return *failed, problems[0], None
    if audit is not None and audit.view_restored is False:
        return *failed, audit.explanation, None
    numbers = f"all {checked.matched:,} aggregates are right{of_what}"
    if not checked.expected:
        numbers = f"the view is right{of_what}: it holds no aggregate of it"
    message = f"verified: {numbers}, nothing is left behind{otherwise}"
    return Outcome.VERIFIED, ExitCode.VERIFIED, message, None
