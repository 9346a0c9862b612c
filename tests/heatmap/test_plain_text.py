from __future__ import annotations

import functools
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from tests.heatmap.samples import many_rows, row
from tui.heatmap.grid import ColumnAxis, GridSpec, Metric, Order, RowAxis, Scale, build_grid
from tui.heatmap.palette import ASCII_SHADES, SHADES, Depth, palette_for
from tui.heatmap.plain_text import MOST_ROWS, legend_text, print_heatmap, rows_as_text

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def lines_of(drawn: str, width: int) -> list[str]:
    lines = ANSI.sub("", drawn).split("\n")
    assert {cell_len(line) for line in lines} == {width}
    return lines


@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("width", [40, 80, 133])
@pytest.mark.parametrize("columns", list(ColumnAxis))
@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("size", [(0, 0), (1, 1), (40, 8)])
def test_every_line_is_as_wide_as_asked(size, metric, columns, width, depth):
    grid = build_grid(many_rows(*size, sparse=0.2), GridSpec(columns=columns, metric=metric))
    lines = lines_of(print_heatmap(grid, width, depth), width)
    assert len(lines) == 4 + len(grid.rows) + 2


def test_plain_print_shows_figures_and_tells_no_data_from_zero():
    rows = [
        row(1, lesion="tear", week=0, attempts=6, correct=4),
        row(1, lesion="tear", week=2, attempts=6, correct=0),
        row(1, lesion="tear", week=3, attempts=2, correct=2),
    ]
    drawn = print_heatmap(build_grid(rows, GridSpec()), 80, Depth.NONE)
    assert "\x1b" not in drawn
    (line,) = [line for line in drawn.split("\n") if line.startswith("tear")]
    assert re.fullmatch(r"tear\s+43%\s+▓+67%\s+·\s+░+0%\s+:\s+100%\s*", line)


def test_coloured_print_paints_cells_and_leaves_no_data_unpainted():
    rows = [row(1, week=0, attempts=8, correct=8), row(1, week=2, attempts=8, correct=0)]
    drawn = print_heatmap(build_grid(rows, GridSpec()), 80, Depth.FULL)
    (line,) = [line for line in drawn.split("\n") if ANSI.sub("", line).startswith("tear")]
    painted = re.findall(r"38;2;(\d+;\d+;\d+);48;2;(\d+;\d+;\d+)m([^\x1b]+)", line)
    assert [(ink, text.strip()) for ink, _, text in painted] == [
        ("255;255;255", "100%"),
        ("255;255;255", "0%"),
    ]
    assert painted[0][1] != painted[1][1]


def test_sixteen_colours_are_those_of_the_terminal():
    rows = [row(1, week=week, attempts=8, correct=2 * week) for week in range(5)]
    drawn = print_heatmap(build_grid(rows, GridSpec()), 100, Depth.SIXTEEN)
    assert "48;2" not in drawn
    (line,) = [line for line in drawn.split("\n") if ANSI.sub("", line).startswith("tear")]
    assert len(set(re.findall(r"\d+;(4[0-7]|10[0-7])m", line))) == 5


def test_what_does_not_fit_is_said():
    grid = build_grid(many_rows(60, 30), GridSpec(RowAxis.QUESTION, order=Order.ATTEMPTS))
    lines = lines_of(print_heatmap(grid, 80, Depth.NONE), 80)
    assert lines[1].startswith("60 questions, last ")
    assert "of 30 weeks" in lines[1]
    newest = grid.columns[-1].week
    assert newest is not None
    assert lines[3].split()[-1] == str(newest.day)
    assert len(lines) == 4 + 60 + 2


def test_rows_come_out_in_order():
    grid = build_grid(many_rows(250, 2), GridSpec(RowAxis.QUESTION))
    lines = lines_of(print_heatmap(grid, 60, Depth.NONE), 60)
    assert [line[:8] for line in lines[4:-2]] == [each.label[:8] for each in grid.rows]


def test_labels_from_the_database_cannot_break_out_of_their_column():
    rows = [row(1, lesion="腕\x1b[31m 橈骨 骨折 " * 4), row(2, lesion="x" * 200)]
    drawn = print_heatmap(build_grid(rows, GridSpec()), 80, Depth.NONE)
    lines_of(drawn, 80)
    assert "\x1b" not in drawn
    assert drawn.count("…") >= 2


def test_ascii_print_is_ascii():
    rows = [*many_rows(40, 6), row(1, lesion="Läsion · 腕", topic="x" * 90)]
    for columns in ColumnAxis:
        spec = GridSpec(RowAxis.LESION_TOPIC, columns, metric=Metric.MEDIAN)
        drawn = print_heatmap(build_grid(rows, spec), 60, Depth.NONE, glyphs=ASCII_SHADES, total=9)
        lines_of(drawn, 60)
        assert drawn.isascii()
        assert "~ weighted, not a median" in drawn
        assert "Lasion - ??" in drawn


