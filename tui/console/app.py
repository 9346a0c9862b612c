"""The console: owns the state, the controller and the screens.

It reads nothing of the environment and talks to no server: how to connect is handed to it, and what
the session does comes back as events. They are folded as they arrive and painted at most ten times
a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import Binding

from tui.console import theme as themes
from tui.console.controller import Controller
from tui.console.dialogs import Dialog
from tui.console.figures import verdict_words
from tui.console.screens.base import ConsoleScreen
from tui.console.screens.dry_run import DryRunScreen
from tui.console.screens.evidence import EvidenceScreen
from tui.console.screens.heatmap import HeatmapScreen
from tui.console.screens.review import ReviewScreen
from tui.console.screens.run import RunScreen
from tui.console.screens.target import TargetScreen
from tui.console.state import State, View
from tui.console.widgets.frame import Banner
from tui.crash import report_crash
from tui.errors import ExitCode, OperatorError
from tui.files import write_private
from tui.redact import redact
from tui.signals import HUNG_UP, REASONS, listen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from textual.binding import BindingType
    from textual.screen import Screen

    from tui.console.state import Clock, Connect, Environments

PAINTS_PER_SECOND: Final = 10
BUSY_TICKS: Final = 5
"""Of so many ticks one is painted while something is waited for and its time grows."""
IDLE_TICKS: Final = 100
"""Of so many while nothing is, since what was read grows old."""
SCREENS: Final[tuple[type[ConsoleScreen], ...]] = (
    TargetScreen,
    DryRunScreen,
    ReviewScreen,
    RunScreen,
    HeatmapScreen,
    EvidenceScreen,
)
COMMANDS: Final = (
    ("Target", "Which project this is", "go('target')"),
    ("Dry run", "Ask the probes; writes nothing", "dry_run"),
    ("Review", "What a run writes", "go('review')"),
    ("Run", "Watch the run, or read its result", "go('run')"),
    ("Heatmap", "Look at the heatmap", "go('heatmap')"),
    ("Evidence", "Text to paste", "go('evidence')"),
    ("Purge", "Remove what earlier runs left", "purge"),
    ("Stop", "Stop the run under way; it cleans up", "stop"),
    ("Other project", "Open another environment file", "other_project"),
    ("Headless", "The command that does the same without screens", "headless"),
    ("Help", "Explain this screen", "help"),
    ("Light or dark", "Change the theme; it is remembered", "switch_theme"),
    ("Tell of the end", "Bell and notification at the end of a run: on or off", "switch_bell"),
    ("Quit", "Leave the console", "leave"),
)
"""What the palette offers on every screen: title, help, action."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the operator chose, kept on this machine: theme, bell, notification."""

    theme: str = themes.DARK_NAME
    tells_of_the_end: bool = True

    @classmethod
    def load(cls, folder: Path | None) -> Preferences:
        """What was chosen last, or the defaults where that cannot be read."""
        if folder is None:
            return cls()
        try:
            content = json.loads((folder / "preferences.json").read_bytes())
            light = content["theme"] == themes.LIGHT_NAME
            tells = content["tells_of_the_end"] is not False
        except (OSError, ValueError, TypeError, KeyError):
            return cls()
        return cls(themes.LIGHT_NAME if light else themes.DARK_NAME, tells)

    def save(self, folder: Path | None) -> str | None:
        """Keep the choice; returns why it could not be kept."""
        if folder is None:
            return None
        try:
            write_private(folder / "preferences.json", json.dumps(asdict(self)).encode())
        except OSError as error:
            return f"the choice is not remembered: {error.strerror or error}"
        return None


