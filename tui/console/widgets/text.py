"""Text that is painted often, and names beside values."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from textual.geometry import Size
    from textual.widget import Widget

    from tui.console.theme import Glyphs

Pair = tuple[str, "str | Content"]

GAP: Final = 2
"""Cells between two columns."""
# A command is to be copied: its words stay on one line where they fit on one.
_PIECES: Final = re.compile(r"heatmap-tui(?: --?[\w-]+(?: [^\s-]\S*)?)*[.,;:]?\s*|\S+\s*|\s+")
# Where a path, an address or a name may be broken.
_JOINTS: Final = re.compile(r"(?<=[/?&=,:_@.-])")


class Fitted(Static):
    """Text made for the width there is, never read as markup."""

    def __init__(self, id: str | None = None, *, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes, markup=False)
        self._make: Callable[[int], Content] = lambda _: Content("")
        # What was made last, and for which width.
        self._made: tuple[int, Content] | None = None

    def fit(self, make: Callable[[int], Content]) -> None:
        """Show what `make` makes for so many cells."""
        self._make = make
        self.draw()

    def draw(self) -> None:
        """Make the text anew; the screen is laid out again only if its size changes."""
        before, self._made = self._made, None
        if before is None:
            # Nothing is shown yet: it is made when the screen is laid out.
            return
        width, old = before
        new = self._text(width)
        if not new.is_same(old):
            self.refresh(layout=self._extent(width, old) != self._extent(width, new))

    def _text(self, width: int) -> Content:
        if self._made is None or self._made[0] != width:
            self._made = width, self._make(width)
        return self._made[1]

    def _extent(self, width: int, text: Content) -> tuple[int, int]:
        """Cells that a text takes, as far as the layout follows it."""
        wide, high = (
            rule is not None and rule.is_auto for rule in (self.styles.width, self.styles.height)
        )
        return (
            text.get_optimal_width(self.styles.get_rules(), width) if wide else 0,
            text.get_height(self.styles.get_rules(), width) if high else 0,
        )

    def get_content_width(self, container: Size, viewport: Size) -> int:
        width = container.width
        return self._text(width).get_optimal_width(self.styles.get_rules(), width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._text(width).get_height(self.styles.get_rules(), width) if width else 0

    def render(self) -> Content:
        width = self.content_size.width
        return self._text(width) if width else Content("")


class Block(Fitted):
    """Text that is the same for every width."""

    def show(self, text: Content | str) -> None:
        shown = Content.from_text(text, markup=False)
        self.fit(lambda _: shown)


class Prose(Fitted):
    """Text wrapped for the width there is, without breaking a command."""

    def show(self, text: Content | str) -> None:
        shown = Content.from_text(text, markup=False)
        self.fit(lambda width: Content("\n").join(wrap(shown, width)))


class Facts(Fitted):
    """A table of facts. Whatever they hold, it is shown as text."""

    DEFAULT_CLASSES = "facts"

    def show(self, pairs: Sequence[Pair], head: Content | None = None) -> None:
        """Show names and values; an empty name continues the one above."""

        def make(width: int) -> Content:
            above = [] if head is None else wrap(head, width)
            return Content("\n").join([*above, *columns(pairs, width)])

        self.fit(make)


class Pane(Vertical):
    """Widgets under a title."""

    def __init__(self, title: str, *inside: Widget, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(*inside, id=id, classes="pane")
        self.border_title = title


def columns(pairs: Sequence[Pair], width: int) -> list[Content]:
    """Names and values in two columns, one pair a line.

    An empty name continues the last; longer values go on below where they began. Nothing is read as
    markup.
    """
    longest = max((cell_len(name) for name, _ in pairs), default=0)
    indent = longest + GAP if longest else 0
    return [
        Content.assemble((("" if number else name).ljust(indent), "$muted"), piece)
        for name, value in pairs
        for number, piece in enumerate(
            wrap(Content.from_text(value, markup=False), max(1, width - indent))
        )
    ]


def table(
    rows: Sequence[Sequence[str]],
    styles: Sequence[str],
    *,
    head: bool = False,
    right: Collection[int] = (),
    gap: int = GAP,
) -> list[Content]:
    """Rows with their cells aligned, a line each; a head is muted."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        cells = []
        for place, (text, width, style) in enumerate(zip(row, widths, styles, strict=True)):
            room = " " * (width - cell_len(text))
            aligned = room + text if place in right else text + room
            cells.append(Content.styled(aligned, "$muted" if head and not number else style))
        lines.append(Content(" " * gap).join(cells))
    return lines


def wrap(text: Content, width: int) -> list[Content]:
    """The text in lines of `width` cells: broken between words, or in a path."""
    lines: list[Content] = []
    begin = 0
    for line in text.plain.split("\n"):
        start = used = 0
        # What it may be broken into: words, commands, parts of long ones.
        pieces = (_parts(each.start(), each.group(), width) for each in _PIECES.finditer(line))
        for place, piece in chain.from_iterable(pieces):
            if used and used + cell_len(piece.rstrip()) > width:
                lines.append(text[begin + start : begin + place].rstrip())
                start, used = place, 0
            used += cell_len(piece)
        lines.append(text[begin + start : begin + len(line)].rstrip())
        begin += len(line) + 1
    return lines


def _parts(place: int, piece: str, width: int) -> Iterator[tuple[int, str]]:
    if cell_len(piece.rstrip()) <= width or len(piece) < 2:
        yield place, piece
        return
    parts = re.findall(r"\S+\s*|\s+", piece)
    if len(parts) == 1:
        parts = [each for each in _JOINTS.split(piece) if each]
    if len(parts) == 1:
        # Where characters are wider than a cell, it is halved until it fits.
        place_of_break = width if cell_len(piece) == len(piece) else len(piece) // 2
        parts = [piece[:place_of_break], piece[place_of_break:]]
    for part in parts:
        yield from _parts(place, part, width)
        place += len(part)


def bar(fraction: float, width: int, signs: Glyphs, style: str) -> Content:
    """A bar of `width` cells, filled by half cells."""
    full, half = divmod(round(max(0.0, min(1.0, fraction)) * width * 2), 2)
    return Content.assemble(
        (signs.bar_full * full + signs.bar_half * half, style),
        (signs.bar_empty * (width - full - half), "$line"),
    )
