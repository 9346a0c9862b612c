"""What every screen has: banner on top, checklist beside, keys below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui.console.figures import Step, checklist, onward
from tui.console.state import View
from tui.console.widgets.frame import Banner, KeyBar, Rail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.binding import Binding
    from textual.widget import Widget

    from tui.console.controller import Controller
    from tui.console.state import State

WIDE: Final = 100
"""Columns from which the checklist stands beside the content rather than above it."""
LEAST: Final = (60, 16)
"""Columns and rows without which nothing can be read."""


class ConsoleScreen(Screen[None]):
    """A screen that paints itself from the state.

    Attributes:
        VIEW: Which screen it is.
        HELP_TEXT: What one sees here and can do, for `?`.
        SPARE_KEYS: Ids of bindings that a narrow key bar leaves to help.
    """

    VIEW: ClassVar[View]
    HELP_TEXT: ClassVar[str] = ""
    SPARE_KEYS: ClassVar[frozenset[str]] = frozenset()
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-slim"),
        (LEAST[0], "-narrow"),
        (WIDE, "-wide"),
        (150, "-vast"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (LEAST[1], "-short"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, state: State, controller: Controller) -> None:
        super().__init__(name=self.VIEW.value)
        self.state = state
        self.controller = controller
        self.glyphs = controller.glyphs
        self._steps: tuple[Step, ...] = ()
        self._composed = False
        # What holds the keys once the terminal is large enough again.
        self._held: Widget | None = None

    def compose(self) -> Iterable[Widget]:
        yield Banner(self.state, self.glyphs)
        with Horizontal(id="frame"):
            yield Rail(self.glyphs)
            with Vertical(id="body"):
                yield from self.body()
        yield KeyBar(self.controller.dims, self.label, self.SPARE_KEYS)
        yield Static(id="too-small", markup=False)

    def help(self) -> str:
        """What one sees here, and every key that works here."""
        keys = "\n".join(
            f"{self.app.get_key_display(each.binding):>8}  "
            f"{each.binding.tooltip or each.binding.description}"
            for each in self.active_bindings.values()
            if each.binding.show
        )
        return (
            f"{self.HELP_TEXT}\n\n{'ctrl+p':>8}  Find any command by its name\n"
            f"{'$':>8}  The command that does the same without screens\n{keys}"
        )

    def body(self) -> Iterable[Widget]:
        """The screen's own content."""
        raise NotImplementedError

    def paint_body(self) -> None:
        """Bring the screen's own content up to date with the state."""
        raise NotImplementedError

    def label(self, binding: Binding) -> str:
        """What a key is called here."""
        if binding.action == "back" and self.VIEW is View.RUN and self.state.is_writing:
            return "Stop"
        return binding.description

    def leave_filter(self) -> bool:
        """Give up what is being typed here; whether anything was."""
        return False

    def next_line(self) -> Content:
        """What `enter` does here, for the first line."""
        _, words = onward(self.state, self.VIEW)
        return Content.assemble(("enter", "$focus bold"), f": {words}") if words else Content("")

    def paint(self) -> None:
        """Bring everything up to date; called up to ten times a second."""
        # On the way out the widgets go before the screen does.
        if not self._composed or not self.is_attached or not self.query(Banner):
            return
        self.query_one(Banner).paint()
        steps = checklist(self.state)
        # The style sheet leaves a cell on either side of it.
        line = self.size.width - 2 if self.size.width < WIDE else None
        self.query_one(Rail).show(steps, self.VIEW, line)
        if steps != self._steps:
            self._steps = steps
            self.refresh_bindings()
        self.paint_body()

    def action_go_on(self) -> None:
        self.controller.go_on()

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def on_mount(self) -> None:
        self._composed = True
        self.paint()

    def on_screen_resume(self) -> None:
        self.paint()

    def on_resize(self) -> None:
        width, height = self.size
        if width < LEAST[0] or height < LEAST[1]:
            self.query_one("#too-small", Static).update(
                f"{width} x {height} is too small a terminal: give it {LEAST[0]} x {LEAST[1]}, "
                "better 80 x 24."
            )
            self._held = self._held or self.focused
        elif self._held is not None:
            self.call_after_refresh(self._held.focus)
            self._held = None
        self.call_after_refresh(self.paint)
