"""How hosts are spelled: one canonical form, or a refusal. Pure.

What is classified must be what the HTTP client would contact, so nothing here guesses: a spelling
that the client, the resolver and a reader could each take differently is refused. A refusal shows
nothing of what could not be read, which may be a password.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, NoReturn

from tui.errors import ConfigurationError

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
WRITE_IT_AS: Final = "write it as https://host, such as https://<project ref>.supabase.co"

# The platform's domains below which a label of this form is a project's ref: alone, or as the name
# of a read replica or of the load balancer before the replicas. Any other label is a mere name.
_PLATFORM_DOMAINS: Final = ("supabase.co", "supabase.in", "supabase.red")
_REF: Final = re.compile(r"([a-z0-9]{20})(-rr-[a-z0-9-]+|-all)?")

# Domains that are never delegated to anybody: what is below them is on a private network.
_PRIVATE_DOMAINS: Final = (".internal", ".local", ".localhost", ".test", ".home.arpa")

# Shown where one is given; of any other, the first part may be anything.
_OTHER_SCHEMES: Final = frozenset({"ftp", "postgres", "postgresql", "ws", "wss"})
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DOTTED_QUAD: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)")
_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_LONGEST: Final = 2048


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a URL leads. `host` is canonical; port and rest are as written."""

    scheme: str
    host: str
    port: int | None
    rest: str

    @property
    def origin(self) -> str:
        address = f"[{self.host}]" if ":" in self.host else self.host
        own = self.port in {None, DEFAULT_PORTS[self.scheme]}
        return f"{self.scheme}://{address}" + ("" if own else f":{self.port}")


def refuse(source: str, problem: str, hint: str) -> NoReturn:
    """Raise the configuration error for a value of `source`, a variable's name."""
    raise ConfigurationError(f"{source} {problem}", hint=hint)


def parse_endpoint(text: str, source: str) -> Endpoint:
    """Read an http or https URL; `source` is its variable, for messages."""
    if len(text) > _LONGEST:
        refuse(source, f"is longer than {_LONGEST} characters", WRITE_IT_AS)
    if any(not char.isprintable() or char.isspace() for char in text):
        refuse(source, "contains white space or an invisible character", WRITE_IT_AS)
    if "\\" in text:
        refuse(source, "contains a backslash, which programs read differently", WRITE_IT_AS)
    if text[:1] in {'"', "'"}:
        refuse(source, "carries its quotes along", "leave the quotes out")
    match = _URL.fullmatch(text)
    if match is None:
        refuse(source, "is not a URL with a scheme and a host", WRITE_IT_AS)
    scheme, authority, rest = match.groups()
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS:
        known = f"starts with {scheme}://, not" if scheme in _OTHER_SCHEMES else "does not start"
        refuse(source, f"{known} with https://", WRITE_IT_AS)
    if "@" in authority + rest:
        # A password may hold a slash, so that what precedes it looks like the host.
        where = "a user name before the host" if "@" in authority else "an @ after the host"
        refuse(source, f"has {where}", WRITE_IT_AS)
    host, port = parse_address(authority, source)
    return Endpoint(scheme, host, port, rest)


def parse_address(text: str, source: str) -> tuple[str, int | None]:
    """Read `host` or `host:port`, an IPv6 address in brackets."""
    if "@" in text:
        refuse(source, "has a user name before the host", "leave the user name out")
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        refuse(source, "has no valid host and port", "write host or host:port")
    host, port = match.group(1), match.group(2)
    if port and not 1 <= int(port) <= 65_535:
        refuse(source, "has a port that is none", "a port is a number from 1 to 65535")
    return canonical_host(host, source), int(port) if port else None


def canonical_host(text: str, source: str) -> str:
    """The one spelling of a host name or address.

    Lower case, IDNA-encoded as the HTTP client does it, one final dot dropped, an IPv6 address
    compressed, an IPv4 address mapped into IPv6 written as IPv4.
    """
    if text.startswith("["):
        return _ipv6(text[1:-1], source)
    host = text.lower()
    if not host.isascii():
        host = _idna(host, source)
    host = host.removesuffix(".")
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        refuse(source, "has a host that is no host name", "check it for typing slips")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(host, source)
    return host


def _idna(host: str, source: str) -> str:
    # Its tables take longer to load than all the rest here, and few hosts need them.
    import idna  # noqa: PLC0415

    try:
        return idna.encode(host).decode("ascii")
    except idna.IDNAError:
        refuse(
            source,
            "has a host that is no valid international name",
            "write the host in plain letters, or in its xn-- form",
        )


def _ipv4(host: str, source: str) -> str:
    try:
        address = ipaddress.IPv4Address(host)
    except ipaddress.AddressValueError:
        # The resolver reads 127.1, 0x7f.1 and 0177.0.0.1 as addresses, browsers some of them.
        refuse(
            source,
            "has an address that programs read differently",
            "write an IPv4 address as four decimal numbers, such as 127.0.0.1",
        )
    return _specific(address, source)


def _ipv6(text: str, source: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ipaddress.AddressValueError:
        address = None
    if address is None or address.scope_id is not None:
        refuse(
            source,
            "has an address that is no plain IPv6 address",
            "write an IPv6 address in brackets and without a zone, such as [::1]",
        )
    return _specific(address.ipv4_mapped or address, source)


def _specific(address: ipaddress.IPv4Address | ipaddress.IPv6Address, source: str) -> str:
    if address.is_unspecified:
        refuse(source, f"has the address {address}, which names no machine", "write 127.0.0.1")
    return str(address)


def is_address(host: str) -> bool:
    """Whether a canonical host is an IP address rather than a name."""
    return ":" in host or _DOTTED_QUAD.fullmatch(host) is not None


def is_loopback(host: str) -> bool:
    """Whether a canonical host is this machine: 127.0.0.0/8, ::1, localhost.

    Not the names below it: some resolvers ask the network where those lead.
    """
    if is_address(host):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def is_private(host: str) -> bool:
    """Whether a canonical host is an address or name of a private network."""
    if is_address(host):
        return ipaddress.ip_address(host).is_private
    return ("." not in host and not is_ref(host)) or host.endswith(_PRIVATE_DOMAINS)


def is_ref(host: str) -> bool:
    """Whether a canonical host has the form of a project ref."""
    match = _REF.fullmatch(host)
    return match is not None and match[2] is None


def project_ref(host: str) -> str | None:
    """The hosted project that a canonical host belongs to.

    Knows `<ref>.supabase.co`, what is below it or between (`db.`, `.functions`), and replicas.
    """
    return _hosted(host)[0]


def replica_of(host: str) -> str | None:
    """The hosted project whose read replicas a canonical host names."""
    ref, replica = _hosted(host)
    return ref if replica else None


def _hosted(host: str) -> tuple[str | None, bool]:
    for domain in _PLATFORM_DOMAINS:
        if host.endswith(f".{domain}"):
            for label in reversed(host.removesuffix(f".{domain}").split(".")):
                match = _REF.fullmatch(label)
                if match:
                    return match[1], match[2] is not None
    return None, False
