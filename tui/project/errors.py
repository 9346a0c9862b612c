"""What can go wrong when asking a project, one type per thing an operator can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import httpx
from postgrest.exceptions import APIError
from supabase_auth.errors import AuthApiError, AuthError

from tui.errors import ExitCode, OperatorError
from tui.project.http import last_reply
from tui.redact import redact

if TYPE_CHECKING:
    from tui.project.http import Reply

# PostgREST wraps a refused connection to its database in these (docs: errors, group 0).
_DATABASE_UNREACHABLE: Final = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003"})
_RETRYABLE_STATUS: Final = frozenset({408, 425, 429, 502, 503, 504, 520})
_DENIED: Final = frozenset({"42501"})
_MISSING: Final = frozenset(
    {"42P01", "42883", "PGRST106", "PGRST202", "PGRST205", "user_not_found"}
)
# GoTrue's word for any trouble with its database: a restart, but also a failing trigger. Asking
# again is safe, since users are created under ids made here.
_AUTH_DATABASE: Final = "unexpected_failure"
_TIMED_OUT: Final = frozenset({"57014", "55P03", "25P03"})
_KEY_REFUSED: Final = frozenset({"PGRST300", "PGRST301", "PGRST302", "PGRST303", "bad_jwt"})


class ProjectError(OperatorError):
    """The project answered with a refusal that fits no narrower type.

    Attributes:
        code: SQLSTATE, PGRSTxxx or GoTrue error code, or None.
        status: HTTP status, or None when no reply came.
        transient: Sending the same request again may succeed.
        retry_after_s: Seconds the server asked us to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        status: int | None = None,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status
        self.transient = transient
        self.retry_after_s = retry_after_s


class ProjectUnreachable(ProjectError):
    """No usable reply: network, TLS, gateway, or a database that is down."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNREACHABLE


class KeyRefused(ProjectError):
    """The project does not accept the key."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class Denied(ProjectError):
    """The key is accepted but may not do this (SQLSTATE 42501)."""


class Missing(ProjectError):
    """The table, function or user does not exist, or is not exposed."""


class TimedOut(ProjectError):
    """The database gave up: statement or lock timeout."""


class Truncated(ProjectError):
    """The server returned fewer rows than it says there are."""


class Garbled(ValueError):
    """A reply is not what it should be; translated before anybody outside sees it."""


def translate(error: Exception, what: str, reply: Reply | None) -> ProjectError:
    """Turn what httpx, postgrest or supabase_auth raised into one of our types.

    Args:
        error: The exception as caught.
        what: What we were doing, as a gerund phrase: "reading questions".
        reply: Facts of the last HTTP reply in this task, or None when none came.
    """
    cause = error.__cause__
    if isinstance(error, AuthError) and isinstance(cause, httpx.TransportError):
        # supabase_auth wraps what the network did, and loses its kind.
        error = cause
    if isinstance(error, (httpx.TransportError, TimeoutError)) or reply is None:
        return _unreachable(what, _network_words(error))
    if reply.status < 300:
        return _unreachable(what, "the reply was cut short or is not JSON", status=reply.status)
    code, said = _code_and_words(error)
    return _judge(what, reply.status, code, said, reply.retry_after_s)


def may_pass(response: httpx.Response) -> bool:
    """Whether a reply is one of those that asking again may change."""
    return response.status_code in _RETRYABLE_STATUS


def refusal_of(response: httpx.Response, what: str) -> ProjectError:
    """The error that a reply without success stands for, read from its body where it is JSON."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    said = body.get("message") or body.get("msg") or response.reason_phrase or "no message"
    code = body.get("error_code") or body.get("code")
    reply = last_reply()
    return _judge(
        what,
        response.status_code,
        code if isinstance(code, str) else None,
        redact(str(said)),
        reply.retry_after_s if reply else None,
    )


def _judge(
    what: str, status: int, code: str | None, said: str, retry_after_s: float | None
) -> ProjectError:
    if 300 <= status < 400 and code is None:
        return ProjectError(
            f"{what}: the URL redirects elsewhere (HTTP {status}); the key is not sent along",
            hint="set SUPABASE_URL to the project's own address, without a redirect",
            status=status,
        )
    if status in _RETRYABLE_STATUS or code in _DATABASE_UNREACHABLE:
        return ProjectUnreachable(
            f"{what}: the project answered {status}{_brief(said)}",
            hint="try again in a moment; if it persists, look at the project's status page",
            code=code,
            status=status,
            transient=True,
            retry_after_s=retry_after_s,
        )
    return _refusal(what, status, code, said)


def _refusal(what: str, status: int, code: str | None, said: str) -> ProjectError:
    message = f"{what}: {said}" + (f" ({code})" if code else f" (HTTP {status})")
    if code in _KEY_REFUSED or (status == 401 and code not in _DENIED):
        return KeyRefused(
            message,
            hint="copy the service-role (secret) key of this very project anew",
            code=code,
            status=status,
        )
    if code in _DENIED or code == "not_admin":
        return Denied(message, code=code, status=status)
    if code in _MISSING or status == 404:
        return Missing(message, code=code, status=status)
    if code in _TIMED_OUT:
        return TimedOut(
            message,
            hint="raise the function's statement_timeout, or try when the database is less busy",
            code=code,
            status=status,
        )
    return ProjectError(message, code=code, status=status, transient=code == _AUTH_DATABASE)


def _unreachable(what: str, why: str, *, status: int | None = None) -> ProjectUnreachable:
    return ProjectUnreachable(
        f"{what}: {why}",
        hint="check SUPABASE_URL, the network and any proxy, then try again",
        status=status,
        transient=True,
    )


def _network_words(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "the host did not answer in time"
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return "no complete reply in time"
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect ({_brief(str(error)).strip(': ') or 'refused'})"
    if isinstance(error, httpx.TransportError):
        return "the connection broke before the reply was complete"
    return _brief(str(error)).strip(": ") or type(error).__name__


def _code_and_words(error: Exception) -> tuple[str | None, str]:
    if isinstance(error, APIError):
        # postgrest-py puts the HTTP status here when the body was not PostgREST's JSON.
        is_status = error.code is not None and error.code.isdigit() and len(error.code) == 3
        return None if is_status else error.code, redact((error.message or "no message").strip())
    if isinstance(error, AuthApiError):
        return error.code, redact(error.message)
    if isinstance(error, AuthError):
        return None, redact(str(error))
    return None, redact(str(error) or type(error).__name__)


def _brief(text: str, limit: int = 160) -> str:
    words = " ".join(redact(text).split())
    if not words:
        return ""
    return f": {words if len(words) <= limit else words[: limit - 1] + '…'}"
