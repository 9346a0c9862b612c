"""Statistics, verdicts and thresholds.

The noise is real: `samples.MEASURED` holds 14 unchanged runs of a busy machine. Rates stated in
comments were measured with more draws than a test can afford; draws are seeded, so that a test
cannot fail by chance.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.samples import MEASURED
from tui.evidence.comparison import (
    ASSUMED_SPREAD,
    FLOOR_MS,
    Phase,
    Timing,
    Verdict,
    common_phase,
    compare,
    refreshes,
    run_spread,
    standard_error,
)
from tui.evidence.thresholds import (
    CERTAIN_FACTOR,
    RUNS_TO_JUDGE,
    Judged,
    Threshold,
    judge_thresholds,
    violations,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Runs = Sequence[Sequence[float]]

SERIES = 500
TEN = 10
LIMIT_PERCENT = 20.0


def regression(now: Sequence[float], earlier: Runs, percent: float = LIMIT_PERCENT) -> Threshold:
    (found,) = judge_thresholds(now, earlier, max_refresh_ms=None, max_regression_percent=percent)
    return found


def false_alarms(draw: Callable[[random.Random], Sequence[float]], series: int, seed: int) -> int:
    """Series of ten unchanged runs, after one on record, in which at least one failed."""
    chance, alarms = random.Random(seed), 0
    for _ in range(series):
        history = [draw(chance)]
        failed = False
        for _ in range(TEN):
            now = draw(chance)
            if regression(now, history).judged is Judged.BROKEN:
                failed = True
            else:
                history.append(now)
        alarms += failed
    return alarms


def measured(refresh_runs: int) -> Callable[[random.Random], Sequence[float]]:
    return lambda chance: chance.choice(MEASURED)[:refresh_runs]


def noisy(spread: float, spikes: float) -> Callable[[random.Random], Sequence[float]]:
    """Five refreshes: a level for the run, noise on each, and now and then one far off."""

    def draw(chance: random.Random) -> Sequence[float]:
        level = 100 * math.exp(chance.gauss(0, spread))
        return [
            level
            * math.exp(chance.gauss(0, 0.1))
            * (chance.uniform(1.5, 4) if chance.random() < spikes else 1)
            for _ in range(RUNS_TO_JUDGE)
        ]

    return draw


def test_the_figures_of_some_refreshes() -> None:
    assert Timing.of([]) is None
    assert Timing.of([7.0]) == Timing(1, 7.0, 7.0, 7.0, None)
    assert Timing.of([5.0, 1.0, 2.0, 100.0, 3.0]) == Timing(5, 3.0, 1.0, 100.0, 2.0)
    assert Timing.of([1.0, 3.0]) == Timing(2, 2.0, 1.0, 3.0, 1.0)


def test_first_and_later_refreshes_are_never_mixed() -> None:
    assert refreshes([9.0, 1.0, 2.0], Phase.FIRST) == [9.0]
    assert refreshes([9.0, 1.0, 2.0], Phase.LATER) == [1.0, 2.0]
    one, many = [[1.0]], [[1.0, 2.0]]
    assert common_phase(many, many) is Phase.LATER
    assert common_phase(one, many) is Phase.FIRST
    assert common_phase(many, one) is Phase.FIRST
    assert common_phase(many, [*many, *many, *one]) is Phase.LATER
    assert common_phase(many, [*many, *one]) is Phase.FIRST
    # A slow first refresh and quick later ones: one refresh is like a first, not like a later one.
    assert compare([[400.0, 100.0, 101.0]] * 5, [[400.0]] * 5).verdict is Verdict.SAME
    assert regression([400.0], [[400.0, 100.0, 100.0]] * 5).judged is Judged.MET


def test_spread_starts_from_what_was_measured_and_learns() -> None:
    assert run_spread([100.0]) == pytest.approx(ASSUMED_SPREAD)
    assert run_spread([100.0] * 20) < 0.5 * ASSUMED_SPREAD
    wild = run_spread([50.0, 200.0] * 10)
    assert wild > 3 * ASSUMED_SPREAD
    # One step in the past, as a changed view makes it, is not noise.
    assert run_spread([400.0] * 10 + [100.0] * 10) < 1.5 * ASSUMED_SPREAD
    # Groups are apart: what is between them is the change, not the noise.
    assert run_spread([400.0] * 10, [100.0] * 10) < 0.6 * ASSUMED_SPREAD


def test_medians_of_more_runs_vary_less_but_more_than_means() -> None:
    assert standard_error(0.2, 1) == pytest.approx(0.2)
    assert standard_error(0.2, 2, 2) == pytest.approx(0.2)
    assert standard_error(0.2, 8) == pytest.approx(0.2 * math.sqrt(math.pi / 16))


def test_a_change_is_told_with_its_spread() -> None:
    found = compare([[900.0, 500.0, 510.0, 490.0]], [[300.0, 100.0, 102.0, 98.0]])
    assert found.verdict is Verdict.FASTER
    assert found.phase is Phase.LATER
    assert (found.before_ms, found.after_ms) == (500.0, 100.0)
    assert found.change_percent == pytest.approx(-80.0)
    assert found.low_percent is not None
    assert found.high_percent is not None
    assert found.low_percent < -80 < found.high_percent < 0
    back = compare([[300.0, 100.0, 102.0, 98.0]], [[900.0, 500.0, 510.0, 490.0]])
    assert back.verdict is Verdict.SLOWER
    assert back.change_percent == pytest.approx(400.0)


def test_more_runs_tell_a_smaller_difference() -> None:
    before, after = [100.0, 200.0], [100.0, 140.0]
    assert compare([before], [after]).verdict is Verdict.SAME
    assert compare([before] * 5, [after] * 5).verdict is Verdict.FASTER
    assert compare([after] * 5, [before] * 5).verdict is Verdict.SLOWER


def test_a_difference_of_milliseconds_is_noise_however_large_in_percent() -> None:
    assert compare([[5.0, 5.0]] * 5, [[25.0, 25.0]] * 5).verdict is Verdict.SAME
    assert regression([5 + FLOOR_MS, 5 + FLOOR_MS], [[5.0, 5.0]] * 5).judged is Judged.MET
    assert regression([6 + FLOOR_MS, 6 + FLOOR_MS], [[5.0, 5.0]] * 5).judged is Judged.BROKEN


def test_a_disturbance_that_leaves_one_refresh_quick_is_no_change() -> None:
    quick, disturbed = [100.0] * 5, [100.0, 900.0, 900.0, 900.0, 95.0]
    assert compare([quick] * 5, [disturbed]).verdict is Verdict.SAME
    assert compare([disturbed], [quick] * 5).verdict is Verdict.SAME
    found = regression(disturbed, [quick] * 5)
    assert found.judged is Judged.MET
    assert "its fastest took 95.0 ms" in found.detail


def test_nothing_timed_is_not_comparable() -> None:
    for before, after in (([], [[1.0]]), ([[1.0]], []), ([[]], [[1.0]])):
        found = compare(before, after)
        assert found.verdict is Verdict.NOT_COMPARABLE
        assert "no refresh was timed" in (found.reason or "")


def test_unchanged_runs_are_seldom_told_apart() -> None:
    """Of 4,000 comparisons of measured runs each: 2.1% with one run a side, 4.6% with five."""
    chance = random.Random(7)
    for runs, most in ((1, 0.06), (5, 0.10)):
        wrong = 0
        for _ in range(SERIES):
            sides = [[chance.choice(MEASURED) for _ in range(runs)] for _ in range(2)]
            wrong += compare(*sides).verdict is not Verdict.SAME
        assert wrong <= most * SERIES


POSITIVE = st.floats(0.1, 1e6)
RUNS = st.lists(st.lists(POSITIVE, min_size=1, max_size=6), min_size=1, max_size=6)


@given(RUNS, RUNS)
def test_there_and_back_agree(before: Runs, after: Runs) -> None:
    there, back = compare(before, after), compare(after, before)
    mirrored = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
    assert back.verdict is mirrored.get(there.verdict, there.verdict)
    assert there.low_percent is not None
    assert there.change_percent is not None
    assert there.high_percent is not None
    assert there.low_percent <= there.change_percent <= there.high_percent


def test_the_absolute_threshold_is_that_of_the_median() -> None:
    def judge(times: Sequence[float], limit: float) -> Threshold:
        (found,) = judge_thresholds(times, [], max_refresh_ms=limit, max_regression_percent=None)
        return found

    assert judge([100.0, 900.0, 90.0], 100.0).judged is Judged.MET
    assert judge([100.0, 900.0, 90.0], 99.9).judged is Judged.BROKEN
    assert "100.0 ms, over 99.9 ms" in judge([100.0, 900.0, 90.0], 99.9).detail
    assert judge([], 99.9).judged is Judged.NOT_JUDGED


def test_only_given_thresholds_are_judged() -> None:
    none = judge_thresholds([1.0], [[1.0]], max_refresh_ms=None, max_regression_percent=None)
    assert none == []
    both = judge_thresholds([900.0], [[1.0]], max_refresh_ms=1.0, max_regression_percent=0.0)
    assert violations(both) == both


def test_without_a_comparable_run_a_regression_is_not_judged_and_says_so() -> None:
    found = regression([100.0], [])
    assert found.judged is Judged.NOT_JUDGED
    assert "no comparable run is on record yet" in found.detail
    assert violations([found]) == []


def test_the_median_is_that_of_the_last_five_runs() -> None:
    old, new = [[100.0, 100.0]] * 15, [[1_000.0, 1_000.0]] * 5
    assert "the 1,000.0 ms of the last 5 comparable runs" in regression([1.0], old + new).detail
    assert regression([1_050.0, 1_050.0], old + new).judged is Judged.MET
    assert "of one comparable run" in regression([1.0], [[100.0]]).detail


def test_a_limit_tighter_than_the_noise_is_said_to_be_so() -> None:
    found = regression([150.0, 150.0], [[100.0, 100.0]], percent=10)
    assert found.judged is Judged.MET
    assert "+50%" in found.detail
    assert "not told apart from noise" in found.detail
    quiet = regression([150.0, 150.0], [[100.0, 100.0]] * 20, percent=10)
    assert quiet.judged is Judged.BROKEN
    wide = regression([150.0, 150.0], [[100.0, 100.0]] * 20, percent=60)
    assert wide.judged is Judged.MET
    assert "noise" not in regression([150.0, 150.0], [[100.0, 100.0]], percent=60).detail


@pytest.mark.parametrize(
    ("draw", "most"),
    [
        # Of 20,000 series: 0.24% with five refreshes a run, 1.9% with a single one.
        (measured(5), 0.02),
        (measured(1), 0.05),
        # Of 20,000 series of each kind of made-up noise: 0.26%, 0.41%, 1.8%.
        (noisy(0.05, 0.02), 0.01),
        (noisy(0.15, 0.02), 0.03),
        (noisy(0.15, 0.05), 0.05),
    ],
    ids=["measured-5", "measured-1", "quiet", "noisy", "spiky"],
)
def test_ten_unchanged_runs_in_a_row_do_not_fail(
    draw: Callable[[random.Random], Sequence[float]], most: float
) -> None:
    assert false_alarms(draw, SERIES, seed=1) <= most * SERIES


@given(
    st.lists(st.sampled_from(MEASURED), min_size=1, max_size=20),
    st.sampled_from(MEASURED),
    st.sampled_from([1, 2, 5, 6]),
    st.floats(0, 200),
    st.sampled_from([500.0, 1_000.0, 5_000.0]),
)
def test_a_refresh_slowed_by_a_sleep_always_fails(
    earlier: Runs, now: Sequence[float], refresh_runs: int, percent: float, sleep_ms: float
) -> None:
    slowed = [ms + sleep_ms for ms in now[:refresh_runs]]
    found = regression(slowed, [run[:refresh_runs] for run in earlier], percent)
    assert found.judged is Judged.BROKEN


@given(
    st.lists(st.lists(POSITIVE, min_size=1, max_size=6), min_size=1, max_size=20),
    st.integers(1, 6),
    st.floats(0, 200),
)
def test_what_takes_several_times_as_long_fails_whatever_the_past(
    earlier: Runs, refresh_runs: int, percent: float
) -> None:
    slowest = max(max(run) for run in earlier)
    now = [slowest * max(CERTAIN_FACTOR, 1 + percent / 100) * 1.001 + FLOOR_MS] * refresh_runs
    assert regression(now, earlier, percent).judged is Judged.BROKEN


@given(st.lists(POSITIVE, min_size=1, max_size=6), RUNS, st.floats(0, 500))
def test_within_the_limit_nothing_ever_fails(
    now: Sequence[float], earlier: Runs, percent: float
) -> None:
    phase = common_phase([now], earlier)
    found = regression(now, earlier, percent)
    if found.judged is Judged.BROKEN:
        floor = min(min(times) for run in earlier if (times := refreshes(run, phase)))
        assert max(now) > floor * (1 + percent / 100)
