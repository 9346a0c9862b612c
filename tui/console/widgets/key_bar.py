"""The keys that work here, at the foot of every screen; wraps instead of cutting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.style import Style

from tui.console.widgets.block import Block

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.binding import Binding
    from textual.events import Resize
    from textual.screen import Screen

GAP = 2


class KeyBar(Block):
    """Key and plain word for each binding that is shown; what is not possible now is dimmed.

    The keys of the screen come first; those that are the same everywhere follow, on a line of their
    own where one line is not enough. A click on one presses it.

    Args:
        dims: Tells whether an action leads to a place that is locked. Its key still works: it says
            why.
    """

    def __init__(self, dims: Callable[[str], bool]) -> None:
        super().__init__()
        self._dims = dims

    def on_mount(self) -> None:
        """Follow the bindings as they change."""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)
        self.call_after_refresh(self._draw)

    def on_resize(self, _: Resize) -> None:
        """Wrap for the new width."""
        # A change of height asked for while the screen is being laid out would be lost.
        self.call_after_refresh(self._draw)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and screen.is_current:
            self._draw()

    def _draw(self) -> None:
        width = self.content_size.width
        if not width or not self.is_attached:
            return
        local, shared = self._items()
        lines = _wrap([*local, *shared], width)
        if len(lines) > 1:
            lines = [*_wrap(local, width), *_wrap(shared, width)]
        self.show(Content("\n").join(lines))

    def _items(self) -> tuple[list[Content], list[Content]]:
        local: list[Content] = []
        shared: list[Content] = []
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or binding.action in seen:
                continue
            seen.add(binding.action)
            item = self._item(binding, enabled=active.enabled and not self._dims(binding.action))
            (shared if active.node is self.app else local).append(item)
        return local, shared

    def _item(self, binding: Binding, *, enabled: bool) -> Content:
        key = self.app.get_key_display(binding)
        press = Style.from_meta({"@click": f"app.press('{binding.key}')"})
        item = Content.assemble(
            (key, "$focus bold" if enabled else "$muted"),
            " ",
            (binding.description, "$ink" if enabled else "$muted"),
        )
        return item.stylize(press) if enabled else item


def _wrap(items: list[Content], width: int) -> list[Content]:
    """The items on as few lines as they need, none broken in two."""
    lines: list[Content] = []
    for item in items:
        if lines and lines[-1].cell_length + GAP + item.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], " " * GAP, item)
        else:
            lines.append(item)
    return lines
