"""Which project this is, and why the console thinks so, on every screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual.content import Content

from tui.console.figures import GOOD, elapsed
from tui.console.theme import UNICODE, Glyphs
from tui.console.widgets.text import Fitted
from tui.console.words import duration
from tui.redact import redact

if TYPE_CHECKING:
    from tui.console.state import State
    from tui.verify.events import Outcome

OPENING: Final = "opening"
UNCONNECTED: Final = "not connected"
SANDBOX: Final = "sandbox"
PRODUCTION: Final = "production"
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
        kind = SANDBOX
    place = target.host if target.port in {80, 443} else f"{target.host}:{target.port}"
    where = f"{target.ref} at {place}" if target.ref and target.ref not in place else place
    return BannerText(
        kind,
        where,
        target.reason.removeprefix(f"host {target.host} "),
        target.key.role or target.key.kind.value,
        _busy(state),
        _last_verdict(state),
    )


def _busy(state: State) -> str:
    now = state.clock()
    if state.is_writing and state.run is not None:
        word = "stopping" if state.run.cancelling else "running"
        return f"{word} {duration(elapsed(state.run, now))}"
    if state.is_probing and state.dry_run is not None:
        return f"asking {duration(elapsed(state.dry_run, now))}"
    return ""


def _last_verdict(state: State) -> Outcome | None:
    last = state.run or state.dry_run
    return last.finished.outcome if last is not None and last.finished is not None else None


class Banner(Fitted):
    """One line on top of every screen: kind, place, reason, what is under way."""

    KINDS: ClassVar = (OPENING, UNCONNECTED, SANDBOX, "local", "staging", PRODUCTION)

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._glyphs = glyphs
        self.text = BannerText(OPENING)

    def tell(self, text: BannerText) -> None:
        """Show this, in the colours of the kind of target."""
        self.text = text
        for kind in self.KINDS:
            self.set_class(kind == text.kind, f"-{kind.replace(' ', '-')}")
        self.draw()

    def made_for(self, width: int) -> Content:
        """The line. Place and reason are shown as text, whatever they hold."""
        text, signs = self.text, self._glyphs
        other = signs.bad if text.kind == UNCONNECTED else signs.busy
        glyph = getattr(signs, text.kind, other)
        if text.kind == PRODUCTION:
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
