from __future__ import annotations

import itertools
from dataclasses import astuple
from itertools import pairwise

import pytest
from rich.color import Color, ColorSystem

from tests.heatmap.samples import contrast, luminance
from tui.heatmap.grid import FADED, LEVELS, ZERO, Scale
from tui.heatmap.palette import (
    ASCII_SHADES,
    BLACK,
    SHADES,
    Depth,
    depth_of,
    look_of,
    palette_for,
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


def palette(scale=Scale.FIXED, *, dark=True, depth=Depth.FULL, glyphs=SHADES):
    return palette_for(scale, dark=dark, depth=depth, glyphs=glyphs)


def every_palette():
    return [
        palette(scale, dark=dark, depth=depth)
        for scale, dark, depth in itertools.product(Scale, (True, False), Depth)
    ]


def test_ink_reads_on_every_fill():
    for each in every_palette():
        for paint in each.paints:
            assert contrast(paint.ink, paint.fill) >= 4.5


@pytest.mark.parametrize("scale", list(Scale))
@pytest.mark.parametrize("dark", [True, False])
def test_near_equal_values_never_differ_in_ink(scale, dark):
    assert len({paint.ink for paint in palette(scale, dark=dark).paints}) == 1


def test_ink_of_the_standard_colours_reads_in_other_terminals_palettes():
    for paint in palette(depth=Depth.SIXTEEN).paints:
        for fill in OTHER_PALETTES[standard(paint.fill)]:
            ink = BLACK if standard(paint.ink) == 0 else (255, 255, 255)
            assert contrast(ink, fill) >= 3.0


@pytest.mark.parametrize("scale", [Scale.FIXED, Scale.RANGE])
@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("dark", [True, False])
def test_higher_values_are_lighter_so_that_hue_is_not_needed(scale, dark, depth):
    steps = [luminance(paint.fill) for paint in palette(scale, dark=dark, depth=depth).paints]
    assert all(low < high for low, high in pairwise(steps))


@pytest.mark.parametrize("dark", [True, False])
def test_a_deviation_is_stronger_the_further_and_of_another_hue_on_either_side(dark):
    paints = palette(Scale.DEVIATION, dark=dark).paints
    from_ground = [
        contrast(paint.fill, (18, 22, 29) if dark else (246, 248, 250)) for paint in paints
    ]
    below, above = from_ground[:32], from_ground[32:]
    assert max(below) == below[0] > 2 * below[-1] / 1.5
    assert max(above) == above[-1] > 2 * above[0] / 1.5
    assert all(paint.fill[0] > paint.fill[2] for paint in paints[:24]), "orange"
    assert all(paint.fill[2] > paint.fill[0] for paint in paints[-24:]), "blue"


def test_standard_colours_rise_in_other_terminals_palettes_too():
    order = [standard(paint.fill) for paint in palette(depth=Depth.SIXTEEN).paints]
    for which in (0, 1):
        steps = [luminance(OTHER_PALETTES[number][which]) for number in order]
        assert all(low < high for low, high in pairwise(steps))


def test_five_of_sixteen_colours_tell_below_from_above_the_mean():
    paints = palette(Scale.DEVIATION, depth=Depth.SIXTEEN).paints
    assert [standard(paint.fill) for paint in paints] == [9, 11, 7, 14, 4]
    # As xterm and a current Windows terminal have them.
    others = {9: [(255, 0, 0), (231, 72, 86)], 11: [(255, 255, 0), (249, 241, 165)]}
    others |= {7: [(229, 229, 229), (204, 204, 204)], 14: [(0, 255, 255), (97, 214, 214)]}
    others |= {4: [(0, 0, 238), (0, 55, 218)]}
    for paint in paints:
        assert all(contrast(paint.ink, fill) >= 4.5 for fill in others[standard(paint.fill)])


@pytest.mark.parametrize("scale", list(Scale))
@pytest.mark.parametrize(("dark", "background"), [(True, (18, 18, 18)), (False, (246, 248, 250))])
def test_the_scale_stands_apart_from_the_background(scale, dark, background):
    fills = [paint.fill for paint in palette(scale, dark=dark).paints]
    assert len(fills) == LEVELS
    assert background not in fills
    assert min(contrast(fill, background) for fill in fills) >= 1.15


@pytest.mark.parametrize(
    ("position", "step"), [(-1.0, 0), (0.0, 0), (0.5, 32), (0.999, 63), (1.0, 63), (2.0, 63)]
)
def test_step_of_a_place_on_the_scale(position, step):
    assert palette().step(position) == step


@pytest.mark.parametrize("scale", list(Scale))
@pytest.mark.parametrize("glyphs", [SHADES, ASCII_SHADES])
def test_no_data_and_few_attempts_are_never_drawn_like_a_value(scale, glyphs):
    plain = palette(scale, depth=Depth.NONE, glyphs=glyphs)
    shown = {plain.level(position / 100) for position in range(101)}
    assert shown == set(plain.levels)
    assert plain.chip not in {*shown, plain.no_data}
    for depth in Depth:
        assert palette(scale, depth=depth, glyphs=glyphs).no_data not in {*shown, "0", " "}


def test_ascii_glyphs_are_ascii():
    for depth in Depth:
        each = palette(depth=depth, glyphs=ASCII_SHADES)
        assert "".join([*astuple(ASCII_SHADES), each.no_data, each.chip]).isascii()


@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("figure", ["", "7%", "100%"])
def test_a_cell_takes_exactly_its_width(depth, framed, figure):
    levels = [0, 1, LEVELS, ZERO, FADED + 1, FADED + ZERO]
    for width, level in itertools.product(range(2, 12), levels):
        look = look_of(palette(depth=depth), level, width, figure, framed=framed)
        assert len(look.chip + look.text) == width - (2 if framed else 0)
        assert (look.step is None) is (level == 0)
        assert bool(look.chip) is (level >= FADED and not (framed and width == 2))
        if level and len(figure) < width - 3:
            assert figure in look.text


def test_zero_is_told_by_a_figure_even_in_the_narrowest_cells():
    assert look_of(palette(), ZERO, 2).text.strip() == "0"
    assert look_of(palette(), 1, 2).text.strip() == ""


def test_depths():
    found = [depth_of(each) for each in (None, "standard", "256", "truecolor", "windows")]
    assert found == [Depth.NONE, Depth.SIXTEEN, Depth.FULL, Depth.FULL, Depth.FULL]
