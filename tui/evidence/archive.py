"""The archive: keeps a run's evidence, and judges it by earlier runs'."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from tui.crash import report_crash
from tui.errors import OperatorError
from tui.evidence.comparison import NOISE_PERCENT, Limits, judge
from tui.evidence.deployment_log import Announcement, DeploymentLog
from tui.evidence.history import Entry, History, HistoryFile, entry_of
from tui.evidence.report import RunEvidence, anchors
from tui.files import in_thread
from tui.verify.events import Mode, Notice, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tui.evidence.comparison import Threshold
    from tui.evidence.deployment_log import Anchor, Record
    from tui.evidence.history import Against
    from tui.guard.break_glass import Approval, Intent
    from tui.guard.target import Target
    from tui.settings import Settings
    from tui.verify.events import Event, RunFinished
    from tui.verify.result import Pace, Result
    from tui.verify.session import Session

    Emit = Callable[[Event], None]

T = TypeVar("T")

SANDBOX: Final = "sandbox"
"""The series of all runs in sandboxes."""


class Archive:
    """`tui.verify.session.Archive` on disk.

    `evidence` is of the last run that was more than a look at the heatmap.

    Args:
        is_sandbox: The target lives and dies with this process: its runs are compared with those in
            other sandboxes, never with those of a local stack at the same address.
    """

    def __init__(
        self,
        state_dir: Path,
        log: DeploymentLog,
        limits: Limits,
        *,
        is_sandbox: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.history: Final = HistoryFile(state_dir / "history.jsonl")
        self.log: Final = log
        self.reports: Final = state_dir / "reports"
        self.evidence: RunEvidence | None = None
        self._crashes = state_dir / "crashes"
        self._limits = limits
        self._is_sandbox = is_sandbox
        self._now = now

    @classmethod
    def of(cls, session: Session) -> Archive:
        """The archive that a session was made with."""
        if not isinstance(session.archive, cls):
            raise TypeError("the session was made with another archive")
        return session.archive

    @classmethod
    def configured(cls, settings: Settings, *, is_sandbox: bool) -> Archive:
        """The archive that the settings name."""
        limits = Limits(settings.max_refresh_ms, settings.max_regression_percent)
        log = DeploymentLog(settings.deployment_log)
        return cls(settings.state_dir, log, limits, is_sandbox=is_sandbox)

    async def pace(self, target: Target) -> Pace | None:
        history = await self._history(lambda _: None)
        return history.pace(self._place(target))

    async def verified_with(self, target: Target, schema: str) -> str | None:
        """The last verified run on a target with this fingerprint of its schema."""
        history = await self._history(lambda _: None)
        return history.verified_with(self._place(target), schema)

    def require_log(self) -> None:
        """Refuse a run whose intent the deployment log could not take."""
        self.log.require_writable()

    async def announce(
        self,
        result: Result,
        target: Target,
        approval: Approval,
        planned: Mapping[str, int],
        emit: Emit,
    ) -> Announcement:
        """Put on record that a run is about to write to production, and why."""

        def open_intent() -> Announcement:
            return self.log.open_intent(
                target,
                run_id=result.run_id or "",
                action=str(result.mode),
                planned=planned,
                justification=approval.justification,
                ticket=approval.ticket,
                anchors=self.anchors(),
            )

        return await self._at(self.log.path, open_intent, emit)

    def anchors(self) -> list[Anchor]:
        """What history and reports say of the deployment log; blocks for a lock."""
        past = self.history.read()
        return [*past.anchors(self.log.path), *anchors(self.reports, self.log.path)]

    async def conclude(
        self, result: Result, finished: RunFinished, intent: Intent | None, emit: Emit
    ) -> RunFinished:
        """Judge a run's thresholds, record its outcome, and keep its evidence."""
        try:
            past = await self._history(emit)
            ended = result.ended(finished)
            entry = self._entry(ended)
            against: Against | None = None
            thresholds: tuple[Threshold, ...] = ()
            if entry is not None and ended.mode is Mode.CYCLE:
                percent = self._limits.max_regression_percent or NOISE_PERCENT
                against = past.against(entry, percent)
                comparison = against.comparison if against else None
                thresholds = judge(entry.refresh_runs_ms, self._limits, comparison)
            finished = _judged(finished, thresholds)
            if isinstance(intent, Announcement) and intent.is_open:
                finished = await self._record(result, finished, intent, emit)
            await self._keep(result.ended(finished), past, against, thresholds, emit)
        except Exception as defect:  # noqa: BLE001 - the run is over, and its verdict must be shown
            words = report_crash(defect, self._crashes)
            text = f"an internal error kept the run's evidence from being made; {words}"
            emit(Notice(text, warning=True))
        return finished

    async def _record(
        self, result: Result, finished: RunFinished, intent: Announcement, emit: Emit
    ) -> RunFinished:
        """Record the outcome; a verified run that cannot be recorded has failed."""
        final = {f"{name}_written": count for name, count in asdict(result.rows).items()}
        if result.audit is not None:
            left = asdict(result.audit.leftovers)
            final |= {f"{name}_left": count for name, count in left.items()}

        def close() -> Record:
            return self.log.close(
                intent, outcome=str(finished.outcome), final=final, detail=finished.message
            )

        try:
            await self._at(self.log.path, close, emit)
        except OperatorError as error:
            emit(Notice(error.message, warning=True))
            unrecorded = replace(finished, problems=(*finished.problems, error.message))
            if finished.exit_code:
                return unrecorded
            return replace(
                unrecorded,
                outcome=Outcome.FAILED,
                message=f"{finished.message}, but that is not on record: {error.message}",
                hint=error.hint,
            )
        return finished

    async def _keep(
        self,
        ended: Result,
        past: History,
        against: Against | None,
        thresholds: tuple[Threshold, ...],
        emit: Emit,
    ) -> None:
        try:
            records = await self._at(self.log.path, self.log.read, emit)
        except OperatorError:
            # A run that needed the log was refused for it; no other has anything to do with it.
            records = ()
        head = records[-1].hash if records else None
        entry = self._entry(ended, head)
        self.evidence = RunEvidence(
            result=ended,
            at=entry.at if entry else self._now(),
            entry=entry,
            log=str(self.log.path.absolute()),
            log_head=head,
            justification_recorded=_justified(ended, records),
            against=against,
            thresholds=thresholds,
        )
        if entry is None:
            return
        if past.skipped:
            lines = "line" if past.skipped == 1 else "lines"
            text = f"{past.skipped:,} {lines} of the history {self.history.path} cannot be read"
            emit(Notice(f"{text} and were passed over", warning=True))
        try:
            await self._at(self.history.path, lambda: self.history.append(entry), emit)
        except OperatorError as error:
            emit(Notice(error.message, warning=True))

    def _entry(self, ended: Result, head: str | None = None) -> Entry | None:
        if ended.target is None:
            return None
        log, place = str(self.log.path.absolute()), self._place(ended.target)
        return entry_of(ended, at=self._now(), place=place, log=log, log_head=head)

    def _place(self, target: Target) -> str:
        return SANDBOX if self._is_sandbox else target.place

    async def _history(self, emit: Emit) -> History:
        try:
            return await self._at(self.history.path, self.history.read, emit)
        except OperatorError:
            # Adding the run is about to say what is the matter with the file.
            return History()

    @staticmethod
    async def _at(path: Path, work: Callable[[], T], emit: Emit) -> T:
        return await in_thread(path, work, lambda words: emit(Notice(words)))


def _judged(finished: RunFinished, thresholds: Iterable[Threshold]) -> RunFinished:
    """The end of a run, failed where a threshold was broken."""
    broken = [each for each in thresholds if each.is_met is False]
    if not broken or finished.exit_code:
        return finished
    words = "; ".join(f"{each.name} broken: {each.detail}" for each in broken)
    return replace(
        finished,
        outcome=Outcome.FAILED,
        message=f"the numbers are right, but {words}",
        hint="compare with earlier runs in the report; repeat with --refresh-runs 5 to be sure",
        problems=(*finished.problems, *(each.detail for each in broken)),
    )


def _justified(ended: Result, records: tuple[Record, ...]) -> bool | None:
    """Whether the log holds the justification; None where none is needed."""
    target = ended.target
    if target is None or not target.is_production or ended.mode not in {Mode.CYCLE, Mode.PURGE}:
        return None
    return any(each.run_id == ended.run_id and each.justification for each in records)
