"""How a value looks: colours, ink, glyphs, and the marks of cells.

Three kinds of terminal: 64 steps of colour, five of the sixteen standard colours, and glyphs
without colour. No data is never one of the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from rich.color import Color
from rich.style import Style

from tui.heatmap.formatting import ascii_only
from tui.heatmap.grid import FADED, LEVELS, ZERO, Scale

Rgb = tuple[int, int, int]

WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (0, 0, 0)

# Even steps of lightness in OKLCH, from purple over blue and green to yellow, so that a higher
# value is lighter and hue is not needed; where it deviates, orange is below and blue above the
# mean, and further is stronger. On dark grounds all of them bear white ink, on light grounds black
# ink, at 4.5 to 1 or better: the ink never changes from one value to the next.
_ON_DARK = "410457 351d71 20327f 00496e 005767 046461 037154 327c2e 6d7c01"
_ON_LIGHT = "6977d3 468bdd 009fd8 0aafc7 02bdb9 0ecca2 66d481 a3d660 d7d342"
_APART_ON_DARK = "b45c03 964d09 6e401e 4e3829 2d3035 283f57 214f7c 1e63a1 1577c8"
_APART_ON_LIGHT = "d67523 df9962 e8ba92 e6d2bd dde1e6 bfd6ea 9bcaf2 6fb1ed 3e96ea"

# Of the sixteen standard colours, those of the VGA palette, to which a terminal library maps back
# where it has only sixteen. Blue, magenta, cyan, light green and yellow rise in luminance in every
# common palette; light red and yellow are below a mean, light cyan and blue above it.
_STANDARD = ((0, 0, 170), (170, 0, 170), (0, 170, 170), (85, 255, 85), (255, 255, 85))
_STANDARD_APART = ((255, 85, 85), (255, 255, 85), (170, 170, 170), (85, 255, 255), (0, 0, 170))
_INKED_WHITE = {(0, 0, 170), (170, 0, 170)}

NO_DATA_HATCH = "\N{BOX DRAWINGS LIGHT DIAGONAL UPPER RIGHT TO LOWER LEFT}"
CHIP = "▌"
FIGURE_FROM_WIDTH = 4
"""Narrower cells show no figure but 0."""


class Depth(Enum):
    """How much colour the terminal has."""

    FULL = "full"
    SIXTEEN = "sixteen"
    NONE = "none"


def depth_of(color_system: str | None) -> Depth:
    """The depth of what rich calls a colour system."""
    if color_system is None:
        return Depth.NONE
    return Depth.SIXTEEN if color_system == "standard" else Depth.FULL


@dataclass(frozen=True, slots=True)
class Glyphs:
    """How values look without colour, and the marks around them.

    Attributes:
        levels: Fill for the lowest to the highest values.
        apart: Fill for values far below to far above the mean.
        spark: The heights of a sparkline.
        mark: The cursor's place on the scale.
        cursor: Left and right of the cell under the cursor.
        cross: Left and right edge of the cells above and below it.
    """

    no_data: str
    faded: str
    levels: str
    apart: str
    spark: str
    mark: str
    cursor: str
    cross: str
    thumb: str

    def own(self, text: str) -> str:
        """`text` in ASCII where the glyphs are."""
        return ascii_only(text) if self is ASCII_SHADES else text


SHADES = Glyphs("·", ":", "░▒▓█", "▼▽─△▲", "▁▂▃▄▅▆▇", "◆", "▐▌", "▏▕", "█")
ASCII_SHADES = Glyphs(".", ":", "-+*#", "v-~+^", "_,-=+*%", "|", "[]", "||", "#")


class Paint(NamedTuple):
    """How one step of the scale looks: background and foreground."""

    fill: Rgb
    ink: Rgb

    @property
    def style(self) -> Style:
        return Style(color=Color.from_rgb(*self.ink), bgcolor=Color.from_rgb(*self.fill))

    @property
    def chip(self) -> Style:
        return Style(color=Color.from_rgb(*self.fill))


@dataclass(frozen=True, slots=True)
class Palette:
    """How the values of one scale look on one terminal."""

    paints: tuple[Paint, ...]
    depth: Depth
    glyphs: Glyphs
    levels: str

    def step(self, position: float) -> int:
        """The step for a place on the scale; outside 0 to 1 the nearest end."""
        return _step(position, len(self.paints))

    def level(self, position: float) -> str:
        return self.levels[_step(position, len(self.levels))]

    @property
    def chip(self) -> str:
        """The mark of a faded cell."""
        if self.depth is Depth.NONE:
            return self.glyphs.faded
        return self.glyphs.levels[-1] if self.glyphs is ASCII_SHADES else CHIP

    @property
    def no_data(self) -> str:
        plain = self.depth is Depth.NONE or self.glyphs is ASCII_SHADES
        return self.glyphs.no_data if plain else NO_DATA_HATCH


class Look(NamedTuple):
    """How one line of one cell is drawn; `step` is the palette's.

    Attributes:
        chip: What stands before the text in the colour of the step: the mark of a faded cell.
    """

    chip: str
    text: str
    step: int | None


def look_of(
    palette: Palette, level: int, width: int, figure: str = "", *, framed: bool = False
) -> Look:
    """What one line of a cell holds, in `width` characters; framed, two less.

    A cell of few attempts is faded: a chip of its colour, not a fill. The first character is free
    for a crosshair wherever the figure leaves it.
    """
    room = max(0, width - 2) if framed else width
    place = level % FADED
    if not place:
        mark = palette.no_data
        blank = " " * room if framed else mark.center(room)
        return Look("", mark * room if mark == NO_DATA_HATCH and not framed else blank, None)
    share = 0.0 if place == ZERO else (place - 1) / LEVELS
    step = palette.step(share)
    if place == ZERO and width < FIGURE_FROM_WIDTH:
        figure = "0"
    figure = figure[:room]
    if level >= FADED:
        return Look(palette.chip[:room], figure[: room - 1].center(room - 1), step)
    if palette.depth is not Depth.NONE:
        return Look("", figure.center(room - 1).rjust(room), step)
    return Look("", _shaded(figure, palette.level(share), room, gap=not framed), step)


def _shaded(figure: str, glyph: str, width: int, *, gap: bool) -> str:
    spare = width - len(figure)
    after = " " if gap and spare > 1 and width >= FIGURE_FROM_WIDTH else ""
    return glyph * (spare - len(after)) + figure + after


def palette_for(scale: Scale, *, dark: bool, depth: Depth, glyphs: Glyphs) -> Palette:
    """The palette for a scale on a terminal."""
    apart = scale is Scale.DEVIATION
    if depth is Depth.FULL:
        anchors = (_APART_ON_LIGHT, _APART_ON_DARK) if apart else (_ON_LIGHT, _ON_DARK)
        ink = WHITE if dark else BLACK
        paints = tuple(Paint(fill, ink) for fill in _ramp(anchors[dark]))
    else:
        paints = tuple(
            Paint(fill, WHITE if fill in _INKED_WHITE else BLACK)
            for fill in (_STANDARD_APART if apart else _STANDARD)
        )
    return Palette(paints, depth, glyphs, glyphs.apart if apart else glyphs.levels)


def _ramp(anchors: str) -> list[Rgb]:
    """`LEVELS` colours interpolated between anchors in hexadecimal."""
    known = [tuple(bytes.fromhex(each)) for each in anchors.split()]
    parts = list(pairwise(known))
    ramp: list[Rgb] = []
    for step in range(LEVELS):
        at = step / (LEVELS - 1) * len(parts)
        low, high = parts[min(int(at), len(parts) - 1)]
        share = at - min(int(at), len(parts) - 1)
        red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
        ramp.append((red, green, blue))
    return ramp


def _step(position: float, steps: int) -> int:
    return min(steps - 1, max(0, int(position * steps)))
