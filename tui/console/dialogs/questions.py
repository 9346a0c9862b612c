"""The questions the console asks, each with the safe answer first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.console.dialogs.base import Question, Surroundings
from tui.heatmap.formatting import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.verify.session import Session

RUNS_LISTED: Final = 5
"""Runs named in a question; the rest is counted."""


def leave(around: Surroundings) -> Question:
    """Whether to leave while nothing is under way: `stay` or `leave`."""
    return Question(
        around,
        "Leave the console?",
        "Nothing is under way.",
        [("stay", "Stay"), ("leave", "Leave")],
        interrupt="leave",
    )


def stop_and_leave(around: Surroundings) -> Question:
    """Whether to stop the run, let it clean up, and leave: `stay` or `stop`."""
    return Question(
        around,
        "A run is under way",
        "Leaving stops it. What it wrote is deleted first; that takes a moment.",
        [("stay", "Keep running"), ("stop", "Stop, clean up and leave")],
        interrupt="stop",
    )


def abandon(around: Surroundings, command: str) -> Question:
    """Whether to leave in the middle of a clean-up: `wait` or `abandon`.

    `command` removes the rows that are left then.
    """
    return Question(
        around,
        "Clean-up is under way",
        "Waiting is safe. Leaving now leaves synthetic rows in the project. The next start offers "
        f"to remove them; so does this command:\n\n{command}",
        [("wait", "Wait for the clean-up"), ("abandon", "Leave now")],
        interrupt="abandon",
    )


def purge(around: Surroundings, session: Session) -> Question:
    """Whether to delete what earlier runs left: `keep` or `purge`."""
    target = session.target
    records = session.journals
    lines = [
        f"{record.run_id}, begun {record.started_at[:16].replace('T', ' ')}, stopped at "
        f"{record.stage}: up to {record.users:,} users, {record.questions:,} questions, "
        f"{record.responses:,} responses"
        for record in records[:RUNS_LISTED]
    ]
    if len(records) > RUNS_LISTED:
        lines.append(f"and {plural(len(records) - RUNS_LISTED, 'more run')}")
    known = "\n\nRuns of this machine that did not close:\n" + "\n".join(lines) if lines else ""
    return Question(
        around,
        f"Remove leftovers from {target.identity} ({target.kind.value})?",
        "Deletes every user, question and response that carries the tag of a verification run, "
        "and refreshes the view. Runs under way elsewhere are left alone, and asked about then. "
        "Rows of real learners carry no tag and are left alone." + known,
        [("keep", "Keep them"), ("purge", "Remove them")],
    )


def purge_unexplained(around: Surroundings, found: str) -> Question:
    """Whether to delete tagged rows that the tag does not explain."""
    return Question(
        around,
        "There is more than the tag explains",
        f"{found}\n\nNothing was deleted. Answers of real learners may be among them: look at "
        "them in the database first. Removing deletes every tagged user and question with all "
        "their answers.",
        [("keep", "Keep them"), ("purge", "Remove them all")],
    )


def purge_spared(around: Surroundings, runs: Sequence[str]) -> Question:
    """Whether to delete the rows of runs that are under way elsewhere."""
    listed = "\n".join(runs[:RUNS_LISTED])
    more = f"\nand {plural(len(runs) - RUNS_LISTED, 'more run')}" if len(runs) > RUNS_LISTED else ""
    return Question(
        around,
        "A run is under way elsewhere",
        "The rows of these runs changed while they were watched, and they are not of this "
        f"machine. They were left alone: the runs would lose them.\n\n{listed}{more}",
        [("keep", "Keep them"), ("purge", "Remove them too")],
    )
