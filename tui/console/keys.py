"""The keys that work on every screen, also as commands of the palette."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType

from tui.console.state import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.screen import Screen

    from tui.console.controller import Controller

EVERYWHERE: Final[list[BindingType]] = [
    Binding("t", "go('target')", "Target", id="go.target", tooltip="Step 1: the project"),
    Binding("1", "go('target')", "Target", show=False, id="go.step1"),
    Binding("d", "dry_run", "Dry run", id="go.dry-run", tooltip="Ask the probes; no writes"),
    Binding("2", "go('dry-run')", "Dry run", show=False, id="go.step2"),
    Binding("r", "review_or_run", "Run", id="go.run", tooltip="Review a run, start or watch it"),
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


def commands(
    app: App[int], controller: Controller, screen: Screen[object]
) -> Iterator[SystemCommand]:
    """What the palette offers: what this screen can do first, then the rest."""
    yield from _keys_of(app, screen)
    go = controller.go
    yield SystemCommand("Target", "Which project this is", partial(go, View.TARGET))
    yield SystemCommand("Dry run", "Ask the probes; writes nothing", controller.dry_run)
    yield SystemCommand("Review", "What a run writes", partial(go, View.REVIEW))
    yield SystemCommand("Run", "Watch the run, or read its result", partial(go, View.RUN))
    yield SystemCommand("Heatmap", "Look at the heatmap", partial(go, View.HEATMAP))
    yield SystemCommand("Evidence", "Text to paste", partial(go, View.EVIDENCE))
    yield SystemCommand("Purge", "Remove what earlier runs left", controller.purge)
    yield SystemCommand("Stop", "Stop the run under way; it cleans up", controller.stop)
    if controller.environments is not None:
        yield SystemCommand(
            "Other project", "Open another environment file", controller.choose_project
        )
    yield SystemCommand(
        "Headless", "The command that does the same without screens", controller.show_headless
    )
    for title, what, action in (
        ("Help", "Explain this screen", "help"),
        ("Light or dark", "Change the theme; it is remembered", "switch_theme"),
        ("Tell of the end", "Bell and notification at the end of a run: on or off", "switch_bell"),
        ("Quit", "Leave the console", "leave"),
    ):
        yield SystemCommand(title, what, partial(app.run_action, action))


def _keys_of(app: App[int], screen: Screen[object]) -> Iterator[SystemCommand]:
    """What the keys of the screen itself do."""
    seen: set[str] = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        if active.node is app or not active.enabled or not binding.tooltip:
            continue
        if binding.action.startswith("app.") or binding.action in seen:
            continue
        seen.add(binding.action)
        yield SystemCommand(
            binding.tooltip,
            f"Key {app.get_key_display(binding)} on this screen",
            partial(app.run_action, binding.action, active.node),
        )
