"""What outlives a run: its thresholds judged, its line in the history, its evidence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tui import __version__
from tui.errors import ExitCode, OperatorError
from tui.evidence.gathered import RunEvidence, gather
from tui.evidence.history import History, HistoryFile, RunFacts, ServerVersions
from tui.evidence.thresholds import violations
from tui.project import ProjectError
from tui.verify.events import Mode, Notice, Outcome
from tui.verify.result import document as document_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tui.dry_run.facts import Pace
    from tui.evidence.deployment_log import DeploymentLog, Record
    from tui.guard.target import Target
    from tui.project import Project
    from tui.verify.events import Event, RunFinished
    from tui.verify.run import Run

SANDBOX: Final = "sandbox"
"""The series of all runs in sandboxes."""

_UNKNOWN: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a refresh may take.

    Attributes:
        max_refresh_ms: Milliseconds of the median, or None.
        max_regression_percent: Percent above the last comparable runs, or None.
    """

    max_refresh_ms: float | None = None
    max_regression_percent: float | None = None


async def server_versions(project: Project, preflight: Mapping[str, Any]) -> ServerVersions:
    """What the project's services say of themselves; None for one that does not."""
    api, auth = await asyncio.gather(_api_version(project), _auth_version(project))
    return ServerVersions(postgres=_postgres(preflight), postgrest=api, auth=auth)


def _postgres(preflight: Mapping[str, Any]) -> str | None:
    server = preflight.get("server")
    return str(server["version"]) if isinstance(server, dict) and "version" in server else None


async def _api_version(project: Project) -> str | None:
    try:
        described = (await project.openapi()).get("info", _UNKNOWN)
    except ProjectError:
        return None
    return str(described["version"]) if "version" in described else None


async def _auth_version(project: Project) -> str | None:
    try:
        said = await project.get_json("/auth/v1/health", "asking the auth service for its version")
    except ProjectError:
        return None
    return str(said["version"]) if "version" in said else None


class Keeper:
    """Keeps what runs of a sitting have shown.

    Args:
        history: Where each run adds a line.
        log: The deployment log, whose head stands in every report.
        thresholds: What a refresh may take.
        is_sandbox: The target lives and dies with this process: its runs are compared with those
            in other sandboxes, never with those of a local stack at the same address.
    """

    def __init__(
        self,
        history: HistoryFile,
        log: DeploymentLog,
        thresholds: Thresholds,
        *,
        is_sandbox: bool = False,
    ) -> None:
        self.history = history
        self._log = log
        self._thresholds = thresholds
        self._is_sandbox = is_sandbox

    def judge(
        self,
        run: Run,
        finished: RunFinished,
        *,
        versions: ServerVersions | None = None,
        preflight: Mapping[str, Any] = _UNKNOWN,
    ) -> RunEvidence:
        """Compare a run with earlier ones and judge its thresholds; nothing is kept yet.

        Args:
            run: A run of any mode, however it ended; it must have begun.
            finished: Its end.
            versions: What the services say of themselves; None for what the preflight says.
            preflight: What the database says of itself.
        """
        result = run.result.ended(finished)
        timed = [each for each in result.refreshes if not each.final]
        final = [each for each in result.refreshes if each.final]
        log = self._records()
        facts = RunFacts(
            finished_at=datetime.now(UTC),
            tool_version=__version__,
            versions=versions or ServerVersions(postgres=_postgres(preflight)),
            fingerprint=(preflight.get("fingerprints") or _UNKNOWN).get("all"),
            log=str(self._log.path.absolute()),
            log_head=log[-1].hash if log else None,
            server_ms=tuple(each.server_ms for each in timed),
            final_server_ms=final[-1].server_ms if final else None,
            justification_recorded=_recorded(run, log),
            problems=finished.problems,
            hint=finished.hint,
            place=self._place(result.started.target) if result.started else None,
        )
        return gather(
            self._past(),
            document_of(result),
            facts,
            max_refresh_ms=self._thresholds.max_refresh_ms,
            max_regression_percent=self._thresholds.max_regression_percent,
        )

    def sealed(self, evidence: RunEvidence) -> RunEvidence:
        """The evidence with the log's head as it is now, a run's own outcome included."""
        log = self._records()
        head = log[-1].hash if log else None
        entry = replace(evidence.entry, log_head=head) if evidence.entry else None
        return replace(evidence, facts=replace(evidence.facts, log_head=head), entry=entry)

    def keep(self, evidence: RunEvidence, emit: Callable[[Event], None]) -> None:
        """Add a run to the history. A history that cannot be written is said, no more."""
        if evidence.entry is None:
            return
        skipped = self._past().skipped
        if skipped:
            lines = "line" if skipped == 1 else "lines"
            text = f"{skipped:,} {lines} of the history {self.history.path} cannot be read"
            emit(Notice(f"{text} and were passed over", warning=True))
        try:
            self.history.append(evidence.entry)
        except OperatorError as error:
            emit(Notice(error.message, warning=True))

    def pace(self, target: Target) -> Pace | None:
        """How fast earlier runs on a target were, or None."""
        return self._past().pace(self._place(target))

    def _place(self, target: Target) -> str:
        return SANDBOX if self._is_sandbox else target.place

    def _past(self) -> History:
        try:
            return self.history.read()
        except OperatorError:
            # `keep` is about to say what is the matter with the file.
            return History()

    def _records(self) -> tuple[Record, ...]:
        try:
            return self._log.read()
        except OperatorError:
            # A run that needed the log was refused for it; no other run has anything to do with it.
            return ()


def _recorded(run: Run, log: tuple[Record, ...]) -> bool | None:
    """Whether the log holds why this run was to write; None where it need not."""
    started = run.result.started
    if started is None or not started.target.is_production:
        return None
    if run.mode not in {Mode.CYCLE, Mode.PURGE}:
        return None
    return any(each.run_id == run.run_id and each.justification for each in log)


def after_thresholds(finished: RunFinished, evidence: RunEvidence) -> RunFinished:
    """The end of a run once its thresholds were judged: a broken one fails it."""
    if evidence.document["exit_code"] == int(finished.exit_code):
        return finished
    broken = tuple(each.detail for each in violations(evidence.thresholds))
    message = str(evidence.document["message"])
    return replace(
        finished,
        outcome=Outcome.FAILED,
        exit_code=ExitCode.FAILED,
        message=f"the numbers are right, but {message}",
        hint="compare with earlier runs in the report; repeat with --refresh-runs 5 to be sure",
        problems=(*finished.problems, *broken),
    )
