from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.heatmap.samples import many_rows, row
from tui.heatmap.charts import (
    Room,
    bar_chart,
    beside,
    distribution_chart,
    histogram,
    row_points,
    trend_chart,
)
from tui.heatmap.grid import ColumnAxis, GridSpec, Metric, RowAxis, build_grid

if TYPE_CHECKING:
    from rich.text import Text

BRAILLE = re.compile("[\u2801-\u28ff]")
VALUES = st.one_of(st.none(), st.floats(0, 1), st.floats(0, 1e9), st.just(0.0))
WIDTHS, HEIGHTS = st.integers(1, 120), st.integers(1, 30)


def assert_size(drawn: Text, width: int, height: int) -> list[str]:
    lines = drawn.plain.split("\n")
    assert [cell_len(line) for line in lines] == [width] * height
    assert "\x1b" not in "".join(lines)
    return lines


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, max_size=60), st.sampled_from(list(Metric)), st.booleans(), WIDTHS, HEIGHTS)
def test_a_trend_has_the_size_asked_for(values, metric, colour, width, height):
    points = [(f"2026-01-{place:02}", value) for place, value in enumerate(values)]
    drawn = trend_chart(points, metric, "knee", Room(width, height, colour))
    assert_size(drawn, width, height)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1e9), max_size=80),
    st.sampled_from(list(Metric)),
    st.booleans(),
    WIDTHS,
    HEIGHTS,
)
def test_a_distribution_has_the_size_asked_for(values, metric, colour, width, height):
    drawn = distribution_chart(values, metric, "cells", Room(width, height, colour))
    assert_size(drawn, width, height)


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES, max_size=40), st.one_of(st.none(), st.floats(0, 1e7)), WIDTHS, HEIGHTS)
def test_a_trend_with_a_baseline_has_the_size_asked_for(values, baseline, width, height):
    points = [(f"run {place}", value) for place, value in enumerate(values)]
    room = Room(width, height)
    drawn = trend_chart(points, Metric.MEDIAN, "refresh", room, baseline=baseline)
    assert_size(drawn, width, height)


def test_plain_charts_hold_no_colour():
    points = [("a", 0.2), ("b", 0.9)]
    drawn = trend_chart(points, Metric.ACCURACY, "x", Room(40, 8, colour=False))
    assert not drawn.spans
    coloured = trend_chart(points, Metric.ACCURACY, "x", Room(40, 8))
    assert coloured.plain == drawn.plain
    assert coloured.spans


def test_a_week_without_data_is_a_gap_in_the_trend():
    def inked(values):
        points = [(str(place), value) for place, value in enumerate(values)]
        drawn = trend_chart(points, Metric.ACCURACY, "", Room(45, 9, colour=False))
        columns = set()
        for line in drawn.plain.split("\n")[1:-2]:
            columns |= {place for place, char in enumerate(line) if BRAILLE.match(char)}
        return columns

    whole, gap = inked([0.5] * 5), inked([0.5, 0.5, None, 0.5, 0.5])
    assert len(whole - gap) >= 10
    middle = (min(whole) + max(whole)) // 2
    assert middle in whole
    assert middle not in gap


def test_a_lonely_week_is_seen():
    points = [("a", None), ("b", 0.5), ("c", None)]
    assert "•" in trend_chart(points, Metric.ACCURACY, "", Room(40, 9)).plain


def test_an_accuracy_trend_always_runs_from_0_to_100():
    points = [("a", 0.50), ("b", 0.51)]
    drawn = trend_chart(points, Metric.ACCURACY, "", Room(40, 10, colour=False))
    assert "100%┤" in drawn.plain
    assert "0%┤" in drawn.plain


def test_hostile_titles_are_cut_and_cleaned():
    title = "\x1b[2J腕\n[/red]" + "長" * 60
    drawn = trend_chart([("a", 1.0), ("b", 2.0)], Metric.ATTEMPTS, title, Room(40, 8))
    lines = assert_size(drawn, 40, 8)
    assert lines[0].rstrip().endswith("…")


def test_charts_without_data_say_so():
    for drawn in (
        trend_chart([("a", None)], Metric.MEDIAN, "t", Room(30, 6)),
        distribution_chart([], Metric.MEDIAN, "t", Room(30, 6)),
    ):
        assert "no data" in drawn.plain


