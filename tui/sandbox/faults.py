"""Faults on demand, as of a bad network or project, seeded and repeatable.

A specification is a comma list of `name=value`:

| name | value | what happens |
|---|---|---|
| `seed` | integer | chooses the sequence; the same seed and order of requests, the same faults |
| `latency`, `jitter` | milliseconds | every request waits that long, give or take the jitter |
| `e429`, `e503`, any `e4xx` or `e5xx` | rate | that status; nothing is written |
| `html` | rate | an HTML error page with status 502; nothing is written |
| `refusal` | rate | a right key is refused in passing (401 PGRST303, 403 bad_jwt) |
| `drop` | rate | the connection closes before anything is written |
| `gave_up` | rate | 504 after `gave_up_seconds` (default 0.05); it is carried out all the same |
| `lost` | rate | the request is carried out and committed, then the connection closes |
| `reset` | rate | the same, with a reset in the middle of the body |
| `truncate` | rate | a well-formed reply whose JSON ends too early |
| `hash_ms` | milliseconds | how long a password takes to hash, two at a time (default 80) |
| `slow` | rate | the body trickles for `slow_seconds` (default 30) |
| `retry_after` | seconds | the `Retry-After` of a 429 (default 1) |
| `url_limit` | bytes | the longest request line (default 8192), then 414 |
| `newer` | 0, 1 | replies as PostgREST 16 and the gateway of late 2026 give them |
| `unchecked` | 0, 1 | keys are not checked, as on the local stack: an unknown one counts as anon |
| `method`, `path` | text | only requests with this method, or with this in their path, are hit |
| `skip`, `times` | integer | spare the first so many; stop after so many faults |

A rate is a probability between 0 and 1 for each request. At most one fault hits a request.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tui.errors import ConfigurationError

URL_LIMIT = 8192
RATES = ("html", "refusal", "drop", "gave_up", "lost", "reset", "truncate", "slow")


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A parsed specification; see the module for the meaning of each name."""

    rates: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    latency: float = 0.0
    jitter: float = 0.0
    slow_seconds: float = 30.0
    gave_up_seconds: float = 0.05
    hash_ms: float = 80.0
    retry_after: float = 1.0
    url_limit: int = URL_LIMIT
    skip: int = 0
    times: int = -1
    newer: bool = False
    unchecked: bool = False
    method: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one request: seconds of delay, and a fault's name."""

    delay: float
    kind: str | None


def parse_faults(text: str) -> FaultSpec:
    """Parse a fault specification."""
    rates: dict[str, float] = {}
    values: dict[str, Any] = {}
    types = {each.name: each.type for each in fields(FaultSpec)}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        match types.get(name):
            case "str" if equals:
                values[name] = value.upper() if name == "method" else value
            case "int":
                values[name] = int(_number(part, value, whole=True))
            case "bool":
                values[name] = bool(_number(part, value, whole=True, most=1.0))
            case "float":
                values[name] = _number(part, value)
            case None if name in RATES or re.fullmatch(r"e[45]\d\d", name):
                rates[name] = _number(part, value, most=1.0)
            case _:
                raise _bad(part, "is not a fault this sandbox knows")
    if sum(rates.values()) > 1.0 + 1e-9:
        raise _bad(text, "has rates that add up to more than 1")
    return FaultSpec(rates, **values)


def _number(part: str, value: str, *, whole: bool = False, most: float = 1e9) -> float:
    try:
        number = float(int(value)) if whole else float(value)
    except ValueError:
        raise _bad(part, "is not a number") from None
    if not 0.0 <= number <= most:
        raise _bad(part, f"is not between 0 and {most:g}")
    return number


def _bad(part: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the fault specification: {part!r} {what}",
        hint="an example: seed=7,latency=40,jitter=10,e503=0.05,e429=0.02,lost=0.1",
    )


class FaultSwitch:
    """Decides what befalls each request, in order, from the seed alone.

    With `newer`, replies are of the newer kind whatever a specification says.
    """

    def __init__(self, spec: FaultSpec | None = None, *, newer: bool = False) -> None:
        self._newer = newer
        self.set(spec)

    def set(self, spec: FaultSpec | None) -> None:
        """Start over with another specification; None injects nothing."""
        spec = spec or FaultSpec()
        self.spec = replace(spec, newer=spec.newer or self._newer)
        self._seen = 0
        self._injected = 0

    def next(self, method: str, path: str) -> Fault:
        """What befalls the next request."""
        spec = self.spec
        if (spec.method and method != spec.method) or spec.path not in path:
            return Fault(0.0, None)
        self._seen += 1
        # One generator a request: a fault's own draws never shift those of its successors.
        draw = random.Random(f"{spec.seed}:{self._seen}")  # noqa: S311 - repeatable, not secret
        delay = max(0.0, spec.latency + draw.uniform(-spec.jitter, spec.jitter)) / 1000
        if self._seen <= spec.skip or self._injected == spec.times:
            return Fault(delay, None)
        point = draw.random()
        for name, rate in spec.rates.items():
            if point < rate:
                self._injected += 1
                return Fault(delay, name)
            point -= rate
        return Fault(delay, None)
