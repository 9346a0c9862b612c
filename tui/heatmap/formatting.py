"""Labels, headers and figures: cleaned for a terminal, fitted to a width.

Widths are counted in terminal cells. Labels come from the database and may hold anything.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

ELLIPSIS = "…"
UNPRINTABLE = "\ufffd"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_TO_ASCII = {"≈": "~", "…": ">", "×": "x", "·": "-", "•": "*", "─": "-", "│": "|"}
_FRAMES, _BLOCKS, _DOTS = range(0x2500, 0x2580), range(0x2580, 0x25A0), range(0x2801, 0x2900)
_MILLISECONDS_SHOWN_BELOW = 1_000
_TENTHS_SHOWN_BELOW = 100_000


def clean_label(text: str) -> str:
    """One line without control characters, white space collapsed.

    Escape sequences, bidirectional overrides and line breaks in stored text would otherwise reach
    the terminal.
    """
    collapsed = " ".join(text.split())
    if collapsed.isascii() and collapsed.isprintable():
        return collapsed
    return "".join(
        UNPRINTABLE if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else char
        for char in collapsed
    )


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis."""
    if width <= 0:
        return ""
    if text.isascii() and len(text) <= width:
        return text.ljust(width)
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + ELLIPSIS


def percent(correct: int, attempts: int) -> str:
    """Accuracy in whole per cent; "0" only where no attempt was correct.

    The view's `accuracy_rate` has two decimals, so a whole percentage says as much.
    """
    value = (200 * correct + attempts) // (2 * attempts)
    return "<1" if correct and not value else str(value)


def short_count(count: int) -> list[str]:
    """Ways to write a number of attempts, longest first."""
    forms = [f"{count:,}", str(count)] if count >= 1_000 else [str(count)]
    for size, suffix in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if count >= size:
            whole, tenth = divmod(count * 10 // size, 10)
            if whole < 10:
                forms.append(f"{whole}.{tenth}{suffix}")
            forms.append(f"{whole}{suffix}")
            break
    return forms


def short_duration(milliseconds: Decimal, *, exact: bool) -> list[str]:
    """Ways to write a median time, longest first; `≈` marks a weighted one."""
    value = milliseconds
    if value < _MILLISECONDS_SHOWN_BELOW:
        forms = [f"{_rounded(value, '1')}ms", f"{_rounded(value / 1000, '0.1')}s"]
    elif value < _TENTHS_SHOWN_BELOW:
        forms = [f"{_rounded(value / 1000, '0.1')}s", f"{_rounded(value / 1000, '1')}s"]
    else:
        forms = [f"{_rounded(value / 1000, '1')}s", f"{_rounded(value / 60_000, '1')}m"]
    return forms if exact else [f"≈{form}" for form in forms]


def full_duration(milliseconds: Decimal, *, exact: bool) -> str:
    """A median time in the cells' unit: exact, or to a tenth where weighted."""
    value, unit = milliseconds, "ms"
    if milliseconds >= _MILLISECONDS_SHOWN_BELOW:
        value, unit = milliseconds / 1000, "s"
    return f"{plain(value)} {unit}" if exact else f"≈ {_rounded(value, '0.1')} {unit}"


def plural(count: int, noun: str) -> str:
    """A count and its noun: `1 attempt`, `2 attempts`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def plain(number: Decimal) -> str:
    """A decimal without exponent or trailing zeros: 1.2E+3 is 1200."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rounded(value: Decimal, step: str) -> str:
    return format(value.quantize(Decimal(step), rounding=ROUND_HALF_UP), "f")


def ascii_only(text: str) -> str:
    """`text` in ASCII, as wide as it was: signs by their likes, no accents.

    What has no equivalent becomes `?`.
    """
    if text.isascii():
        return text
    # Characters may join: several together can be narrower than each alone.
    return set_cell_size("".join(map(_ascii_char, text)), cell_len(text))


def _ascii_char(char: str) -> str:
    if char.isascii():
        return char
    if char in _TO_ASCII:
        return _TO_ASCII[char]
    for signs, like in ((_FRAMES, "+"), (_BLOCKS, "#"), (_DOTS, "*")):
        if ord(char) in signs:
            return like
    width = cell_len(char)
    letter = unicodedata.normalize("NFKD", char)[0]
    return letter if width == 1 and letter.isascii() else "?" * width


def utc_iso(text: str) -> str | None:
    """An ISO 8601 instant in UTC to the second; None without an offset."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC).isoformat(timespec="seconds") if at.tzinfo else None


def when_refreshed(text: str | None) -> str:
    """When the view was refreshed, an ISO 8601 instant, in words."""
    at = utc_iso(text) if text else None
    return f"refreshed {at[:10]} {at[11:16]} UTC" if at else "when it was refreshed is not known"


def month_line(weeks: Sequence[date], width: int) -> str:
    """Month names above each month's first week, the year where it is new."""
    months = [(week.year, week.month) for week in weeks]
    starts = [at for at, month in enumerate(months) if at == 0 or month != months[at - 1]]
    line = ""
    for start, end in pairwise([*starts, len(weeks)]):
        week, room = weeks[start], (end - start) * width
        names = [MONTHS[week.month - 1]]
        if start == 0 or week.year != weeks[start - 1].year:
            names = [f"{names[0]} {week:%Y}", f"{names[0]} {week:%y}", *names]
        line += fit(next((name for name in names if len(name) < room), ""), room)
    return line


def topic_lines(label: str, width: int) -> tuple[str, str]:
    """A topic over two lines of `width`, broken at a space where there is one."""
    if cell_len(label) < width:
        return (" " * width, fit(label, width))
    broken = set_cell_size(label, width).rfind(" ")
    if broken < 1:
        return (" " * width, fit(fit(label, width - 1), width))
    return (fit(label[:broken], width), fit(fit(label[broken:].strip(), width - 1), width))
