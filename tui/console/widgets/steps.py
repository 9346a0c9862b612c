"""The checklist: which step is done, which is next, which is locked and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tui.console.widgets.places import CHECKLIST, View
from tui.verify.events import Mode, Outcome

if TYPE_CHECKING:
    from tui.verify.result import Result


class StepState(Enum):
    """How a step stands; the value is the word shown."""

    DONE = "done"
    NOW = "now"
    BUSY = "busy"
    PROBLEM = "stop"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the checklist.

    Attributes:
        view: Where it leads.
        state: How it stands.
        why: Why it is locked, or what stops it; empty otherwise.
    """

    view: View
    state: StepState
    why: str = ""

    @property
    def open(self) -> bool:
        """Whether one may go there."""
        return self.state is not StepState.LOCKED


def checklist(
    *,
    connected: bool,
    connect_problem: str | None,
    dry_run: Result | None,
    run: Result | None,
    write_problem: str | None = None,
) -> tuple[Step, ...]:
    """The four steps as they stand.

    Args:
        connected: Whether the project answered.
        connect_problem: Why connecting failed, None where it did not.
        dry_run: The last dry run, None before the first.
        run: The last run that writes, None before the first.
        write_problem: Why writing is out of the question here whatever the dry run says, such as
            production without leave; None where it is not.
    """
    if not connected:
        target = Step(
            View.TARGET,
            StepState.PROBLEM if connect_problem else StepState.BUSY,
            connect_problem or "",
        )
        waiting = "waits until the project is connected"
        return (
            target,
            *(Step(view, StepState.LOCKED, waiting) for view in CHECKLIST[1:]),
        )
    dry = _dry_run_step(dry_run)
    return (
        Step(View.TARGET, StepState.DONE),
        dry,
        *_write_steps(dry, run, write_problem),
    )


def _dry_run_step(dry_run: Result | None) -> Step:
    if dry_run is None:
        return Step(View.DRY_RUN, StepState.NOW)
    if dry_run.running:
        return Step(View.DRY_RUN, StepState.BUSY)
    if dry_run.ready:
        return Step(View.DRY_RUN, StepState.DONE)
    why = dry_run.dry_run.verdict if dry_run.dry_run else None
    if why is None and dry_run.finished is not None:
        why = dry_run.finished.message
    return Step(View.DRY_RUN, StepState.PROBLEM, why or "the dry run gave no verdict")


def _write_steps(dry: Step, run: Result | None, write_problem: str | None) -> tuple[Step, Step]:
    if run is not None and run.running:
        return Step(View.REVIEW, StepState.DONE), Step(View.RUN, StepState.BUSY)
    if run is not None and run.finished is not None:
        good = run.finished.outcome in {Outcome.VERIFIED, Outcome.CLEAN}
        shown = Step(
            View.RUN,
            StepState.DONE if good else StepState.PROBLEM,
            "" if good else run.finished.message,
        )
        reviewed = StepState.DONE if run.mode is Mode.CYCLE else StepState.NOW
        if dry.state is not StepState.DONE or write_problem:
            return _locked_review(dry, write_problem), shown
        return Step(View.REVIEW, reviewed), shown
    if dry.state is not StepState.DONE or write_problem:
        review = _locked_review(dry, write_problem)
        return review, Step(View.RUN, StepState.LOCKED, review.why)
    return (
        Step(View.REVIEW, StepState.NOW),
        Step(View.RUN, StepState.LOCKED, "waits until the review is acknowledged (step 3)"),
    )


def _locked_review(dry: Step, write_problem: str | None) -> Step:
    if write_problem:
        return Step(View.REVIEW, StepState.LOCKED, write_problem)
    why = {
        StepState.NOW: "waits for a dry run that ends ready (press d)",
        StepState.BUSY: "waits for the dry run to finish",
    }.get(dry.state, f"the dry run says: {dry.why}")
    return Step(View.REVIEW, StepState.LOCKED, why)
