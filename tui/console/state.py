"""What the screens paint from: session, work under way, results.

There is one state; the application owns it. Screens only read it, so that a run goes on whichever
screen is in front, and a second one cannot be started beside it. It knows no screen.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tui.errors import ExitCode, OperatorError
from tui.evidence.archive import Archive
from tui.verify.events import Mode, Outcome, RunFinished, StageProgress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from tui.evidence.history import History
    from tui.evidence.report import RunEvidence
    from tui.guard.target import Environment
    from tui.verify.events import SampleTaken
    from tui.verify.result import Result
    from tui.verify.session import ConnectStage, Run, Session

    OnStage = Callable[[ConnectStage], None]
    Connect = Callable[[OnStage], Awaitable[Session]]
    Clock = Callable[[], float]

REFRESH_OFTEN: Final = 5
"""Timed refreshes enough to show a spread."""
RATE_SPAN_S: Final = 0.25
"""Seconds over which the rate of a run is taken."""


class View(StrEnum):
    """A screen one can go to. The first four are the checklist, in order."""

    TARGET = "target"
    DRY_RUN = "dry-run"
    REVIEW = "review"
    RUN = "run"
    HEATMAP = "heatmap"
    EVIDENCE = "evidence"

    @property
    def heading(self) -> str:
        return self.value.replace("-", " ").capitalize()


CHECKLIST: Final = (View.TARGET, View.DRY_RUN, View.REVIEW, View.RUN)


@dataclass(slots=True)
class OpeningStage:
    """One thing connecting waits for; `began` is on the console's clock."""

    title: str
    began: float
    seconds: float | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Environments:
    """How the console comes from one project to another; it does no I/O."""

    files: Callable[[], Sequence[Environment]]
    open: Callable[[Path, OnStage], Awaitable[Session]]


class Rates:
    """Rows handled a second, over the length of a run.

    Attributes:
        batch: Rows of the last request that handled any.
    """

    def __init__(self, began: float) -> None:
        self.batch = 0
        self._began = began
        self._done: dict[str, int] = {}
        self._rows: dict[int, int] = {}

    def add(self, event: StageProgress, now: float) -> None:
        """Take in how far a stage has come at `now`."""
        came = event.done - self._done.get(event.stage, 0)
        self._done[event.stage] = event.done
        if came > 0:
            span = self._span(now)
            self._rows[span] = self._rows.get(span, 0) + came
            self.batch = came

    def per_second(self, now: float) -> list[float]:
        """The rate in each span that is over, oldest first."""
        return [self._rows.get(span, 0) / RATE_SPAN_S for span in range(self._span(now))]

    def _span(self, now: float) -> int:
        return int((now - self._began) / RATE_SPAN_S)


