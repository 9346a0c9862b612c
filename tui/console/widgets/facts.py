"""Names and values in two columns, wrapped to the room there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.console.widgets.block import Block
from tui.console.widgets.words import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.content import Content
    from textual.events import Resize

    Pairs = Sequence[tuple[str, str | Content]]


class Facts(Block):
    """A table of facts. Whatever they hold, it is shown as text."""

    def __init__(self, id: str, *, classes: str = "facts") -> None:  # noqa: A002 - Textual's name
        super().__init__(id, classes=classes)
        self._pairs: Pairs = ()
        self._head: Content | None = None

    def show_pairs(self, pairs: Pairs, *, head: Content | None = None) -> None:
        """Show these facts.

        Args:
            pairs: Names and values; an empty name continues the one above.
            head: A line above them, None for none.
        """
        self._pairs, self._head = pairs, head
        self._draw()

    def on_resize(self, _: Resize) -> None:
        """Wrap for the new width."""
        # A change of height asked for while the screen is being laid out would be lost.
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        width = self.content_size.width
        if not width:
            return
        table = columns(self._pairs, width)
        if self._head is not None:
            table = self._head + "\n" + table if self._pairs else self._head
        self.show(table)
