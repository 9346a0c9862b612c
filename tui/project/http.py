"""The HTTP client under supabase-py, and what is remembered of each reply.

Neither postgrest nor supabase_auth hands on the HTTP status, `Retry-After` or who a reply is from.
A response hook reads all of it once, where it enters, and keeps it in a context variable: the hook
runs in the task that sent the request, so each task sees its own last reply.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from contextvars import ContextVar
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from tui import __version__
from tui.errors import ConfigurationError
from tui.guard.hosts import is_address, is_ref
from tui.redact import redact, redact_known

if TYPE_CHECKING:
    import ssl

_CONNECT_TIMEOUT_S: Final = 10.0
_LONGEST_WORDS: Final = 300

# PostgREST's own codes and PostgreSQL's SQLSTATEs; the auth server's codes are words.
_DATABASE_CODE: Final = re.compile(r"PGRST[0-9A-Z]+|[0-9A-Z]{5}")
_AUTH_CODE: Final = re.compile(r"[a-z][a-z0-9_]*")
# What the TLS library reads of the process environment.
_TLS_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_NO_PROXY: Final = re.compile(
    r"\*?(?P<host>\.?[a-z0-9_][a-z0-9_.-]*|\[[0-9a-f:.]+\]|[0-9a-f:.]+(?:/[0-9]{1,3})?|\*)"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
# What a terminal obeys or reorders text by; in data, line breaks and tabs are just white space.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, as far as errors are made of it.

    Attributes:
        from_project: It is recognisably PostgREST's or the auth server's, or their gateway's word
            on the key; any other is some gateway's, proxy's or portal's, whatever its status.
        has_range: A success that says which rows it holds, as all of PostgREST's do.
        said: The server's message, or what a page calls itself.
        location: Where it redirects to, without path.
        details: What the server says beside its message.
    """

    status: int
    from_project: bool
    has_range: bool = False
    code: str | None = None
    said: str = ""
    hint: str | None = None
    retry_after_s: float | None = None
    location: str = ""
    details: str | None = None


class NotTheProject(httpx.TransportError):
    """A success that is not the project's: a portal's page."""


LAST_REPLY: Final[ContextVar[Reply | None]] = ContextVar("last_reply", default=None)
"""What this task's last request was answered; None until an answer has come."""


def clean(text: object) -> str:
    """A server's words as one line: printable, without secrets, not too long."""
    printable = "".join(char if char.isprintable() else " " for char in str(text))
    words = redact(" ".join(printable.split()))
    return words if len(words) <= _LONGEST_WORDS else f"{words[: _LONGEST_WORDS - 1]}…"


def clean_data(value: Any) -> Any:
    """A reply's JSON without control characters and known secrets."""
    match value:
        case str():
            return redact_known(value if value.isprintable() else _CONTROL.sub(" ", value))
        case list():
            return [clean_data(each) for each in value]
        case dict():
            return {clean_data(name): clean_data(each) for name, each in value.items()}
        case _:
            return value


async def _remember(response: httpx.Response) -> None:
    if not response.is_success:
        await response.aread()
    reply = read_reply(response)
    LAST_REPLY.set(reply)
    if response.is_success and not reply.from_project:
        raise NotTheProject("a page came instead of data")


def read_reply(response: httpx.Response) -> Reply:
    """What a reply says; a refusal's body must have been read."""
    kind = response.headers.get("Content-Type", "")
    if response.is_success:
        return Reply(
            response.status_code,
            from_project=not kind or "json" in kind,
            has_range="Content-Range" in response.headers,
        )
    try:
        body = response.json()
    except ValueError:
        body = None
    reply = Reply(
        response.status_code,
        from_project=False,
        retry_after_s=_retry_after_s(response.headers),
        location=_origin(response.headers.get("Location", "")),
    )
    if not isinstance(body, dict):
        title = _TITLE.search(response.text) if "html" in kind else None
        said = title[1] if title else response.reason_phrase
        if "plain HTTP request was sent to HTTPS port" in response.text:
            said = "The plain HTTP request was sent to HTTPS port"
        return replace(reply, said=clean(said))
    code = _words(body, "error_code") or _words(body, "code")
    code = code if code and len(code) <= 60 and code.isprintable() else None
    said = body.get("message") or body.get("msg") or response.reason_phrase or "no message"
    hint, details = _words(body, "hint"), _words(body, "details")
    return replace(
        reply,
        from_project=_is_projects(response, body, code),
        code=code,
        said=clean(said),
        hint=hint and clean(hint),
        details=details and clean(details),
    )