@pytest.mark.parametrize("width", [40, 100])
@pytest.mark.parametrize(
    ("total", "refreshed_at", "said"),
    [
        (475_000, "2026-03-02T01:30:00+02:00", "TRUNCATED: 3 of the view's 475,000 rows"),
        (3, "2026-03-01T23:30:00+00:00", "all 3 rows of the view were read"),
    ],
)
def test_what_was_read_and_how_old_it_is_stand_above(width, total, refreshed_at, said):
    grid = build_grid([row(n) for n in range(3)], GridSpec())
    drawn = print_heatmap(grid, width, Depth.NONE, total=total, refreshed_at=refreshed_at)
    above = " ".join(lines_of(drawn, width)[2:4])
    assert said in above
    assert "refreshed 2026-03-01 23:30 UTC" in above


@pytest.mark.parametrize("at", [None, "yesterday", "2026-03-01T23:30:00"])
def test_an_age_that_nobody_knows_is_not_made_up(at):
    grid = build_grid([row(1)], GridSpec())
    drawn = print_heatmap(grid, 100, Depth.NONE, total=1, refreshed_at=at)
    assert "the view's only row was read, when it was refreshed is not known" in drawn


def test_an_empty_view_says_what_it_means():
    drawn = print_heatmap(build_grid([], GridSpec()), 100, Depth.NONE, total=0)
    assert "the view is empty: no answers yet, or none since its last refresh" in drawn


@pytest.mark.parametrize("scale", list(Scale))
def test_what_is_printed_honours_scale_and_filter_and_says_so(scale):
    rows = [
        row(n, lesion=f"kind {n % 3}", week=n % 4, attempts=9, correct=3 + n % 4) for n in range(24)
    ]
    spec = GridSpec(scale=scale, text="kind 1")
    drawn = print_heatmap(build_grid(rows, spec), 120, Depth.NONE)
    assert f'{scale.heading} · matching "kind 1"' in drawn.split("\n")[0]
    assert "8 of 24 rows counted" in drawn
    assert "kind 2" not in drawn
    ends = {
        Scale.FIXED: "accuracy 0% ",
        Scale.RANGE: "accuracy 33% ",
        Scale.DEVIATION: "accuracy -17 points ",
    }
    assert ends[scale] in drawn.split("\n")[-1]
    assert ("from the mean of 50%" in drawn) is (scale is Scale.DEVIATION)


def test_weeks_that_no_calendar_holds_are_named():
    rows = [row(1), replace(row(2), week_start="infinity")]
    drawn = print_heatmap(build_grid(rows, GridSpec()), 100, Depth.NONE, total=2)
    assert "left out: 1 row of impossible weeks (infinity)" in drawn
    assert "1 of 2 rows counted" in drawn


# The legend.


@functools.cache
def grid_of(metric):
    return build_grid(many_rows(200, 8), GridSpec(metric=metric))


def legend(metric, width, *, depth=Depth.FULL, glyphs=SHADES, at=None):
    palette = palette_for(Scale.FIXED, dark=True, depth=depth, glyphs=glyphs)
    return legend_text(grid_of(metric), palette, width, at=at)


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


@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("glyphs", [SHADES, ASCII_SHADES])
def test_the_value_of_the_cursor_is_marked_on_the_scale(depth, glyphs):
    places = []
    for at in (0.0, 0.5, 1.0):
        text = legend(Metric.ACCURACY, 100, depth=depth, glyphs=glyphs, at=at).plain
        assert text.count(glyphs.mark) == 1
        places.append(text.index(glyphs.mark))
    low, middle, high = places
    assert middle - low == pytest.approx(high - middle, abs=1)
    assert high - low >= 7
    assert glyphs.mark not in legend(Metric.ACCURACY, 100, depth=depth, glyphs=glyphs).plain


def test_zero_in_a_cell_means_that_all_were_wrong():
    """As the legend says: an accuracy that only rounds to 0 is not shown as 0."""
    assert "0 all wrong" in legend(Metric.ACCURACY, 100).plain
    cells = [
        build_grid([row(1, attempts=300, correct=right)], GridSpec()).rows[0].total
        for right in (0, 1, 2)
    ]
    assert [cell.short(Metric.ACCURACY, 6) for cell in cells] == ["0%", "<1%", "1%"]
    assert [cell.short(Metric.ACCURACY, 2) for cell in cells] == ["0%", "<1", "1%"]
    assert cells[1].short(Metric.ACCURACY, 1) is None
    assert cells[1].describe().startswith("accuracy <1% · 1 correct of 300 attempts")


def test_rows_behind_a_cell_are_listed_and_the_rest_is_counted():
    rows = [row(n, lesion="腕 \x1b[2J", attempts=7, correct=3) for n in range(MOST_ROWS + 5)]
    cell = build_grid(rows, GridSpec()).cell(0, 0)
    assert cell is not None
    lines = rows_as_text(cell).split("\n")
    assert lines[0] == cell.describe()
    assert len(lines) == 3 + MOST_ROWS + 1
    assert all(line.split()[-2] == "3/7" for line in lines[3:-1])
    assert lines[-1] == "and 5 more rows"
    assert "\x1b" not in "".join(lines)
