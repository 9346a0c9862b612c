"""The checklist beside, or above, every screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual import on
from textual.containers import Container
from textual.content import Content
from textual.events import Click
from textual.widgets import Static

from tui.console.state import CHECKLIST, Step, StepState, View
from tui.console.theme import UNICODE, Glyphs
from tui.console.widgets.text import Block

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.widget import Widget

STATE_STYLES: Final = {
    StepState.DONE: "$ok",
    StepState.NOW: "$focus bold",
    StepState.BUSY: "$focus bold",
    StepState.PROBLEM: "$bad bold",
    StepState.LOCKED: "$muted",
}
LOOKS: Final = ((View.HEATMAP, "h"), (View.EVIDENCE, "e"))


class RailItem(Block):
    """A screen to go to."""

    def __init__(self, view: View) -> None:
        super().__init__(f"rail-{view.value}")
        self.view = view

    @on(Click)
    async def _clicked(self) -> None:
        await self.run_action(f"app.go('{self.view.value}')")


class Rail(Container):
    """Four numbered steps with glyph and fact, then the two views."""

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._glyphs = glyphs

    def compose(self) -> Iterator[Widget]:
        yield Static("Checklist", classes="rail-heading")
        for view in CHECKLIST:
            yield RailItem(view)
        yield Static("Look", classes="rail-heading")
        for view, _ in LOOKS:
            yield RailItem(view)

    def show(self, steps: Sequence[Step], here: View, *, compact: bool) -> None:
        """Show how the steps stand; compact is a single line."""
        lines = self._lines(steps, here, compact=compact, terse=0)
        for terse in range(1, len(steps) + 1) if compact else ():
            # An item has a cell between it and the next.
            if sum(line.cell_length + 1 for line in lines) < self.size.width:
                break
            lines = self._lines(steps, here, compact=True, terse=terse)
        for step, line in zip(steps, lines, strict=True):
            self._item(step.view, here).show(line)
        for view, key in LOOKS:
            style = "bold" if view is here else ""
            mark = self._glyphs.here if view is here else " "
            self._item(view, here).show(
                Content.assemble((mark, "$focus"), (f"{key} ", "$muted"), (view.heading, style))
            )

    def _lines(
        self, steps: Sequence[Step], here: View, *, compact: bool, terse: int
    ) -> list[Content]:
        """A line a step; so many of the first, where done, are without their fact."""
        return [
            self._step(number, step, here=step.view is here, compact=compact, terse=number <= terse)
            for number, step in enumerate(steps, start=1)
        ]

    def _item(self, view: View, here: View) -> RailItem:
        item = self.query_one(f"#rail-{view.value}", RailItem)
        item.set_class(view is here, "-here")
        return item

    def _step(self, number: int, step: Step, *, here: bool, compact: bool, terse: bool) -> Content:
        signs = self._glyphs
        glyph = {
            StepState.DONE: signs.done,
            StepState.NOW: signs.now,
            StepState.BUSY: signs.busy,
            StepState.PROBLEM: signs.bad,
            StepState.LOCKED: signs.locked,
        }[step.state]
        style = STATE_STYLES[step.state]
        title = "$muted" if step.state is StepState.LOCKED else ""
        if here:
            title += " bold" + (" underline" if compact else "")
        mark = (signs.here if here else " ", "$focus")
        name = step.view.heading if compact else step.view.heading.ljust(8)
        # What came of a step says more than that it is done; the sign says that.
        fact = step.fact or step.state.value
        if terse and step.state is StepState.DONE:
            fact = ""
        return Content.assemble(
            mark, (f"{glyph} ", style), (f"{number} ", "$muted"), (name, title),
            " " if fact else "", (fact, "$muted" if step.state is StepState.DONE else style),
        )  # fmt: skip