def _words(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and value else None


def _is_projects(response: httpx.Response, body: dict[str, Any], code: str | None) -> bool:
    """Whether a refusal is PostgREST's, the auth server's or the key check's.

    A gateway's `{"message": ...}` has no code. The hosted gateway, and the one that is shipped for
    self-hosting, refuse a key by just that, with 401.
    """
    status = response.status_code
    has_message = isinstance(body.get("message"), str)
    if status == 401 and has_message:
        return True
    if "/auth/v1/" not in response.url.path:
        return has_message and code is not None and bool(_DATABASE_CODE.fullmatch(code))
    if isinstance(body.get("msg"), str):
        return code is not None or body.get("code") == status
    return has_message and code is not None and bool(_AUTH_CODE.fullmatch(code))


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """`Retry-After` in seconds; a date counts from the reply's own `Date`."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked[:9])
    try:
        until, now = parsedate_to_datetime(asked), parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _origin(location: str) -> str:
    try:
        url = httpx.URL(location)
    except httpx.InvalidURL:
        return ""
    return clean(f"{url.scheme}://{url.host}") if url.host else ""


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all clients: reading the certificates takes 30 ms or more."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        given = {name: os.environ[name] for name in _TLS_VARIABLES if os.environ.get(name)}
        gone = [name for name, path in given.items() if not os.access(path, os.R_OK)]
        blamed = " or ".join(gone or given) or "the certificates of this Python"
        raise ConfigurationError(
            f"{blamed} cannot be used for TLS: {error.strerror or 'not what it should be'}",
            hint="correct the path, or unset the variable",
        ) from error


def proxy_for(url: str) -> tuple[httpx.Proxy | None, tuple[str, ...]]:
    """The proxy that the environment names for a URL; unreadable NO_PROXY parts.

    None for http://: a proxy sees nothing of TLS, but all of a plain request, the key included.
    """
    target = httpx.URL(url)
    variable = next((each for each in ("HTTPS_PROXY", "ALL_PROXY") if _set(each)), None)
    if target.scheme != "https" or variable is None:
        return None, ()
    bypassed, remarks = False, list[str]()
    for place, entry in enumerate(filter(None, map(str.strip, _set("NO_PROXY").split(","))), 1):
        try:
            bypassed = bypassed or _bypasses(entry, target)
        except ValueError:
            remarks.append(f"entry {place} of NO_PROXY cannot be read and is left out")
    if bypassed:
        return None, tuple(remarks)
    value = _set(variable)
    try:
        proxy = httpx.Proxy(value if "://" in value else f"http://{value}")
        at = proxy.url
        is_host = at.host and "%" not in at.host and at.path in {"", "/"}
        if is_host and (at.port is None or 1 <= at.port <= 65_535):
            return proxy, tuple(remarks)
    except (ValueError, httpx.InvalidURL):
        # What it could not read may hold a password: keep it out of the chain.
        pass
    raise ConfigurationError(
        f"{variable} holds no proxy that can be used",
        hint="give http://, https:// or socks5:// with a host and a port, or unset it",
    )


def _set(variable: str) -> str:
    """A variable's value; the lower-case name goes first, as everywhere."""
    return os.environ.get(variable.lower()) or os.environ.get(variable, "")


def _bypasses(entry: str, target: httpx.URL) -> bool:
    """Whether an entry of NO_PROXY is for a host; ValueError if unreadable."""
    if entry == "*":
        return True
    match = _NO_PROXY.fullmatch(entry.lower())
    if match is None:
        raise ValueError(entry)
    if match["port"] and int(match["port"]) != (target.port or 443):
        return False
    host = target.host
    name = match["host"].strip("[]")
    if ":" in name or "/" in name or name.replace(".", "").isdigit():
        network = ipaddress.ip_network(name, strict=False)
        return is_address(host) and ipaddress.ip_address(host) in network
    name = name.lstrip(".")
    return host == name or host.endswith(f".{name}")


def http_client(
    url: str, *, connections: int, kept: int, proxy: httpx.Proxy | None, named: set[str]
) -> httpx.AsyncClient:
    """A client for REST or auth; the caller closes it.

    Redirects are not followed: they would carry the key to wherever they point. HTTP/2 is off
    because one connection's flow control would then bound the whole run. Reading has no timeout of
    its own: each attempt as a whole has a deadline, see `RetryPolicy.deadline_s`.

    Args:
        connections: In flight at most.
        kept: Stay open when nothing is sent over them.
        named: Takes the hosted projects that replies name as their own.
    """

    async def note(response: httpx.Response) -> None:
        ref = response.headers.get("sb-project-ref", "").lower()
        if is_ref(ref):
            named.add(ref)

    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=kept),
        # Where nothing is encrypted, nothing has to be read for it.
        verify=_tls() if url.startswith("https://") else False,
        proxy=proxy,
        # What there is to trust was read above.
        trust_env=False,
        follow_redirects=False,
        http2=False,
        headers={"User-Agent": f"heatmap-tui/{__version__}"},
        event_hooks={"response": [note, _remember]},
    )
