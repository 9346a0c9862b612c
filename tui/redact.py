"""Secrets stay out of every output: a type that does not show one, a function that masks the rest.

`Secret` remembers each value it has held, so `redact` can be applied at every exit (terminal, log,
report, crash file) without being told what to hide. Shapes are masked as well, for secrets that
were never ours to know: a token in a server's reply, a password in somebody's URL.
"""

from __future__ import annotations

import hmac
import re
import threading
from typing import Final, NoReturn, Self
from urllib.parse import quote

MASK: Final = "[redacted]"

# Masking every occurrence of a shorter string would mangle ordinary words and hide nothing.
SHORTEST_SECRET: Final = 6

_lock = threading.Lock()
_live: set[str] = set()

# A quote, as it also looks inside bytes' repr and inside JSON that was put into JSON.
_QUOTE: Final = r"""(?:\\*["'])?+"""
_SCHEME: Final = r"(?:bearer\s+|basic\s+)?+"

_NAMES: Final = (
    r"(?:proxy-)?authorization|x-api-key|api-?key|access_token|refresh_token|service_role_key"
    r"|supabase_[a-z_]*key|anon_key|jwt_secret|secret_key|pgpassword|password|passwd|cookie"
)

_SHAPES: Final = (
    # A JSON Web Token, whole or cut short: its parts start with `{"` in base64.
    (re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}"), MASK),
    # Hosted keys and personal access tokens; the kind stays readable.
    (re.compile(r"\b(sb_secret_|sb_publishable_|sbp_)[A-Za-z0-9_-]+"), rf"\1{MASK}"),
    (
        re.compile(r"(?i)\b(bearer|basic)(\s+)(?!\[redacted\])[A-Za-z0-9._~+/=-]{6,}"),
        rf"\1\2{MASK}",
    ),
    # name: value, name=value, 'name': 'value', (b'name', b'value')
    (
        re.compile(
            rf"(?i)((?<![a-z])(?:{_NAMES}){_QUOTE}\s*+[:=,]\s*+(?:b(?=[\"']))?+{_SCHEME}{_QUOTE}"
            rf"{_SCHEME})(?!\[redacted\])[^\s\"'\\,;&}})\]]{{3,}}"
        ),
        rf"\1{MASK}",
    ),
    # A password holding `/`, `?` or `@` is not legal there but is typed all the same.
    (
        re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>]*:)[^\s\"'<>]+(?=@)"),
        rf"\1{MASK}",
    ),
)


def redact(text: str) -> str:
    """Mask every known secret, and everything shaped like one.

    Args:
        text: Anything on its way out: a message, a log line, a report, a traceback.

    Returns:
        The text with each secret replaced by `MASK`. Applying it again changes nothing.
    """
    with _lock:
        known = sorted(_live, key=len, reverse=True)
    for value in known:
        text = text.replace(value, MASK)
    for shape, mask in _SHAPES:
        text = shape.sub(mask, text)
    return text


def _spellings(secret: str) -> set[str]:
    """The secret as it may appear: whole, percent-encoded, or the signature of a token alone."""
    found = {secret, quote(secret, safe=""), repr(secret)[1:-1]}
    parts = secret.split(".")
    if len(parts) == 3 and secret.startswith("eyJ"):
        found.add(parts[2])
    return {value for value in found if len(value) >= SHORTEST_SECRET}


class Secret:
    """A value that is shown nowhere unless asked for by `reveal()`.

    `repr`, `str` and formatting show no character of it. It cannot be pickled or
    turned into JSON, compares in constant time, and is known to `redact` from its creation on.

    Args:
        value: The secret itself.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value
        with _lock:
            _live.update(_spellings(value))

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
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    # Immutable, so a copy may be the thing itself: `dataclasses.asdict` must not trip over it.
    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")
