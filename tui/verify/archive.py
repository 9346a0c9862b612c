"""What a session needs of what outlives a run: history, deployment log, evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tui.dry_run.facts import Pace
    from tui.guard.break_glass import Intent, Permit
    from tui.guard.target import Target
    from tui.verify.events import Event, RunFinished
    from tui.verify.result import Result

    Emit = Callable[[Event], None]


class Archive(Protocol):
    """Keeps what outlives a run; made by `tui.evidence.archive`.

    Other processes may hold its files: what waits for them does so beside the event loop, and says
    so through `emit`.
    """

    async def pace(self, target: Target) -> Pace | None:
        """How fast earlier runs on a target were, or None."""

    def require_log(self) -> None:
        """Refuse at once where the deployment log could not be written.

        Raises:
            GuardRefused: It could not.
        """

    async def announce(
        self, result: Result, target: Target, permit: Permit, planned: Mapping[str, int], emit: Emit
    ) -> Intent:
        """Put on record that a run is about to write to production, and why.

        Args:
            result: The run so far.
            target: Where it will write.
            permit: What the operator typed.
            planned: Rows about to be written, by name.
            emit: Where events go.

        Raises:
            GuardRefused: The log cannot be written or is not whole.
        """

    async def conclude(
        self, result: Result, finished: RunFinished, intent: Intent | None, emit: Emit
    ) -> RunFinished:
        """Judge a run's thresholds, put its outcome on record, keep it and make its evidence.

        Args:
            result: The run, not yet ended.
            finished: How it ended.
            intent: What `announce` gave, or None.
            emit: Where events go.

        Returns:
            How it ended after all that. Nothing of it outranks what the run found.
        """
