"""What stands around every screen: the banner, the checklist, the keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from textual import on
from textual.containers import Container
from textual.content import Content
from textual.events import Click
from textual.style import Style
from textual.widgets import Static

from tui.console.figures import GOOD, Step, StepState, duration, elapsed
from tui.console.state import CHECKLIST, View
from tui.console.widgets.text import Block, Fitted
from tui.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from textual.binding import Binding
    from textual.screen import Screen
    from textual.widget import Widget

    from tui.console.state import State
    from tui.console.theme import Glyphs
    from tui.verify.events import Outcome

OPENING: Final = "opening"
UNCONNECTED: Final = "not connected"
# Cells a reason has to have left to be worth beginning.
_LEAST_REASON: Final = 12


@dataclass(frozen=True, slots=True)
class BannerText:
    """What the banner says.

    Attributes:
        kind: `opening`, `not connected`, `sandbox`, `local`, `staging` or `production`; decides
            glyph and colour.
        busy: What is under way, and since when; empty where nothing is.
    """

    kind: str
    where: str = ""
    reason: str = ""
    role: str = ""
    busy: str = ""
    verdict: Outcome | None = None


def banner_of(state: State) -> BannerText:
    """The banner for the project at hand, or for the time before it is known."""
    if state.session is None:
        kind = OPENING if state.connect_error is None else UNCONNECTED
        return BannerText(kind, reason=redact(state.place))
    target = state.session.target
    kind = target.kind.value
    if state.session.is_sandbox and not target.is_production:
        kind = "sandbox"
    place = target.host if target.port in {80, 443} else f"{target.host}:{target.port}"
    where = f"{target.ref} at {place}" if target.ref and target.ref not in place else place
    last = state.run or state.dry_run
    return BannerText(
        kind,
        where,
        target.reason.removeprefix(f"host {target.host} "),
        target.key.role or target.key.kind.value,
        _busy(state),
        last.finished.outcome if last is not None and last.finished is not None else None,
    )


def _busy(state: State) -> str:
    now = state.clock()
    if state.is_writing and state.run is not None:
        word = "stopping" if state.run.cancelling else "running"
        return f"{word} {duration(elapsed(state.run, now))}"
    if state.is_probing and state.dry_run is not None:
        return f"asking {duration(elapsed(state.dry_run, now))}"
    return ""


class Banner(Fitted):
    """One line on top of every screen: kind, place, reason, what is under way."""

    def __init__(self, state: State, glyphs: Glyphs) -> None:
        super().__init__()
        self._state = state
        self._glyphs = glyphs
        self.text = BannerText(OPENING)
        self.fit(self._line)

    def on_mount(self) -> None:
        self.paint()

    def paint(self) -> None:
        """Show what project this is now, in the colours of its kind."""
        before, self.text = self.text, banner_of(self._state)
        if self.text.kind != before.kind:
            self.set_classes(f"-{self.text.kind.replace(' ', '-')}")
        self.draw()

    def _line(self, width: int) -> Content:
        """The line. Place and reason are shown as text, whatever they hold."""
        text, signs = self.text, self._glyphs
        other = signs.bad if text.kind == UNCONNECTED else signs.busy
        glyph = getattr(signs, text.kind, other)
        if text.kind == "production":
            mark = Content.styled(f" {glyph * 3} PRODUCTION {glyph * 3} ", "bold reverse")
        else:
            mark = Content.styled(f"{glyph} {text.kind.upper()}", "bold")
        left = Content.assemble(mark, "  " if text.where else "", (text.where, "bold"))
        right = self._right(text)
        room = width - left.cell_length - 2
        if right.cell_length + 2 > room:
            right = Content(text.busy)
        room -= right.cell_length + 2 if right.cell_length else 0
        if text.reason and room >= _LEAST_REASON:
            left += Content("  ") + Content(text.reason).truncate(room, ellipsis=True)
        elif left.cell_length > width:
            left = left.truncate(width, ellipsis=True)
        if not right.cell_length or left.cell_length + 2 + right.cell_length > width:
            return left
        gap = width - left.cell_length - right.cell_length
        return Content.assemble(left, " " * gap, right)

    def _right(self, text: BannerText) -> Content:
        signs = self._glyphs
        parts = [Content(text.role)] if text.role else []
        if text.busy:
            parts.append(Content.styled(f"{signs.busy} {text.busy}", "bold"))
        elif text.verdict is not None:
            mark = signs.done if text.verdict in GOOD else signs.bad
            parts.append(Content.styled(f"{mark} {text.verdict.value}", "bold"))
        return Content(f" {signs.sep} ").join(parts)


# The sign and the style of a step.
_STEPS: Final = {
    StepState.DONE: ("done", "$ok"),
    StepState.NOW: ("now", "$focus bold"),
    StepState.BUSY: ("busy", "$focus bold"),
    StepState.PROBLEM: ("bad", "$bad bold"),
    StepState.LOCKED: ("locked", "$muted"),
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

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs

    def compose(self) -> Iterator[Widget]:
        yield Static("Checklist", classes="rail-heading")
        for view in CHECKLIST:
            yield RailItem(view)
        yield Static("Look", classes="rail-heading")
        for view, _ in LOOKS:
            yield RailItem(view)

    def show(self, steps: Sequence[Step], here: View, width: int | None) -> None:
        """Show how the steps stand, in one line of `width` cells or in a column.

        Its own size may still be that of a layout before.
        """
        compact = width is not None
        lines: list[Content] = []
        # On a single line steps that are done go without their fact, the first ones first.
        for terse in range(len(steps) + 1):
            lines = [
                self._step(number, step, here, compact=compact, terse=number <= terse)
                for number, step in enumerate(steps, start=1)
            ]
            # An item has a cell between it and the next.
            if width is None or sum(line.cell_length + 1 for line in lines) < width:
                break
        for step, line in zip(steps, lines, strict=True):
            self.query_one(f"#rail-{step.view.value}", RailItem).show(line)
        for view, key in LOOKS:
            style = "bold" if view is here else ""
            mark = self._glyphs.here if view is here else " "
            line = Content.assemble((mark, "$focus"), (f"{key} ", "$muted"), (view.heading, style))
            self.query_one(f"#rail-{view.value}", RailItem).show(line)

    def _step(self, number: int, step: Step, here: View, *, compact: bool, terse: bool) -> Content:
        glyph, style = _STEPS[step.state]
        done = step.state is StepState.DONE
        title = "$muted" if step.state is StepState.LOCKED else ""
        if step.view is here:
            title += " bold" + (" underline" if compact else "")
        # What came of a step says more than that it is done; the sign says that.
        fact = "" if terse and done else step.fact or step.state.value
        return Content.assemble(
            (self._glyphs.here if step.view is here else " ", "$focus"),
            (f"{getattr(self._glyphs, glyph)} ", style),
            (f"{number} ", "$muted"),
            (step.view.heading if compact else step.view.heading.ljust(8), title),
            " " if fact else "",
            (fact, "$muted" if done else style),
        )


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
        self.fit(self._keys)

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and screen.is_current:
            self.draw()

    def _keys(self, width: int) -> Content:
        local, shared = self._items()
        everywhere = Content(GAP).join(shared)
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
        click = Style.from_meta({"@click": f"app.simulate_key('{binding.key}')"})
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
