"""The keys that work here, at the foot of every screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.content import Content
from textual.style import Style

from tui.console.widgets.text import Fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from textual.binding import Binding
    from textual.screen import Screen

GAP: Final = "  "


class KeyBar(Fitted):
    """Key and plain word for each binding shown; impossible ones are dimmed.

    The keys of the screen stand at the left, those that are the same everywhere at the right, or on
    a line of their own, which wraps instead of cutting. A screen's spare keys are left to help
    where its keys would take a second line. A click on one presses it.

    Args:
        dims: Tells whether an action leads nowhere now. Its key still works: it says why.
        label: What a key is called.
        spare: The ids of the spare keys.
    """

    def __init__(
        self,
        dims: Callable[[str], bool],
        label: Callable[[Binding], str],
        spare: Collection[str] = (),
    ) -> None:
        super().__init__()
        self._spare = spare
        self._dims = dims
        self._label = label

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and screen.is_current:
            self.draw()

    def made_for(self, width: int) -> Content:
        local, shared = self._items()
        everywhere = Content(GAP).join(shared)
        if not local:
            return Content("\n").join(_lines(shared, width))
        here = Content(GAP).join(local)
        gap = width - here.cell_length - everywhere.cell_length
        if gap >= 2 * len(GAP) + 1:
            return Content.assemble(here, " " * (gap - 3), (" │ ", "$line"), everywhere)
        if len(_lines(local, width)) > 1:
            local, _ = self._items(with_spare=False)
        return Content("\n").join([*_lines(local, width), *_lines(shared, width)])

    def _items(self, *, with_spare: bool = True) -> tuple[list[Content], list[Content]]:
        """The keys of this screen, and of the whole console, in order, once each."""
        local: list[Content] = []
        shared: list[Content] = []
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.show or binding.action in seen:
                continue
            if binding.id in self._spare and not with_spare:
                continue
            seen.add(binding.action)
            dim = not active.enabled or self._dims(binding.action)
            item = self._item(binding, dim=dim)
            (shared if active.node is self.app else local).append(item)
        return local, shared

    def _item(self, binding: Binding, *, dim: bool) -> Content:
        key = self.app.get_key_display(binding)
        click = Style.from_meta({"@click": f"app.press('{binding.key}')"})
        text = Content.assemble(
            (key, "$muted" if dim else "$focus bold"),
            (f" {self._label(binding)}", "$muted" if dim else "$ink"),
        )
        return text.stylize(click)


def _lines(items: list[Content], width: int) -> list[Content]:
    """The items in as few lines as they need; none is broken."""
    lines: list[Content] = []
    for item in items:
        if lines and lines[-1].cell_length + len(GAP) + item.cell_length <= width:
            lines[-1] = Content(GAP).join([lines[-1], item])
        else:
            lines.append(item)
    return lines
