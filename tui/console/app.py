# ruff: noqa: PLC0415 - what is not needed for the first paint is imported behind it.
"""The console: owns the sitting and the work under way, holds the screens.

It asks nothing of the environment and talks to no server: how to connect is handed to it, and what
the session does comes back as events. They are folded as they arrive and painted at most ten times
a second.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text
from textual.app import App

from tui.console import theme as themes
from tui.console.keys import Keys
from tui.console.screens.opening import OpeningScreen
from tui.console.widgets.glyphs import glyphs_for
from tui.crash import report_crash
from tui.errors import ExitCode, OperatorError
from tui.redact import redact
from tui.signals import HUNG_UP, REASONS, listen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tui.console.controller import Workbench
    from tui.console.dialogs.environments import Environments
    from tui.console.navigation import Ways
    from tui.console.state import Clock, Connect, Desk
    from tui.evidence.report import RunEvidence

PAINTS_PER_SECOND: Final = 10
BUSY_TICKS: Final = 5
"""Of so many ticks one is painted while something is waited for and its time grows."""
IDLE_TICKS: Final = 100
"""Of so many while nothing is, since what was read grows old."""


class HeatmapApp(Keys):
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
        is_furnished: Whether the screens are there; before that one can only leave.
    """

    TITLE = "heatmap-tui"
    CSS_PATH = "console.tcss"

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
        self.is_furnished = False
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
        from tui.console.state import Desk

        return Desk(self._clock, self._note_change, allow_prod=self._allow_prod)

    @cached_property
    def bench(self) -> Workbench:
        """Begins work and sees it through."""
        from tui.console.controller import Workbench

        return Workbench(self, self._connect)

    @cached_property
    def ways(self) -> Ways:
        """The screens, and how one goes from one to the other."""
        from tui.console.navigation import Ways

        return Ways(self)

    # Life: from the first paint to the last word.

    def get_default_screen(self) -> OpeningScreen:
        """What is painted first."""
        return OpeningScreen(self.glyphs, self.opening)

    def on_mount(self) -> None:
        """Put up the screens and connect once something is painted."""
        if not self.is_headless:
            listen(self._signalled)
        self.call_after_refresh(self._furnish)

    def _furnish(self) -> None:
        from tui.console.collector import set_aside

        self.is_furnished = self.ways is not None
        set_aside()
        self.set_interval(1 / PAINTS_PER_SECOND, self._tick)
        self.bench.connect()

    def _signalled(self, name: str) -> None:
        """A signal stops the run under way; the clean-up goes on after the screen is gone."""
        self._terminal_gone = name == HUNG_UP
        self.desk.cancel(REASONS[name])
        self.exit(int(ExitCode.INTERRUPTED))

    def exit(self, result: int | None = None, *arguments: Any, **options: Any) -> None:
        """End the console as Textual does; a run under way stops at once and decides the code."""
        if self.is_furnished and self.desk.is_writing:
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
        ended_a_run = await self.bench.finish() or self._ended_a_run
        # Whoever left with something else, such as a picture, keeps it.
        if ended_a_run and (self._return_value is None or isinstance(self._return_value, int)):
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
        folder = self._state_dir
        if folder is None and self.desk.session is not None:
            folder = self.desk.session.settings.state_dir
        kind, where = type(error).__name__, report_crash(error, folder and folder / "crashes")
        words = f"heatmap-tui: an internal error ended the console ({kind}); {where}"
        self._exit_renderables.append(Text(words))
        self._return_value = int(ExitCode.FAILED)
        self._close_messages_no_wait()

    # Painting.

    def _note_change(self) -> None:
        self._stale = True

    def _tick(self) -> None:
        """Paint what has changed; where only time goes by, now and then."""
        self._ticks += 1
        every = BUSY_TICKS if self.desk.is_busy else IDLE_TICKS
        if self._stale or self._ticks % every == 0:
            self._stale = False
            self.paint()

    def paint(self) -> None:
        """Bring the screen below any dialog up to date."""
        self.ways.paint()

    # Words: everything that is told is text, never markup, and holds no secret.

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

    def hand_out(self, evidence: RunEvidence, *, copy: bool) -> None:
        """Save a run's report, its JSON beside it, and say where; put it on the clipboard too."""
        session = self.desk.session
        if session is None:
            return
        from tui.evidence.report import report, save

        name = f"{evidence.run_id}.md"
        try:
            path, _ = save(session.settings.state_dir / "reports" / name, evidence)
        except OperatorError as error:
            self.show_error(error)
        else:
            self.tell(f"Saved the evidence to {path}, its JSON beside it.", warning=False)
        if copy:
            self.copy(report(evidence), "the evidence")
