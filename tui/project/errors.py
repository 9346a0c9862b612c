"""What can go wrong when asking a project, one type per thing to act on."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, ClassVar, Final

import httpx

from tui.errors import ExitCode, OperatorError
from tui.project.http import NotTheProject, clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.project.http import Reply

# A gateway's words for what may have passed at the next try; 52x and 530 are Cloudflare's.
PASSING_STATUS: Final = frozenset({408, 425, 429, 502, 503, 504, *range(520, 526), 530, 544})
# A gateway gave up waiting; the server may have done, or be doing, what it was asked.
GATEWAY_TIMEOUT: Final = frozenset({504, 524, 544})
# PostgREST wraps a refused connection to its database in these (docs: errors, group 0).
_DATABASE_UNREACHABLE: Final = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003"})
# Deadlock, and a transaction that has to be serialized anew.
_CONTENDED: Final = frozenset({"40P01", "40001"})
# The auth server's word for any trouble with its database: a restart, but mostly a trigger or a
# foreign key that will refuse for ever.
UNEXPECTED_FAILURE: Final = "unexpected_failure"
_LARGE_BODY: Final = "let the gateway take bodies of 2 MB (nginx: client_max_body_size 2m)"
_LONG_URL: Final = ("so long a URL", "let the gateway take URLs of 4 KB")
_TOO_LARGE: Final = {413: ("so large a body", _LARGE_BODY), 414: _LONG_URL, 431: _LONG_URL}
# What a gateway's page means, by its status alone.
_PAGES: Final = {
    401: ("a gateway or proxy asks for credentials of its own", "look at what stands between"),
    402: ("the project is restricted", "look at the project's billing and usage in the dashboard"),
    403: ("a firewall or a proxy refuses", "look at network restrictions, VPN and proxy"),
    407: (
        "a proxy asks for a user and a password",
        "put them into HTTPS_PROXY: http://user:password@host:port",
    ),
    540: ("the project is paused", "resume the project in the dashboard, then try again"),
}
_TRY_AGAIN: Final = "try again in a moment; if it persists, look at the project's status page"
_CHECK_URL: Final = "check SUPABASE_URL, the network and any proxy, then try again"


class ProjectError(OperatorError):
    """The project answered with a refusal that fits no narrower type.

    `code` is a SQLSTATE, PGRSTxxx or the auth server's; `status` is None when no reply came.

    Attributes:
        transient: Sending the same request again may succeed.
        retry_after_s: Seconds the server asked us to wait, or None.
        details: What the server says beside its message, or None.
    """

    details: str | None = None

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

    @property
    def reason(self) -> str:
        """Why, in a few words, to show while it is tried again."""
        if self.status is None:
            return self.message.partition(": ")[2]
        asked = f", asked to wait {self.retry_after_s:g} s" if self.retry_after_s else ""
        return f"{self.code or self.status}{asked}"


class ProjectUnreachable(ProjectError):
    """The project does not answer: network, TLS, gateway, or a database down."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNREACHABLE


class KeyRefused(ProjectError):
    """The project does not accept the key."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class Denied(ProjectError):
    """The key is accepted but may not do this (SQLSTATE 42501)."""


class Missing(ProjectError):
    """The table, function or user does not exist, or is not exposed."""


class NotOurs(ProjectError):
    """A function of the project's own has the name of ours and says otherwise."""


class TimedOut(ProjectError):
    """The database gave up: statement or lock timeout."""


class Truncated(ProjectError):
    """The server returned fewer rows than it says there are."""


class Garbled(ValueError):
    """A reply is not what it should be; never leaves this package."""


_KINDS: Final[Mapping[str | None, type[ProjectError]]] = {
    **dict.fromkeys(("42501", "not_admin"), Denied),
    **dict.fromkeys(
        ("42P01", "42883", "PGRST106", "PGRST202", "PGRST205", "user_not_found"), Missing
    ),
    **dict.fromkeys(("57014", "55P03", "25P03"), TimedOut),
    **dict.fromkeys(
        ("PGRST300", "PGRST301", "PGRST302", "PGRST303", "bad_jwt", "no_authorization"), KeyRefused
    ),
}


def translate(error: Exception, what: str, reply: Reply | None) -> ProjectError:
    """Turn what httpx, postgrest or supabase_auth raised into one of our types.

    `what` is a gerund phrase ("reading questions"), `reply` the last one in this task.
    """
    cause = error.__cause__
    if isinstance(cause, httpx.TransportError):
        # supabase_auth wraps what the network did, and loses its kind.
        error = cause
    if isinstance(error, NotTheProject) and reply is not None:
        return _page(what, reply)
    if isinstance(error, (httpx.TransportError, TimeoutError)) or reply is None:
        return _unreachable(what, error)
    if reply.status < 300:
        return cut_short(what, reply.status)
    return refusal(what, reply)


