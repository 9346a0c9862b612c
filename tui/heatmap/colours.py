"""The colours of a heatmap: from a place on the scale to a fill and an ink that reads on it.

Three ways to show a value, for three kinds of terminal: 64 steps of viridis, five of the sixteen
standard colours, and glyphs without any colour. No data is never one of the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Rgb = tuple[int, int, int]

# matplotlib's viridis (CC0), 64 steps. On a dark background the darkest 6% are left out, on a
# light one the lightest 12%, because those come too close to the background itself.
_VIRIDIS_ON_DARK = (
    "48176a 481c6e 482172 482676 472b7a 47307d 463480 443983 433d85 414287 404688 3e4b89 "
    "3c4f8a 3a538b 38578c 365b8d 355f8d 33638d 31678e 2f6a8e 2e6e8e 2c728e 2b758e 29798e "
    "287c8e 27808e 25848e 24878e 228b8d 218e8d 20928c 1f968b 1f998a 1e9d89 1fa088 20a486 "
    "22a784 25ab82 28ae80 2cb27d 31b57b 37b877 3dbc74 44bf70 4bc26c 53c568 5bc864 63cb5f "
    "6bcd5a 74d054 7ed24f 87d549 91d743 9ad93c a4db36 afdc2f b9de29 c3e023 cde11d d7e21a "
    "e1e318 ebe51a f4e61e fde725"
)
_VIRIDIS_ON_LIGHT = (
    "440154 450659 460b5f 471164 481668 481b6d 481f71 482475 482878 472d7b 46317e 453681 "
    "443a83 433e85 414287 404688 3e4a89 3c4e8a 3b528b 39568c 375a8c 355e8d 34618d 32658e "
    "30688e 2f6c8e 2d6f8e 2c738e 2b768e 29798e 287d8e 27808e 25838e 24878e 238a8d 228d8d "
    "20918c 20948c 1f978b 1e9b8a 1f9e89 1fa187 20a586 22a884 25ab82 29af80 2db27d 31b57b "
    "37b878 3cbb75 42be71 49c16e 50c46a 57c766 5fc961 67cc5d 6fce58 77d153 80d34d 89d548 "
    "92d742 9bd93c a5db36 aedc30"
)

# Five of the sixteen standard colours (4, 5, 6, 10, 11) whose luminance rises in every common
# palette. The values are those of the VGA palette, to which a terminal library maps back when it
# has only sixteen.
_STANDARD: tuple[Rgb, ...] = (
    (0, 0, 170),
    (170, 0, 170),
    (0, 170, 170),
    (85, 255, 85),
    (255, 255, 85),
)

WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (0, 0, 0)

NO_DATA_HATCH = "\N{BOX DRAWINGS LIGHT DIAGONAL UPPER RIGHT TO LOWER LEFT}"


class Depth(Enum):
    """How much colour the terminal has."""

    FULL = "full"
    SIXTEEN = "sixteen"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Paint:
    """How one step of the scale looks.

    Attributes:
        fill: Background.
        ink: Foreground, at a contrast of at least 4.5 to 1 to the fill.
    """

    fill: Rgb
    ink: Rgb


@dataclass(frozen=True, slots=True)
class Glyphs:
    """How steps look without colour: rising density, and a mark for no data.

    Attributes:
        no_data: Fills a cell without data; not one of `levels`.
        levels: Fill for the lowest to the highest values.
    """

    no_data: str
    levels: str

    def level(self, position: float) -> str:
        """The glyph for a place on the scale, 0 to 1."""
        return self.levels[_step(position, len(self.levels))]


SHADES = Glyphs(no_data="·", levels="░▒▓█")
ASCII_SHADES = Glyphs(no_data=".", levels="-+*#")


def no_data_mark(depth: Depth, glyphs: Glyphs) -> str:
    """What fills a cell without data: a hatch where there is colour, else a glyph."""
    if depth is Depth.NONE or glyphs == ASCII_SHADES:
        return glyphs.no_data
    return NO_DATA_HATCH


@dataclass(frozen=True, slots=True)
class Palette:
    """The paints of a scale, lowest value first.

    Attributes:
        paints: One for each step.
    """

    paints: tuple[Paint, ...]

    def step(self, position: float) -> int:
        """The step for a place on the scale; outside 0 to 1 the nearest end."""
        return _step(position, len(self.paints))

    def paint(self, position: float) -> Paint:
        """The paint for a place on the scale, 0 to 1."""
        return self.paints[self.step(position)]


def luminance(colour: Rgb) -> float:
    """Relative luminance, 0 to 1, as WCAG 2.2 defines it."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = map(linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(fill: Rgb) -> Rgb:
    """Black or white, whichever stands out more; the worse case still has 4.58 to 1."""
    return max((WHITE, BLACK), key=lambda ink: contrast(ink, fill))


def palette(*, dark: bool, depth: Depth = Depth.FULL) -> Palette:
    """The palette for a dark or light background.

    Args:
        dark: Whether the background is dark. The sixteen colours do not depend on it.
        depth: `FULL` for 64 steps, `SIXTEEN` for five. `NONE` has no palette; it gets the
            sixteen colours' one, whose steps are not painted.
    """
    if depth is Depth.FULL:
        return _ON_DARK if dark else _ON_LIGHT
    return _SIXTEEN


def _step(position: float, steps: int) -> int:
    return min(steps - 1, max(0, int(position * steps)))


def _viridis(text: str) -> Palette:
    return _inked([(int(c[:2], 16), int(c[2:4], 16), int(c[4:], 16)) for c in text.split()])


def _inked(fills: Sequence[Rgb]) -> Palette:
    return Palette(tuple(Paint(fill, ink_on(fill)) for fill in fills))


_ON_DARK = _viridis(_VIRIDIS_ON_DARK)
_ON_LIGHT = _viridis(_VIRIDIS_ON_LIGHT)
_SIXTEEN = _inked(_STANDARD)
