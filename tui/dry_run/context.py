"""What a dry run is about, as its caller puts it together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.dry_run.probe import TIMEOUT_S

if TYPE_CHECKING:
    from tui.evidence.history import Pace
    from tui.guard.target import Target
    from tui.project import Project
    from tui.settings import Settings


@dataclass(frozen=True, slots=True)
class DryRunContext:
    """What a dry run is about.

    Attributes:
        project: The project, with the key that a run would write with.
        anon: The same project with the anon (publishable) key, or None when none is configured.
        target: What the project was classified as.
        settings: Volume, keys and the environment file in use.
        past: What earlier runs took, or None when there were none.
        alive: Runs of this machine that are under way; what they wrote is not left behind.
        purge: The command line that removes what earlier runs left.
        timeout_s: Seconds a probe has when it sets no longer time itself.
    """

    project: Project
    anon: Project | None
    target: Target
    settings: Settings
    past: Pace | None = None
    alive: frozenset[str] = frozenset()
    purge: str = "heatmap-tui --purge"
    timeout_s: float = TIMEOUT_S
