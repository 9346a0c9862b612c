"""When a request is sent again, how long we wait, and how that is made visible."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import httpx
from postgrest.exceptions import APIError
from supabase_auth.errors import AuthError

from tui.project.errors import Garbled, ProjectError, ProjectUnreachable, translate
from tui.project.http import forget_reply, last_reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a transient failure is repeated.

    Attributes:
        attempts: Tries in all, the first included.
        base_s: Upper bound of the first wait in seconds; it doubles each time.
        cap_s: Longest wait in seconds, unless the server asks for more.
        deadline_s: Seconds one attempt may take in all. httpx bounds each read only, so a body
            that trickles in would otherwise hold a run for ever.
    """

    attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 8.0
    deadline_s: float = 120.0

    def wait_s(self, attempt: int, asked_s: float | None) -> float:
        """Seconds to wait after a failed attempt (1 for the first); half of it is chance."""
        bound = min(self.cap_s, self.base_s * 2 ** (attempt - 1))
        return max(random.uniform(bound / 2, bound), asked_s or 0.0)  # noqa: S311 - jitter only


@dataclass(frozen=True, slots=True)
class RetryNotice:
    """A request is about to be sent again.

    Attributes:
        what: What we were doing.
        attempt: The attempt that comes next, from 2.
        attempts: Attempts in all.
        wait_s: Seconds until then.
        reason: Why the last one failed, in a few words.
    """

    what: str
    attempt: int
    attempts: int
    wait_s: float
    reason: str


async def attempt(
    what: str,
    request: Callable[[], Awaitable[T]],
    *,
    policy: RetryPolicy,
    on_retry: Callable[[RetryNotice], None],
    before_repeat: Callable[[], Awaitable[T | None]] | None = None,
) -> T:
    """Send a request, again where that is safe, and translate what fails.

    Args:
        what: What we are doing, as a gerund phrase.
        request: Builds and sends the request afresh on each call; must be safe to repeat.
        policy: How often and how patiently.
        on_retry: Told before each wait.
        before_repeat: Looked at before a repeat; a result other than None is taken as the answer.
            For requests whose lost reply cannot simply be asked for again.

    Raises:
        ProjectError: The request failed for good.
    """
    for number in range(1, policy.attempts + 1):
        try:
            if number > 1 and before_repeat is not None:
                found = await _once(what, before_repeat, policy)
                if found is not None:
                    return found
            return await _once(what, request, policy)
        except ProjectError as error:
            if not error.transient or number == policy.attempts:
                raise
            wait_s = policy.wait_s(number, error.retry_after_s)
            reason = str(error.status) if error.status else error.message.partition(": ")[2]
            on_retry(RetryNotice(what, number + 1, policy.attempts, wait_s, reason))
            await asyncio.sleep(wait_s)
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _once(what: str, request: Callable[[], Awaitable[T]], policy: RetryPolicy) -> T:
    forget_reply()
    try:
        async with asyncio.timeout(policy.deadline_s):
            return await request()
    except ProjectError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, APIError, AuthError, TimeoutError) as error:
        raise translate(error, what, last_reply()) from error
    except ValueError as error:
        if last_reply() is None or _is_ours(error):
            raise
        # A reply that is not JSON, or not the JSON that the library's model expects.
        raise ProjectUnreachable(
            f"{what}: the reply was cut short or is not JSON",
            hint="try again; if it persists, a proxy between here and the project rewrites replies",
            transient=True,
        ) from error


def _is_ours(error: ValueError) -> bool:
    """Whether it says that our own code is wrong, rather than the reply that some code reads."""
    if isinstance(error, Garbled):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("tui.")
