"""Going from place to place: the same on every screen; a place that is locked says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.console.dialogs.base import Dialog, Question, TextDialog
from tui.console.failures import failure_text, failure_title
from tui.console.screens.base import ConsoleScreen
from tui.console.screens.dry_run import DryRunScreen
from tui.console.screens.evidence import EvidenceScreen
from tui.console.screens.heatmap import HeatmapScreen
from tui.console.screens.review import ReviewScreen
from tui.console.screens.run import RunScreen
from tui.console.screens.target import TargetScreen
from tui.console.widgets.banner import BannerText, banner_for
from tui.console.widgets.places import CHECKLIST, View

if TYPE_CHECKING:
    from tui.console.app import HeatmapApp

SCREENS: Final[tuple[type[ConsoleScreen], ...]] = (
    TargetScreen,
    DryRunScreen,
    ReviewScreen,
    RunScreen,
    HeatmapScreen,
    EvidenceScreen,
)


class Ways:
    """Knows the screens, and how one comes from one to the other.

    Args:
        app: The application.
    """

    def __init__(self, app: HeatmapApp) -> None:
        self._app = app
        self._desk = app.desk
        self._step = View.TARGET
        for kind in SCREENS:
            screen = kind(self._desk, app.glyphs)
            app.install_screen(screen, kind.VIEW.value)
        app.push_screen(View.TARGET.value)

    @property
    def view(self) -> View | None:
        """Where the operator is, None behind a dialog."""
        screen = self._app.screen
        return screen.VIEW if isinstance(screen, ConsoleScreen) else None

    @property
    def banner(self) -> BannerText:
        """What stands on top of every screen and dialog."""
        session = self._desk.session
        return banner_for(
            session.target if session else None,
            is_sandbox=session.is_sandbox if session else False,
            opening=self._app.opening,
            failed=self._desk.connect_error is not None,
        )

    def paint(self) -> None:
        """Bring the screen below any dialog up to date, and the banner of those above it."""
        for screen in reversed(self._app.screen_stack):
            if isinstance(screen, Dialog):
                screen.paint_banner()
            elif isinstance(screen, ConsoleScreen):
                screen.paint()
                return

    def dims(self, action: str) -> bool:
        """Whether an action leads nowhere now: to a place that is locked, or to where one is."""
        if action == "retreat":
            return self.view is View.TARGET
        if action == "app.purge":
            return self._desk.session is None
        views = {
            "dry_run": View.DRY_RUN,
            "review_or_run": View.RUN if self._desk.run else View.REVIEW,
            "go('heatmap')": View.HEATMAP,
            "go('evidence')": View.EVIDENCE,
        }
        return action in views and self._desk.why_locked(views[action]) is not None

    def go(self, view: View) -> None:
        """Go to a place, or say why it is locked."""
        why = self._desk.why_locked(view)
        if why is None:
            self.switch(view)
        else:
            words = f"It {why}." if why.startswith("waits") else f"{why.capitalize()}."
            self._app.tell(words, title=f"{view.heading} is locked")

    def switch(self, view: View) -> None:
        """Go to a place, through any dialog in front."""
        app = self._app
        while not isinstance(app.screen, ConsoleScreen) and len(app.screen_stack) > 1:
            app.pop_screen()
        if self.view is not view:
            app.switch_screen(view.value)
        if view in CHECKLIST:
            self._step = view

    def dry_run(self) -> None:
        """Go to the dry run; begin it when none was done, or when one is there already."""
        desk = self._desk
        begins = self.view is View.DRY_RUN or desk.dry_run is None
        if begins and desk.session is not None and not desk.is_writing:
            self._app.bench.dry_run()
        self.go(View.DRY_RUN)

    def review_or_run(self) -> None:
        """Watch the run there is; from there, or when there is none, review a new one."""
        desk = self._desk
        shows_run = desk.is_writing or (desk.run and self.view is not View.RUN)
        self.go(View.RUN if shows_run else View.REVIEW)

    def step(self, by: int) -> None:
        """Go to the step before or after this one."""
        if self.view in CHECKLIST:
            place = CHECKLIST.index(self.view) + by
            if 0 <= place < len(CHECKLIST):
                self.go(CHECKLIST[place])

    def retreat(self) -> None:
        """Stop the run one is watching; from a step go to the one before, else to the step left."""
        screen = self._app.screen
        if self.view is View.RUN and self._desk.is_writing:
            if not self._desk.is_cancelling:
                self._desk.cancel("esc was pressed")
        elif not (isinstance(screen, HeatmapScreen) and screen.leave_filter()):
            self.switch(self._behind())

    def _behind(self) -> View:
        """The step before the one one stands on; from a look aside, the step it began from."""
        place = CHECKLIST.index(self._step)
        if self.view in CHECKLIST:
            place -= 1
        while place > 0 and self._desk.why_locked(CHECKLIST[place]) is not None:
            place -= 1
        return CHECKLIST[max(0, place)]

    def help(self) -> None:
        """Explain the screen one stands on."""
        screen = self._app.screen
        if isinstance(screen, ConsoleScreen):
            self._app.push_screen(TextDialog(f"{screen.VIEW.heading}: help", screen.help()))

    def interrupt(self) -> None:
        """Ctrl+c: in a question that is about it, the answer; else stop the run, or ask."""
        screen = self._app.screen
        if isinstance(screen, Question) and screen.interrupt is not None:
            screen.dismiss(screen.interrupt)
        else:
            self._app.bench.interrupt()

    def show_error(self, error: BaseException) -> None:
        """Show a failure in a dialog that can be scrolled and copied."""
        session = self._desk.session
        text = failure_text(error, session.target if session else None)
        self._app.push_screen(TextDialog(failure_title(error), text, failed=True))
