"""The first thing painted: the banner, and one line. The rest is loaded behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import Screen
from textual.widgets import Static

from tui.console.widgets.banner import Banner, banner_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.console.widgets.glyphs import Glyphs


class OpeningScreen(Screen[None]):
    """Stands for a moment, until the screens are there.

    Args:
        glyphs: The signs in use.
        opening: What is being opened.
    """

    def __init__(self, glyphs: Glyphs, opening: str) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._opening = opening

    def compose(self) -> Iterable[Widget]:
        """The banner as it will stay, and what is waited for."""
        banner = Banner(self._glyphs)
        banner.text = banner_for(None, is_sandbox=False, opening=self._opening)
        yield banner
        yield Static(f"{self._glyphs.busy} loading", id="loading", markup=False)
