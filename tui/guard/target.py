"""Which project is this, is it production, and which fact says so. Pure, no input or output.

An unknown remote host is production. Production wins every tie. What cannot be read for certain is
a configuration error, never "not production".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tui.errors import ConfigurationError
from tui.guard.api_key import KeyFacts, KeyKind, read_key
from tui.guard.hosts import (
    Endpoint,
    below,
    is_address,
    is_loopback,
    is_shared,
    parse_address,
    parse_endpoint,
    project_ref,
    refuse,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "KeyFacts",
    "KeyKind",
    "Target",
    "TargetKind",
    "check_declarations",
    "classify",
    "declared_by_database",
    "read_key",
]

URL_VARIABLE: Final = "SUPABASE_URL"
PROD_VARIABLE: Final = "HEATMAP_VERIFY_PROD_HOSTS"
NON_PROD_VARIABLE: Final = "HEATMAP_VERIFY_NON_PROD_HOSTS"

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_POOLER_USER: Final = re.compile(r"[a-z_]+\.([a-z0-9]{5,40})")
_REF: Final = re.compile(r"[a-z0-9]{20}")
_BARE_POOLER_USER: Final = re.compile(r"postgres\.([a-z0-9]{20})")

# Words by which a database says that it is not production. Any other word counts as production.
_HARMLESS: Final = frozenset(
    {"dev", "development", "local", "preview", "sandbox", "stage", "staging", "test", "testing"}
)


class TargetKind(StrEnum):
    """How much care a target asks for."""

    LOCAL = "local"
    STAGING = "staging"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Target:
    """A project, classified.

    Attributes:
        url: The origin to contact: scheme, canonical host, port if not the default. Requests go
            here and nowhere else, so that what was classified is what is contacted.
        host: Canonical host name or address, without brackets.
        port: The TCP port.
        ref: The hosted project's ref, from the URL or else from the key, or None.
        kind: local, staging or production.
        reason: One short English clause naming the fact that decided.
        key: What the key says about itself.
        asked_database: Whether the database was asked to declare itself (see
            `declared_by_database`). Nothing may be written before.
    """

    url: str
    host: str
    port: int
    ref: str | None
    kind: TargetKind
    reason: str
    key: KeyFacts
    asked_database: bool = False

    @property
    def identity(self) -> str:
        """What an operator types to name this target: the project ref, else the host."""
        return self.ref or self.host

    @property
    def place(self) -> str:
        """What tells this target from every other in what is kept: on this machine, with the port.

        Two databases on one machine have one host name, and nothing else in common.
        """
        if self.kind is not TargetKind.LOCAL or self.ref:
            return self.identity
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_production(self) -> bool:
        """Whether the guard refuses writes without break-glass."""
        return self.kind is TargetKind.PRODUCTION


@dataclass(frozen=True, slots=True)
class _Declaration:
    """One entry of a list of declared hosts; names below its host are included unless exact."""

    host: str | None
    ref: str | None
    port: int | None
    exact: bool = False

    def names(self, host: str) -> bool:
        if self.host is None:
            return False
        return host == self.host if self.exact else below(host, self.host)


@dataclass(frozen=True, slots=True)
class _Place:
    """What declarations are compared with."""

    host: str
    port: int
    ref: str | None
    loopback: bool


def classify(
    url: str,
    key: str,
    *,
    prod_hosts: Sequence[str] = (),
    non_prod_hosts: Sequence[str] = (),
    sandbox: bool = False,
) -> Target:
    """Say which project a URL and a key lead to, and how much care it asks for.

    Args:
        url: SUPABASE_URL as configured.
        key: SUPABASE_SERVICE_ROLE_KEY as configured.
        prod_hosts: Entries of HEATMAP_VERIFY_PROD_HOSTS: hosts (names below them included), URLs,
            project refs, pooler user names. Ports are ignored: a wider match is the safer one.
        non_prod_hosts: Entries of HEATMAP_VERIFY_NON_PROD_HOSTS. One with a port means that port.
        sandbox: Whether this process started the target itself. A production declaration
            still wins.

    Raises:
        ConfigurationError: The URL, the key or a declaration cannot be read for certain, the URL
            and the key belong to different projects, or http:// would leave this machine.
    """
    endpoint = parse_endpoint(url, URL_VARIABLE)
    loopback = is_loopback(endpoint.host)
    _check_url(endpoint, loopback=loopback)
    facts = read_key(key)
    production = [_declaration(entry, PROD_VARIABLE) for entry in prod_hosts]
    harmless = [_declaration(entry, NON_PROD_VARIABLE) for entry in non_prod_hosts]
    if sandbox and not loopback:
        raise ConfigurationError(
            f"the sandbox is on this machine, but {URL_VARIABLE} leads to {endpoint.host}",
            hint="leave out --sandbox, or the variable",
        )
    ref = _ref(endpoint, facts)
    port = endpoint.port or _DEFAULT_PORTS[endpoint.scheme]
    at = _Place(endpoint.host, port, ref, loopback)
    kind, reason = _judge(at, production, harmless, sandbox=sandbox)
    return Target(
        url=_origin(endpoint.scheme, endpoint.host, port),
        host=endpoint.host,
        port=port,
        ref=ref,
        kind=kind,
        reason=reason,
        key=facts,
    )


def check_declarations(prod_hosts: Sequence[str], non_prod_hosts: Sequence[str]) -> None:
    """Read what is declared production and what is not, as `classify` does.

    Raises:
        ConfigurationError: An entry cannot be read for certain.
    """
    for source, entries in ((PROD_VARIABLE, prod_hosts), (NON_PROD_VARIABLE, non_prod_hosts)):
        for entry in entries:
            _declaration(entry, source)


def declared_by_database(target: Target, declared: str | None) -> Target:
    """The target after its database was asked what it is.

    Args:
        target: As classified from the environment.
        declared: The database's own word, or None where it declares nothing.

    Returns:
        The target, marked as asked. "production", and any word not known to be harmless, raises
        its kind; nothing lowers it.
    """
    word = " ".join((declared or "").split())
    if not word or word.casefold() in _HARMLESS:
        return replace(target, asked_database=True)
    reason = "the database declares itself production"
    if word.casefold() != "production":
        reason = f"the database declares itself {shown(word)}, which counts as production"
    return replace(target, kind=TargetKind.PRODUCTION, reason=reason, asked_database=True)


def _check_url(endpoint: Endpoint, *, loopback: bool) -> None:
    hint = "write it as https://host, such as https://<project ref>.supabase.co"
    if endpoint.scheme not in _DEFAULT_PORTS:
        refuse(URL_VARIABLE, f"starts with {endpoint.scheme[:20]}://, not with https://", hint)
    if endpoint.user is not None:
        refuse(URL_VARIABLE, f"has a user name before the host {shown(endpoint.host)}", hint)
    if endpoint.rest not in {"", "/"}:
        refuse(URL_VARIABLE, "has something after the host and port", hint)
    if endpoint.scheme == "http" and not loopback:
        refuse(
            URL_VARIABLE,
            f"would send the key unencrypted to {shown(endpoint.host)}",
            "use https://; http:// is for this machine alone",
        )


def _ref(endpoint: Endpoint, facts: KeyFacts) -> str | None:
    in_url = project_ref(endpoint.host)
    if in_url and facts.ref and in_url != facts.ref:
        raise ConfigurationError(
            f"{URL_VARIABLE} is project {in_url}, but the key belongs to project {facts.ref}",
            hint="take both from the same project's API settings",
        )
    return in_url or facts.ref


def _judge(
    at: _Place,
    production: Sequence[_Declaration],
    harmless: Sequence[_Declaration],
    *,
    sandbox: bool,
) -> tuple[TargetKind, str]:
    declared = _declared_production(at, production)
    if declared:
        return TargetKind.PRODUCTION, f"{declared} is declared in {PROD_VARIABLE}"
    if sandbox:
        return TargetKind.LOCAL, "this console started it on this machine"
    if at.loopback and at.ref is None:
        return TargetKind.LOCAL, "it is on this machine, and the key names no hosted project"
    declared = _declared_harmless(at, harmless)
    if declared:
        return TargetKind.STAGING, f"{declared} is declared in {NON_PROD_VARIABLE}"
    what = f"unknown project {at.ref}" if at.ref else f"unknown remote host {at.host}"
    if at.loopback:
        what = f"the key belongs to hosted project {at.ref}"
    return TargetKind.PRODUCTION, f"{what}: production until declared in {NON_PROD_VARIABLE}"


def _declared_production(at: _Place, entries: Sequence[_Declaration]) -> str | None:
    for entry in entries:
        if at.ref and entry.ref == at.ref:
            return f"project {at.ref}"
        # All spellings of this machine are one.
        if entry.names(at.host) or (at.loopback and entry.host and is_loopback(entry.host)):
            return f"host {at.host}"
    return None


def _declared_harmless(at: _Place, entries: Sequence[_Declaration]) -> str | None:
    # An address may be the near end of a tunnel: with a hosted key, only the project counts.
    tunnel = at.ref is not None and (at.loopback or is_address(at.host))
    for entry in entries:
        if at.ref and entry.ref == at.ref:
            return f"project {at.ref}"
        if entry.names(at.host) and not tunnel and entry.port in {None, at.port}:
            return f"host {at.host}"
    return None


def _declaration(entry: str, source: str) -> _Declaration:
    """Read one declared host, URL, project ref or pooler user name."""
    hint = "declare the host itself, or the project ref; names below a host are included"
    text = entry.strip()
    if text.startswith(("*", ".")):
        refuse(source, f"has the entry {shown(text)}, which is a pattern", hint)
    bare_user = _BARE_POOLER_USER.fullmatch(text.lower())
    if bare_user:
        return _Declaration(None, bare_user.group(1), None)
    user: str | None = None
    if "://" in text:
        endpoint = parse_endpoint(text, source)
        user, host, port = endpoint.user, endpoint.host, endpoint.port
        database = endpoint.scheme in {"postgres", "postgresql"}
        if not database and (endpoint.scheme not in _DEFAULT_PORTS or user is not None):
            refuse(source, f"has an entry for {shown(host)} that is no plain host or URL", hint)
        # Its port is the database's, which says nothing about the project's HTTP port.
        port = None if database else port
        if endpoint.rest not in {"", "/"} and not database:
            refuse(source, f"has an entry for {shown(host)} with a path", hint)
    else:
        address = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
        host, port = parse_address(address, source)
    pooler_user = _POOLER_USER.fullmatch((user or "").lower())
    if pooler_user and below(host, "supabase.com"):
        return _Declaration(None, pooler_user.group(1), None)
    if is_shared(host):
        refuse(source, f"has the entry {shown(text)}, which many projects share", hint)
    ref = project_ref(host)
    if host == "localhost":
        return _Declaration(host, None, port, exact=True)
    if ref is None and "." not in host and ":" not in host:
        # One label is a ref, or a machine of exactly this name; never a domain.
        return _Declaration(None if _REF.fullmatch(host) else host, host, port, exact=True)
    return _Declaration(host, ref, port)


def _origin(scheme: str, host: str, port: int) -> str:
    address = f"[{host}]" if ":" in host else host
    return f"{scheme}://{address}" + ("" if port == _DEFAULT_PORTS[scheme] else f":{port}")
