"""Failures shown to the operator, and the words they are put into."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.worker import Worker, WorkerState

from tui.errors import OperatorError
from tui.redact import redact

if TYPE_CHECKING:
    from tui.console.app import HeatmapApp
    from tui.guard.target import Target


class TellsFailures:
    """What starts workers of its own, and lets no failure of theirs go unseen."""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what a worker failed with."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            cast("HeatmapApp", event.worker.node.app).show_error(event.worker.error)


def failure_title(error: BaseException) -> str:
    """What kind of failure it is, in a few words."""
    return "This did not work" if isinstance(error, OperatorError) else "The console made a mistake"


def failure_text(error: BaseException, target: Target | None) -> str:
    """What failed, on which project, and what to do. No traceback, no secret.

    Args:
        error: What was raised.
        target: The project at hand, None where there is none.
    """
    message = str(error)
    if isinstance(error, OperatorError):
        lines = [error.message]
        if error.hint:
            lines += ["", f"What to do: {error.hint}"]
    else:
        lines = [
            f"{type(error).__name__}: {message}" if message else type(error).__name__,
            "",
            "A run that was under way goes on. Please report this text.",
        ]
    if target is not None:
        lines += ["", f"Project: {target.identity} ({target.kind.value})"]
    return redact("\n".join(lines))
