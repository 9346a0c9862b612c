"""Dialogs: text to read and copy, and questions with a few answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.console.widgets.banner import Banner
from tui.console.widgets.text import Prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from textual.widget import Widget

    from tui.console.theme import Glyphs
    from tui.console.widgets.banner import BannerText

T = TypeVar("T")


class Surroundings(Protocol):
    """What a dialog needs of the console around it."""

    glyphs: Glyphs

    @property
    def banner(self) -> BannerText:
        """What stands on top of every screen and dialog."""

    def copy(self, text: str, what: str) -> None:
        """Put text on the clipboard."""


class Dialog(ModalScreen[T], Generic[T]):
    """A dialog in front of a screen, with the banner still on top of it."""

    # The first button is the safe choice.
    AUTO_FOCUS = "Button"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="dialog.close", tooltip="Close without choosing"),
        Binding("up,k", "scroll(-1)", show=False, id="dialog.up", tooltip="Scroll up"),
        Binding("down,j", "scroll(1)", show=False, id="dialog.down", tooltip="Scroll down"),
        Binding("left", "app.focus_previous", show=False, id="dialog.left", tooltip="Button left"),
        Binding("right", "app.focus_next", show=False, id="dialog.right", tooltip="Button right"),
    ]

    def __init__(self, around: Surroundings, title: str) -> None:
        super().__init__()
        self.around = around
        self._title = title

    def compose(self) -> Iterable[Widget]:
        yield Banner(self.around.glyphs)
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield from self.body()
            with Horizontal(classes="buttons"):
                yield from self.buttons()

    def on_mount(self) -> None:
        self.paint_banner()

    def paint_banner(self) -> None:
        """Show what project this is now."""
        for banner in self.query(Banner):
            banner.tell(self.around.banner)

    def body(self) -> Iterable[Widget]:
        """What stands between title and buttons."""
        raise NotImplementedError

    def words(self, text: str) -> Widget:
        """Text that scrolls where it does not fit. Never read as markup."""
        prose = Prose()
        prose.show(text)
        return VerticalScroll(prose, classes="dialog-text", can_focus=False)

    def action_scroll(self, lines: int) -> None:
        for text in self.query(VerticalScroll):
            text.scroll_relative(y=lines, animate=False)

    def buttons(self) -> Iterable[Widget]:
        """The buttons, the safe choice first: the first is focused."""
        yield Button("Close", id="close", compact=True)

    @on(Button.Pressed, "#close")
    def action_close(self) -> None:
        self.dismiss(None)


class TextDialog(Dialog[None]):
    """Text to read, scroll and copy. Never read as markup."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="dialog.copy", tooltip="Copy the text"),
    ]

    def __init__(
        self, around: Surroundings, title: str, text: str, *, failed: bool = False
    ) -> None:
        super().__init__(around, title)
        self._text = text
        self.set_class(failed, "-failed")

    def body(self) -> Iterable[Widget]:
        yield self.words(self._text)

    def buttons(self) -> Iterable[Widget]:
        yield Button("Close", id="close", compact=True)
        yield Button("Copy (c)", id="copy", compact=True)

    @on(Button.Pressed, "#copy")
    def action_copy(self) -> None:
        self.around.copy(self._text, "the text")


class Question(Dialog[str | None]):
    """A question with a few answers; the first is the safe one and is focused.

    Args:
        text: What each answer means.
        answers: Name and label of each, the safe one first. Closing answers None.
        interrupt: The answer that ctrl+c stands for while this is open, None for none.
        keys: Keys that stand for an answer.
    """

    def __init__(
        self,
        around: Surroundings,
        title: str,
        text: str,
        answers: Sequence[tuple[str, str]],
        *,
        interrupt: str | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(around, title)
        for key, name in (keys or {}).items():
            self._bindings.key_to_bindings[key] = [
                Binding(
                    key,
                    f"answer('{name}')",
                    show=False,
                    id=f"dialog.answer-{name}",
                    tooltip=dict(answers)[name],
                )
            ]
        self._text = text
        self._answers = answers
        self.interrupt = interrupt

    def body(self) -> Iterable[Widget]:
        yield self.words(self._text)

    def buttons(self) -> Iterable[Widget]:
        for name, label in self._answers:
            yield Button(label, id=f"answer-{name}", compact=True)

    def action_answer(self, name: str) -> None:
        self.dismiss(name)

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss((event.button.id or "").removeprefix("answer-"))