def cut_short(what: str, status: int | None = None) -> ProjectUnreachable:
    """The error for a success whose body is not what it says it is."""
    return ProjectUnreachable(
        f"{what}: the reply was cut short or is not JSON",
        hint="try again; if it persists, a proxy between here and the project rewrites replies",
        status=status,
        transient=True,
    )


def refusal(what: str, reply: Reply) -> ProjectError:
    """The error that a reply without success stands for."""
    if not reply.from_project:
        return _page(what, reply)
    code, status = reply.code, reply.status
    if status in PASSING_STATUS or code in _DATABASE_UNREACHABLE:
        return _passing(what, reply)
    message = f"{what}: {reply.said}" + (f" ({code})" if code else f" (HTTP {status})")
    kind = _KINDS.get(code, Missing if status == 404 else ProjectError)
    hint = None
    if kind is KeyRefused or (status == 401 and kind is not Denied):
        kind, hint = KeyRefused, "copy the service-role (secret) key of this very project anew"
        if "legacy" in reply.said.lower():
            hint = "use the project's new secret key (sb_secret_...) and publishable key"
    elif kind is TimedOut:
        hint = "raise the function's statement_timeout, or try when the database is less busy"
    elif code == UNEXPECTED_FAILURE:
        hint = (
            "the reason stands in the project's auth and Postgres logs: usually a trigger on "
            "auth.users, or a foreign key to it"
        )
    if reply.hint and reply.hint not in (hint or ""):
        hint = f"{reply.hint.rstrip('.')}; {hint}" if hint else reply.hint
    transient = code in _CONTENDED or code == UNEXPECTED_FAILURE
    error = kind(message, hint=hint, code=code, status=status, transient=transient)
    error.details = reply.details
    return error


def _passing(what: str, reply: Reply) -> ProjectUnreachable:
    answer = f"{'the project' if reply.from_project else 'a gateway'} answered {reply.status}"
    if 520 <= reply.status <= 530:
        answer = f"the platform's edge cannot reach the project ({reply.status})"
    if reply.retry_after_s:
        answer = f"asked to wait {reply.retry_after_s:g} s ({reply.status})"
    return ProjectUnreachable(
        f"{what}: {answer}" + (f": {reply.said}" if reply.said else ""),
        hint=_TRY_AGAIN,
        code=reply.code,
        status=reply.status,
        transient=True,
        retry_after_s=reply.retry_after_s,
    )


def _page(what: str, reply: Reply) -> ProjectError:
    """The error for a page that is not the project's, naming who answers instead."""
    status = reply.status
    if status in _TOO_LARGE:
        refused, hint = _TOO_LARGE[status]
        return ProjectError(
            f"{what}: a gateway refuses {refused} (HTTP {status})", hint=hint, status=status
        )
    if status in PASSING_STATUS:
        return _passing(what, reply)
    words, hint = _PAGES.get(status, ("a gateway answers, not the project", _CHECK_URL))
    if status < 300:
        words = "a page came instead of data, from a portal or a proxy"
    elif status < 400:
        to = f" to {reply.location}" if reply.location else ""
        words = f"the URL redirects elsewhere{to}; the key is not sent along"
        hint = "set SUPABASE_URL to the project's own address, without a redirect"
    elif "HTTPS port" in reply.said:
        hint = "set SUPABASE_URL to https://"
    said = f": {reply.said}" if reply.said else ""
    return ProjectUnreachable(f"{what}: {words} (HTTP {status}{said})", hint=hint, status=status)


def _unreachable(what: str, error: Exception) -> ProjectUnreachable:
    untrusted = _certificate_problem(error)
    if untrusted is not None:
        return ProjectUnreachable(
            f"{what}: the certificate is not trusted ({clean(untrusted)})",
            hint="set SSL_CERT_FILE to the file with the authority that signed it",
        )
    return ProjectUnreachable(f"{what}: {_network_words(error)}", hint=_CHECK_URL, transient=True)


def _certificate_problem(error: BaseException | None) -> str | None:
    """What is wrong with the server's certificate, where that is the cause."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None


def _network_words(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "the host did not answer in time"
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return "no complete reply in time"
    if isinstance(error, httpx.ConnectError):
        return f"cannot connect ({clean(error) or 'refused'})"
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refuses ({clean(error)})"
    if isinstance(error, httpx.TransportError):
        return "the connection broke before the reply was complete"
    return clean(error) or type(error).__name__
