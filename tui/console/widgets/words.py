"""Figures in words, and names beside values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def duration(seconds: float | None, *, unknown: str = "") -> str:
    """Seconds as an operator reads them: `85 ms`, `4.2 s`, `3 min 05 s`."""
    if seconds is None:
        return unknown
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def milliseconds(ms: float | None, *, unknown: str = "") -> str:
    """Milliseconds as an operator reads them."""
    return unknown if ms is None else duration(ms / 1000)


def rate(per_second: float | None) -> str:
    """Items a second: `950/s`, `12.4k/s`; empty where not known."""
    if per_second is None:
        return ""
    if per_second >= 10_000:
        return f"{per_second / 1000:.1f}k/s"
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def plural(count: int, noun: str) -> str:
    """A count and its noun: `1 row`, `2 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def columns(
    rows: Iterable[tuple[str, str | Content]],
    width: int,
    *,
    gap: int = 2,
    key_style: str = "$muted",
) -> Content:
    """Names and values in two columns, one pair a line; an empty name continues the last.

    Args:
        rows: The pairs. Text from outside is safe in both: nothing is read as markup.
        width: Cells there are; longer values go on below where they began.
        gap: Cells between the columns.
        key_style: Style of the names.
    """
    pairs: Sequence[tuple[str, str | Content]] = list(rows)
    indent = max((len(name) for name, _ in pairs), default=0) + gap
    lines: list[Content] = []
    for name, value in pairs:
        text = value if isinstance(value, Content) else Content(value)
        wrapped = [
            piece
            for line in text.split("\n", allow_blank=True)
            for piece in line.wrap(max(1, width - indent))
        ]
        for number, piece in enumerate(wrapped or [Content("")]):
            lines.append(
                Content.assemble((("" if number else name).ljust(indent), key_style), piece)
            )
    return Content("\n").join(lines)
