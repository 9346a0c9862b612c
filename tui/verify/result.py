"""A run, folded from its events: what screens, report and `--json` read."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import asdict, dataclass, replace
from enum import Enum, auto
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tui.heatmap.rows import row_as_json
from tui.verify.events import (
    CLEAN_UP,
    AuditFinished,
    CanaryFinished,
    CanaryStarted,
    Cancelling,
    CheckFinished,
    DryRunFinished,
    Event,
    Mode,
    Notice,
    Outcome,
    ProbeResult,
    ProbeStatus,
    ProjectDescribed,
    RefreshTimed,
    Retrying,
    RunFinished,
    RunStarted,
    SampleTaken,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
    Tally,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.errors import ExitCode, OperatorError
    from tui.guard.target import Target
    from tui.settings import Volume

SCHEMA: Final = 1

_TABLES: Final = ("users", "questions", "responses")
_CLASSIFIED: Final = ("host", "ref", "kind", "reason")
_CHECKED: Final = ("expected", "matched", "mismatched", "missing", "unexpected")


class StageState(Enum):
    """How far a stage has come."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    NOT_RUN = auto()


@dataclass(slots=True)
class StageResult:
    """One stage of a run.

    Attributes:
        began: When it began, on the clock of the result.
    """

    state: StageState = StageState.WAITING
    what: str = ""
    done: int = 0
    total: int | None = None
    began: float | None = None
    seconds: float | None = None
    note: str = ""

    def elapsed(self, now: float) -> float | None:
        """Seconds since it began, or that it took."""
        if self.seconds is not None:
            return self.seconds
        return None if self.began is None else max(0.0, now - self.began)

    @property
    def fraction(self) -> float | None:
        """How much is done, 0 to 1."""
        if self.state is StageState.DONE:
            return 1.0
        if not self.total:
            return None
        return min(1.0, self.done / self.total)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast earlier runs on a target were.

    Attributes:
        rows_per_s: Median responses per second of whole runs, clean-up included.
        refresh_ms: The longest refresh among them, in milliseconds, or None.
    """

    runs: int
    rows_per_s: float
    refresh_ms: float | None = None


class Result:
    """What a run has shown so far. The one place where its events are folded.

    `clock` gives seconds that only grow, for what is timed while it goes on.

    Attributes:
        began: When it began, on that clock.
        retry: The request being sent again, None when none is.
        retries: How many requests were sent again so far.
    """

    def __init__(
        self,
        mode: Mode,
        clock: Callable[[], float] = time.monotonic,
        *,
        target: Target | None = None,
    ) -> None:
        self.mode = mode
        self._clock = clock
        self._target = target
        self.began = clock()
        self.started: RunStarted | None = None
        self.described: ProjectDescribed | None = None
        self.probes: dict[str, ProbeResult] = {}
        self.dry_run: DryRunFinished | None = None
        self.stages: dict[Stage, StageResult] = {}
        self.retry: Retrying | None = None
        self.retries = 0
        self.notices: list[Notice] = []
        self.refreshes: list[RefreshTimed] = []
        self.canary_began = False
        self.canary: CanaryFinished | None = None
        self.check: CheckFinished | None = None
        self.sample: SampleTaken | None = None
        self.audit: AuditFinished | None = None
        self.cancelling: str | None = None
        self.finished: RunFinished | None = None

    def apply(self, event: Event) -> None:  # noqa: PLR0912 - a branch for each kind of event
        """Take in the next event."""
        match event:
            case RunStarted():
                self.started = event
                self.began = self._clock()
                self.stages = {stage: StageResult() for stage in event.stages}
            case ProjectDescribed():
                told = self.described.fills if self.described else ()
                self.described = replace(event, fills=event.fills or told)
            case ProbeResult():
                if event.status is None:
                    self._reopen()
                self.probes[event.id] = event
            case DryRunFinished():
                self.dry_run = event
            case StageStarted() | StageProgress() | StageFinished():
                self._apply_stage(event)
            case Retrying():
                self.retry = event
                self.retries += 1
            case Notice():
                self.notices.append(event)
            case RefreshTimed():
                self.refreshes.append(event)
            case CanaryStarted():
                self.canary_began = True
            case CanaryFinished():
                self.canary = event
            case CheckFinished():
                self.check = event
            case SampleTaken():
                self.sample = event
            case AuditFinished():
                self.audit = event
            case Cancelling():
                self.cancelling = event.reason
                self.retry = None
            case RunFinished():
                self._finish(event)

    def _reopen(self) -> None:
        """Take the verdict back while a probe is being asked, perhaps again."""
        if self.finished is not None:
            self.finished = None
            self.began = self._clock()
        self.dry_run = None

    def _apply_stage(self, event: StageStarted | StageProgress | StageFinished) -> None:
        line = self.stages.setdefault(event.stage, StageResult())
        match event:
            case StageStarted():
                # A stage may begin twice, when clean-up is tried again: it starts afresh.
                line.state, line.began, line.seconds = StageState.RUNNING, self._clock(), None
                line.what, line.total, line.done = event.what, event.total, 0
                line.note = ""
            case StageProgress():
                if event.done > line.done:
                    self.retry = None
                line.done, line.total = event.done, event.total
            case StageFinished():
                line.state = StageState.FAILED if event.failed else StageState.DONE
                line.seconds, line.done = event.seconds, event.count
                line.note = event.note
                self.retry = None

    def _finish(self, event: RunFinished) -> None:
        self.finished = event
        self.retry = None
        for line in self.stages.values():
            if line.state is StageState.WAITING:
                line.state = StageState.NOT_RUN
            elif line.state is StageState.RUNNING:
                line.state, line.seconds = StageState.FAILED, line.elapsed(self._clock())

    def ended(self, finished: RunFinished) -> Result:
        """A copy that has ended so; this one goes on."""
        result = copy(self)
        result.stages = {stage: replace(line) for stage, line in self.stages.items()}
        result.apply(finished)
        return result

    def take_probes(self, dry_run: Result) -> None:
        """Go on from what an earlier dry run found."""
        self.probes = dict(dry_run.probes)
        self.dry_run, self.described = dry_run.dry_run, dry_run.described

    @property
    def run_id(self) -> str | None:
        return self.started.run_id if self.started else None

    @property
    def target(self) -> Target | None:
        return self.started.target if self.started else self._target

    @property
    def volume(self) -> Volume | None:
        return self.started.volume if self.started else None

    @property
    def running(self) -> bool:
        return self.finished is None

    @property
    def ready(self) -> bool:
        """Whether the dry run ended ready."""
        return self.dry_run is not None and self.dry_run.ready

    @property
    def may_have_written(self) -> bool:
        """Whether something may have been written or deleted."""
        return self.canary_began or any(line.began is not None for line in self.stages.values())

    @property
    def cleaning_up(self) -> bool:
        return any(
            line.state is StageState.RUNNING and stage in CLEAN_UP
            for stage, line in self.stages.items()
        )

    @property
    def first_failure(self) -> str | None:
        """The id of the first probe that failed."""
        failed = (each.id for each in self.probes.values() if each.status is ProbeStatus.FAIL)
        return next(failed, None)

    def groups(self) -> dict[str, list[ProbeResult]]:
        """The probes under their headings, in the order of display."""
        grouped: dict[str, list[ProbeResult]] = {}
        for probe in self.probes.values():
            grouped.setdefault(probe.group, []).append(probe)
        return grouped

    @property
    def rows(self) -> Tally:
        """Rows written, as far as the stages know."""
        counts = {stage: line.done for stage, line in self.stages.items()}
        return Tally(
            counts.get(Stage.USERS, 0),
            counts.get(Stage.QUESTIONS, 0),
            counts.get(Stage.RESPONSES, 0),
        )

    @property
    def refresh_runs_ms(self) -> list[float]:
        """Milliseconds of each refresh timed after the write, in order."""
        return [each.ms for each in self.refreshes if not each.final]

    @property
    def refresh_ms(self) -> float | None:
        """Their median."""
        return median(self.refresh_runs_ms) if self.refresh_runs_ms else None

    @property
    def final_refresh_ms(self) -> float | None:
        return next((each.ms for each in self.refreshes if each.final), None)


def outcome_of(exit_code: ExitCode) -> Outcome:
    """The outcome that an exit code other than 0 stands for."""
    # Not ready is what a dry run finds, never how an error ends a run.
    errors = (each for each in Outcome if each is not Outcome.NOT_READY)
    return next(each for each in errors if each.exit_code is exit_code)


def result_of_error(error: OperatorError, mode: Mode, target: Target | None = None) -> Result:
    """The result of what ended before a run could begin."""
    result = Result(mode, target=target)
    result.apply(finished_by(error))
    return result


def finished_by(error: OperatorError) -> RunFinished:
    """The end of a run that an error stopped before it wrote anything."""
    outcome = outcome_of(error.exit_code)
    return RunFinished(outcome, error.message, error.hint, problems=(error.message,))


def document(result: Result) -> dict[str, Any]:
    """The document of `--json`, schema 1: its keys are a contract."""
    finished = result.finished
    if finished is None:
        raise ValueError("the run has not finished")
    left = result.audit.leftovers if result.audit else None
    target, volume = result.target, result.volume
    return {
        "schema": SCHEMA,
        "mode": str(result.mode),
        "run_id": result.run_id,
        "outcome": str(finished.outcome),
        "exit_code": int(finished.exit_code),
        "message": finished.message,
        "problems": list(finished.problems),
        "target": target and {name: getattr(target, name) for name in _CLASSIFIED},
        "settings": volume and asdict(volume),
        "probes": [
            {
                "id": probe.id,
                "status": str(probe.status),
                "detail": probe.detail,
                "hint": probe.hint,
                "ms": round(probe.ms, 3),
            }
            for probe in result.probes.values()
            if probe.status is not None
        ],
        "ready": result.ready,
        "stages": [
            {"name": str(stage), "seconds": round(line.seconds, 6), "count": line.done}
            for stage, line in result.stages.items()
            if line.seconds is not None
        ],
        "rows": asdict(result.rows),
        "refresh_ms": _ms(result.refresh_ms),
        "refresh_runs_ms": [_ms(each) for each in result.refresh_runs_ms],
        "final_refresh_ms": _ms(result.final_refresh_ms),
        "check": {name: getattr(result.check, name, 0) for name in _CHECKED},
        "leftovers": {name: getattr(left, name, None) for name in _TABLES},
        "view_restored": result.audit.view_restored if result.audit else None,
        "total_seconds": round(finished.seconds, 6),
        **_heatmap(result),
    }


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _heatmap(result: Result) -> dict[str, Any]:
    """The rows, in the document of a heatmap alone."""
    if result.sample is None or result.mode is not Mode.HEATMAP:
        return {}
    return {
        "heatmap": {
            "refreshed_at": result.sample.refreshed_at,
            "total": result.sample.total,
            "rows": [row_as_json(row) for row in result.sample.rows],
        }
    }
