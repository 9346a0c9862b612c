"""Leave to write: the guard's permission, and on production the entry in the deployment log."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from tui.errors import GuardRefused, OperatorError
from tui.guard.break_glass import Moment, Permit, authorize_write
from tui.project import Writer
from tui.verify.events import Outcome
from tui.verify.run import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tui.evidence.deployment_log import Announcement, DeploymentLog
    from tui.guard.target import Target
    from tui.project import Project
    from tui.verify.events import RunFinished
    from tui.verify.run import Run

TABLES: Final = ("users", "questions", "responses")


class LeaveToWrite:
    """What a run that may write holds.

    Attributes:
        writer: The writing half of the project.
    """

    def __init__(self, writer: Writer, record: _Record) -> None:
        self.writer = writer
        self._record = record

    def ended(self, finished: RunFinished) -> None:
        """Put the outcome on record.

        Raises:
            OutcomeNotRecorded: The deployment log could not take it.
        """
        self._record.close(str(finished.outcome), finished.message)


@contextlib.contextmanager
def leave_to_write(
    run: Run,
    project: Project,
    target: Target,
    log: DeploymentLog,
    *,
    allow_prod: bool,
    permit: Permit | None,
    planned: Mapping[str, int],
) -> Iterator[LeaveToWrite]:
    """The one place where leave to write is asked for; it ends with the block.

    Args:
        run: The run that wants to write.
        project: Where.
        target: What the guard judges.
        log: Where break-glass is put on record, before the first write.
        allow_prod: `--allow-prod` was given.
        permit: What the operator obtained by typing, for production.
        planned: Rows about to be written, for the record.

    Raises:
        GuardRefused: The guard does not permit it, or the log cannot be written.
    """
    now = Moment.now()
    entry = (
        _announce(run, target, log, permit=permit, planned=planned, now=now) if allow_prod else None
    )
    record = _Record(log, entry, run)
    try:
        permission = authorize_write(
            target, allow_prod=allow_prod, now=now, permit=permit, intent=record.entry
        )
        with permission:
            yield LeaveToWrite(Writer(project, target, permission), record)
    except BaseException as error:
        words = error.message if isinstance(error, OperatorError) else type(error).__name__
        if isinstance(error, Cancelled):
            words = f"{run.cancellation.reason or 'stopped'}; nothing was written"
        outcome = _outcome(error)
        # The error itself is what the operator must see; a later start completes the record.
        with contextlib.suppress(OperatorError):
            record.close(outcome, words)
        raise


def _outcome(error: BaseException) -> Outcome:
    match error:
        case GuardRefused():
            return Outcome.REFUSED
        case Cancelled():
            return Outcome.INTERRUPTED
        case _:
            return Outcome.FAILED


def _announce(
    run: Run,
    target: Target,
    log: DeploymentLog,
    *,
    permit: Permit | None,
    planned: Mapping[str, int],
    now: Moment,
) -> Announcement | None:
    """Put a break-glass run on record; None where there is none, or none that may start."""
    if not target.is_production or permit is None or permit.problem(target, now) is not None:
        return None
    return log.open_intent(
        target,
        run_id=run.run_id,
        action=str(run.mode),
        planned=planned,
        justification=permit.justification,
        ticket=permit.ticket,
    )


class _Record:
    """A run's entry in the deployment log, or none."""

    def __init__(self, log: DeploymentLog, entry: Announcement | None, run: Run) -> None:
        self.entry = entry
        self._log = log
        self._run = run

    def close(self, outcome: str, detail: str) -> None:
        if self.entry is None or not self.entry.is_open:
            return
        result = self._run.result
        final = {f"{name}_written": getattr(result.rows, name) for name in TABLES}
        if result.audit is not None:
            final |= {f"{name}_left": getattr(result.audit.leftovers, name) for name in TABLES}
        self._log.close(self.entry, outcome=outcome, final=final, detail=detail)
