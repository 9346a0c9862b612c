"""The command palette: every way of the console, in plain words."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from tui.widgets.places import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.app import HeatmapApp


def commands(app: HeatmapApp) -> Iterator[SystemCommand]:
    """What the palette offers.

    Args:
        app: The console.
    """
    yield SystemCommand("Target", "Which project this is", partial(app.action_go, View.TARGET))
    yield SystemCommand("Dry run", "Ask the probes; writes nothing", app.action_dry_run)
    yield SystemCommand("Review", "What a run writes", partial(app.action_go, View.REVIEW))
    yield SystemCommand(
        "Run", "Watch the run, or read its result", partial(app.action_go, View.RUN)
    )
    yield SystemCommand("Heatmap", "Look at the heatmap", partial(app.action_go, View.HEATMAP))
    yield SystemCommand("Evidence", "Text to paste", partial(app.action_go, View.EVIDENCE))
    yield SystemCommand("Purge", "Remove what earlier runs left", app.action_purge)
    yield SystemCommand("Stop", "Stop the run under way; it cleans up", app.action_interrupt)
    if app.environments is not None:
        yield SystemCommand(
            "Other project", "Open another environment file", app.action_other_project
        )
        yield SystemCommand(
            "New .env", "Describe a project in a new file", app.action_new_environment
        )
    yield SystemCommand("Help", "Explain this screen", app.action_help)
    yield SystemCommand("Light or dark", "Change the theme", app.action_switch_theme)
    yield SystemCommand("Quit", "Leave the console", app.action_leave)
