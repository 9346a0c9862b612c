"""Figures in words and in small graphs. Pure, and free of Textual."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def duration(seconds: float | None) -> str:
    """Seconds as an operator reads them: `85 ms`, `4.2 s`, `3 min 05 s`."""
    if seconds is None:
        return ""
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return _minutes(round(seconds))


def time_left(seconds: float) -> str:
    """Seconds still to wait, no finer than can be known: `1 s`, `3 min 05 s`."""
    whole = max(1, math.ceil(seconds))
    return f"{whole} s" if whole < 60 else _minutes(whole)


def milliseconds(ms: float | None) -> str:
    """Milliseconds as an operator reads them."""
    return "" if ms is None else duration(ms / 1000)


def rate(per_second: float) -> str:
    """Items a second: `950/s`, `12.4k/s`."""
    if per_second >= 10_000:
        return f"{per_second / 1000:.1f}k/s"
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def graph(values: Sequence[float], levels: str, *, height: int = 1) -> list[str]:
    """A bar for each value, the highest `height` lines high; top line first.

    `levels` are the signs of a bar's last cell, lowest first; the last of them fills a cell.
    """
    top = max(values, default=0.0) or 1.0
    steps = len(levels)
    bars = [math.ceil(value / top * height * steps) for value in values]
    return [
        "".join(
            " " if bar <= line * steps else levels[min(bar - line * steps, steps) - 1]
            for bar in bars
        )
        for line in reversed(range(height))
    ]


def _minutes(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
