"""Events folded into what a screen shows of a run. Pure: no widget, no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from tui.verify.events import (
    AuditFinished,
    Cancelling,
    CheckFinished,
    DryRunFinished,
    Event,
    Mode,
    Notice,
    ProbeFinished,
    ProbeStarted,
    ProbeStatus,
    RefreshTimed,
    Retrying,
    RunFinished,
    RunStarted,
    SampleTaken,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
)

SHORTEST_RATED_S: Final = 0.2
"""Seconds a stage must have lasted before its rate says anything."""

STAGE_TITLES: Final = {
    Stage.USERS: "Write users",
    Stage.QUESTIONS: "Write questions",
    Stage.RESPONSES: "Write responses",
    Stage.REFRESH: "Refresh the view",
    Stage.CHECK: "Check the numbers",
    Stage.SAMPLE: "Read the heatmap",
    Stage.CLEANUP_RESPONSES: "Delete responses",
    Stage.CLEANUP_QUESTIONS: "Delete questions",
    Stage.FINAL_REFRESH: "Refresh again",
    Stage.CLEANUP_USERS: "Delete users",
    Stage.AUDIT: "Audit what is left",
}
"""Each stage's name as an operator reads it."""

CLEAN_UP: Final = frozenset(
    {
        Stage.CLEANUP_RESPONSES,
        Stage.CLEANUP_QUESTIONS,
        Stage.FINAL_REFRESH,
        Stage.CLEANUP_USERS,
        Stage.AUDIT,
    }
)
"""The stages that leave the project as it was."""


class StageState(Enum):
    """How far a stage has come."""

    WAITING = auto()
    RUNNING = auto()
    DONE = auto()
    FAILED = auto()
    NOT_RUN = auto()


@dataclass(slots=True)
class StageLine:
    """One stage of a run.

    Attributes:
        stage: Which.
        state: How far it has come.
        what: What it does, in the words of the run.
        done: Items handled.
        total: Items there are, None where that is not known.
        began: When it began, on the console's clock.
        seconds: How long it took, once it is over.
    """

    stage: Stage
    state: StageState = StageState.WAITING
    what: str = ""
    done: int = 0
    total: int | None = None
    began: float | None = None
    seconds: float | None = None

    def elapsed(self, now: float) -> float | None:
        """Seconds since it began, or that it took; None before it begins."""
        if self.seconds is not None:
            return self.seconds
        return None if self.began is None else max(0.0, now - self.began)

    def rate(self, now: float) -> float | None:
        """Items a second, None where there is too little to tell."""
        elapsed = self.elapsed(now)
        if elapsed is None or not self.done:
            return None
        if elapsed <= 0 or (self.state is StageState.RUNNING and elapsed < SHORTEST_RATED_S):
            return None
        return self.done / elapsed

    def time_left(self, now: float) -> float | None:
        """Seconds it still needs at its rate so far, None where there is too little to tell."""
        rate = self.rate(now)
        if self.state is not StageState.RUNNING or not rate or self.total is None:
            return None
        return max(0.0, (self.total - self.done) / rate)

    @property
    def fraction(self) -> float | None:
        """How much is done, 0 to 1; None where the total is not known."""
        if self.state is StageState.DONE:
            return 1.0
        if not self.total:
            return None
        return min(1.0, self.done / self.total)


@dataclass(slots=True)
class ProbeRow:
    """One probe of the dry run.

    Attributes:
        id: Stable name, "group.name".
        group: Heading it stands under.
        title: What it proves, in one line.
        result: Its answer, None while it is being asked.
    """

    id: str
    group: str
    title: str
    result: ProbeFinished | None = None


