"""The HTTP client under supabase-py, and what we remember of each reply.

`APIError` of postgrest-py carries no HTTP status, and neither library hands on `Retry-After`. A
response hook keeps both in a context variable: the hook runs in the task that sent the request,
so each task sees the facts of its own last reply.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from tui import __version__

if TYPE_CHECKING:
    import ssl

_CONNECT_TIMEOUT_S: Final = 10.0
_MAX_RETRY_AFTER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """Facts of one HTTP reply: status, and requested wait in seconds."""

    status: int
    retry_after_s: float | None


_last_reply: ContextVar[Reply | None] = ContextVar("last_reply", default=None)


def forget_reply() -> None:
    """Start a new request in this task: no reply has come yet."""
    _last_reply.set(None)


def last_reply() -> Reply | None:
    """The last reply this task received since `forget_reply`, or None."""
    return _last_reply.get()


async def _remember(response: httpx.Response) -> None:
    _last_reply.set(
        Reply(
            status=response.status_code,
            retry_after_s=_seconds(response.headers.get("Retry-After")),
        )
    )


def _seconds(header: str | None) -> float | None:
    """Read `Retry-After` in its seconds form; its date form is rare and not worth a clock."""
    if header is None or not header.strip().isdigit():
        return None
    return min(float(header.strip()), _MAX_RETRY_AFTER_S)


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all clients: reading the certificate authorities takes 30 ms or more."""
    return httpx.create_ssl_context()


def http_client(url: str, *, connections: int) -> httpx.AsyncClient:
    """One client for REST and auth alike; the caller closes it.

    Redirects are not followed: they would carry the key to wherever they point. HTTP/2 is off
    because one connection's flow control would then bound the whole run. Reading has no timeout
    of its own: each attempt as a whole has a deadline, see `RetryPolicy.deadline_s`.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        verify=_tls(),
        # A proxy sees nothing of TLS, but all of a request to this machine, the key included.
        trust_env=url.startswith("https://"),
        follow_redirects=False,
        http2=False,
        headers={"User-Agent": f"heatmap-tui/{__version__}"},
        event_hooks={"response": [_remember]},
    )
