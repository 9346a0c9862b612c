"""Which project this is, and why the console thinks so: on every screen, all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from tui.console.widgets.glyphs import UNICODE, Glyphs

if TYPE_CHECKING:
    from tui.guard.target import Target

OPENING = "opening"
UNCONNECTED = "not connected"
SANDBOX = "sandbox"
PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class BannerText:
    """What the banner says.

    Attributes:
        kind: `opening`, `not connected`, `sandbox`, `local`, `staging` or `production`; decides
            glyph and colour.
        where: Host and project.
        reason: Why the console thinks so.
    """

    kind: str
    where: str
    reason: str


def banner_for(
    target: Target | None, *, is_sandbox: bool, opening: str, failed: bool = False
) -> BannerText:
    """The banner for a target, or for the time before it is known.

    Args:
        target: The project, None while it is being opened.
        is_sandbox: Whether the console started the project itself.
        opening: What is being opened, for the time before.
        failed: Whether that failed.
    """
    if target is None:
        return BannerText(UNCONNECTED if failed else OPENING, "", opening)
    kind = target.kind.value
    if is_sandbox and target.kind.value != PRODUCTION:
        kind = SANDBOX
    place = target.host if target.port in {80, 443} else f"{target.host}:{target.port}"
    where = f"{target.ref} at {place}" if target.ref and target.ref not in place else place
    return BannerText(kind, where, target.reason)


class Banner(Static):
    """Two lines on top of every screen: glyph, WORD and place; then the reason."""

    KINDS: ClassVar = (OPENING, UNCONNECTED, SANDBOX, "local", "staging", PRODUCTION)

    text: reactive[BannerText] = reactive(BannerText(OPENING, "", ""), layout=True)

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(markup=False)
        self._glyphs = glyphs

    def render(self) -> Content:
        """Both lines. Place and reason are shown as text, whatever they hold."""
        text = self.text
        signs = self._glyphs
        other = signs.bad if text.kind == UNCONNECTED else signs.busy
        glyph = getattr(signs, text.kind, other)
        production = text.kind == PRODUCTION
        word = text.kind.upper()
        mark = f"{glyph} {word}" if not production else f"{glyph * 3} {word} {glyph * 3}"
        first = Content.assemble(
            (f" {mark} " if production else mark, "bold reverse" if production else "bold")
        )
        if text.where:
            first = Content.assemble(first, "  ", (text.where, "bold" if production else ""))
        return Content("\n").join([first, Content(text.reason)])

    def watch_text(self, text: BannerText) -> None:
        """Take the colours of the kind of target."""
        for kind in self.KINDS:
            self.set_class(kind == text.kind, f"-{kind.replace(' ', '-')}")
