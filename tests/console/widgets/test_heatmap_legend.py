"""The legend and the rows behind a cell, as text."""

from __future__ import annotations

import functools

import pytest

from tests.heatmap.samples import many_rows, row
from tui.console.widgets.heatmap_legend import legend_text
from tui.console.widgets.heatmap_rows import MOST, rows_as_text
from tui.heatmap.axes import GridSpec, Metric
from tui.heatmap.colours import ASCII_SHADES, SHADES, Depth, palette
from tui.heatmap.grid import build_grid


@functools.cache
def grid_of(metric):
    return build_grid(many_rows(200, 8), GridSpec(metric=metric))


def legend(metric, width, *, depth=Depth.FULL, glyphs=SHADES):
    paints = palette(dark=True)
    return legend_text(grid_of(metric), width, paints=paints, depth=depth, glyphs=glyphs)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("glyphs", [SHADES, ASCII_SHADES])
def test_a_legend_is_never_wider_than_its_room(metric, depth, glyphs):
    whole = legend(metric, 30, depth=depth, glyphs=glyphs).plain
    for width in range(120):
        text = legend(metric, width, depth=depth, glyphs=glyphs)
        assert text.cell_len <= width
        assert glyphs is SHADES or text.plain.isascii()
        if 0 < width < len(whole):
            assert text.plain == whole[: width - 1] + ("…" if glyphs is SHADES else ">")


@pytest.mark.parametrize("width", [76, 80, 120])
def test_a_weighted_median_never_stands_without_its_meaning(width):
    text = legend(Metric.MEDIAN, width)
    assert "≈ weighted, not a median" in text.plain
    assert "no data" in text.plain


def test_the_meaning_goes_before_no_data_where_there_is_no_room_for_both():
    text = legend(Metric.MEDIAN, 60)
    assert "≈ weighted, not a median" in text.plain
    assert "no data" not in text.plain


def test_zero_in_a_cell_means_that_all_were_wrong():
    """As the legend says: an accuracy that only rounds to 0 is not shown as 0."""
    assert "0 all wrong" in legend(Metric.ACCURACY, 76).plain
    cells = [
        build_grid([row(1, attempts=300, correct=right)], GridSpec()).rows[0].total
        for right in (0, 1, 2)
    ]
    assert [cell.short(Metric.ACCURACY, 6) for cell in cells] == ["0%", "<1%", "1%"]
    assert [cell.short(Metric.ACCURACY, 2) for cell in cells] == ["0%", "<1", "1%"]
    assert cells[1].short(Metric.ACCURACY, 1) is None
    assert cells[1].describe().startswith("accuracy <1% · 1 correct of 300 attempts")


def test_rows_behind_a_cell_are_listed_and_the_rest_is_counted():
    rows = [row(n, lesion="腕 \x1b[2J", attempts=7, correct=3) for n in range(MOST + 5)]
    cell = build_grid(rows, GridSpec()).cell(0, 0)
    assert cell is not None
    lines = rows_as_text(cell).split("\n")
    assert lines[0] == cell.describe()
    assert len(lines) == 3 + MOST + 1
    assert all(line.split()[-2] == "3/7" for line in lines[3:-1])
    assert lines[-1] == "and 5 more rows"
    assert "\x1b" not in "".join(lines)
