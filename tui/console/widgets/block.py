"""Text that is painted often: nothing is done when it has not changed."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Block(Static):
    """A block of text, never read as markup, whose height follows what it holds."""

    def __init__(self, id: str | None = None, *, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes, markup=False)
        self._shown = Content("")

    def show(self, text: Content | str) -> None:
        """Show `text`. The screen is laid out anew only where its lines may have changed."""
        content = text if isinstance(text, Content) else Content(text)
        if content.is_same(self._shown):
            return
        moves = self._shape(content) != self._shape(self._shown)
        self._shown = content
        self.update(content, layout=moves)
        if moves:
            # Textual keeps the old height when a layout was pending already: ask again after it.
            self.call_after_refresh(self.refresh, layout=True)

    def _shape(self, content: Content) -> tuple[int, ...]:
        """What the layout depends on: the rows each line takes, or its width where that counts."""
        lines = [Content(line) for line in content.plain.split("\n")] if content.plain else []
        if self.styles.width is not None and self.styles.width.is_auto:
            return tuple(line.cell_length for line in lines)
        width = self.content_size.width or 1
        return tuple(1 if line.cell_length <= width else len(line.wrap(width)) for line in lines)