class State:
    """What the screens paint from.

    Attributes:
        place: What is being opened, in words, until it is.
        connect_error: Why connecting failed, None where it did not.
        live_read_at: When that was, on the console's clock.
        reading_since: Since when it is being read, None while it is not.
        counts: Rows there are by table, None before they were counted; a table that cannot be
            counted is None.
        unclosed: Runs of this machine that began on this project and did not close.
        times_refresh_often: Whether the operator chose several timed refreshes; None for no choice.
        stop_asked: Whether one key more stops the run.
    """

    def __init__(
        self, clock: Clock, on_change: Callable[[], None], *, allow_prod: bool, place: str
    ) -> None:
        self.clock = clock
        self.changed = on_change
        self.allow_prod = allow_prod
        self.place = place
        self.files: Sequence[Environment] | None = None
        self.rates = Rates(0.0)
        self.live_read_at = 0.0
        self.times_refresh_often: bool | None = None
        self.stop_asked = False
        self._writing: Run | None = None
        self._forget()

    def _forget(self) -> None:
        """Begin with no project, and nothing known of any."""
        self.session: Session | None = None
        self.opening: dict[str, OpeningStage] = {}
        self.connect_began = self.clock()
        self.connect_error: OperatorError | None = None
        self.dry_run: Result | None = None
        self.run: Result | None = None
        self.dry_evidence: RunEvidence | None = None
        self.run_evidence: RunEvidence | None = None
        self.report_path: Path | None = None
        self.sample: SampleTaken | None = None
        self.live: SampleTaken | None = None
        self.reading_since: float | None = None
        self.read_problem: str | None = None
        self.counts: Mapping[str, int | None] | None = None
        self.unclosed = 0
        self.history: History | None = None
        self.exit_code = ExitCode.VERIFIED

    @property
    def is_connecting(self) -> bool:
        return self.session is None and self.connect_error is None

    @property
    def is_probing(self) -> bool:
        return self.dry_run is not None and self.dry_run.running

    @property
    def is_writing(self) -> bool:
        """Whether a run that writes is under way, its clean-up included."""
        return self._writing is not None

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way that makes times on the screen grow."""
        return (
            self.is_connecting
            or self.is_probing
            or self.is_writing
            or self.reading_since is not None
        )

    @property
    def is_cancelling(self) -> bool:
        return self._writing is not None and self._writing.cancellation.requested

    @property
    def evidence(self) -> RunEvidence | None:
        """What there is to paste: the last writing run's report, else the dry run's."""
        return self.run_evidence or self.dry_evidence

    @property
    def is_ready(self) -> bool:
        """Whether the last dry run ended ready, whatever the guard says."""
        return self.dry_run is not None and not self.dry_run.running and self.dry_run.ready

    @property
    def write_problem(self) -> str | None:
        """Why nothing may be written here."""
        if self.session is None or not self.session.target.is_production or self.allow_prod:
            return None
        return "this is production: nothing is written here without --allow-prod"

    @property
    def refresh_runs(self) -> int:
        """How often the next run times its refresh: as chosen, else as configured."""
        configured = self.session.settings.refresh_runs if self.session else 1
        if self.times_refresh_often is None:
            return configured
        return max(configured, REFRESH_OFTEN) if self.times_refresh_often else 1

    async def close(self) -> None:
        """Forget the project and all that was shown of it, to open another."""
        session = self.session
        self._forget()
        self.changed()
        if session is not None:
            await session.aclose()

    async def connect(self, connect: Connect) -> None:
        """Open the project; why it cannot be opened is kept in `connect_error`."""
        if self.session is not None:
            return
        self.opening.clear()
        self.connect_error = None
        self.connect_began = self.clock()
        self.changed()
        try:
            self.session = await connect(self._opening_stage)
            self.unclosed = len(self.session.journals)
        except OperatorError as error:
            self._not_connected(error)
        except Exception as defect:
            self._not_connected(OperatorError(f"internal error: {type(defect).__name__}"))
            raise
        finally:
            self.changed()

    def _not_connected(self, error: OperatorError) -> None:
        self.connect_error, self.exit_code = error, error.exit_code

    def _opening_stage(self, stage: ConnectStage) -> None:
        known = self.opening.setdefault(stage.title, OpeningStage(stage.title, self.clock()))
        known.seconds = stage.seconds
        known.detail = stage.detail or known.detail
        self.changed()

    async def read_history(self) -> None:
        """Read what earlier runs have left."""
        session = self.session
        if session is None:
            return
        history = await asyncio.to_thread(Archive.of(session).history.read)
        if session is self.session:
            self.history = history
            self.changed()

    async def count_rows(self) -> None:
        session = self.session
        if session is None:
            return
        counts = await session.count_rows()
        if session is self.session:
            self.counts = counts
            self.changed()

    async def probe(self, probe_id: str | None = None) -> None:
        """Do the dry run, unless one or a run that writes is under way.

        With `probe_id` that probe alone is asked again; the others' answers stand.
        """
        session = self.session
        if session is None or self.is_probing or self.is_writing:
            return
        run = session.dry_run() if probe_id is None else session.ask_again(probe_id)
        result = self.dry_run = run.result
        before = self._archived()
        self.changed()
        try:
            async with aclosing(run.events()) as events:
                async for _ in events:
                    self.changed()
        finally:
            if result.running:
                words = "the dry run broke off without a verdict"
                seconds = self.clock() - result.began
                result.apply(RunFinished(Outcome.FAILED, words, None, seconds))
            if result.finished is not None and self.run is None:
                self.exit_code = result.finished.exit_code
            self.dry_evidence = self._archived(before)
            self.changed()

    def _archived(self, before: RunEvidence | None = None) -> RunEvidence | None:
        """The report the session made last; None where that is the one from before."""
        evidence = Archive.of(self.session).evidence if self.session else None
        return evidence if evidence is not before else None

    async def read_live(self) -> None:
        """Read the live view; why it cannot be read is kept in `read_problem`.

        What comes after another project was opened is dropped: it is not that project's.
        """
        session = self.session
        if session is None or self.reading_since is not None:
            return
        self.reading_since, self.read_problem = self.clock(), None
        self.changed()
        live, problem = None, None
        try:
            live = await session.read_heatmap()
        except OperatorError as error:
            problem = " ".join(filter(None, (error.message, error.hint)))
        except Exception as defect:
            problem = f"internal error: {type(defect).__name__}"
            if session is self.session:
                raise
        finally:
            if session is self.session:
                self.live, self.read_problem = live, problem
                self.live_read_at, self.reading_since = self.clock(), None
                self.changed()

    async def write(self, run: Run) -> None:
        """Follow a run that writes to its end; cancelled, wait for its clean-up."""
        if self._writing is not None:
            raise RuntimeError("a run that writes is under way already")
        self._writing, self.stop_asked, self.report_path = run, False, None
        result = self.run = run.result
        self.rates = Rates(self.clock())
        before = self._archived()
        self.changed()
        try:
            async with aclosing(run.events()) as events:
                async for event in events:
                    if isinstance(event, StageProgress):
                        self.rates.add(event, self.clock())
                    # To be looked at while the run goes on.
                    self.sample = result.sample or self.sample
                    self.changed()
        finally:
            self._writing, self.stop_asked = None, False
            if self.session is not None:
                self.unclosed = len(self.session.journals)
            if result.running:
                self._broke_off(run)
            if result.finished is not None:
                self.exit_code = result.finished.exit_code
            self.run_evidence = self._archived(before)
            if run.mode is Mode.PURGE:
                # What it removed is what the dry run counted: the verdict is out of date.
                self.dry_run = self.dry_evidence = None
            self.changed()

    def _broke_off(self, run: Run) -> None:
        """Put an end to a run that came to none: it neither goes on nor was verified."""
        left = self.session is not None and any(
            record.run_id == run.run_id for record in self.session.journals
        )
        ended = RunFinished(
            Outcome.LEFTOVERS if left else Outcome.FAILED,
            "broke off: internal error" + (", and something may be left" if left else ""),
            "press p to see and remove what is left",
            self.clock() - run.result.began,
        )
        run.result.apply(ended)

    def cancel(self, reason: str) -> None:
        """Stop the run under way; it cleans up."""
        if self._writing is not None:
            self._writing.cancel(reason)
            self.stop_asked = False
            if self.run is not None and self.run.cancelling is None:
                self.run.cancelling = reason
            self.changed()

    def abandon(self) -> None:
        """Leave the run under way without its clean-up; its journal stays open."""
        if self._writing is not None:
            self._writing.abandon()
