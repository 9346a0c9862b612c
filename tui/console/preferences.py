"""The operator's choices of theme and bell, kept on this machine."""

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
    """What was chosen; `tells_of_the_end` is about bell and notification."""

    theme: str = theme.DARK_NAME
    tells_of_the_end: bool = True


def load(folder: Path | None) -> Preferences:
    """What was chosen last, or the defaults where that cannot be read."""
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
    """Keep a choice; returns why it could not be kept."""
    if folder is None:
        return None
    try:
        write_private(folder / "preferences.json", json.dumps(asdict(chosen)).encode())
    except OSError as error:
        return f"the choice is not remembered: {error.strerror or error}"
    return None
