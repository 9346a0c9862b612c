"""Refresh times: what a run's figures are, and whether two runs differ by more than noise. Pure.

**Spread.** Beside median, minimum and maximum stands the median absolute deviation from the median
(MAD), unscaled: one outlier among a handful of refreshes does not move it.

**First and later.** The first refresh after the write has that many new rows to take in, the later
ones have nothing to do: they are never mixed. Runs are compared by their later refreshes where more
of them have some than not, else by the first ones.

**Noise.** The refreshes of one run share the machine's state at that minute, so that their spread
says little about the next run: 14 unchanged runs of six refreshes on a busy two-core machine had
later medians from 58 to 132 ms, and among them runs of 60 to 68 and of 113 to 121 ms, which a rank
test within the runs would call different beyond doubt. What counts is therefore the spread between
the medians of whole runs, on a logarithmic scale, since times vary by factors. Few runs tell it
badly; so 0.25, as measured in those 14 runs (0.23 for later refreshes, 0.29 for first ones), counts
like four observations beside those there are (the scale of the posterior under a scaled
inverse-chi-squared prior; Gelman et al., Bayesian Data Analysis, 3rd edition, section 2.6). The
observations are differences between successive runs, as in a control chart for individuals, so
that a change of the SQL long ago counts once (NIST/SEMATECH e-Handbook, 6.3.2.2).

**Verdict.** Two groups of runs differ when the change of their medians exceeds two standard errors
(about 95%), and `FLOOR_MS`, and when even the fastest refreshes of the slower group are slower than
the faster group's median: a disturbance makes some refreshes slow, a change in the SQL all of them
(the minimum as an estimator: Chen and Revels, Robust benchmarking in noisy environments, 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ASSUMED_SPREAD: Final = 0.25
ASSUMED_WEIGHT: Final = 4
FLOOR_MS: Final = 25.0
TELLING_ERRORS: Final = 2.0

# A clock may say 0.0 for a stand-in; its logarithm must exist.
_SHORTEST_MS: Final = 0.001


class Phase(StrEnum):
    """Which refreshes of a run."""

    FIRST = "first"
    LATER = "later"


class Verdict(StrEnum):
    """What a comparison says."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same within noise"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class Timing:
    """Some refreshes in figures, in milliseconds.

    Attributes:
        n: How many.
        median: Their median.
        minimum: The fastest.
        maximum: The slowest.
        spread: Median absolute deviation from the median; None for a single one.
    """

    n: int
    median: float
    minimum: float
    maximum: float
    spread: float | None

    @classmethod
    def of(cls, times: Sequence[float]) -> Timing | None:
        """The figures of `times`; None when there are none."""
        if not times:
            return None
        middle = median(times)
        spread = median(abs(ms - middle) for ms in times) if len(times) > 1 else None
        return cls(len(times), middle, min(times), max(times), spread)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Before and after.

    Attributes:
        verdict: What it says.
        reason: Why it is not comparable, or None.
        phase: Which refreshes were compared, or None.
        before_ms: Median of the earlier runs' medians, or None.
        after_ms: The same of the later runs.
        change_percent: Positive is slower.
        low_percent: Lower end of the change's 95% interval.
        high_percent: Upper end of it.
        before_runs: How many earlier runs were taken together.
        after_runs: The same of the later runs.
    """

    verdict: Verdict
    reason: str | None = None
    phase: Phase | None = None
    before_ms: float | None = None
    after_ms: float | None = None
    change_percent: float | None = None
    low_percent: float | None = None
    high_percent: float | None = None
    before_runs: int = 0
    after_runs: int = 0


def refreshes(runs_ms: Sequence[float], phase: Phase) -> Sequence[float]:
    """The first refresh of a run, or the later ones; empty where there is none."""
    return runs_ms[:1] if phase is Phase.FIRST else runs_ms[1:]


def common_phase(*groups: Sequence[Sequence[float]]) -> Phase:
    """The refreshes by which groups of runs are best compared.

    Args:
        groups: Groups of runs, each run its refresh times in order.
    """
    for group in groups:
        with_later = sum(len(run) > 1 for run in group)
        if 2 * with_later <= len(group):
            return Phase.FIRST
    return Phase.LATER


def run_spread(*groups: Sequence[float]) -> float:
    """Standard deviation of a run's median, on the natural logarithmic scale.

    Args:
        groups: Medians of runs in order; differences are taken within a group.
    """
    squares, observations = 0.0, 0
    for group in groups:
        logarithms = [_log(ms) for ms in group]
        steps = [there - here for here, there in pairwise(logarithms)]
        squares += sum(step**2 for step in steps) / 2
        observations += len(steps)
    assumed = ASSUMED_WEIGHT * ASSUMED_SPREAD**2
    return math.sqrt((assumed + squares) / (ASSUMED_WEIGHT + observations))


def standard_error(spread: float, *sizes: int) -> float:
    """Of the logarithm of the ratio of two groups' medians.

    Args:
        spread: As `run_spread` gives it.
        sizes: Runs in each group, at least one.
    """
    return spread * math.sqrt(sum(_variance_of_median(size) for size in sizes))


def not_comparable(reason: str) -> Comparison:
    """A comparison that cannot be made."""
    return Comparison(Verdict.NOT_COMPARABLE, reason)


def compare(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> Comparison:
    """Tell whether refreshes became faster or slower, apart from noise.

    Args:
        before: Refresh times of one or more runs in milliseconds, each in order.
        after: The same after the change; no run may be in both.

    Returns:
        The comparison, as the module describes it.
    """
    phase = common_phase(before, after)
    earlier = [times for run in before if (times := refreshes(run, phase))]
    later = [times for run in after if (times := refreshes(run, phase))]
    if not earlier or not later:
        return not_comparable(f"no refresh was timed {'after' if earlier else 'before'} the change")
    medians = [[median(times) for times in group] for group in (earlier, later)]
    before_ms, after_ms = median(medians[0]), median(medians[1])
    ratio = _log(after_ms) - _log(before_ms)
    margin = TELLING_ERRORS * standard_error(run_spread(*medians), len(earlier), len(later))
    verdict = Verdict.SAME
    if abs(ratio) > margin and abs(after_ms - before_ms) > FLOOR_MS:
        if ratio > 0 and fastest(later) > before_ms:
            verdict = Verdict.SLOWER
        elif ratio < 0 and fastest(earlier) > after_ms:
            verdict = Verdict.FASTER
    return Comparison(
        verdict,
        phase=phase,
        before_ms=before_ms,
        after_ms=after_ms,
        change_percent=percent(ratio),
        low_percent=percent(ratio - margin),
        high_percent=percent(ratio + margin),
        before_runs=len(earlier),
        after_runs=len(later),
    )


def fastest(runs: Sequence[Sequence[float]]) -> float:
    """Median over runs of each run's fastest refresh."""
    return median(min(times) for times in runs)


def percent(logarithm: float) -> float:
    """The change that the logarithm of a ratio stands for, in percent."""
    return math.expm1(logarithm) * 100


def _variance_of_median(size: int) -> float:
    # Up to two values the median is the mean; the factor is the asymptotic one, a little large.
    return (math.pi / 2 if size > 2 else 1.0) / size


def _log(ms: float) -> float:
    return math.log(max(ms, _SHORTEST_MS))
