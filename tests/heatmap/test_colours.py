from __future__ import annotations

from itertools import pairwise

import pytest
from rich.color import Color, ColorSystem

from tui.heatmap.colours import (
    ASCII_SHADES,
    BLACK,
    SHADES,
    Depth,
    contrast,
    ink_on,
    luminance,
    no_data_mark,
    palette,
)

# What xterm and a current Windows terminal make of the sixteen colours, as far as they are in use.
OTHER_PALETTES = {
    4: [(0, 0, 238), (0, 55, 218)],
    5: [(205, 0, 205), (136, 23, 152)],
    6: [(0, 205, 205), (58, 150, 221)],
    10: [(0, 255, 0), (22, 198, 12)],
    11: [(255, 255, 0), (249, 241, 165)],
}


def standard(colour):
    """The number of the standard colour that a terminal with sixteen gets to see."""
    return Color.from_rgb(*colour).downgrade(ColorSystem.STANDARD).number


def every_palette():
    return [palette(dark=dark, depth=depth) for dark in (True, False) for depth in Depth]


def test_ink_reads_on_every_fill():
    for each in every_palette():
        for paint in each.paints:
            assert contrast(paint.ink, paint.fill) >= 4.5


def test_black_or_white_reads_on_any_colour():
    shades = range(0, 256, 15)
    worst = min(
        contrast(ink_on((r, g, b)), (r, g, b)) for r in shades for g in shades for b in shades
    )
    assert worst >= 4.5


def test_ink_of_the_standard_colours_reads_in_other_terminals_palettes():
    for paint in palette(dark=True, depth=Depth.SIXTEEN).paints:
        for fill in OTHER_PALETTES[standard(paint.fill)]:
            ink = BLACK if standard(paint.ink) == 0 else (255, 255, 255)
            assert contrast(ink, fill) >= 3.0


def test_higher_values_are_lighter_so_that_hue_is_not_needed():
    for each in every_palette():
        steps = [luminance(paint.fill) for paint in each.paints]
        assert all(low < high for low, high in pairwise(steps))


def test_standard_colours_rise_in_other_terminals_palettes_too():
    order = [standard(paint.fill) for paint in palette(dark=True, depth=Depth.SIXTEEN).paints]
    for which in (0, 1):
        steps = [luminance(OTHER_PALETTES[number][which]) for number in order]
        assert all(low < high for low, high in pairwise(steps))


@pytest.mark.parametrize(("dark", "background"), [(True, (18, 18, 18)), (False, (224, 224, 224))])
def test_the_scale_stands_apart_from_the_background(dark, background):
    fills = [paint.fill for paint in palette(dark=dark).paints]
    assert len(fills) == 64
    assert background not in fills
    assert min(contrast(fill, background) for fill in fills) >= 1.15


@pytest.mark.parametrize(
    ("position", "step"), [(-1.0, 0), (0.0, 0), (0.5, 32), (0.999, 63), (1.0, 63), (2.0, 63)]
)
def test_step_of_a_place_on_the_scale(position, step):
    assert palette(dark=True).step(position) == step


@pytest.mark.parametrize("glyphs", [SHADES, ASCII_SHADES])
def test_no_data_is_never_drawn_like_a_value(glyphs):
    shown = {glyphs.level(position / 100) for position in range(101)}
    assert shown == set(glyphs.levels)
    for depth in Depth:
        assert no_data_mark(depth, glyphs) not in shown | {"0", " "}


def test_ascii_glyphs_are_ascii():
    assert (ASCII_SHADES.levels + ASCII_SHADES.no_data).isascii()
    assert no_data_mark(Depth.FULL, ASCII_SHADES).isascii()
