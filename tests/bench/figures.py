"""What every benchmark shares: options, samples taken in pairs, and the table they are printed as.

Two things are compared by taking a sample of each in turn, over and over, and dividing within each
pair: what else the machine does then weighs on both. A line's ratio is the median of its pairs'.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure.

    Attributes:
        runs: Pairs for each line.
        quick: One tiny pair for each line, to see that the benchmark works.
        million: Include 1,000,000 responses, which take minutes.
        latencies: Milliseconds added to each request, for the cycle.
    """

    runs: int = 5
    quick: bool = False
    million: bool = False
    latencies: tuple[int, ...] = (0, 40, 150)

    @property
    def pairs(self) -> int:
        """Pairs to take."""
        return 1 if self.quick else self.runs

    @property
    def largest(self) -> int:
        """Responses in the large volume that is measured by default."""
        return 100 if self.quick else 100_000


@dataclass(frozen=True, slots=True)
class Target:
    """What a ratio has to reach: at most `bound`, or at least where `at_least`."""

    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the value reaches it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Line:
    """Samples of ours and of what they are compared with.

    Attributes:
        what: What was measured.
        unit: Of the samples.
        ours: Our samples, in order.
        base: The other's samples, pair by pair, or empty where there is nothing to compare with.
        target: For the ratio, or, without `base`, for our median; None for a line that informs.
        note: A few words on the line.
    """

    what: str
    unit: str
    ours: list[float]
    base: list[float] = field(default_factory=list)
    target: Target | None = None
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours over theirs, pair by pair."""
        return [mine / theirs for mine, theirs in zip(self.ours, self.base, strict=False)]

    @property
    def judged(self) -> float:
        """The figure that the target is about."""
        return statistics.median(self.ratios or self.ours)

    @property
    def verdict(self) -> str:
        """`ok` or `MISSED`, empty without a target."""
        if self.target is None:
            return ""
        return "ok" if self.target.met(self.judged) else "MISSED"


COLUMNS = ("what", "unit", "ours", "compared with", "ratio", "target", "", "note")


@dataclass(slots=True)
class Table:
    """A benchmark's result.

    Attributes:
        title: What was compared with what.
        lines: The figures.
        notes: How to read them.
    """

    title: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def reached(self) -> bool:
        """Whether no target was missed."""
        return all(line.verdict != "MISSED" for line in self.lines)

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text, the heading first: medians, with lowest and highest in brackets."""
        rows: list[tuple[str, ...]] = [
            (
                line.what,
                line.unit,
                spread(line.ours),
                spread(line.base),
                spread(line.ratios),
                str(line.target or ""),
                line.verdict,
                line.note,
            )
            for line in self.lines
        ]
        return [COLUMNS, *rows]

    def __str__(self) -> str:
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        rows.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(["", self.title, "", *rows, *(f"  {note}" for note in self.notes)])


def spread(samples: list[float]) -> str:
    """Median, then lowest and highest in brackets; empty without samples."""
    if not samples:
        return ""
    middle = number(statistics.median(samples))
    if len(samples) == 1:
        return middle
    return f"{middle} ({number(min(samples))}-{number(max(samples))})"


def number(value: float) -> str:
    """A figure with three digits that count."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 100 else f"{value:.{2 if value >= 1 else 3}f}"


def in_pairs(
    pairs: int, ours: Callable[[], float], theirs: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Take samples in turn; who goes first changes from pair to pair.

    Args:
        pairs: How many of each.
        ours: Takes one sample and returns it.
        theirs: The same for what ours is compared with.
    """
    mine: list[float] = []
    other: list[float] = []
    for number_ in range(pairs):
        steps = [(ours, mine), (theirs, other)]
        for sample, into in steps if number_ % 2 == 0 else reversed(steps):
            into.append(sample())
            say(".", end="")
    say("")
    return mine, other


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def say(text: str, *, end: str = "\n") -> None:
    """Tell the one who waits how far it is; the tables alone go to standard output."""
    print(text, end=end, file=sys.stderr, flush=True)
