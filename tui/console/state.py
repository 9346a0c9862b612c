"""The sitting: the session, the work under way and what it has shown. Knows no screen.

There is one desk; the application owns it. Screens only read it, so that a run goes on whichever
screen is in front, and a second one cannot be started beside it.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.console.collector import set_aside
from tui.console.widgets.places import View
from tui.console.widgets.steps import Step, StepState, checklist
from tui.errors import ExitCode, OperatorError
from tui.evidence.archive import Archive
from tui.verify.events import Mode, Outcome, RunFinished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tui.evidence.report import RunEvidence
    from tui.verify.events import SampleTaken
    from tui.verify.result import Result
    from tui.verify.session import ConnectStage, Run, Session

    Connect = Callable[[Callable[[ConnectStage], None]], Awaitable[Session]]
    Clock = Callable[[], float]

REFRESH_OFTEN = 5
"""Timed refreshes that tell a spread; fewer tell none."""

NEEDS_LEAVE = "this is production: nothing is written here without --allow-prod"


@dataclass(slots=True)
class OpeningStage:
    """One thing connecting waits for.

    Attributes:
        title: What.
        began: When it began, on the console's clock.
        seconds: How long it took, None while it lasts.
        detail: What came of it.
    """

    title: str
    began: float
    seconds: float | None = None
    detail: str | None = None


class Desk:
    """What the screens paint from.

    Args:
        clock: Seconds that only grow; times on screens are differences of it.
        on_change: Called after every change; must return at once.
        allow_prod: Whether break-glass may be asked for on production.

    Attributes:
        session: The project, None until it is connected.
        opening: What connecting waited for, oldest first.
        connect_error: Why connecting failed, None where it did not.
        dry_run: The last dry run, None before the first.
        run: The last run that writes, None before the first.
        dry_evidence: Its report, None before its end.
        run_evidence: The last writing run's report, None before its end.
        sample: The last heatmap a run took, None before the first.
        live: The live view as it was read last, None where it was not, or could not be.
        live_read_at: When that was, on the console's clock.
        reading_since: Since when it is being read, None while it is not.
        read_problem: Why it could not be read, None where it could.
        unclosed: Runs of this machine that began on this project and did not close.
        exit_code: What the process will tell the shell when the operator leaves now.
        times_refresh_often: Whether the operator chose several timed refreshes; None for no choice.
    """

    def __init__(self, clock: Clock, on_change: Callable[[], None], *, allow_prod: bool) -> None:
        self.clock = clock
        self.allow_prod = allow_prod
        self.session: Session | None = None
        self.opening: list[OpeningStage] = []
        self.connect_error: OperatorError | None = None
        self.connect_began = clock()
        self.dry_run: Result | None = None
        self.run: Result | None = None
        self.dry_evidence: RunEvidence | None = None
        self.run_evidence: RunEvidence | None = None
        self.sample: SampleTaken | None = None
        self.live: SampleTaken | None = None
        self.live_read_at = 0.0
        self.reading_since: float | None = None
        self.read_problem: str | None = None
        self.unclosed = 0
        self.exit_code = ExitCode.VERIFIED
        self.times_refresh_often: bool | None = None
        self._changed = on_change
        self._writing: Run | None = None

    @property
    def is_connecting(self) -> bool:
        """Whether the project is being opened."""
        return self.session is None and self.connect_error is None

    @property
    def is_probing(self) -> bool:
        """Whether a dry run is under way."""
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
        """Whether the run under way was asked to stop."""
        return self._writing is not None and self._writing.cancellation.requested

    @property
    def evidence(self) -> RunEvidence | None:
        """What there is to paste: the last writing run's report, else the last dry run's."""
        return self.run_evidence or self.dry_evidence

    @property
    def write_problem(self) -> str | None:
        """Why writing is out of the question here, None where it is not."""
        if self.session is None or not self.session.target.is_production or self.allow_prod:
            return None
        return NEEDS_LEAVE

    @property
    def refresh_runs(self) -> int:
        """How often the next run times its refresh: as chosen, else as configured."""
        configured = self.session.settings.refresh_runs if self.session else 1
        if self.times_refresh_often is None:
            return configured
        return max(configured, REFRESH_OFTEN) if self.times_refresh_often else 1

    def steps(self) -> tuple[Step, ...]:
        """The checklist as it stands."""
        return checklist(
            connected=self.session is not None,
            connect_problem=self.connect_error.message if self.connect_error else None,
            dry_run=self.dry_run,
            run=self.run,
            write_problem=self.write_problem,
        )

    def why_locked(self, view: View) -> str | None:
        """Why one cannot go to `view` now, None where one can."""
        for step in self.steps():
            if step.view is view and step.state is StepState.LOCKED:
                return step.why
        if view is View.HEATMAP and self.session is None:
            return "waits until the project is connected"
        if view is View.EVIDENCE and self.evidence is None:
            return "there is no evidence before the first dry run"
        return None

    async def close(self) -> None:
        """Let go of the project and of all that was shown of it, to open another."""
        session, self.session = self.session, None
        self.dry_run = self.run = None
        self.dry_evidence = self.run_evidence = None
        self.sample = self.live = self.reading_since = self.read_problem = None
        self.connect_error, self.unclosed, self.exit_code = None, 0, ExitCode.VERIFIED
        self.opening.clear()
        self.connect_began = self.clock()
        self._changed()
        if session is not None:
            await session.aclose()

    async def connect(self, connect: Connect) -> None:
        """Open the project; why it cannot be opened is kept in `connect_error`.

        Raises:
            Exception: A defect; it is kept too, so that it can be tried again.
        """
        if self.session is not None:
            return
        self.opening.clear()
        self.connect_error = None
        self.connect_began = self.clock()
        self._changed()
        try:
            self.session = await connect(self._opening_stage)
            self.unclosed = len(self.session.journals)
        except OperatorError as error:
            self._not_connected(error)
        except Exception as defect:
            self._not_connected(OperatorError(f"a mistake of ours: {type(defect).__name__}"))
            raise
        finally:
            self._changed()

    def _not_connected(self, error: OperatorError) -> None:
        self.connect_error, self.exit_code = error, error.exit_code

    def _opening_stage(self, stage: ConnectStage) -> None:
        known = next((each for each in self.opening if each.title == stage.title), None)
        if known is None:
            known = OpeningStage(stage.title, self.clock())
            self.opening.append(known)
        known.seconds = stage.seconds
        known.detail = stage.detail or known.detail
        self._changed()

    async def probe(self) -> None:
        """Do the dry run. A second one beside it, or beside a run that writes, is not started."""
        if self.session is None or self.is_probing or self.is_writing:
            return
        await self._ask(self.session.dry_run())

    async def ask_again(self, probe_id: str) -> None:
        """Ask one probe again; the others' answers stand, and the verdict is made anew."""
        if self.session is None or self.dry_run is None or self.is_probing or self.is_writing:
            return
        await self._ask(self.session.ask_again(probe_id))

    async def _ask(self, run: Run) -> None:
        result = self.dry_run = run.result
        before = self._archived()
        self._changed()
        try:
            async with aclosing(run.events()) as events:
                async for _ in events:
                    self._changed()
        finally:
            if result.running:
                words = "the dry run broke off without a verdict"
                seconds = self.clock() - result.began
                result.apply(RunFinished(Outcome.FAILED, ExitCode.FAILED, words, None, seconds))
            if result.finished is not None and self.run is None:
                self.exit_code = result.finished.exit_code
            self.dry_evidence = self._new_evidence(before)
            self._changed()

    def _new_evidence(self, before: RunEvidence | None) -> RunEvidence | None:
        """The report the session has made since `before`, None where it made none."""
        evidence = self._archived()
        return evidence if evidence is not before else None

    def _archived(self) -> RunEvidence | None:
        return Archive.of(self.session).evidence if self.session else None

    async def read_live(self) -> None:
        """Read the live view; why it cannot be read is kept in `read_problem`.

        What comes after another project was opened is let go: it is not that project's.

        Raises:
            Exception: A defect; it is kept too.
        """
        session = self.session
        if session is None or self.reading_since is not None:
            return
        self.reading_since, self.read_problem = self.clock(), None
        self._changed()
        live, problem = None, None
        try:
            set_aside()
            live = await session.read_heatmap()
        except OperatorError as error:
            problem = " ".join(filter(None, (error.message, error.hint)))
        except Exception as defect:
            problem = f"a mistake of ours: {type(defect).__name__}"
            if session is self.session:
                raise
        finally:
            if session is self.session:
                self.live, self.read_problem = live, problem
                self.live_read_at, self.reading_since = self.clock(), None
                self._changed()

    async def write(self, run: Run) -> None:
        """Follow a run that writes to its end. Cancelling this waits for its clean-up.

        Raises:
            RuntimeError: Another one is under way.
        """
        if self._writing is not None:
            raise RuntimeError("a run that writes is under way already")
        self._writing = run
        result = self.run = run.result
        before = self._archived()
        self._changed()
        try:
            async with aclosing(run.events()) as events:
                async for _ in events:
                    # To be looked at while the run goes on.
                    self.sample = result.sample or self.sample
                    self._changed()
        finally:
            self._writing = None
            if self.session is not None:
                self.unclosed = len(self.session.journals)
            if result.running:
                self._broke_off(run)
            if result.finished is not None:
                self.exit_code = result.finished.exit_code
            self.run_evidence = self._new_evidence(before)
            if run.mode is Mode.PURGE:
                # What it removed is what the dry run counted: the verdict is out of date.
                self.dry_run = self.dry_evidence = None
            self._changed()

    def _broke_off(self, run: Run) -> None:
        """Put an end to a run that came to none: it neither goes on nor was it verified."""
        left = self.session is not None and any(
            record.run_id == run.run_id for record in self.session.journals
        )
        ended = RunFinished(
            Outcome.LEFTOVERS if left else Outcome.FAILED,
            ExitCode.LEFTOVERS if left else ExitCode.FAILED,
            "broke off: a mistake of ours" + (", and something may be left" if left else ""),
            "press t, then p, to see and remove what is left",
            self.clock() - run.result.began,
        )
        run.result.apply(ended)

    def cancel(self, reason: str) -> None:
        """Stop the run under way; it cleans up."""
        if self._writing is not None:
            self._writing.cancel(reason)
            if self.run is not None and self.run.cancelling is None:
                self.run.cancelling = reason
            self._changed()

    def abandon(self) -> None:
        """Leave the run under way without finishing its clean-up; its journal stays open."""
        if self._writing is not None:
            self._writing.abandon()
