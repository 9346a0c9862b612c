from __future__ import annotations

import re

import pytest

from tests.heatmap.samples import many_rows, row
from tui.heatmap.axes import ColumnAxis, GridSpec, Metric, Order, RowAxis
from tui.heatmap.colours import ASCII_SHADES
from tui.heatmap.grid import build_grid
from tui.heatmap.printed import print_heatmap
from tui.heatmap.text import text_width

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def lines_of(drawn: str, width: int) -> list[str]:
    lines = ANSI.sub("", drawn).split("\n")
    assert {text_width(line) for line in lines} == {width}
    return lines


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("width", [40, 80, 133])
@pytest.mark.parametrize("columns", list(ColumnAxis))
@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("size", [(0, 0), (1, 1), (40, 8)])
def test_every_line_is_as_wide_as_asked(size, metric, columns, width, colour):
    grid = build_grid(many_rows(*size, sparse=0.2), GridSpec(columns=columns, metric=metric))
    lines = lines_of(print_heatmap(grid, width, colour), width)
    assert len(lines) == 4 + len(grid.rows) + 2


def test_plain_print_shows_figures_and_tells_no_data_from_zero():
    rows = [
        row(1, lesion="tear", week=0, attempts=3, correct=2),
        row(1, lesion="tear", week=2, attempts=3, correct=0),
    ]
    drawn = print_heatmap(build_grid(rows, GridSpec()), 80, False)
    assert "\x1b" not in drawn
    (line,) = [line for line in drawn.split("\n") if line.startswith("tear")]
    assert re.fullmatch(r"tear\s+33%\s+▓\s+67%\s+·\s+░\s+0%\s*", line)


def test_coloured_print_paints_cells_and_leaves_no_data_unpainted():
    rows = [row(1, week=0, correct=4), row(1, week=2, correct=0)]
    drawn = print_heatmap(build_grid(rows, GridSpec()), 80, True)
    (line,) = [line for line in drawn.split("\n") if ANSI.sub("", line).startswith("tear")]
    painted = re.findall(r"48;2;(\d+;\d+;\d+)m\x1b\[38;2;(\d+;\d+;\d+)m([^\x1b]+)", line)
    assert [(ink, text.strip()) for _, ink, text in painted] == [
        ("0;0;0", "100%"),
        ("255;255;255", "0%"),
    ]
    assert painted[0][0] != painted[1][0]


def test_what_does_not_fit_is_said():
    grid = build_grid(many_rows(60, 30), GridSpec(RowAxis.QUESTION, order=Order.ATTEMPTS))
    lines = lines_of(print_heatmap(grid, 80, False, most_rows=10), 80)
    assert lines[1].startswith("10 of 60 questions, most attempts first, last ")
    assert "of 30 weeks" in lines[1]
    newest = grid.columns[-1].week
    assert newest is not None
    assert lines[3].split()[-1] == str(newest.day)
    assert len(lines) == 4 + 10 + 2


def test_rows_on_several_figures_come_out_in_order():
    grid = build_grid(many_rows(250, 2), GridSpec(RowAxis.QUESTION))
    lines = lines_of(print_heatmap(grid, 60, False), 60)
    assert [line[:8] for line in lines[4:-2]] == [each.label[:8] for each in grid.rows]


def test_labels_from_the_database_cannot_break_out_of_their_column():
    rows = [row(1, lesion="腕\x1b[31m 橈骨 骨折 " * 4), row(2, lesion="x" * 200)]
    drawn = print_heatmap(build_grid(rows, GridSpec()), 80, False)
    lines_of(drawn, 80)
    assert "\x1b" not in drawn
    assert drawn.count("…") >= 2


def test_ascii_print_is_ascii():
    rows = [*many_rows(40, 6), row(1, lesion="Läsion · 腕", topic="x" * 90)]
    for columns in ColumnAxis:
        spec = GridSpec(RowAxis.LESION_TOPIC, columns, metric=Metric.MEDIAN)
        drawn = print_heatmap(build_grid(rows, spec), 60, False, glyphs=ASCII_SHADES, total=9)
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
    drawn = print_heatmap(grid, width, False, total=total, refreshed_at=refreshed_at)
    above = " ".join(lines_of(drawn, width)[2:4])
    assert said in above
    assert "refreshed 2026-03-01 23:30 UTC" in above


@pytest.mark.parametrize("at", [None, "yesterday", "2026-03-01T23:30:00"])
def test_an_age_that_nobody_knows_is_not_made_up(at):
    grid = build_grid([row(1)], GridSpec())
    drawn = print_heatmap(grid, 100, False, total=1, refreshed_at=at)
    assert "all 1 rows of the view were read, when it was refreshed is not known" in drawn


def test_an_empty_view_says_what_it_means():
    drawn = print_heatmap(build_grid([], GridSpec()), 100, False, total=0)
    assert "the view is empty: no answers yet, or none since its last refresh" in drawn
