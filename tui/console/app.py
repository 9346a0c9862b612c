"""The console: owns the state, the controller and the screens.

It reads nothing of the environment and talks to no server: how to connect is handed to it, and what
the session does comes back as events. They are folded as they arrive and painted at most ten times
a second.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual.app import App

from tui.console import preferences
from tui.console import theme as themes
from tui.console.controller import Controller
from tui.console.dialogs import Dialog
from tui.console.figures import verdict_words
from tui.console.keys import EVERYWHERE, commands
from tui.console.screens.base import ConsoleScreen
from tui.console.screens.dry_run import DryRunScreen
from tui.console.screens.evidence import EvidenceScreen
from tui.console.screens.heatmap import HeatmapScreen
from tui.console.screens.review import ReviewScreen
from tui.console.screens.run import RunScreen
from tui.console.screens.target import TargetScreen
from tui.console.state import State, View
from tui.crash import report_crash
from tui.errors import ExitCode, OperatorError
from tui.redact import redact
from tui.signals import HUNG_UP, REASONS, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from textual.app import SystemCommand
    from textual.binding import Binding, BindingType
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
    BINDINGS: ClassVar[list[BindingType]] = EVERYWHERE

    def __init__(
        self,
        connect: Connect,
        *,
        allow_prod: bool = False,
        opening: str = "opening the project",
        ascii_only: bool = False,
        theme_name: str | None = None,
        state_dir: Path | None = None,
        environments: Callable[[], Environments] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self.state = State(clock, self._note_change, allow_prod=allow_prod, place=opening)
        self.controller = Controller(
            self,
            self.state,
            themes.glyphs_for(ascii_only=ascii_only),
            connect,
            environments=environments,
            at_end=self._tell_of_the_end,
        )
        self._state_dir = state_dir
        self._stale = True
        self._ticks = 0
        self._finished = False
        self._ended_a_run = self._terminal_gone = False
        self._chosen = preferences.load(state_dir)
        self.set_class(ascii_only, "-ascii")
        self.register_theme(themes.DARK)
        self.register_theme(themes.LIGHT)
        self._begin_with(theme_name or self._chosen.theme)
        for kind in SCREENS:
            self.install_screen(kind(self.state, self.controller), kind.VIEW.value)

    def _begin_with(self, theme_name: str) -> None:
        if theme_name != themes.DARK_NAME:
            self.theme = theme_name
            return
        # As Textual began with a dark one, no style has to be read a second time for this.
        self.set_reactive(App.theme, theme_name)
        self.stylesheet.set_variables(self.get_css_variables())

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
                screen.paint_banner()
            elif isinstance(screen, ConsoleScreen):
                screen.paint()
                return

    # What keys, clicks and the palette call.

    def action_go(self, name: str) -> None:
        self.controller.go(View(name))

    def action_dry_run(self) -> None:
        self.controller.dry_run()

    def action_review_or_run(self) -> None:
        self.controller.review_or_run()

    def action_step(self, by: int) -> None:
        self.controller.step(by)

    async def action_back(self) -> None:
        screen = self.screen
        if not (isinstance(screen, ConsoleScreen) and screen.leave_filter()):
            self.controller.back()

    def action_press(self, key: str) -> None:
        """Press a key: what a click on the key bar does."""
        self.simulate_key(key)

    def action_help(self) -> None:
        screen = self.screen
        if isinstance(screen, ConsoleScreen):
            self.controller.show_text(f"{screen.VIEW.heading}: help", screen.help())

    def action_headless(self) -> None:
        self.controller.show_headless()

    def action_purge(self) -> None:
        self.controller.purge()

    def action_interrupt(self) -> None:
        self.controller.interrupt()

    def action_leave(self) -> None:
        self.controller.leave()

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

    def _choose(self, chosen: preferences.Preferences) -> None:
        self._chosen = chosen
        problem = preferences.save(self._state_dir, chosen)
        if problem is not None:
            self.controller.tell(problem)

    def get_key_display(self, binding: Binding) -> str:
        shown = super().get_key_display(binding)
        unicode = self.controller.glyphs is themes.UNICODE
        return shown if unicode or shown.isascii() else binding.key

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        return commands(self, self.controller, screen)
