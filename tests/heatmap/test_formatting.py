from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.heatmap.samples import row
from tui.heatmap.formatting import (
    ascii_only,
    clean_label,
    fit,
    full_duration,
    month_line,
    percent,
    plain,
    plural,
    short_count,
    utc_iso,
)
from tui.heatmap.grid import Cell, Metric, cell_of


def cell(attempts: int, correct: int, median: Decimal | None, exact: bool) -> Cell:
    one = row(attempts=attempts, correct=correct, median=median)
    return cell_of([one] if exact else [one, replace(one, attempts=0, correct_attempts=0)])


@given(st.text(max_size=60), st.integers(0, 40))
def test_fitted_text_takes_exactly_the_width_it_was_given(text, width):
    fitted = fit(clean_label(text), width)
    assert cell_len(fitted) == width
    if cell_len(clean_label(text)) > width > 0:
        assert "…" in fitted


@given(st.text(max_size=60))
def test_a_cleaned_label_holds_nothing_that_a_terminal_obeys(text):
    cleaned = clean_label(text)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in cleaned)
    assert not set(cleaned) & set("\u202a\u202e\u2066\u200b\u2028\u2029")


def test_labels_lose_escapes_and_line_breaks():
    assert clean_label("knee\x1b[2J\n\ttear\u202e") == "knee\ufffd[2J tear\ufffd"


@given(st.integers(1, 10**9).flatmap(lambda a: st.tuples(st.integers(0, a), st.just(a))))
def test_a_percentage_rounds_as_the_view_does(counts):
    correct, attempts = counts
    rate = (Decimal(correct) / attempts).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    assert percent(correct, attempts) == ("<1" if correct and not rate else str(int(rate * 100)))


@given(
    st.sampled_from(Metric),
    st.integers(1, 10**10),
    st.integers(0, 1_200_000),
    st.booleans(),
    st.integers(0, 14),
)
def test_a_figure_fits_or_is_left_out(metric, attempts, halves, exact, width):
    figure = cell(attempts, attempts // 3, Decimal(halves) / 2, exact).short(metric, width)
    assert figure is None or len(figure) <= width
    if metric is Metric.MEDIAN and figure is not None:
        assert figure.startswith("≈") is not exact
    if width >= 10:
        assert figure is not None


@pytest.mark.parametrize(
    ("metric", "counted", "figures"),
    [
        (Metric.ACCURACY, cell(8, 8, None, True), {4: "100%", 3: "100", 2: None}),
        (Metric.ACCURACY, cell(200, 1, None, True), {4: "1%"}),
        (Metric.ACCURACY, cell(8, 0, None, True), {2: "0%", 1: "0"}),
        (
            Metric.ATTEMPTS,
            cell(1_234_567, 0, None, True),
            {9: "1,234,567", 7: "1234567", 4: "1.2M"},
        ),
        (Metric.MEDIAN, cell(1, 0, Decimal("850.5"), True), {6: "851ms", 4: "0.9s"}),
        (Metric.MEDIAN, cell(1, 0, Decimal(12_345), False), {6: "≈12.3s", 5: "≈12s", 3: None}),
        (Metric.MEDIAN, cell(1, 0, Decimal(600_000), True), {4: "600s", 3: "10m"}),
        (Metric.MEDIAN, cell(1, 0, None, True), {9: None}),
    ],
)
def test_figures(metric, counted, figures):
    assert {width: counted.short(metric, width) for width in figures} == figures


def test_short_counts_never_overstate():
    assert short_count(9_999)[-1] == "9k"


@pytest.mark.parametrize(
    ("number", "text"), [("1.2E+3", "1200"), ("1200.50", "1200.5"), ("0", "0"), ("100", "100")]
)
def test_plain_numbers_have_no_exponent(number, text):
    assert plain(Decimal(number)) == text


@given(st.text())
def test_ascii_is_ascii_and_as_wide(text):
    assert ascii_only(text).isascii()
    assert len(ascii_only(clean_label(text))) == cell_len(clean_label(text))


def test_ascii_keeps_what_can_be_kept():
    assert ascii_only("Läsion × 腕 ≈ …") == "Lasion x ?? ~ >"
    assert ascii_only("┤⣿█•│─") == "+*#*|-"


@pytest.mark.parametrize(
    ("said", "utc"),
    [
        ("2026-03-02T01:30:00.25+02:00", "2026-03-01T23:30:00+00:00"),
        ("2026-07-01T00:00:00Z", "2026-07-01T00:00:00+00:00"),
        ("2026-07-01T00:00:00", None),
        ("never", None),
    ],
)
def test_an_instant_is_told_in_utc(said, utc):
    assert utc_iso(said) == utc


def test_a_time_in_full_has_the_unit_of_the_cells():
    """84685 ms beside cells that say 85s is one figure too many to convert."""
    shown = {
        (ms, exact): full_duration(Decimal(ms), exact=exact)
        for ms in ("850.5", "84685", "1000")
        for exact in (True, False)
    }
    assert shown == {
        ("850.5", True): "850.5 ms",
        ("850.5", False): "≈ 850.5 ms",
        ("84685", True): "84.685 s",
        ("84685", False): "≈ 84.7 s",
        ("1000", True): "1 s",
        ("1000", False): "≈ 1.0 s",
    }


def test_one_is_not_many():
    assert [plural(count, "attempt") for count in (0, 1, 2_000)] == [
        "0 attempts",
        "1 attempt",
        "2,000 attempts",
    ]


def test_months_have_their_year_where_it_is_new():
    weeks = [date(2025, 12, 22), date(2025, 12, 29), date(2026, 1, 5), date(2026, 2, 2)]
    assert month_line(weeks, 9).split() == ["Dec", "2025", "Jan", "2026", "Feb"]
    # Weeks that are years apart, as a wrong date makes them.
    assert month_line([date(1970, 3, 2), date(2026, 3, 2)], 9).split() == [
        "Mar",
        "1970",
        "Mar",
        "2026",
    ]
