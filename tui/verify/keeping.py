"""What outlives a run: its thresholds judged, its line in the history, its evidence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tui import __version__
from tui.errors import ExitCode, OperatorError
from tui.project import ProjectError
from tui.records.evidence import RunEvidence, gather
from tui.records.history import History, HistoryFile, RunFacts, ServerVersions
from tui.records.thresholds import violations
from tui.verify.events import Mode, Notice, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tui.project import Project
    from tui.records.deployment_log import DeploymentLog
    from tui.records.history import Pace
    from tui.verify.events import Event, RunFinished
    from tui.verify.run import Run

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
    server = preflight.get("server")
    postgres = str(server["version"]) if isinstance(server, dict) else None
    return ServerVersions(postgres=postgres, postgrest=api, auth=auth)


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
    """

    def __init__(self, history: HistoryFile, log: DeploymentLog, thresholds: Thresholds) -> None:
        self.history = history
        self._log = log
        self._thresholds = thresholds

    def judge(
        self,
        run: Run,
        finished: RunFinished,
        *,
        versions: ServerVersions,
        preflight: Mapping[str, Any],
    ) -> RunEvidence:
        """Compare a run with earlier ones and judge its thresholds; nothing is kept yet."""
        run.result.apply(finished)
        timed = [each for each in run.result.refreshes if not each.final]
        final = [each for each in run.result.refreshes if each.final]
        started = run.result.started
        production = started is not None and started.target.is_production
        facts = RunFacts(
            finished_at=datetime.now(UTC),
            tool_version=__version__,
            versions=versions,
            fingerprint=(preflight.get("fingerprints") or _UNKNOWN).get("all"),
            log_head=self._log_head(),
            server_ms=tuple(each.server_ms for each in timed),
            final_server_ms=final[-1].server_ms if final else None,
            justification_recorded=True if production and run.mode is Mode.CYCLE else None,
            problems=finished.problems,
            hint=finished.hint,
        )
        return gather(
            self._past(),
            run.result.document(),
            facts,
            max_refresh_ms=self._thresholds.max_refresh_ms,
            max_regression_percent=self._thresholds.max_regression_percent,
        )

    def keep(self, evidence: RunEvidence, emit: Callable[[Event], None]) -> None:
        """Add a run to the history. A history that cannot be written is said, no more."""
        if evidence.entry is None:
            return
        try:
            self.history.append(evidence.entry)
        except OperatorError as error:
            emit(Notice(error.message, warning=True))

    def pace(self, identity: str) -> Pace | None:
        """How fast earlier runs on a target were, or None."""
        return self._past().pace(identity)

    def _past(self) -> History:
        try:
            return self.history.read()
        except OperatorError:
            # `keep` is about to say what is the matter with the file.
            return History()

    def _log_head(self) -> str | None:
        try:
            return self._log.head()
        except OperatorError:
            return None


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
