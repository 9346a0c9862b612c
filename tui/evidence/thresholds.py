"""Thresholds on the refresh: a time that it may take, and how much slower than before. Pure.

The first is absolute: the median of all timed refreshes, the figure `refresh_ms` of the document.

The second compares with the median of the last five comparable runs, first refreshes with first
ones and later with later ones (see `tui.evidence.comparison` for these and for the noise). It fails
when all of this holds:

- the median is above the limit given in percent;
- it is above what noise explains: three standard errors of a new run against so many earlier ones,
  as in a control chart for individuals (NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2),
  but never more than `CERTAIN_FACTOR` times the earlier median, so that a noisy past hides nothing
  that everybody can see;
- it is slower by more than `FLOOR_MS`, a hiccup of a scheduler or a network;
- even its fastest refresh is slower than the earlier median.

So a limit tighter than the noise is said to be so instead of failing at random; more refreshes a
run (`RUNS_TO_JUDGE`) and more runs tighten it. A run whose refreshes all take over `CERTAIN_FACTOR`
times the earlier median, the limit and `FLOOR_MS` above it as well, fails always.

False alarms, over series of ten unchanged runs drawn from the 14 measured ones that
`tui.evidence.comparison` speaks of: one series in 400 with five refreshes a run, one in 50 with
one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Final

from tui.evidence.comparison import FLOOR_MS, common_phase, refreshes, run_spread, standard_error

if TYPE_CHECKING:
    from collections.abc import Sequence

ALARM_ERRORS: Final = 3.0
COMPARED_RUNS: Final = 5
CERTAIN_FACTOR: Final = 3.0
RUNS_TO_JUDGE: Final = 5

MAX_REFRESH: Final = "max-refresh-ms"
MAX_REGRESSION: Final = "max-regression"


class Judged(StrEnum):
    """What became of a threshold."""

    MET = "met"
    BROKEN = "broken"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold and what became of it.

    Attributes:
        name: `max-refresh-ms` or `max-regression`, as its flag.
        limit: As given: milliseconds, or percent.
        judged: What became of it.
        detail: The figures, or why it was not judged, in one line.
    """

    name: str
    limit: float
    judged: Judged
    detail: str


def judge_thresholds(
    refresh_runs_ms: Sequence[float],
    earlier: Sequence[Sequence[float]],
    *,
    max_refresh_ms: float | None,
    max_regression_percent: float | None,
) -> list[Threshold]:
    """Judge the thresholds that were given.

    Args:
        refresh_runs_ms: This run's timed refreshes in order.
        earlier: Those of comparable runs, newest last. The last `COMPARED_RUNS` make the median;
            the spread is taken from all, so that up to twenty are of use.
        max_refresh_ms: What the median refresh may take in milliseconds, or None.
        max_regression_percent: How much slower than earlier runs it may be in percent, or None.

    Returns:
        One result for each threshold given.
    """
    found = []
    if max_refresh_ms is not None:
        found.append(_absolute(refresh_runs_ms, max_refresh_ms))
    if max_regression_percent is not None:
        found.append(_regression(refresh_runs_ms, earlier, max_regression_percent))
    return found


def violations(thresholds: Sequence[Threshold]) -> list[Threshold]:
    """Those that are broken."""
    return [each for each in thresholds if each.judged is Judged.BROKEN]


def _absolute(runs_ms: Sequence[float], limit: float) -> Threshold:
    if not runs_ms:
        return _not_judged(MAX_REFRESH, limit, "no refresh was timed")
    middle = median(runs_ms)
    kept = middle <= limit
    return Threshold(
        MAX_REFRESH,
        limit,
        Judged.MET if kept else Judged.BROKEN,
        f"median refresh {middle:,.1f} ms, {'within' if kept else 'over'} {limit:,g} ms",
    )


def _regression(
    runs_ms: Sequence[float], earlier: Sequence[Sequence[float]], limit: float
) -> Threshold:
    if not runs_ms:
        return _not_judged(MAX_REGRESSION, limit, "no refresh was timed")
    if not earlier:
        return _not_judged(MAX_REGRESSION, limit, "no comparable run is on record yet")
    phase = common_phase([runs_ms], earlier)
    now = refreshes(runs_ms, phase)
    medians = [median(times) for run in earlier if (times := refreshes(run, phase))]
    spread = run_spread(medians)
    medians = medians[-COMPARED_RUNS:]
    middle, before = median(now), median(medians)
    error = standard_error(spread, 1, len(medians))
    noise = before * (min(math.exp(ALARM_ERRORS * error), CERTAIN_FACTOR) - 1)
    wanted = before * limit / 100
    excess = middle - before
    is_broken = excess > max(wanted, noise, FLOOR_MS) and min(now) > before
    change = f"{excess / before * 100:+.0f}%" if before > 0 else f"{excess:+,.1f} ms"
    many = f"the last {len(medians)} comparable runs" if len(medians) > 1 else "one comparable run"
    detail = (
        f"{phase} refresh {middle:,.1f} ms, {change} on the {before:,.1f} ms of {many}; "
        f"limit {limit:+g}%"
    )
    if excess > wanted and not is_broken:
        told = max(noise, FLOOR_MS)
        detail += (
            f", but under {before + told:,.1f} ms it is not told apart from noise"
            if excess <= told
            else f", but its fastest took {min(now):,.1f} ms: not told apart from noise"
        )
    return Threshold(MAX_REGRESSION, limit, Judged.BROKEN if is_broken else Judged.MET, detail)


def _not_judged(name: str, limit: float, why: str) -> Threshold:
    return Threshold(name, limit, Judged.NOT_JUDGED, why)
