"""The keys that work on every screen, and what each does."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import App
from textual.binding import Binding, BindingType

from tui.console import theme as themes
from tui.console.failures import TellsFailures
from tui.console.palette import commands
from tui.console.widgets.glyphs import UNICODE
from tui.console.widgets.places import View
from tui.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import SystemCommand
    from textual.screen import Screen

    from tui.console.app import HeatmapApp


class Keys(TellsFailures, App[int]):
    """The part of the console that keys, clicks and the command palette call."""

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

    @property
    def _me(self) -> HeatmapApp:
        return cast("HeatmapApp", self)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Before there are screens one can only leave."""
        del parameters
        return self._me.is_furnished or action in {"leave", "interrupt"}

    # Ways: the same on every screen.

    @property
    def view(self) -> View | None:
        """Where the operator is, None behind a dialog."""
        return self._me.ways.view

    def dims(self, action: str) -> bool:
        """See `Ways.dims`."""
        return self._me.ways.dims(action)

    def switch(self, view: View) -> None:
        """Go to a place, through any dialog in front."""
        self._me.ways.switch(view)

    def action_go(self, name: str) -> None:
        """Go to a place, or say why it is locked."""
        self._me.ways.go(View(name))

    def action_dry_run(self) -> None:
        """Go to the dry run; begin it when none was done, or when one is there already."""
        self._me.ways.dry_run()

    def action_review_or_run(self) -> None:
        """Watch the run there is; from there, or when there is none, review a new one."""
        self._me.ways.review_or_run()

    def action_step(self, by: int) -> None:
        """Go to the step before or after this one."""
        self._me.ways.step(by)

    def action_retreat(self) -> None:
        """Stop the run one is watching; elsewhere go back, see `Ways.retreat`."""
        self._me.ways.retreat()

    def get_key_display(self, binding: Binding) -> str:
        """A key's name as it is shown; in ASCII where the terminal has no more."""
        shown = super().get_key_display(binding)
        return shown if self._me.glyphs is UNICODE or shown.isascii() else binding.key

    def action_press(self, key: str) -> None:
        """Press a key: what a click on the key bar does."""
        self.simulate_key(key)

    def action_help(self) -> None:
        """Explain the screen one stands on."""
        self._me.ways.help()

    def action_switch_theme(self) -> None:
        """Change between dark and light."""
        dark = self.theme == themes.DARK_NAME
        self.theme = themes.LIGHT_NAME if dark else themes.DARK_NAME

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers: this screen's keys, and what is the same everywhere."""
        return commands(self._me, screen)

    # Leaving: never in the middle of a run without a word.

    def action_purge(self) -> None:
        """Remove what earlier runs left, once the operator has agreed."""
        self._me.bench.purge()

    def action_other_project(self) -> None:
        """Choose another environment file, and open its project."""
        self._me.bench.choose_project()

    def action_interrupt(self) -> None:
        """Ctrl+c: the first stops the run, the second asks, the third leaves."""
        if self._me.is_furnished:
            self._me.ways.interrupt()
        else:
            self.exit(int(ExitCode.INTERRUPTED))

    def action_leave(self) -> None:
        """Leave at once when nothing is under way, else ask."""
        if self._me.is_furnished:
            self._me.bench.leave()
        else:
            self.exit(int(ExitCode.VERIFIED))

    def leave(self) -> None:
        """Leave now, with the exit code that what was done deserves."""
        self.exit(int(self._me.desk.exit_code))
