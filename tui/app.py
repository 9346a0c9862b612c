"""The console: owns the sitting and the work under way, holds the screens.

It asks nothing of the environment and talks to no server: how to connect is handed to it, and what
the session does comes back as events. They are folded as they arrive and painted at most ten times
a second.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on, work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.worker import Worker, WorkerState

from tui.errors import ExitCode, OperatorError
from tui.redact import redact
from tui.screens.base import ConsoleScreen
from tui.screens.desk import Desk
from tui.screens.dialogs import Question, TextDialog
from tui.screens.dry_run import DryRunScreen
from tui.screens.evidence import EvidenceScreen
from tui.screens.heatmap import HeatmapScreen
from tui.screens.review import ReviewScreen
from tui.screens.run import RunScreen
from tui.screens.target import TargetScreen
from tui.styles import theme as themes
from tui.widgets.glyphs import glyphs_for
from tui.widgets.rail import Chosen
from tui.widgets.steps import CHECKLIST, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from textual.screen import Screen

    from tui.screens.desk import Clock, Connect
    from tui.verify.session import Run

PAINTS_PER_SECOND: Final = 10
SCREENS: Final[tuple[type[ConsoleScreen], ...]] = (
    TargetScreen,
    DryRunScreen,
    ReviewScreen,
    RunScreen,
    HeatmapScreen,
    EvidenceScreen,
)
IDLE_PAINTS: Final = 5
"""Of these many ticks one is painted while only the waiting time changes."""


class HeatmapApp(App[int]):
    """The operator console. `run()` returns the exit code.

    Args:
        connect: Opens the session, reporting what it waits for; called after the first paint, and
            again when the operator tries again. Raises `OperatorError` where it cannot.
        allow_prod: Whether break-glass may be asked for on production.
        opening: What the banner says while the project is being opened.
        ascii_only: Whether the terminal lacks Unicode.
        theme_name: `heatmap-dark` or `heatmap-light`.
        clock: Seconds that only grow.

    Attributes:
        desk: The sitting: session, work under way, what it has shown.
        glyphs: The signs in use.
        opening: What the banner says while the project is being opened.
        parting_words: What to print once the terminal is back, None for nothing.
    """

    TITLE = "heatmap-tui"
    CSS_PATH = "styles/console.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "go('target')", "Target", id="go.target", tooltip="Step 1: the project"),
        Binding("1", "go('target')", "Target", show=False, id="go.step1"),
        Binding("d", "dry_run", "Dry run", id="go.dry-run", tooltip="Ask the probes; no writes"),
        Binding("2", "go('dry-run')", "Dry run", show=False, id="go.step2"),
        Binding("r", "review_or_run", "Run", id="go.run", tooltip="Review a run, or watch it"),
        Binding("3", "go('review')", "Review", show=False, id="go.step3"),
        Binding("4", "go('run')", "Run", show=False, id="go.step4"),
        Binding("h", "go('heatmap')", "Heatmap", id="go.heatmap", tooltip="Look at the heatmap"),
        Binding("e", "go('evidence')", "Evidence", id="go.evidence", tooltip="Text to paste"),
        Binding("question_mark", "help", "Help", id="app.help", tooltip="Explain this screen"),
        Binding("q", "leave", "Quit", id="app.quit", tooltip="Leave the console"),
        Binding("escape", "retreat", "Back", id="app.back", tooltip="Back; during a run: stop it"),
        Binding("left", "step(-1)", "Step before", show=False, id="go.before"),
        Binding("right", "step(1)", "Step after", show=False, id="go.after"),
        Binding("ctrl+c", "interrupt", "Stop", show=False, priority=True, id="app.interrupt"),
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True, id="app.quit-anywhere"),
    ]

    def __init__(
        self,
        connect: Connect,
        *,
        allow_prod: bool = False,
        opening: str = "opening the project",
        ascii_only: bool = False,
        theme_name: str = themes.DARK_NAME,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self.opening = opening
        self.glyphs = glyphs_for(ascii_only=ascii_only)
        self.parting_words: str | None = None
        self.desk = Desk(clock, self._note_change, allow_prod=allow_prod)
        self._connect = connect
        self._stale = True
        self._ticks = 0
        self._leaving = False
        self.set_class(ascii_only, "-ascii")
        self.register_theme(themes.DARK)
        self.register_theme(themes.LIGHT)
        self.theme = theme_name

    # Life: from the first paint to the exit code.

    def on_mount(self) -> None:
        """Put up the screens; connect once the first is painted."""
        for kind in SCREENS:
            screen = kind(self.desk, self.glyphs, opening=self.opening)
            self.install_screen(screen, kind.VIEW.value)
        self.push_screen(View.TARGET.value)
        self.set_interval(1 / PAINTS_PER_SECOND, self._tick)
        self.call_after_refresh(self.begin_connecting)

    async def on_unmount(self) -> None:
        """Close the session, and with it the sandbox behind it."""
        if self.desk.session is not None:
            await self.desk.session.aclose()

    def _note_change(self) -> None:
        self._stale = True

    def _tick(self) -> None:
        """Paint what has changed; where only time goes by, paint twice a second."""
        self._ticks += 1
        if self._stale or (self.desk.is_busy and self._ticks % IDLE_PAINTS == 0):
            self._stale = False
            self.paint()

    def paint(self) -> None:
        """Bring the screen below any dialog up to date."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ConsoleScreen):
                screen.paint()
                return

    # Work: one at a time, owned here, whichever screen is in front.

    @work(group="connect", exit_on_error=False)
    async def begin_connecting(self) -> None:
        """Open the project."""
        if self.desk.is_connecting or self.desk.connect_error is not None:
            await self.desk.connect(self._connect)

    @work(group="probe", exit_on_error=False)
    async def begin_dry_run(self) -> None:
        """Ask all probes."""
        await self.desk.probe()

    def ask_again(self, probe: str) -> None:
        """Ask one probe once more."""
        del probe
        self.begin_dry_run()

    def begin_cycle(self) -> None:
        """Start the run that was reviewed."""
        session = self.desk.session
        if session is not None:
            self._begin_writing(session.cycle)

    def _begin_writing(self, make: Callable[[], Run]) -> None:
        if self.desk.is_writing:
            self.tell("A run is under way already; it is on screen 4.")
            return
        try:
            run = make()
        except OperatorError as error:
            self.show_error(error)
            return
        self._follow(run)
        self._switch(View.RUN)

    @work(group="write", exit_on_error=False)
    async def _follow(self, run: Run) -> None:
        await self.desk.write(run)

    @on(Worker.StateChanged)
    def _worker_failed(self, event: Worker.StateChanged) -> None:
        """No failure of ours goes unseen."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.show_error(event.worker.error)

    # Words: everything that is told is text, never markup, and holds no secret.

    def tell(self, text: str, *, title: str = "", warning: bool = True) -> None:
        """Say something in passing."""
        severity: Final = "warning" if warning else "information"
        self.notify(redact(text), title=title, severity=severity, markup=False)

    def show_error(self, error: BaseException) -> None:
        """Show a failure in a dialog that can be scrolled and copied."""
        lines = [redact(str(error)) or type(error).__name__]
        if isinstance(error, OperatorError):
            title = "This did not work"
            if error.hint:
                lines += ["", f"What to do: {redact(error.hint)}"]
        else:
            title = "The console made a mistake"
            lines[0] = f"{type(error).__name__}: {lines[0]}"
            lines += ["", "Nothing else was affected. Please report it with this text."]
        session = self.desk.session
        if session is not None:
            lines += ["", f"Project: {session.target.identity} ({session.target.kind.value})"]
        self.push_screen(TextDialog(title, "\n".join(lines), failed=True))

    def copy(self, text: str, what: str) -> None:
        """Put text on the clipboard, as far as the terminal lets us."""
        self.copy_to_clipboard(redact(text))
        self.tell(f"Sent {what} to the terminal's clipboard.", warning=False)

    def save(self, text: str, name: str, what: str) -> None:
        """Save text among the console's own files, and say where."""
        session = self.desk.session
        if session is None:
            return
        path = session.settings.state_dir / "reports" / name
        try:
            _write(path, redact(text))
        except OSError as error:
            self.tell(f"{path} could not be written: {error.strerror}")
            return
        self.tell(f"Saved {what} to {path}", warning=False)

    # Ways: the same on every screen.

    def dims(self, action: str) -> bool:
        """Whether an action leads to a place that is locked now."""
        view = {
            "dry_run": View.DRY_RUN,
            "review_or_run": View.REVIEW if not self._has_run() else View.RUN,
            "go('heatmap')": View.HEATMAP,
            "go('evidence')": View.EVIDENCE,
        }.get(action)
        return view is not None and self.desk.why_locked(view) is not None

    def _has_run(self) -> bool:
        return self.desk.run is not None

    @on(Chosen)
    def _chosen(self, event: Chosen) -> None:
        self.action_go(event.view.value)

    def action_go(self, name: str) -> None:
        """Go to a place, or say why it is locked."""
        view = View(name)
        why = self.desk.why_locked(view)
        if why is not None:
            self.tell(f"{view.title} {why}." if why.startswith("waits") else f"{why}.",
                      title=f"{view.title} is locked")  # fmt: skip
            return
        self._switch(view)

    def _switch(self, view: View) -> None:
        if self.view is not view:
            self.switch_screen(view.value)

    @property
    def view(self) -> View | None:
        """Where the operator is, None behind a dialog."""
        return self.screen.VIEW if isinstance(self.screen, ConsoleScreen) else None

    def action_dry_run(self) -> None:
        """Go to the dry run; begin it when none was done, or when one is there already."""
        why = self.desk.why_locked(View.DRY_RUN)
        if why is not None or self.desk.is_writing:
            self.action_go(View.DRY_RUN.value)
            return
        if self.view is View.DRY_RUN or self.desk.dry_run is None:
            self.begin_dry_run()
        self._switch(View.DRY_RUN)

    def action_review_or_run(self) -> None:
        """Watch the run there is; from there, or when there is none, review a new one."""
        if self.desk.is_writing or (self._has_run() and self.view is not View.RUN):
            self.action_go(View.RUN.value)
        else:
            self.action_go(View.REVIEW.value)

    def action_step(self, by: int) -> None:
        """Go to the step before or after this one."""
        if self.view in CHECKLIST:
            place = CHECKLIST.index(self.view) + by
            if 0 <= place < len(CHECKLIST):
                self.action_go(CHECKLIST[place].value)

    def action_retreat(self) -> None:
        """Stop the run one is watching; elsewhere go back to the step one came from."""
        if self.view is View.RUN and self.desk.is_writing:
            if not self.desk.is_cancelling:
                self._cancel("esc was pressed")
            return
        if isinstance(self.screen, HeatmapScreen) and self.screen.leave_filter():
            return
        order = {View.DRY_RUN: View.TARGET, View.REVIEW: View.DRY_RUN, View.RUN: View.REVIEW}
        if self.view in order:
            back = order[self.view]
        elif self.desk.run is not None:
            back = View.RUN
        elif self.desk.dry_run is not None:
            back = View.DRY_RUN
        else:
            back = View.TARGET
        if self.desk.why_locked(back) is not None:
            back = View.DRY_RUN
        self._switch(back)

    def action_press(self, key: str) -> None:
        """Press a key: what a click on the key bar does."""
        self.simulate_key(key)

    def action_help(self) -> None:
        """Explain the screen one stands on."""
        if isinstance(self.screen, ConsoleScreen):
            keys = "\n".join(
                f"{self.get_key_display(each.binding):>8}  "
                f"{each.tooltip or each.binding.description}"
                for each in self.screen.active_bindings.values()
                if each.binding.show
            )
            title = f"{self.screen.VIEW.title}: help"
            self.push_screen(TextDialog(title, f"{self.screen.HELP_TEXT}\n\n{keys}"))

    # Leaving: never in the middle of a run without a word.

    def action_interrupt(self) -> None:
        """Ctrl+c: the first stops the run, the second asks, the third leaves."""
        if isinstance(self.screen, Question) and self.screen.interrupt is not None:
            self.screen.dismiss(self.screen.interrupt)
        elif not self.desk.is_writing:
            self._ask_to_leave()
        elif not self.desk.is_cancelling:
            self._cancel("ctrl+c was pressed")
        else:
            self._ask_to_abandon()

    def action_leave(self) -> None:
        """Leave at once when nothing is under way, else ask."""
        if self.desk.is_writing:
            self._ask_to_stop_and_leave()
        else:
            self._leave()

    def _cancel(self, reason: str) -> None:
        self.desk.cancel(reason)
        self._switch(View.RUN)

    def _leave(self) -> None:
        self.exit(int(self.desk.exit_code))

    @work(group="ask", exit_on_error=False)
    async def _ask_to_leave(self) -> None:
        answer = await self.push_screen_wait(
            Question(
                "Leave the console?",
                "Nothing is under way.",
                [("stay", "Stay"), ("leave", "Leave")],
                interrupt="leave",
            )
        )
        if answer == "leave":
            self._leave()

    @work(group="ask", exit_on_error=False)
    async def _ask_to_stop_and_leave(self) -> None:
        answer = await self.push_screen_wait(
            Question(
                "A run is under way",
                "Leaving stops it. What it wrote is deleted first; that takes a moment.",
                [("stay", "Keep running"), ("stop", "Stop, clean up and leave")],
                interrupt="stop",
            )
        )
        if answer == "stop":
            self._cancel("the operator leaves")
            await self._wait_and_leave()

    @work(group="ask", exit_on_error=False)
    async def _ask_to_abandon(self) -> None:
        answer = await self.push_screen_wait(
            Question(
                "Clean-up is under way",
                "Waiting is safe. Leaving now leaves synthetic rows in the project; the next start "
                "offers to remove them, and so does: heatmap-tui --purge",
                [("wait", "Wait for the clean-up"), ("abandon", "Leave now")],
                interrupt="abandon",
            )
        )
        if answer == "abandon":
            self.desk.abandon()
            await self._wait_and_leave()

    async def _wait_and_leave(self) -> None:
        """Leave once the run under way is over."""
        self._leaving = True
        following = [worker for worker in self.workers if worker.group == "write"]
        await self.workers.wait_for_complete(following)
        finished = self.desk.run.finished if self.desk.run else None
        if finished is not None and self.desk.exit_code is not ExitCode.VERIFIED:
            self.parting_words = redact(
                finished.message + (f"\n{finished.hint}" if finished.hint else "")
            )
        self._leave()

    # The command palette, in plain words.

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every way of the console, and its looks."""
        del screen
        yield SystemCommand("Target", "Step 1: which project this is", partial(self._go, "target"))
        yield SystemCommand("Dry run", "Step 2: ask the probes", self.action_dry_run)
        yield SystemCommand("Review", "Step 3: what a run writes", partial(self._go, "review"))
        yield SystemCommand("Run", "Step 4: watch the run", partial(self._go, "run"))
        yield SystemCommand("Heatmap", "Look at the heatmap", partial(self._go, "heatmap"))
        yield SystemCommand("Evidence", "Text for a pull request", partial(self._go, "evidence"))
        yield SystemCommand("Help", "Explain this screen", self.action_help)
        yield SystemCommand("Light or dark", "Change the theme", self.action_toggle_theme)
        yield SystemCommand("Quit", "Leave the console", self.action_leave)

    def _go(self, name: str) -> None:
        self.action_go(name)

    def action_toggle_theme(self) -> None:
        """Change between dark and light."""
        dark = self.theme == themes.DARK_NAME
        self.theme = themes.LIGHT_NAME if dark else themes.DARK_NAME


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
