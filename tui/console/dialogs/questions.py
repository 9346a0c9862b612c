"""The questions the console asks, read top to bottom: each asks, and returns what was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.console.dialogs.base import Question
from tui.console.widgets.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import App

    from tui.verify.session import Session

RUNS_LISTED: Final = 5
"""Runs named in a question; the rest is counted."""


async def wants_to_leave(app: App[int]) -> bool:
    """Whether to leave while nothing is under way."""
    answer = await app.push_screen_wait(
        Question(
            "Leave the console?",
            "Nothing is under way.",
            [("stay", "Stay"), ("leave", "Leave")],
            interrupt="leave",
        )
    )
    return answer == "leave"


async def wants_to_stop_and_leave(app: App[int]) -> bool:
    """Whether to stop the run under way, let it clean up, and leave."""
    answer = await app.push_screen_wait(
        Question(
            "A run is under way",
            "Leaving stops it. What it wrote is deleted first; that takes a moment.",
            [("stay", "Keep running"), ("stop", "Stop, clean up and leave")],
            interrupt="stop",
        )
    )
    return answer == "stop"


async def wants_to_abandon(app: App[int]) -> bool:
    """Whether to leave in the middle of a clean-up, and with it synthetic rows."""
    answer = await app.push_screen_wait(
        Question(
            "Clean-up is under way",
            "Waiting is safe. Leaving now leaves synthetic rows in the project. The next start "
            "offers to remove them; so does the command: heatmap-tui --purge",
            [("wait", "Wait for the clean-up"), ("abandon", "Leave now")],
            interrupt="abandon",
        )
    )
    return answer == "abandon"


async def wants_to_purge(app: App[int], session: Session) -> bool:
    """Whether to delete what earlier runs left on the session's project."""
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
    answer = await app.push_screen_wait(
        Question(
            f"Remove leftovers from {target.identity} ({target.kind.value})?",
            "Deletes every user, question and response that carries the tag of a verification "
            "run, and refreshes the view. Runs under way elsewhere are left alone, and asked about "
            "then. Rows of real learners carry no tag and are left alone." + known,
            [("keep", "Keep them"), ("purge", "Remove them")],
        )
    )
    return answer == "purge"


async def wants_to_purge_unexplained(app: App[int], found: str) -> bool:
    """Whether to delete tagged rows even where the tag does not explain how many there are."""
    answer = await app.push_screen_wait(
        Question(
            "There is more than the tag explains",
            f"{found}\n\nNothing was deleted. Answers of real learners may be among them: look at "
            "them in the database first. Removing deletes every tagged user and question with "
            "all their answers.",
            [("keep", "Keep them"), ("purge", "Remove them all")],
        )
    )
    return answer == "purge"


async def wants_to_purge_spared(app: App[int], runs: Sequence[str]) -> bool:
    """Whether to delete the rows of runs that are under way elsewhere."""
    listed = "\n".join(runs[:RUNS_LISTED])
    more = f"\nand {plural(len(runs) - RUNS_LISTED, 'more run')}" if len(runs) > RUNS_LISTED else ""
    answer = await app.push_screen_wait(
        Question(
            "A run is under way elsewhere",
            "The rows of these runs changed while they were watched, and they are not of this "
            f"machine. They were left alone: the runs would lose them.\n\n{listed}{more}",
            [("keep", "Keep them"), ("purge", "Remove them too")],
        )
    )
    return answer == "purge"
