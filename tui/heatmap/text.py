"""Labels and figures as they are shown: cleaned of what a terminal would obey, fitted to a width.

Widths are counted in terminal cells. Labels come from the database and may hold anything.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

ELLIPSIS = "…"
_TO_ASCII = {"≈": "~", "…": ">", "×": "x", "·": "-", "•": "*", "─": "-", "│": "|"}
_FRAMES, _BLOCKS, _DOTS = range(0x2500, 0x2580), range(0x2580, 0x25A0), range(0x2801, 0x2900)
UNPRINTABLE = "\ufffd"

_MILLISECONDS_SHOWN_BELOW = 1_000
_SECONDS_SHOWN_BELOW = 100_000


def clean_label(text: str) -> str:
    """One line without control, format or surrogate characters, white space collapsed.

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


def char_width(char: str) -> int:
    """Terminal cells one character takes: 0 for combining marks, 2 for wide ones, else 1."""
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def text_width(text: str) -> int:
    """Terminal cells `text` takes."""
    return len(text) if text.isascii() else sum(map(char_width, text))


def take(text: str, width: int) -> str:
    """As much of the beginning of `text` as `width` cells hold."""
    if text.isascii():
        return text[: max(0, width)]
    used = 0
    for place, char in enumerate(text):
        used += char_width(char)
        if used > width:
            return text[:place]
    return text


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis that says so."""
    missing = width - text_width(text)
    if missing >= 0:
        return text + " " * missing
    if width <= 0:
        return ""
    kept = take(text, width - 1)
    return kept + ELLIPSIS + " " * (width - 1 - text_width(kept))


def percent(correct: int, attempts: int) -> int:
    """Accuracy as a whole percentage, half rounded away from zero, as the view rounds it.

    The view's `accuracy_rate` has two decimals, so that a whole percentage says just as much.
    """
    return (200 * correct + attempts) // (2 * attempts)


def short_percent(correct: int, attempts: int) -> list[str]:
    """Ways to write an accuracy, longest first."""
    value = shown_percent(correct, attempts)
    return [f"{value}%", value]


def shown_percent(correct: int, attempts: int) -> str:
    """An accuracy as a whole percentage; "0" stands for no correct attempt alone."""
    value = percent(correct, attempts)
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
    """Ways to write a median time, longest first; `≈` leads where it is not an exact median."""
    mark = "" if exact else "≈"
    value = milliseconds
    forms: list[str] = []
    if value < _MILLISECONDS_SHOWN_BELOW:
        forms += [f"{mark}{_rounded(value, '1')}ms"]
    if value < _SECONDS_SHOWN_BELOW:
        forms += [f"{mark}{_rounded(value / 1000, '0.1')}s"]
    if value >= _MILLISECONDS_SHOWN_BELOW:
        forms += [f"{mark}{_rounded(value / 1000, '1')}s"]
    if value >= _SECONDS_SHOWN_BELOW:
        forms += [f"{mark}{_rounded(value / 60_000, '1')}m"]
    return forms


def full_duration(milliseconds: Decimal, *, exact: bool) -> str:
    """A median time in full: milliseconds as the view has them, or to a tenth where weighted."""
    if exact:
        return f"{plain(milliseconds)} ms"
    return f"≈ {_rounded(milliseconds, '0.1')} ms"


def figure(metric: str, value: float) -> str:
    """A value of a metric with its unit: a share as a percentage, a count, or a time."""
    if metric == "accuracy":
        return f"{value * 100:.0f}%"
    if metric == "attempts":
        return f"{value:,.0f}"
    return short_duration(Decimal(value), exact=True)[0]


def ascii_only(text: str) -> str:
    """`text` in ASCII, as wide as it was: our own signs by their likes, letters without accents.

    What has no like in ASCII, as in most labels of other scripts, becomes `?`.
    """
    return text if text.isascii() else "".join(map(_ascii_char, text))


def _ascii_char(char: str) -> str:
    if char.isascii():
        return char
    if char in _TO_ASCII:
        return _TO_ASCII[char]
    for signs, like in ((_FRAMES, "+"), (_BLOCKS, "#"), (_DOTS, "*")):
        if ord(char) in signs:
            return like
    width = char_width(char)
    letter = unicodedata.normalize("NFKD", char)[0]
    return letter if width == 1 and letter.isascii() else "?" * width


def utc_iso(text: str) -> str | None:
    """An instant in ISO 8601, of any offset, in UTC to the second; None for what is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC).isoformat(timespec="seconds") if at.tzinfo else None


def plain(number: Decimal) -> str:
    """A decimal without exponent or trailing zeros: 1.2E+3 is 1200."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def first_fitting(forms: list[str], width: int) -> str | None:
    """The first of `forms` that fits in `width` cells, or None: a figure is never cut."""
    return next((form for form in forms if len(form) <= width), None)


def _rounded(value: Decimal, step: str) -> str:
    return format(value.quantize(Decimal(step), rounding=ROUND_HALF_UP), "f")
