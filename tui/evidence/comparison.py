"""Refresh times: median and spread, comparison with earlier runs, thresholds.

**The noise rule.** A difference is judged only where both sides timed `JUDGED_FROM` refreshes or
more. A run is slower when its median is higher by more than P percent **and** by more than
`NOISE_MS`; P is what `--max-regression` says, else `NOISE_PERCENT`. Faster is the same the other
way round. Fewer refreshes are shown as the numbers that they are.

With P at 50, of 14 unchanged runs of six refreshes on a busy two-core machine every eighth looked
slower beside a single other one, and one in seventy beside five others together; with P at 100 one
in ninety, and none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

JUDGED_FROM: Final = 5
NOISE_MS: Final = 25.0
NOISE_PERCENT: Final = 50.0


class Verdict(StrEnum):
    """What a comparison says."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "no difference beyond noise"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Timing:
    """Some refreshes in milliseconds; `spread` is the median absolute deviation."""

    n: int
    median: float
    minimum: float
    maximum: float
    spread: float | None

    @classmethod
    def of(cls, times: Sequence[float]) -> Timing | None:
        if not times:
            return None
        middle = median(times)
        spread = median(abs(ms - middle) for ms in times) if len(times) > 1 else None
        return cls(len(times), middle, min(times), max(times), spread)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The refreshes of a run beside earlier ones; `reason` says why not judged."""

    verdict: Verdict
    before: Timing | None = None
    after: Timing | None = None
    reason: str | None = None

    @property
    def change_percent(self) -> float | None:
        """How much slower the median is."""
        if self.verdict is Verdict.NOT_JUDGED or not self.before or not self.after:
            return None
        before = self.before.median
        return (self.after.median / before - 1) * 100 if before > 0 else None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the median refresh may take: milliseconds, percent above earlier runs."""

    max_refresh_ms: float | None = None
    max_regression_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold by its flag's name; `is_met` is None where it was not judged."""

    name: str
    limit: float
    is_met: bool | None
    detail: str

    @property
    def word(self) -> str:
        return {True: "met", False: "broken", None: "not judged"}[self.is_met]


def compare(
    before: Sequence[float], after: Sequence[float], percent: float = NOISE_PERCENT
) -> Comparison:
    """Judge the refreshes of a run by the noise rule; times in milliseconds."""
    earlier, later = Timing.of(before), Timing.of(after)
    if earlier is None or later is None:
        side = "before" if later else "in this run"
        return Comparison(Verdict.NOT_JUDGED, earlier, later, f"no refresh was timed {side}")
    if min(earlier.n, later.n) < JUDGED_FROM:
        why = f"a difference is judged from {JUDGED_FROM} refreshes on each side"
        return Comparison(Verdict.NOT_JUDGED, earlier, later, why)
    verdict = Verdict.SAME
    if _exceeds(earlier.median, later.median, percent):
        verdict = Verdict.SLOWER
    elif _exceeds(later.median, earlier.median, percent):
        verdict = Verdict.FASTER
    return Comparison(verdict, earlier, later)


def judge(
    times: Sequence[float], limits: Limits, comparison: Comparison | None
) -> tuple[Threshold, ...]:
    """Judge the thresholds that were given; times in milliseconds."""
    found = []
    if (limit := limits.max_refresh_ms) is not None:
        found.append(Threshold("max-refresh-ms", limit, *_absolute(times, limit)))
    if (limit := limits.max_regression_percent) is not None:
        found.append(Threshold("max-regression", limit, *_regression(comparison, limit)))
    return tuple(found)


def milliseconds(ms: float) -> str:
    """A time with its unit: tenths below 100 ms."""
    return f"{ms:,.1f} ms" if ms < 100 else f"{ms:,.0f} ms"


def _absolute(times: Sequence[float], limit: float) -> tuple[bool | None, str]:
    if not times:
        return None, "no refresh was timed"
    middle = median(times)
    is_met = middle <= limit
    within = "within" if is_met else "over"
    return is_met, f"median refresh {middle:,.1f} ms, {within} {limit:,g} ms"


def _regression(comparison: Comparison | None, limit: float) -> tuple[bool | None, str]:
    if comparison is None:
        return None, "no comparable run is on record yet"
    before, after, change = comparison.before, comparison.after, comparison.change_percent
    if before is None or after is None or comparison.verdict is Verdict.NOT_JUDGED:
        return None, comparison.reason or ""
    detail = f"median refresh {milliseconds(after.median)}, {milliseconds(before.median)} before"
    detail += f" ({'' if change is None else f'{change:+.0f} %; '}limit +{limit:g} %)"
    is_met = comparison.verdict is not Verdict.SLOWER
    if is_met and after.median > before.median * (1 + limit / 100):
        detail += f", but under {NOISE_MS:g} ms is noise"
    return is_met, detail


def _exceeds(low: float, high: float, percent: float) -> bool:
    return high - low > max(NOISE_MS, low * percent / 100)
