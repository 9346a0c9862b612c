"""Secrets: a type that does not show one, a function that masks the rest.

`remember` is given each key once it was read as one; `redact` is applied at every exit: terminal,
log, report, crash file. Unmistakable shapes are masked as well, for secrets that were never ours to
know: a token in a server's reply, a password in somebody's URL. Nothing else is: no word of a
language, no name of a variable, no data.
"""

from __future__ import annotations

import re
import threading
from typing import Final, NoReturn, Self
from urllib.parse import quote

MASK: Final = "[redacted]"

# Shorter than every key there is, and longer than what would mask a part of ordinary text.
_SHORTEST: Final = 10

_lock = threading.Lock()
# The longest first: one may be a part of another. Never changed, but replaced.
_live: tuple[str, ...] = ()

# A quote, as it also looks inside bytes' repr and inside JSON that was put into JSON.
_QUOTE: Final = r"""(?:\\*["'])?"""

# No possessive quantifier below: those of Python before 3.11.5 lose matches.
_SHAPES: Final = (
    # A JSON Web Token, whole or cut short: its parts start with `{"` in base64.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}"), MASK),
    # Hosted keys and personal access tokens; the kind stays readable.
    (re.compile(r"\b(sb_secret_|sb_publishable_|sbp_)[A-Za-z0-9_-]+"), rf"\1{MASK}"),
    # Authorization: Bearer token, as a header, in JSON, in a repr. A token differs from a word by
    # a digit or by a capital in its middle.
    (
        re.compile(
            rf"(?i:(\bauthorization{_QUOTE}\s*[:=,]\s*(?:b(?=[\"']))?{_QUOTE}"
            r"(?:bearer|basic)\s+))"
            r"(?=[A-Za-z._~+/=-]*[0-9]|[A-Za-z0-9._~+/=-]*?[a-z][A-Z])[A-Za-z0-9._~+/=-]{8,}"
        ),
        rf"\1{MASK}",
    ),
    # A password holding `/`, `?` or `@` is not legal there but is typed all the same; digits and a
    # slash behind a web host are a port.
    (
        re.compile(
            r"(?i)\b(?!https?://[^\s/:@\"'<>]*:\d{1,5}[/?#])"
            r"([a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]*:)[^\s\"'<>]+(?=@)"
        ),
        rf"\1{MASK}",
    ),
)


def redact(text: str) -> str:
    """Mask every known secret, and everything unmistakably shaped like one.

    Applying it again changes nothing.
    """
    text = redact_known(text)
    for shape, mask in _SHAPES:
        text = shape.sub(mask, text)
    # Parts of one key that were masked one by one read as one.
    return text.replace(MASK * 2, MASK)


def redact_known(text: str) -> str:
    """Mask known secrets alone: for a project's data, which may have any shape."""
    if len(text) >= _SHORTEST:
        for value in _live:
            text = text.replace(value, MASK)
    return text


def remember(secret: str) -> None:
    """Have `redact` mask a key: whole, percent-encoded, or its signature alone."""
    found = {secret, quote(secret, safe=""), repr(secret)[1:-1]}
    parts = secret.split(".")
    if len(parts) == 3 and secret.startswith("eyJ"):
        found.add(parts[2])
    global _live  # noqa: PLW0603 - known to the whole process, which is what it is for
    with _lock:
        known = {*_live, *(value for value in found if len(value) >= _SHORTEST)}
        _live = tuple(sorted(known, key=len, reverse=True))


class Secret:
    """A value that is shown nowhere unless asked for by `reveal()`.

    It cannot be pickled or turned into JSON, and compares in constant time.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The value. Call it where the value is sent, and keep no copy."""
        return self.__value

    def __repr__(self) -> str:
        return "<secret, hidden>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # A variable may hold bytes that are no text.
        mine, theirs = (each.reveal().encode("utf-8", "surrogatepass") for each in (self, other))
        # Loading it would be a tenth of --version, which compares no secrets.
        import hmac  # noqa: PLC0415

        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    # Immutable, so a copy may be the thing itself: `dataclasses.asdict` must not trip over it.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")