@dataclass(slots=True)
class DryRunProgress:
    """What is known of a dry run so far.

    Attributes:
        probes: The probes by id, in the order they were first named.
        finished: The verdict, None while probes are out.
        ended: How the run as a whole ended, None while it goes on.
        began: When it began, on the console's clock.
        problem: Why it broke off without a verdict, None where it did not.
    """

    began: float
    probes: dict[str, ProbeRow] = field(default_factory=dict)
    finished: DryRunFinished | None = None
    ended: RunFinished | None = None
    problem: str | None = None

    @property
    def running(self) -> bool:
        """Whether probes are still out."""
        return self.finished is None and self.ended is None and self.problem is None

    @property
    def ready(self) -> bool:
        """Whether the verdict permits a run."""
        return self.finished is not None and self.finished.ready

    def first_failure(self) -> str | None:
        """The id of the first probe that failed, None where none did."""
        failed = (
            row.id
            for row in self.probes.values()
            if row.result is not None and row.result.status is ProbeStatus.FAIL
        )
        return next(failed, None)

    def groups(self) -> dict[str, list[ProbeRow]]:
        """The probes under their headings, both in the order they were first named."""
        grouped: dict[str, list[ProbeRow]] = {}
        for row in self.probes.values():
            grouped.setdefault(row.group, []).append(row)
        return grouped

    def ask_again(self, probe_id: str, began: float) -> None:
        """One probe is asked again: the verdict is open until it has answered."""
        self.finished = self.ended = self.problem = None
        self.began = began
        if probe_id in self.probes:
            self.probes[probe_id].result = None

    def apply(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case ProbeStarted():
                row = self.probes.setdefault(event.id, ProbeRow(event.id, event.group, event.title))
                row.result = None
            case ProbeFinished():
                row = self.probes.setdefault(event.id, ProbeRow(event.id, event.group, event.title))
                row.result = event
            case DryRunFinished():
                self.finished = event
            case RunFinished():
                self.ended = event
            case _:
                pass


@dataclass(slots=True)
class RunProgress:
    """What is known of a run that writes, so far.

    Attributes:
        mode: A cycle or a purge.
        began: When it began, on the console's clock.
        started: The run's first event, None before it.
        lines: Its stages in the order they run.
        retry: The request being sent again, None when none is.
        retries: How many requests were sent again so far.
        notices: Things worth knowing, oldest first.
        refreshes: Timed refreshes, oldest first.
        check: The comparison's figures, None before it.
        sample: The heatmap as read, None before it.
        audit: What was left, None before it was counted.
        cancelling: Why it is being stopped, None when it is not.
        finished: How it ended, None while it goes on.
    """

    mode: Mode
    began: float
    started: RunStarted | None = None
    lines: dict[Stage, StageLine] = field(default_factory=dict)
    retry: Retrying | None = None
    retries: int = 0
    notices: list[Notice] = field(default_factory=list)
    refreshes: list[RefreshTimed] = field(default_factory=list)
    check: CheckFinished | None = None
    sample: SampleTaken | None = None
    audit: AuditFinished | None = None
    cancelling: str | None = None
    finished: RunFinished | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.finished is None

    @property
    def cleaning_up(self) -> bool:
        """Whether it is deleting what it wrote."""
        return any(
            line.state is StageState.RUNNING and stage in CLEAN_UP
            for stage, line in self.lines.items()
        )

    def apply(self, event: Event, now: float) -> None:
        """Take in one event, seen at `now` on the console's clock."""
        match event:
            case RunStarted():
                self.started = event
                self.lines = {stage: StageLine(stage) for stage in event.stages}
            case StageStarted() | StageProgress() | StageFinished():
                self._apply_stage(event, now)
            case Retrying():
                self.retry = event
                self.retries += 1
            case Notice():
                self.notices.append(event)
            case RefreshTimed():
                self.refreshes.append(event)
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
                self._finish(event, now)
            case _:
                pass

    def _apply_stage(self, event: StageStarted | StageProgress | StageFinished, now: float) -> None:
        line = self.lines.setdefault(event.stage, StageLine(event.stage))
        match event:
            case StageStarted():
                # A stage may begin twice, when clean-up is tried again: it starts afresh.
                line.state, line.began, line.seconds = StageState.RUNNING, now, None
                line.what, line.total, line.done = event.what, event.total, 0
            case StageProgress():
                if event.done > line.done:
                    self.retry = None
                line.done, line.total = event.done, event.total
            case StageFinished():
                line.state = StageState.FAILED if event.failed else StageState.DONE
                line.seconds, line.done = event.seconds, event.count
                self.retry = None

    def _finish(self, event: RunFinished, now: float) -> None:
        self.finished = event
        self.retry = None
        for line in self.lines.values():
            if line.state is StageState.WAITING:
                line.state = StageState.NOT_RUN
            elif line.state is StageState.RUNNING:
                line.state, line.seconds = StageState.FAILED, line.elapsed(now)
