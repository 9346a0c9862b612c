# ruff: noqa: PLC0415 - what is not needed for the first paint is imported behind it.
"""The console: owns the sitting and the work under way, holds the screens.

It asks nothing of the environment and talks to no server: how to connect is handed to it, and what
the session does comes back as events. They are folded as they arrive and painted at most ten times
a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.worker import Worker, WorkerState

from tui.errors import ExitCode
from tui.redact import redact
from tui.screens.opening import OpeningScreen
from tui.styles import theme as themes
from tui.widgets.glyphs import UNICODE, glyphs_for
from tui.widgets.places import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from textual.app import SystemCommand
    from textual.screen import Screen

    from tui.screens.desk import Clock, Connect, Desk
    from tui.screens.environments import Environments
    from tui.screens.ways import Ways
    from tui.screens.workbench import Workbench

PAINTS_PER_SECOND: Final = 10
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
        state_dir: Where the report of a crash is saved, None for nowhere.
        environments: How other projects are come by, None where there is but one.
        clock: Seconds that only grow.

    Attributes:
        glyphs: The signs in use.
        opening: What the banner says while the project is being opened.
        environments: As given.
    """

    TITLE = "heatmap-tui"
    CSS_PATH = "styles/console.tcss"
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
        Binding("escape", "retreat", "Back", id="app.back", tooltip="Back; in a run: stop it"),
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
        state_dir: Path | None = None,
        environments: Callable[[], Environments] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__()
        self.opening = opening
        self.glyphs = glyphs_for(ascii_only=ascii_only)
        self._connect = connect
        self._clock = clock
        self._allow_prod = allow_prod
        self.environments = environments
        self._state_dir = state_dir
        self._stale = True
        self._ticks = 0
        self._finished = False
        self._furnished = False
        self._ended_a_run = self._terminal_gone = False
        self.set_class(ascii_only, "-ascii")
        self.register_theme(themes.DARK)
        self.register_theme(themes.LIGHT)
        self._begin_with(theme_name)

    def _begin_with(self, theme_name: str) -> None:
        if theme_name != themes.DARK_NAME:
            self.theme = theme_name
            return
        # As Textual began with a dark one, no style has to be read a second time for this.
        self.set_reactive(App.theme, theme_name)
        self.stylesheet.set_variables(self.get_css_variables())

    # What is not needed for the first paint is loaded behind it.

    @cached_property
    def desk(self) -> Desk:
        """The sitting: session, work under way, what it has shown."""
        from tui.screens.desk import Desk

        return Desk(self._clock, self._note_change, allow_prod=self._allow_prod)

    @cached_property
    def bench(self) -> Workbench:
        """Begins work and sees it through."""
        from tui.screens.workbench import Workbench

        return Workbench(self, self._connect)

    @cached_property
    def ways(self) -> Ways:
        """The screens, and how one goes from one to the other."""
        from tui.screens.ways import Ways

        return Ways(self)

    # Life: from the first paint to the last word.

    def get_default_screen(self) -> OpeningScreen:
        """What is painted first."""
        return OpeningScreen(self.glyphs, self.opening)

    def on_mount(self) -> None:
        """Put up the screens and connect once something is painted."""
        if not self.is_headless:
            self._listen_for_signals()
        self.call_after_refresh(self._furnish)

    def _furnish(self) -> None:
        from tui.screens.collector import set_aside

        self._furnished = self.ways is not None
        set_aside()
        self.set_interval(1 / PAINTS_PER_SECOND, self._tick)
        self.bench.connect()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Before there are screens one can only leave."""
        del parameters
        return self._furnished or action in {"leave", "interrupt"}

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                loop.add_signal_handler(number, self._signalled, name)

    def _signalled(self, name: str) -> None:
        """A signal stops the run under way; the clean-up goes on after the screen is gone."""
        self._terminal_gone = name == "SIGHUP"
        self.desk.cancel(f"{name} was received")
        self.exit(int(ExitCode.INTERRUPTED))

    def exit(self, result: int | None = None, *arguments: Any, **options: Any) -> None:
        """End the console as Textual does; a run under way stops at once and decides the code."""
        if self._furnished and self.desk.is_writing:
            self._ended_a_run = True
            self.desk.cancel("the console ended")
        super().exit(result, *arguments, **options)

    async def run_async(self, *arguments: Any, **options: Any) -> int | None:
        """Run the console; whatever ends it, a run under way is cleaned up first.

        Args:
            *arguments: As Textual's.
            **options: As Textual's.
        """
        try:
            return await super().run_async(*arguments, **options)
        finally:
            await self._finish()

    async def on_unmount(self) -> None:
        """All is done; but for a terminal that is still there to be restored."""
        await self._finish()
        if self._terminal_gone:
            # Restoring one that is gone may block for good.
            os._exit(int(self._return_value or ExitCode.INTERRUPTED))

    async def _finish(self) -> None:
        """Finish what is under way, close the project, say what matters. Once; then it is done."""
        if self._finished:
            return
        if self.desk.is_writing:
            self._say("heatmap-tui: stopping the run and cleaning up")
        if await self.bench.finish() or self._ended_a_run:
            self._return_value = int(self.desk.exit_code)
        finished = self.desk.run.finished if self.desk.run else None
        if finished is not None and finished.exit_code in {
            ExitCode.INTERRUPTED,
            ExitCode.LEFTOVERS,
        }:
            words = "\n".join(filter(None, (finished.message, finished.hint)))
            self._say(f"heatmap-tui: {redact(words)}")
        self._finished = True
        if self.desk.session is not None:
            await self.desk.session.aclose()

    def _say(self, words: str) -> None:
        """Print below the shell's prompt. A terminal that is gone is no reason to stop."""
        with contextlib.suppress(OSError):
            self.error_console.print(Text(words), soft_wrap=True)

    def _fatal_error(self) -> None:
        """Textual's last resort: leave without a traceback, with a report that holds no secret."""
        if self._exit_renderables:
            return
        error = self._exception or RuntimeError("unknown")
        words = f"heatmap-tui: a mistake of ours ended the console ({type(error).__name__})."
        from tui.records.crash import save_crash

        folder = self._state_dir
        if folder is None and self.desk.session is not None:
            folder = self.desk.session.settings.state_dir
        if folder is not None:
            try:
                words += f"\nThe report is in {save_crash(error, folder / 'crashes')}"
            except OSError as problem:
                words += f"\nA report could not be written: {problem.strerror}"
        self._exit_renderables.append(Text(words))
        self._return_value = int(ExitCode.FAILED)
        self._close_messages_no_wait()

    # Painting.

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
        self.ways.paint()

    # Words: everything that is told is text, never markup, and holds no secret.

    @on(Worker.StateChanged)
    def _worker_failed(self, event: Worker.StateChanged) -> None:
        """No failure of ours goes unseen."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.show_error(event.worker.error)

    def tell(self, text: str, *, title: str = "", warning: bool = True) -> None:
        """Say something in passing."""
        severity: Final = "warning" if warning else "information"
        self.notify(redact(text), title=title, severity=severity, markup=False)

    def show_error(self, error: BaseException) -> None:
        """Show a failure in a dialog that can be scrolled and copied."""
        self.ways.show_error(error)

    def copy(self, text: str, what: str) -> None:
        """Put text on the clipboard, as far as the terminal lets us."""
        self.copy_to_clipboard(redact(text))
        self.tell(f"Sent {what} to the terminal's clipboard.", warning=False)

    def save(self, text: str, name: str, what: str) -> None:
        """Save text among the console's own files, and say where."""
        session = self.desk.session
        if session is None:
            return
        from tui.records.files import write_private

        path = session.settings.state_dir / "reports" / name
        try:
            write_private(path, redact(text).encode())
        except OSError as error:
            self.tell(f"{path} could not be written: {error.strerror}")
            return
        self.tell(f"Saved {what} to {path}", warning=False)

    # Ways: the same on every screen.

    @property
    def view(self) -> View | None:
        """Where the operator is, None behind a dialog."""
        return self.ways.view

    def dims(self, action: str) -> bool:
        """See `Ways.dims`."""
        return self.ways.dims(action)

    def switch(self, view: View) -> None:
        """Go to a place, through any dialog in front."""
        self.ways.switch(view)

    def action_go(self, name: str) -> None:
        """Go to a place, or say why it is locked."""
        self.ways.go(View(name))

    def action_dry_run(self) -> None:
        """Go to the dry run; begin it when none was done, or when one is there already."""
        self.ways.dry_run()

    def action_review_or_run(self) -> None:
        """Watch the run there is; from there, or when there is none, review a new one."""
        self.ways.review_or_run()

    def action_step(self, by: int) -> None:
        """Go to the step before or after this one."""
        self.ways.step(by)

    def action_retreat(self) -> None:
        """Stop the run one is watching; elsewhere go back to where one came from."""
        self.ways.retreat()

    def get_key_display(self, binding: Binding) -> str:
        """A key's name as it is shown; in ASCII where the terminal has no more."""
        shown = super().get_key_display(binding)
        return shown if self.glyphs is UNICODE or shown.isascii() else binding.key

    def action_press(self, key: str) -> None:
        """Press a key: what a click on the key bar does."""
        self.simulate_key(key)

    def action_help(self) -> None:
        """Explain the screen one stands on."""
        self.ways.help()

    def action_switch_theme(self) -> None:
        """Change between dark and light."""
        dark = self.theme == themes.DARK_NAME
        self.theme = themes.LIGHT_NAME if dark else themes.DARK_NAME

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers: the same on every screen."""
        del screen
        from tui.screens.commands import commands

        return commands(self)

    # Leaving: never in the middle of a run without a word.

    def action_purge(self) -> None:
        """Remove what earlier runs left, once the operator has agreed."""
        self.bench.purge()

    def action_other_project(self) -> None:
        """Choose another environment file, and open its project."""
        self.bench.choose_project()

    def action_new_environment(self) -> None:
        """Describe a project in a new environment file, and open it."""
        self.bench.describe_project()

    def action_interrupt(self) -> None:
        """Ctrl+c: the first stops the run, the second asks, the third leaves."""
        if self._furnished:
            self.ways.interrupt()
        else:
            self.exit(int(ExitCode.INTERRUPTED))

    def action_leave(self) -> None:
        """Leave at once when nothing is under way, else ask."""
        if self._furnished:
            self.bench.leave()
        else:
            self.exit(int(ExitCode.VERIFIED))

    def leave(self) -> None:
        """Leave now, with the exit code that what was done deserves."""
        self.exit(int(self.desk.exit_code))
