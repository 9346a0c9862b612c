"""Which project is this, is it production, and which fact says so. Pure.

An unknown remote host is production. Production wins every tie. What cannot be read for certain is
a configuration error, never "not production".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from tui.errors import ConfigurationError, OperatorError
from tui.guard.api_key import KeyFacts, read_key
from tui.guard.hosts import (
    DEFAULT_PORTS,
    Endpoint,
    is_address,
    is_loopback,
    is_private,
    is_ref,
    parse_address,
    parse_endpoint,
    project_ref,
    refuse,
    replica_of,
)
from tui.redact import redact
from tui.settings import ANON_KEY, KEY, NON_PROD_HOSTS, PROD_HOSTS, URL, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tui.settings import Settings

T = TypeVar("T")


# Words by which a database says that it is not production. Any other word counts as production.
_HARMLESS: Final = frozenset(
    {"dev", "development", "local", "preview", "sandbox", "stage", "staging", "test", "testing"}
)
_UNASKED: Final = "; the database has no function to ask what it is"
# The spellings of this machine that are one. Others of 127.0.0.0/8 may be a tunnel's near end.
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_ENVIRONMENT_FILE: Final = re.compile(r"\.env(\.[A-Za-z0-9_-]+)?")
# Those that carry no project of their own.
_PATTERNS: Final = frozenset({".env.example", ".env.sample", ".env.template", ".env.dist"})


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
        reason: One short English clause naming the fact that decided.
        asked_database: Whether the database was asked to declare itself (see
            `declared_by_database`). Nothing may be written before.
        production: Hosts and refs declared production, for what replies say later.
    """

    url: str
    host: str
    port: int
    ref: str | None
    kind: TargetKind
    reason: str
    key: KeyFacts
    asked_database: bool = False
    production: frozenset[str] = frozenset()

    @property
    def identity(self) -> str:
        """What an operator types to name this target: the project ref, else the host."""
        return self.ref or self.host

    @property
    def place(self) -> str:
        """What distinguishes this target from every other in the history.

        Two databases on one machine, or behind two tunnels to it, share a host name and nothing
        else.
        """
        if self.ref or (self.port in {80, 443} and self.kind is not TargetKind.LOCAL):
            return self.identity
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_production(self) -> bool:
        """Whether the guard refuses writes without break-glass."""
        return self.kind is TargetKind.PRODUCTION

    @property
    def names(self) -> list[str]:
        """Every name that this project has, the most telling first."""
        issuer = self.key.issuer_host
        names = [self.ref, self.key.ref, self.host, issuer, project_ref(issuer or "")]
        return list(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment file; either its target, or why it cannot be classified."""

    path: Path
    target: Target | None
    problem: str | None = None


def environments(directory: Path, environ: Mapping[str, str]) -> list[Environment]:
    """The environment files of a directory, `.env` first.

    The process environment's declarations of production count for each.
    """

    def described(path: Path) -> Environment:
        try:
            settings = load_settings(environ=environ, directory=directory, env_file=path)
            return Environment(path, target_of(settings))
        except OperatorError as error:
            return Environment(path, None, error.message)

    try:
        found = [
            path
            for path in directory.iterdir()
            if _ENVIRONMENT_FILE.fullmatch(path.name)
            and path.name not in _PATTERNS
            and path.is_file()
        ]
    except OSError:
        return []
    return [described(path) for path in sorted(found, key=lambda path: path.name)]


def target_of(settings: Settings, *, sandbox: bool = False) -> Target:
    """Classify the configured project.

    Raises:
        ConfigurationError: As `classify`; or URL or key is not set, the anon key cannot be read,
            or URL and keys come from different layers and do not name each other.
    """
    url = _required(URL, settings.url, settings)
    key = _required(KEY, settings.service_role_key, settings)
    target = classify(
        url,
        key.reveal(),
        prod_hosts=settings.prod_hosts,
        non_prod_hosts=settings.non_prod_hosts,
        sandbox=sandbox,
    )
    keys = {KEY: target.key}
    if settings.anon_key is not None:
        keys[ANON_KEY] = read_key(settings.anon_key.reveal(), ANON_KEY)
    if not sandbox:
        for name, facts in keys.items():
            _check_layer(name, facts, target, settings)
    return target


def _required(name: str, value: T | None, settings: Settings) -> T:
    if value is None:
        raise ConfigurationError(
            f"{name} is not set in {settings.project_source}",
            hint="copy it from the project's API settings, or pass --sandbox",
        )
    return value


def _check_layer(name: str, key: KeyFacts, target: Target, settings: Settings) -> None:
    """Refuse a key from elsewhere than the URL that does not name its project."""
    url_from, key_from = settings.sources.get(URL), settings.sources.get(name)
    if url_from == key_from or (key.ref is not None and key.ref == project_ref(target.host)):
        return
    raise ConfigurationError(
        f"{URL} is from {_layer(url_from)}, but {name} is from {_layer(key_from)}, and "
        "the key does not name the project of the URL",
        hint="set both in one place; a file named by --env-file counts alone",
    )


def _layer(source: str | None) -> str:
    return "the environment" if source == "environment" else str(source)


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
        prod_hosts: Entries of HEATMAP_VERIFY_PROD_HOSTS: hosts, URLs, project refs, each exact.
            Ports are ignored: a wider match is the safer one.
        non_prod_hosts: Entries of HEATMAP_VERIFY_NON_PROD_HOSTS. One with a port means that port.
        sandbox: Whether this process started the target itself. A production declaration still
            wins.

    Raises:
        ConfigurationError: The URL, the key or a declaration cannot be read for certain, the URL
            and the key belong to different projects, or http:// would leave this machine for
            anything but a private host declared not to be production.
    """
    endpoint = parse_endpoint(url, URL)
    _check_url(endpoint)
    facts = read_key(key)
    production, harmless = check_declarations(prod_hosts, non_prod_hosts)
    if sandbox and not is_loopback(endpoint.host):
        raise ConfigurationError(
            f"the sandbox is on this machine, but {URL} leads to {endpoint.host}",
            hint="leave out --sandbox, or the variable",
        )
    in_url = project_ref(endpoint.host)
    if in_url and facts.ref and in_url != facts.ref:
        raise ConfigurationError(
            f"{URL} is project {in_url}, but the key belongs to project {facts.ref}",
            hint="take both from the same project's API settings",
        )
    target = Target(
        url=endpoint.origin,
        host=endpoint.host,
        port=endpoint.port or DEFAULT_PORTS[endpoint.scheme],
        ref=in_url or facts.ref,
        kind=TargetKind.PRODUCTION,
        reason="it is not classified yet",
        key=facts,
        production=production,
    )
    kind, reason = _judge(target, harmless, sandbox=sandbox)
    if endpoint.scheme == "http" and not is_loopback(target.host):
        declared = is_private(target.host) and _names_host(target, harmless)
        if not declared or kind is TargetKind.PRODUCTION:
            refuse(
                URL,
                f"would send the key unencrypted to {target.host}",
                "use https://; http:// is for this machine, and for a private host that is "
                f"declared in {NON_PROD_HOSTS}",
            )
        reason += "; http:// sends the key unencrypted"
    return replace(target, kind=kind, reason=reason)


def check_declarations(
    prod_hosts: Iterable[str], non_prod_hosts: Iterable[str]
) -> tuple[frozenset[str], frozenset[tuple[str, int | None]]]:
    """Read the names declared production, and names and ports declared not to be."""
    production = (_declaration(*each, PROD_HOSTS) for each in enumerate(prod_hosts, 1))
    harmless = (_declaration(*each, NON_PROD_HOSTS) for each in enumerate(non_prod_hosts, 1))
    return frozenset(name for name, _ in production), frozenset(harmless)


def declared_by_database(
    target: Target, declared: str | None, *, could_be_asked: bool = True
) -> Target:
    """The target after its database was asked what it is; its kind never falls.

    "production", and any word not known to be harmless, makes it production. Where the database has
    no function to ask, the reason says so.
    """
    word = " ".join((declared or "").split())
    if not word or word.casefold() in _HARMLESS:
        reason = target.reason.removesuffix(_UNASKED) + ("" if could_be_asked else _UNASKED)
        return replace(target, reason=reason, asked_database=True)
    reason = "the database declares itself production"
    if word.casefold() != "production":
        reason = f"the database declares itself {word[:60]!a}, which counts as production"
    return replace(target, kind=TargetKind.PRODUCTION, reason=reason, asked_database=True)


def named_by_reply(target: Target, ref: str) -> Target:
    """The target after a reply named the hosted project that it comes from.

    It is production where that project is declared production, or where the target was taken for
    this machine and is the near end of a tunnel.
    """
    if target.ref is not None and ref != target.ref:
        raise ConfigurationError(
            f"{URL} and its key are project {target.ref}, but the replies come from project {ref}",
            hint="something in between leads elsewhere: use the project's own address",
        )
    if ref in target.production:
        reason = f"replies come from project {ref}, which is declared in {PROD_HOSTS}"
    elif target.kind is TargetKind.LOCAL:
        reason = f"replies come from hosted project {ref}: this is a tunnel"
    else:
        return target
    return replace(target, kind=TargetKind.PRODUCTION, reason=reason)


def _check_url(endpoint: Endpoint) -> None:
    path = endpoint.rest.rstrip("/")
    if path:
        what = f"the path {path}" if path in _KNOWN_PATHS else "something"
        refuse(URL, f"has {what} after the host and port", f"write {_meant(endpoint)}")
    replica = replica_of(endpoint.host)
    if replica:
        refuse(
            URL,
            f"names read replicas of project {replica}, which take no writes and lag behind",
            f"write https://{replica}.supabase.co",
        )


_KNOWN_PATHS: Final = frozenset(
    {"/rest/v1", "/auth/v1", "/storage/v1", "/functions/v1", "/realtime/v1", "/graphql/v1"}
)


def _meant(endpoint: Endpoint) -> str:
    """The URL meant by one with a path, be it the dashboard's page of a project."""
    if endpoint.host in {"supabase.com", "app.supabase.com"}:
        for part in endpoint.rest.partition("?")[0].split("/"):
            if is_ref(part):
                return f"https://{part}.supabase.co"
    return endpoint.origin


def _judge(
    at: Target, harmless: frozenset[tuple[str, int | None]], *, sandbox: bool
) -> tuple[TargetKind, str]:
    loopback = is_loopback(at.host)
    for name in at.names:
        # All spellings of this machine are one.
        if name in at.production or (is_loopback(name) and any(map(is_loopback, at.production))):
            return TargetKind.PRODUCTION, f"{_called(name, at)} is declared in {PROD_HOSTS}"
    if sandbox:
        return TargetKind.LOCAL, "this console started it on this machine"
    if loopback and at.ref is None and at.key.is_demo:
        return TargetKind.LOCAL, "it is on this machine, with a key of the local development stack"
    if at.ref and (at.ref, None) in harmless:
        return TargetKind.STAGING, f"project {at.ref} is declared in {NON_PROD_HOSTS}"
    # An address may be the near end of a tunnel: with a hosted key, only the project counts.
    tunnel = at.key.ref is not None and (is_address(at.host) or is_private(at.host))
    if _names_host(at, harmless) and not tunnel:
        return TargetKind.STAGING, f"host {at.host} is declared in {NON_PROD_HOSTS}"
    what = f"unknown project {at.ref}" if at.ref else f"unknown remote host {at.host}"
    if loopback:
        what = "it is on this machine, but the key is not one of the local development stack"
        if at.ref:
            what = f"the key belongs to hosted project {at.ref}"
    return TargetKind.PRODUCTION, f"{what}: production until declared in {NON_PROD_HOSTS}"


def _called(name: str, at: Target) -> str:
    if name in {at.ref, at.key.ref}:
        return f"project {name}"
    return f"host {name}" if name == at.host else f"the key's issuer {name}"


def _names_host(at: Target, harmless: frozenset[tuple[str, int | None]]) -> bool:
    if is_ref(at.host):
        return False
    hosts = _HERE if at.host in _HERE else {at.host}
    return any((host, port) in harmless for host in hosts for port in (None, at.port))


def _declaration(number: int, entry: str, source: str) -> tuple[str, int | None]:
    """Read one declared host, URL or project ref."""
    where = f"{source}, entry {number},"
    hint = "declare hosts or project refs, separated by commas; each is exact"
    text = entry.strip()
    if not text:
        refuse(where, "is empty; a list that goes on in the next line is cut", hint)
    if text.startswith(("*", ".")):
        refuse(where, "is a pattern", hint)
    if redact(text) != text:
        refuse(where, "holds a key or a password", hint)
    if "://" in text:
        endpoint = parse_endpoint(text, where)
        host, port = endpoint.host, endpoint.port
        if endpoint.rest not in {"", "/"}:
            refuse(where, "is a URL with a path", hint)
    else:
        address = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
        host, port = parse_address(address, where)
    ref = project_ref(host)
    # The port of a project's database says nothing about its HTTP port.
    return (ref, None) if ref else (host, port)
