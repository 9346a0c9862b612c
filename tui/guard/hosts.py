"""How hosts are spelled: one canonical form, or a refusal. Pure.

What is classified must be what the HTTP client would contact, so nothing here guesses: a spelling
that the client, the resolver and a reader could each take differently is refused.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, NoReturn

from tui.errors import ConfigurationError

# The platform's domains below which the first or second label is a project's ref.
PLATFORM_DOMAINS: Final = ("supabase.co", "supabase.in", "supabase.red")

_PLATFORM_SERVICES: Final = frozenset(
    {"api", "app", "auth", "db", "functions", "pooler", "realtime", "rest", "status", "storage"}
    | {"studio", "www"}
)

# Domains whose names belong to different people, so that one declared says nothing of another.
_SHARED_DOMAINS: Final = """
    amazonaws.com appspot.com azure.com azurecontainerapps.io azurewebsites.net cloudflare.net
    cloudfront.net digitaloceanspaces.com duckdns.org elasticbeanstalk.com firebaseapp.com fly.dev
    github.io gitlab.io googleapis.com herokuapp.com loca.lt netlify.app ngrok-free.app
    ngrok-free.dev ngrok.app ngrok.dev ngrok.io nip.io ondigitalocean.app onrender.com pages.dev
    railway.app run.app serveo.net sslip.io supabase.com supabase.dev supabase.io supabase.net
    trycloudflare.com ts.net up.railway.app vercel.app web.app windows.net workers.dev
"""
_SHARED: Final = frozenset(_SHARED_DOMAINS.split())

# Second labels under which countries register names: `co.uk`, `com.au`, `or.jp`.
_REGISTRY_LABELS: Final = frozenset(
    {"ac", "co", "com", "edu", "go", "gob", "gov", "id", "info", "ltd", "mil", "ne", "net", "nom"}
    | {"or", "org", "plc", "sch", "web"}
)

# Top-level domains long enough to be taken for a project's ref; shorter ones are told by length.
_LONG_TOP_LEVEL_DOMAINS: Final = """
    agency cloud codes digital education email example global group health hospital house
    internal international invalid local medical museum network online school services site
    solutions space store studio support systems technology today tools travel university website
    world
"""
_LONG_TOP_LEVEL: Final = frozenset(_LONG_TOP_LEVEL_DOMAINS.split())
_SHORTEST_REF: Final = 5

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DOTTED_QUAD: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)")
_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_LONGEST: Final = 2048


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a URL leads.

    Attributes:
        scheme: In lower case.
        user: The user name in the URL, or None. A password is never kept.
        host: Canonical: lower case, IDNA-encoded, no final dot, no brackets.
        port: As written, or None.
        rest: Path, query and fragment as written.
    """

    scheme: str
    user: str | None
    host: str
    port: int | None
    rest: str


def shown(text: str) -> str:
    """A piece of input, fit for a message: bounded, printable, without what stands before an @."""
    return ascii(text.rsplit("@", 1)[-1][:60])


def refuse(source: str, problem: str, hint: str) -> NoReturn:
    """Raise the configuration error for a value of `source`, a variable's name."""
    raise ConfigurationError(f"{source} {problem}", hint=hint)


def parse_endpoint(text: str, source: str) -> Endpoint:
    """Read an absolute URL.

    Args:
        text: The URL as configured.
        source: The variable it comes from, for messages.

    Raises:
        ConfigurationError: It is no URL, or it is spelled in a way that can be taken two ways.
    """
    hint = "write it as https://host, such as https://<project ref>.supabase.co"
    if len(text) > _LONGEST:
        refuse(source, f"is longer than {_LONGEST} characters", hint)
    if any(not char.isprintable() or char.isspace() for char in text):
        refuse(source, "contains white space or an invisible character", hint)
    if "\\" in text:
        refuse(source, "contains a backslash, which programs read differently", hint)
    match = _URL.fullmatch(text)
    if match is None:
        refuse(source, "is not a URL with a scheme and a host", hint)
    scheme, authority, rest = match.groups()
    user, at, address = authority.rpartition("@")
    host, port = parse_address(address, source)
    return Endpoint(scheme.lower(), user.partition(":")[0] if at else None, host, port, rest)


def parse_address(text: str, source: str) -> tuple[str, int | None]:
    """Read `host` or `host:port`, an IPv6 address in brackets.

    Returns:
        The canonical host and the port as written, None where there is none.

    Raises:
        ConfigurationError: It is spelled in a way that can be taken two ways.
    """
    if "@" in text:
        refuse(source, f"has a user name before the host {shown(text)}", "leave the user name out")
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        refuse(source, f"has no valid host and port in {shown(text)}", "write host or host:port")
    host, port = match.group(1), match.group(2)
    if port and not 1 <= int(port) <= 65_535:
        refuse(source, f"has the port {port}", "a port is a number from 1 to 65535")
    return canonical_host(host, source), int(port) if port else None


def canonical_host(text: str, source: str) -> str:
    """The one spelling of a host name or address.

    Lower case, IDNA-encoded as the HTTP client does it, one final dot dropped, an IPv6 address
    compressed, an IPv4 address mapped into IPv6 written as IPv4.

    Args:
        text: A host name, an IPv4 address, or an IPv6 address in brackets.
        source: The variable it comes from, for messages.

    Raises:
        ConfigurationError: It is no host, or one that resolvers read differently.
    """
    if text.startswith("["):
        return _ipv6(text[1:-1], source)
    host = text.lower()
    if not host.isascii():
        host = _idna(host, source)
    host = host.removesuffix(".")
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        refuse(
            source,
            f"has the host {shown(text)}, which is no host name",
            "check it for typing slips",
        )
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
            f"has the host {shown(host)}, which is no valid international name",
            "write the host in plain letters, or in its xn-- form",
        )


def _ipv4(host: str, source: str) -> str:
    try:
        address = ipaddress.IPv4Address(host)
    except ipaddress.AddressValueError:
        # The resolver reads 127.1, 0x7f.1 and 0177.0.0.1 as addresses, browsers some of them.
        refuse(
            source,
            f"has the address {shown(host)}, which programs read differently",
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
            f"has the address {shown(text)}, which is no plain IPv6 address",
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


def below(host: str, domain: str) -> bool:
    """Whether a canonical host is `domain` or a name below it, on a dot boundary.

    Nothing is below an address: no canonical name ends in a number.
    """
    return host == domain or host.endswith(f".{domain}")


def project_ref(host: str) -> str | None:
    """The hosted project that a canonical host belongs to, or None.

    Knows `<ref>.supabase.co`, `db.<ref>.supabase.co` and `<ref>.functions.supabase.co`.
    """
    for domain in PLATFORM_DOMAINS:
        if host.endswith(f".{domain}"):
            labels = host.removesuffix(f".{domain}").split(".")
            while labels and labels[-1] in _PLATFORM_SERVICES:
                labels.pop()
            return labels[-1] if labels else None
    return None


def is_shared(host: str) -> bool:
    """Whether a canonical host names many people's projects, so that declaring it says nothing."""
    if is_address(host) or host == "localhost":
        return False
    labels = host.split(".")
    if len(labels) == 1:
        return len(host) < _SHORTEST_REF or host in _LONG_TOP_LEVEL
    if any(below(host, domain) for domain in (*PLATFORM_DOMAINS, "supabase.com")):
        return project_ref(host) is None
    registry = len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _REGISTRY_LABELS
    # A load balancer's own name has three labels or more before this domain, a region fewer.
    region = below(host, "amazonaws.com") and len(labels) <= 4
    return registry or region or host in _SHARED