@given(st.lists(st.floats(0, 1), max_size=200), st.integers(1, 30))
def test_a_histogram_counts_every_value_once(values, bins):
    counts = histogram(values, 0.0, 1.0, bins)
    assert len(counts) == bins
    assert sum(counts) == len(values)


def test_histogram_by_hand():
    assert histogram([0.0, 0.1, 0.5, 0.99, 1.0], 0.0, 1.0, 2) == [2, 3]
    assert histogram([5.0, 5.0], 5.0, 5.0, 4) == [0, 0, 2, 0]


def test_points_of_a_row():
    rows = [row(1, week=0, attempts=4, correct=1), row(2, week=2, lesion="cyst", correct=4)]
    grid = build_grid(rows, GridSpec())
    assert grid.rows[0].label == "tear"
    assert [value for _, value in row_points(grid, 0)] == [0.25, None, None]


TOPICS = ["腕" * 20, "anterior shoulder", "anterior sacroiliac", "x\x1b[2J", ""]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(TOPICS), VALUES), max_size=40),
    st.sampled_from(list(Metric)),
    st.booleans(),
    WIDTHS,
    HEIGHTS,
)
def test_bars_have_the_size_asked_for(points, metric, colour, width, height):
    drawn = bar_chart(points, metric, "tear", Room(width, height, colour))
    assert_size(drawn, width, height)


def test_a_bar_is_as_long_as_its_value_and_says_it():
    points = [("hip", 0.5), ("knee", 1.0), ("wrist", None), ("spine", 0.0)]
    drawn = bar_chart(points, Metric.ACCURACY, "t", Room(60, 8, colour=False))
    lines = assert_size(drawn, 60, 8)
    half, whole = lines[1].count("█"), lines[2].count("█")
    assert whole > 30
    assert half == round(whole / 2)
    assert [line.split()[-1] for line in lines[1:5]] == ["50%", "100%", "data", "0%"]


def test_bars_without_room_are_counted():
    points = [(f"topic {n}", 0.5) for n in range(30)]
    drawn = bar_chart(points, Metric.ACCURACY, "t", Room(60, 9, colour=False))
    assert drawn.plain.count("█ 50%") == 7
    assert "and 23 more" in drawn.plain


def of_topics():
    """Two lesions over topics with long and wide names, each lesion with its own values."""
    rows = [
        row(n, lesion=lesion, topic=topic, attempts=10, correct=n + (5 if lesion == "tear" else 0))
        for lesion in ("tear", "cyst")
        for n, topic in enumerate(TOPICS[:3])
    ]
    return build_grid(rows, GridSpec(columns=ColumnAxis.TOPIC))


def test_beside_topics_stand_bars_with_whole_names_and_no_line():
    grid = of_topics()
    first, _ = beside(grid, 0, Room(72, 10, colour=False))
    lines = assert_size(first, 72, 10)
    assert lines[0].startswith("accuracy by topic: ")
    assert not BRAILLE.search(first.plain)
    assert "anterior shoulder " in first.plain
    assert "anterior sacroiliac " in first.plain


def test_both_charts_follow_the_cursor():
    grid = of_topics()
    one, other = (beside(grid, place, Room(72, 10, colour=False)) for place in (0, 1))
    for place in (0, 1):
        assert one[place] != other[place]
        for charts, named in ((one, grid.rows[0]), (other, grid.rows[1])):
            assert charts[place].plain.split("\n")[0].rstrip().endswith(f": {named.label}")


def test_charts_in_ascii_are_ascii_and_keep_their_size():
    weeks = build_grid(many_rows(30, 8), GridSpec(RowAxis.LESION, metric=Metric.MEDIAN))
    for grid in (weeks, of_topics()):
        for drawn in beside(grid, 0, Room(60, 10, colour=True), ascii_only=True):
            assert drawn.plain.isascii()
            assert_size(drawn, 60, 10)


def test_drawing_at_once_from_several_threads_gives_what_one_gives():
    grid = build_grid(many_rows(30, 8), GridSpec(RowAxis.LESION))
    jobs = [place % len(grid.rows) for place in range(48)]

    def draw(place: int) -> Text:
        return trend_chart(
            row_points(grid, place),
            Metric.ACCURACY,
            grid.rows[place].label,
            Room(40 + place, 8),
        )

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(draw, jobs)) == [draw(place) for place in jobs]
