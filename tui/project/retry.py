"""When a request is sent again, how many are in flight, and one attempt."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar

import httpx

from tui.project.errors import (
    UNEXPECTED_FAILURE,
    Garbled,
    KeyRefused,
    ProjectError,
    cut_short,
    translate,
)
from tui.project.http import LAST_REPLY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

# No gateway means more than this by its `Retry-After` while a run waits.
_LONGEST_ASKED_S: Final = 60.0
# Mostly permanent: asked once more, after long enough for a database to have restarted.
_UNEXPECTED_TRIES: Final = 2
_UNEXPECTED_WAIT: Final = 4
# What making a user takes a server, until its own replies tell.
_USUAL_WORK_S: Final = 0.03
# What a server answers that has too much to do, or allows no more.
_BUSY: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a fault that may pass is tried again.

    Attributes:
        base_s: Upper bound of the first wait in seconds; it doubles each time.
        cap_s: Longest wait in seconds, unless the server asks for more.
        deadline_s: Seconds one attempt may take in all. httpx bounds each read only, so a body that
            trickles in would otherwise hold a run for ever.
        busy_attempts: Attempts in all where the reply is 429 or 503, as of a gateway that counts
            requests; None for `attempts`.
        patience_s: A server that asks for a longer wait than this is not asked again.
        in_doubt_s: How long a user is looked for whose creation a gateway gave up on, before it is
            sent again. The auth server ends a request after 10 s by itself.
        once: Statuses of a gateway after which a request is not sent again.
    """

    attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 8.0
    deadline_s: float = 120.0
    busy_attempts: int | None = None
    patience_s: float = float("inf")
    in_doubt_s: float = 10.0
    once: frozenset[int] = frozenset()

    def tries(self, error: ProjectError, unexpected: int, *, key_accepted: bool) -> int:
        """How often a request is sent in all that met this error.

        Args:
            unexpected: How often it has met `UNEXPECTED_FAILURE`.
            key_accepted: Whether the service has taken the key before.
        """
        if isinstance(error, KeyRefused):
            # Clocks that differ and keys that are rotated refuse now and then an accepted key.
            return self.attempts if key_accepted and "expired" not in error.message else 1
        # A gateway's reply bears no code of the database's or of PostgREST's.
        gave_up = error.code is None and error.status in self.once
        too_long = (error.retry_after_s or 0.0) > self.patience_s
        if not error.transient or gave_up or too_long or unexpected >= _UNEXPECTED_TRIES:
            return 1
        if error.status in _BUSY and self.busy_attempts is not None:
            return self.busy_attempts
        return self.attempts

    def wait_s(self, attempt: int, error: ProjectError) -> float:
        """Seconds to wait after failed attempt 1, 2, ...; half of it is chance."""
        attempt = _UNEXPECTED_WAIT if error.code == UNEXPECTED_FAILURE else attempt
        bound = min(self.cap_s, self.base_s * 2 ** (attempt - 1))
        asked = min(error.retry_after_s or 0.0, _LONGEST_ASKED_S)
        return max(random.uniform(bound / 2, bound), asked)  # noqa: S311 - jitter only


@dataclass(frozen=True, slots=True)
class RetryNotice:
    """A request is about to be sent again."""

    what: str
    attempt: int
    attempts: int
    wait_s: float
    reason: str


class Lane:
    """Requests to one service: how many are in flight, whether it took the key.

    A fault that may pass halves the most there may be, successes raise it again one by one.

    Args:
        most: In flight at most.
        at_server: How many of them the service is to work on at once; None does not look. Of `n`
            in flight it works on `n * (1 - way / reply)`, where `way` is the shortest time that
            any reply took: so a few fill a near server, and all that may a distant one. Of each
            round of replies the fastest counts: the others have waited for requests of our own,
            that came with them.
        beside: Another lane on the same line, by which the way is known as well.

    Attributes:
        way_s: The shortest time that any reply took, in seconds.
    """

    def __init__(
        self, most: int, *, at_server: int | None = None, beside: Lane | None = None
    ) -> None:
        self.key_accepted = False
        self._most = self._allowed = self._ceiling = most
        self._at_server = at_server
        self._beside = beside
        self._free = asyncio.Semaphore(most)
        # Slots that are no longer to be had, and successes since the ceiling changed.
        self._owed = self._successes = 0
        self._halved_at = float("-inf")
        self.way_s = float("inf")
        # The fastest reply of the last round, and of this one so far.
        self._reply_s = 0.0
        self._round = list[float]()

    async def __aenter__(self) -> Self:
        self._allow(min(self._ceiling, self._fitting()))
        await self._free.acquire()
        while self._owed:
            self._owed -= 1
            await self._free.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._give_back()

    def _give_back(self) -> None:
        if self._owed:
            self._owed -= 1
        else:
            self._free.release()

    def succeeded(self, took_s: float = 0.0) -> None:
        self.key_accepted = True
        self._successes += 1
        if self._ceiling < self._most and self._successes >= self._ceiling:
            self._successes = 0
            self._ceiling += 1
        self.way_s = min(self.way_s, took_s)
        self._round.append(took_s)
        if len(self._round) >= self._allowed or not self._reply_s:
            self._reply_s = min(self._round)
            self._round.clear()
        self._allow(min(self._ceiling, self._fitting()))

    def failed(self, sent_at: float) -> None:
        """Count a fault that may pass; those of one moment count once."""
        if sent_at < self._halved_at:
            return
        self._ceiling, self._successes = max(1, self._allowed // 2), 0
        self._allow(self._ceiling)
        self._halved_at = time.monotonic()

    def _fitting(self) -> int:
        """How many in flight keep the service at as many as it is to work on."""
        if self._at_server is None:
            return self._most
        way_s = min(self.way_s, self._beside.way_s) if self._beside else self.way_s
        if way_s == float("inf"):
            return self._at_server
        work_s = self._reply_s - way_s if self._reply_s else _USUAL_WORK_S
        if work_s <= 0:
            return self._most
        return max(1, round(self._at_server * (way_s + work_s) / work_s))

    def _allow(self, number: int) -> None:
        while self._allowed < number:
            self._allowed += 1
            self._give_back()
        self._owed += max(0, self._allowed - number)
        self._allowed = number


async def try_once(what: str, request: Callable[[], Awaitable[T]], deadline_s: float) -> T:
    """Send a request; what fails becomes a `ProjectError` that speaks of `what`."""
    LAST_REPLY.set(None)
    try:
        async with asyncio.timeout(deadline_s):
            return await request()
    except ProjectError:
        raise
    except _failures() as error:
        raise translate(error, what, LAST_REPLY.get()) from error
    except (ValueError, RecursionError) as error:
        if LAST_REPLY.get() is None or _is_ours(error):
            raise
        # A reply that is not JSON, or not the JSON that the library's model expects.
        raise cut_short(what) from error


def _failures() -> tuple[type[Exception], ...]:
    """What the libraries raise, which are not loaded before anything fails."""
    from postgrest import APIError
    from supabase_auth.errors import AuthError

    return httpx.HTTPError, httpx.InvalidURL, APIError, AuthError, TimeoutError


def _is_ours(error: ValueError | RecursionError) -> bool:
    """Whether the error says that our own code is wrong, rather than a reply."""
    if isinstance(error, Garbled):
        return False
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("tui.")
