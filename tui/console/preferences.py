"""What the operator chose of the console's looks and manners; remembered on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from tui.console import theme
from tui.files import write_private

if TYPE_CHECKING:
    from pathlib import Path

_THEMES: Final = (theme.DARK_NAME, theme.LIGHT_NAME)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What was chosen.

    Attributes:
        theme: The theme's name.
        tells_of_the_end: Whether bell, title and notification tell that a run has ended.
    """

    theme: str = theme.DARK_NAME
    tells_of_the_end: bool = True


def load(folder: Path | None) -> Preferences:
    """What was chosen last; where that cannot be read, the defaults: nothing depends on it."""
    if folder is None:
        return Preferences()
    try:
        content = json.loads((folder / "preferences.json").read_bytes())
        name = content["theme"]
        return Preferences(
            name if name in _THEMES else theme.DARK_NAME, content["tells_of_the_end"] is not False
        )
    except (OSError, ValueError, TypeError, KeyError):
        return Preferences()


def save(folder: Path | None, chosen: Preferences) -> str | None:
    """Remember a choice; why it cannot be remembered, None where it was."""
    if folder is None:
        return None
    try:
        write_private(folder / "preferences.json", json.dumps(asdict(chosen)).encode())
    except OSError as error:
        return f"the choice is not remembered: {error.strerror or error}"
    return None
