"""A tick box that says in a sign and in words whether it is on."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Checkbox


class Tick(Checkbox):
    """On is `[x]`, off is `[ ]`, in full ink both; the words beside it say what that means.

    Args:
        off: What it means while it is off.
        on: What it means while it is on.
        id: Textual's widget id.
    """

    def __init__(self, *, off: str, on: str, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, compact=True)
        self._words = (off, on)

    def render(self) -> Content:
        """Sign and words, whatever the theme makes of tick boxes."""
        return Content(f"[{'x' if self.value else ' '}] {self._words[self.value]}")
