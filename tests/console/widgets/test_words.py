"""Figures in words and in graphs, names beside values, text broken where a reader would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from tui.console.figures import duration, graph, milliseconds, rate, time_left
from tui.console.widgets.text import columns, wrap
from tui.heatmap.formatting import plural


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.0854, "85 ms"),
        (4.24, "4.2 s"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (84.685, "1 min 25 s"),
        (185, "3 min 05 s"),
        (3_900, "1 h 05 min"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words
    assert milliseconds(None if seconds is None else seconds * 1000) == words


@pytest.mark.parametrize(
    ("per_second", "words"),
    [(3.14159, "3.1/s"), (950.4, "950/s"), (1_250, "1,250/s"), (12_400, "12.4k/s")],
)
def test_rates(per_second: float, words: str) -> None:
    assert rate(per_second) == words


def test_plurals() -> None:
    assert [plural(number, "row") for number in (0, 1, 2, 1_000)] == [
        *("0 rows", "1 row", "2 rows"),
        "1,000 rows",
    ]


def test_values_that_are_too_long_go_on_below_where_they_began() -> None:
    lines = columns([("Key", "one two three"), ("Longer", "[/x] as text")], 15)
    assert [line.plain.rstrip() for line in lines] == [
        "Key     one two",
        "        three",
        "Longer  [/x] as",
        "        text",
    ]
    assert all(line.cell_length <= 15 for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.827, "1 s"), (4.2, "5 s"), (59.5, "1 min 00 s"), (185, "3 min 05 s")]
)
def test_time_left_is_no_finer_than_it_can_be_known(seconds: float, words: str) -> None:
    assert time_left(seconds) == words


def test_a_command_stays_on_one_line_and_a_path_breaks_at_its_joints() -> None:
    text = "it is removed by heatmap-tui --purge --env-file .env.staging, later"
    lines = [line.plain for line in wrap(Content(text), 46)]
    assert lines == [
        "it is removed by",
        "heatmap-tui --purge --env-file .env.staging,",
        "later",
    ]
    path = [line.plain for line in wrap(Content("in /var/lib/heatmap-tui/reports/a.md"), 20)]
    assert path == ["in /var/lib/heatmap-", "tui/reports/a.md"]


@given(st.text(alphabet="ab /é漢-.?\n", max_size=80), st.integers(min_value=2, max_value=30))
def test_wrapping_loses_nothing_but_white_space_and_keeps_to_the_width(
    text: str, width: int
) -> None:
    lines = [line.plain for line in wrap(Content(text), width)]
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cell_len(line) <= width for line in lines)


def test_a_graph_fills_its_height_by_its_highest_value() -> None:
    levels = "▁▂▃▄▅▆▇█"
    assert graph([0, 1, 8], levels) == [" ▁█"]
    assert graph([8, 16], levels, height=2) == [" █", "██"]
    assert graph([], levels) == [""]
    assert graph([0.0, 0.0], levels) == ["  "]
