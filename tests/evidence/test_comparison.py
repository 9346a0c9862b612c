"""The noise rule and the thresholds."""

from __future__ import annotations

from itertools import permutations
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.samples import MEASURED
from tui.evidence.comparison import (
    JUDGED_FROM,
    NOISE_MS,
    NOISE_PERCENT,
    Limits,
    Threshold,
    Timing,
    Verdict,
    compare,
    judge,
    milliseconds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MS = st.floats(0.1, 1e6)
FIVE = [100.0] * JUDGED_FROM


def test_the_figures_of_some_refreshes() -> None:
    timing = Timing.of([10.0, 14.0, 12.0, 40.0, 11.0])
    assert timing == Timing(n=5, median=12.0, minimum=10.0, maximum=40.0, spread=2.0)
    assert Timing.of([7.0]) == Timing(1, 7.0, 7.0, 7.0, None)
    assert Timing.of([]) is None


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (100.0, Verdict.SAME),
        (150.0, Verdict.SAME),
        (150.1, Verdict.SLOWER),
        (279.0, Verdict.SLOWER),
        (67.0, Verdict.SAME),
        (66.6, Verdict.FASTER),
    ],
)
def test_a_difference_takes_more_than_the_percent(after: float, verdict: Verdict) -> None:
    assert compare(FIVE, [after] * JUDGED_FROM).verdict is verdict


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (10.0, 10.0 + NOISE_MS, Verdict.SAME),
        (10.0, 10.1 + NOISE_MS, Verdict.SLOWER),
        (10.1 + NOISE_MS, 10.0, Verdict.FASTER),
        (1.0, 20.0, Verdict.SAME),
    ],
)
def test_and_more_than_25_ms(before: float, after: float, verdict: Verdict) -> None:
    assert compare([before] * 5, [after] * 5).verdict is verdict


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 5), (5, 4), (1, 20)])
def test_fewer_refreshes_are_numbers_and_no_verdict(n: int, m: int) -> None:
    found = compare([100.0] * n, [279.0] * m)
    assert found.verdict is Verdict.NOT_JUDGED
    assert found.change_percent is None
    assert found.reason == "a difference is judged from 5 refreshes on each side"
    assert found.before == Timing.of([100.0] * n)
    assert found.after == Timing.of([279.0] * m)


def test_one_slow_refresh_among_five_says_nothing() -> None:
    assert compare(FIVE, [100.0, 101.0, 5_000.0, 99.0, 102.0]).verdict is Verdict.SAME


@given(st.lists(MS, max_size=9), st.lists(MS, max_size=9), st.floats(0, 300))
def test_the_rule_as_it_is_stated(before: list[float], after: list[float], p: float) -> None:
    found = compare(before, after, p)
    if min(len(before), len(after)) < JUDGED_FROM:
        assert found.verdict is Verdict.NOT_JUDGED
        return
    was, now = median(before), median(after)
    slower = now - was > was * p / 100 and now - was > NOISE_MS
    faster = was - now > now * p / 100 and was - now > NOISE_MS
    assert (found.verdict is Verdict.SLOWER, found.verdict is Verdict.FASTER) == (slower, faster)
    assert compare(after, before, p).verdict is {
        Verdict.SLOWER: Verdict.FASTER,
        Verdict.FASTER: Verdict.SLOWER,
    }.get(found.verdict, found.verdict)


def share_of_false_alarms(percent: float) -> float:
    pairs = list(permutations(MEASURED, 2))
    wrong = [compare(*pair, percent).verdict is Verdict.SLOWER for pair in pairs]
    return sum(wrong) / len(wrong)


def test_unchanged_runs_on_a_busy_machine_look_slower_as_often_as_the_module_says() -> None:
    assert share_of_false_alarms(NOISE_PERCENT) == pytest.approx(1 / 8, abs=0.01)
    assert share_of_false_alarms(100) == pytest.approx(1 / 90, abs=0.002)


def regression(before: Sequence[float] | None, after: Sequence[float], limit: float) -> Threshold:
    limits = Limits(max_regression_percent=limit)
    found = compare(before, after, limit) if before is not None else None
    (threshold,) = judge(after, limits, found)
    return threshold


@pytest.mark.parametrize(
    ("before", "after", "is_met", "detail"),
    [
        (FIVE, [110.0] * 5, True, "median refresh 110 ms, 100 ms before (+10 %; limit +20 %)"),
        (FIVE, [130.0] * 5, False, "median refresh 130 ms, 100 ms before (+30 %; limit +20 %)"),
        ([10.0] * 5, [30.0] * 5, True, "limit +20 %), but under 25 ms is noise"),
        ([0.0] * 5, [30.0] * 5, False, "0.0 ms before (limit +20 %)"),
        (None, FIVE, None, "no comparable run is on record yet"),
        ([100.0], [900.0], None, "a difference is judged from 5 refreshes on each side"),
        ([100.0] * 9, [900.0] * 4, None, "a difference is judged from 5 refreshes on each side"),
        (FIVE, [], None, "no refresh was timed in this run"),
    ],
)
def test_a_regression_is_judged_by_the_same_rule(
    before: Sequence[float] | None, after: Sequence[float], is_met: bool | None, detail: str
) -> None:
    found = regression(before, after, 20)
    assert (found.name, found.limit, found.is_met) == ("max-regression", 20, is_met)
    assert detail in found.detail
    assert found.word == {True: "met", False: "broken", None: "not judged"}[is_met]


@pytest.mark.parametrize(
    ("times", "is_met", "detail"),
    [
        ([900.0, 90.0, 100.0], True, "median refresh 100.0 ms, within 100 ms"),
        ([100.1], False, "median refresh 100.1 ms, over 100 ms"),
        ([], None, "no refresh was timed"),
    ],
)
def test_an_absolute_limit_is_on_the_median(
    times: list[float], is_met: bool | None, detail: str
) -> None:
    (found,) = judge(times, Limits(max_refresh_ms=100), None)
    assert (found.is_met, found.detail) == (is_met, detail)


def test_no_limit_is_no_threshold() -> None:
    assert judge(FIVE, Limits(), None) == ()


def test_times_carry_their_unit() -> None:
    assert [milliseconds(ms) for ms in (0.04, 99.94, 100.0, 12_345.6)] == [
        "0.0 ms",
        "99.9 ms",
        "100 ms",
        "12,346 ms",
    ]
