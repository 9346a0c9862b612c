"""What every screen of the console has: banner on top, checklist beside, keys below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from tui.console.failures import TellsFailures
from tui.console.widgets.banner import Banner
from tui.console.widgets.key_bar import KeyBar
from tui.console.widgets.rail import Rail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.console.app import HeatmapApp
    from tui.console.state import Desk
    from tui.console.widgets.glyphs import Glyphs
    from tui.console.widgets.places import View
    from tui.console.widgets.steps import Step

WIDE = 100
"""Columns from which the checklist stands beside the content rather than above it."""


class ConsoleScreen(TellsFailures, Screen[None]):
    """A screen that paints itself from the desk.

    Attributes:
        VIEW: Where it stands among the places one can go to.
        HELP_TEXT: What one sees here and can do, for `?`.
    """

    VIEW: ClassVar[View]
    HELP_TEXT: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide"), (150, "-vast")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, desk: Desk, glyphs: Glyphs) -> None:
        super().__init__()
        self.desk = desk
        self.glyphs = glyphs
        self._steps: tuple[Step, ...] = ()
        self._composed = False

    @property
    def console_app(self) -> HeatmapApp:
        """The application, typed."""
        return cast("HeatmapApp", self.app)

    def compose(self) -> Iterable[Widget]:
        """Banner, checklist, the screen's own content, keys."""
        yield Banner(self.glyphs)
        with Horizontal(id="frame"):
            yield Rail(self.glyphs)
            with Vertical(id="body"):
                yield from self.body()
        yield KeyBar(self.console_app.dims)

    def help(self) -> str:
        """What one sees here, and every key that works here."""
        keys = "\n".join(
            f"{self.app.get_key_display(each.binding):>8}  "
            f"{each.tooltip or each.binding.description}"
            for each in self.active_bindings.values()
            if each.binding.show
        )
        return f"{self.HELP_TEXT}\n\n{'ctrl+p':>8}  Find any command by its name\n{keys}"

    def body(self) -> Iterable[Widget]:
        """The screen's own content."""
        raise NotImplementedError

    def paint_body(self) -> None:
        """Bring the screen's own content up to date with the desk."""
        raise NotImplementedError

    def paint(self) -> None:
        """Bring everything up to date with the desk. Cheap; called up to ten times a second."""
        if not self._composed:
            return
        self.query_one(Banner).text = self.console_app.ways.banner
        steps = self.desk.steps()
        compact = self.size.width < WIDE
        self.query_one(Rail).show(steps, self.VIEW, compact=compact)
        if steps != self._steps:
            self._steps = steps
            self.refresh_bindings()
        self.paint_body()

    def on_mount(self) -> None:
        """Paint as soon as there are widgets to paint."""
        self._composed = True
        self.paint()

    def on_screen_resume(self) -> None:
        """Paint what happened while another screen was in front."""
        self.paint()

    def on_resize(self) -> None:
        """Paint for the new size."""
        self.call_after_refresh(self.paint)