class HeatmapApp(App[int]):
    """The operator console. `run()` returns the exit code.

    Args:
        connect: Opens the session, reporting what it waits for; called after the first paint, and
            again when the operator tries again. Raises `OperatorError` where it cannot.
        opening: What the banner says while the project is being opened.
        state_dir: Where choices, and the report of a crash, are saved; None for nowhere.
    """

    TITLE = "heatmap-tui"
    CSS_PATH = "console.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "go('target')", "Target", id="go.target", tooltip="Step 1: the project"),
        Binding("1", "go('target')", "Target", show=False, id="go.step1"),
        Binding("d", "dry_run", "Dry run", id="go.dry-run", tooltip="Ask the probes; no writes"),
        Binding("2", "go('dry-run')", "Dry run", show=False, id="go.step2"),
        Binding(
            "r", "review_or_run", "Run", id="go.run", tooltip="Review a run, start or watch it"
        ),
        Binding("3", "go('review')", "Review", show=False, id="go.step3"),
        Binding("4", "go('run')", "Run", show=False, id="go.step4"),
        Binding("h", "go('heatmap')", "Heatmap", id="go.heatmap", tooltip="Look at the heatmap"),
        Binding("e", "go('evidence')", "Evidence", id="go.evidence", tooltip="Text to paste"),
        Binding("question_mark", "help", "Help", id="app.help", tooltip="Explain this screen"),
        Binding("escape", "back", "Back", id="app.back", tooltip="Back; in a run: stop it"),
        Binding("q", "leave", "Quit", id="app.quit", tooltip="Leave the console"),
        Binding("left", "step(-1)", "Step before", show=False, id="go.before"),
        Binding("right", "step(1)", "Step after", show=False, id="go.after"),
        Binding(
            "dollar_sign",
            "headless",
            "Headless",
            show=False,
            id="app.headless",
            tooltip="The command that does the same without screens",
        ),
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
        theme_name: str | None = None,
        state_dir: Path | None = None,
        environments: Environments | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self.state = State(clock, self._note_change, allow_prod=allow_prod, place=opening)
        self.controller = Controller(
            self,
            self.state,
            themes.ASCII if ascii_only else themes.UNICODE,
            connect,
            environments=environments,
            at_end=self._tell_of_the_end,
        )
        self._state_dir = state_dir
        self._stale = True
        self._ticks = 0
        self._finished = False
        self._ended_a_run = self._terminal_gone = False
        self._chosen = Preferences.load(state_dir)
        self.set_class(ascii_only, "-ascii")
        self.register_theme(themes.DARK)
        self.register_theme(themes.LIGHT)
        begin_with = theme_name or self._chosen.theme
        if begin_with == themes.DARK_NAME:
            # As Textual began with a dark one, no style has to be read a second time for this.
            self.set_reactive(App.theme, begin_with)
            self.stylesheet.set_variables(self.get_css_variables())
        else:
            self.theme = begin_with
        # What keys, clicks and the palette call, beside the methods below.
        self.action_dry_run = self.controller.dry_run
        self.action_review_or_run = self.controller.review_or_run
        self.action_step = self.controller.step
        self.action_headless = self.controller.show_headless
        self.action_purge = self.controller.purge
        self.action_stop = self.controller.stop
        self.action_interrupt = self.controller.interrupt
        self.action_leave = self.controller.leave
        self.action_other_project = self.controller.choose_project
        for kind in SCREENS:
            self.install_screen(kind(self.state, self.controller), kind.VIEW.value)

    # Life: from the first paint to the last word.

    def on_mount(self) -> None:
        if not self.is_headless:
            listen(self._signalled)
        self.push_screen(View.TARGET.value)
        self.set_interval(1 / PAINTS_PER_SECOND, self._tick)
        self.call_after_refresh(self.controller.connect)

    def _signalled(self, name: str) -> None:
        """Stop the run under way; its clean-up goes on after the screen is gone."""
        self._terminal_gone = name == HUNG_UP
        self.state.cancel(REASONS[name])
        self.exit(int(ExitCode.INTERRUPTED))

    def exit(self, result: int | None = None, *arguments: Any, **options: Any) -> None:
        """End as Textual does; a run under way stops at once and decides the code."""
        if self.state.is_writing:
            self._ended_a_run = True
            self.state.cancel("the console ended")
        super().exit(result, *arguments, **options)

    async def run_async(self, *arguments: Any, **options: Any) -> int | None:
        """Run the console; whatever ends it, a run under way is cleaned up first."""
        try:
            return await super().run_async(*arguments, **options)
        finally:
            await self._finish()

    async def on_unmount(self) -> None:
        await self._finish()
        if self._terminal_gone:
            # Restoring one that is gone may block for good.
            os._exit(int(self._return_value or ExitCode.INTERRUPTED))

    async def _finish(self) -> None:
        """Finish what is under way, close the project, say what matters; once."""
        if self._finished:
            return
        if self.state.is_writing:
            self._say("heatmap-tui: stopping the run and cleaning up")
        ended_a_run = await self.controller.finish() or self._ended_a_run
        # Whoever left with something else, such as a picture, keeps it.
        if ended_a_run and (self._return_value is None or isinstance(self._return_value, int)):
            self._return_value = int(self.state.exit_code)
        await self._say_how_it_ended()
        self._finished = True
        if self.state.session is not None:
            await self.state.session.aclose()

    async def _say_how_it_ended(self) -> None:
        """Print verdict, run id and report of the last run."""
        run, evidence = self.state.run, self.state.run_evidence
        if run is None or run.finished is None:
            return
        lines = [f"heatmap-tui: {run.finished.outcome.value}: {verdict_words(run)}"]
        lines += filter(None, (run.finished.hint,))
        if run.run_id:
            lines.append(f"run {run.run_id}")
        path = self.state.report_path
        if path is None and evidence is not None:
            with contextlib.suppress(OperatorError):
                path = await self.controller.save_report(evidence)
        if path is not None:
            lines.append(f"report {path}")
        self._say(redact("\n".join(lines)))

    def _say(self, words: str) -> None:
        """Print below the shell's prompt. A lost terminal is no reason to stop."""
        with contextlib.suppress(OSError):
            self.error_console.print(Text(words), soft_wrap=True)

    def _fatal_error(self) -> None:
        """Textual's last resort: end without a traceback, with a crash report."""
        if self._exit_renderables:
            return
        error = self._exception or RuntimeError("unknown")
        folder = self._state_dir
        if folder is None and self.state.session is not None:
            folder = self.state.session.settings.state_dir
        kind, where = type(error).__name__, report_crash(error, folder and folder / "crashes")
        words = f"heatmap-tui: an internal error ended the console ({kind}); {where}"
        self._exit_renderables.append(Text(words))
        self._return_value = int(ExitCode.FAILED)
        self._close_messages_no_wait()

    def _tell_of_the_end(self) -> None:
        """Notify the terminal that the run has ended."""
        run = self.state.run
        if run is None or run.finished is None:
            return
        words = f"heatmap-tui: {run.finished.outcome.value}"
        if self._chosen.tells_of_the_end and self._driver is not None and not self.is_headless:
            self.bell()
            self._driver.write(f"\x1b]2;{words}\x07\x1b]9;{words}\x07")

    # Painting.

    def _note_change(self) -> None:
        self._stale = True

    def _tick(self) -> None:
        """Paint what has changed; where only time goes by, now and then."""
        self._ticks += 1
        every = BUSY_TICKS if self.state.is_busy else IDLE_TICKS
        if self._stale or self._ticks % every == 0:
            self._stale = False
            self.paint()

    def paint(self) -> None:
        """Bring the screen below any dialog up to date, and the dialogs' banner."""
        if self._exit or not self.is_running:
            return
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Dialog):
                # It may be pushed and not composed yet.
                for banner in screen.query(Banner):
                    banner.paint()
            elif isinstance(screen, ConsoleScreen):
                screen.paint()
                return

    # What keys, clicks and the palette call.

    def action_go(self, name: str) -> None:
        self.controller.go(View(name))

    async def action_back(self) -> None:
        screen = self.screen
        if not (isinstance(screen, ConsoleScreen) and screen.leave_filter()):
            self.controller.back()

    def action_help(self) -> None:
        screen = self.screen
        if isinstance(screen, ConsoleScreen):
            self.controller.show_text(f"{screen.VIEW.heading}: help", screen.help())

    def action_switch_theme(self) -> None:
        dark = self.theme == themes.DARK_NAME
        self.theme = themes.LIGHT_NAME if dark else themes.DARK_NAME
        self._choose(replace(self._chosen, theme=self.theme))

    def action_switch_bell(self) -> None:
        tells = not self._chosen.tells_of_the_end
        self._choose(replace(self._chosen, tells_of_the_end=tells))
        self.controller.tell(
            f"The end of a run is {'' if tells else 'not '}announced by bell and notification.",
            warning=False,
        )

    def _choose(self, chosen: Preferences) -> None:
        self._chosen = chosen
        problem = chosen.save(self._state_dir)
        if problem is not None:
            self.controller.tell(problem)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "other_project":
            return self.controller.environments is not None
        return super().check_action(action, parameters)

    def get_key_display(self, binding: Binding) -> str:
        shown = super().get_key_display(binding)
        unicode = self.controller.glyphs is themes.UNICODE
        return shown if unicode or shown.isascii() else binding.key

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What this screen can do first, then the rest."""
        seen = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            elsewhere = active.node is self or binding.action.startswith("app.")
            if elsewhere or binding.action in seen or not active.enabled or not binding.tooltip:
                continue
            seen.add(binding.action)
            yield SystemCommand(
                binding.tooltip,
                f"Key {self.get_key_display(binding)} on this screen",
                partial(self.run_action, binding.action, active.node),
            )
        for title, words, action in COMMANDS:
            if self.check_action(action, ()):
                yield SystemCommand(title, words, partial(self.run_action, action))
