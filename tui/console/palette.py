"""The command palette: every way of the console, and every key of the screen, in plain words."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from tui.console.widgets.places import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.screen import Screen

    from tui.console.app import HeatmapApp


def commands(app: HeatmapApp, screen: Screen[object]) -> Iterator[SystemCommand]:
    """What the palette offers: what one can do here first, then what is the same everywhere.

    Args:
        app: The console.
        screen: The screen the palette was called from.
    """
    yield from _keys_of(app, screen)
    yield SystemCommand("Target", "Which project this is", partial(app.action_go, View.TARGET))
    yield SystemCommand("Dry run", "Ask the probes; writes nothing", app.action_dry_run)
    yield SystemCommand("Review", "What a run writes", partial(app.action_go, View.REVIEW))
    yield SystemCommand(
        "Run", "Watch the run, or read its result", partial(app.action_go, View.RUN)
    )
    yield SystemCommand("Heatmap", "Look at the heatmap", partial(app.action_go, View.HEATMAP))
    yield SystemCommand("Evidence", "Text to paste", partial(app.action_go, View.EVIDENCE))
    yield SystemCommand("Purge", "Remove what earlier runs left", app.action_purge)
    yield SystemCommand("Stop", "Stop the run under way; it cleans up", app.bench.stop)
    if app.environments is not None:
        yield SystemCommand(
            "Other project", "Open another environment file", app.action_other_project
        )
    yield SystemCommand("Help", "Explain this screen", app.action_help)
    yield SystemCommand("Light or dark", "Change the theme", app.action_switch_theme)
    yield SystemCommand("Quit", "Leave the console", app.action_leave)


def _keys_of(app: HeatmapApp, screen: Screen[object]) -> Iterator[SystemCommand]:
    """What the keys of the screen itself do; those of the whole console are offered by name."""
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
