"""The guard's eye: every spelling classifies as written down beside it, and none slips through."""

# Look-alike characters are what much of this is about.
# ruff: noqa: RUF001, RUF003

from __future__ import annotations

import base64
import ipaddress
import json

import httpx
import pytest
import yarl
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tui.errors import ConfigurationError
from tui.guard.target import (
    Target,
    TargetKind,
    classify,
    declared_by_database,
    named_by_reply,
)

PROD = "prodprodprodprodprod"
STAGE = "stagestagestagestage"
OTHER = "otherotherotherother"

PROD_HOSTS = (PROD, "learn.example.org", "xn--bcher-kva.example", "203.0.113.7", "[2001:db8::7]")
NON_PROD_HOSTS = (STAGE, "staging.example.org", "qa.example.net:8443", "198.51.100.4", "localhost")


def jwt(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


KEYS = {
    "opaque": "sb_secret_" + "abcdefghijklmnopqrstuv_12345678",
    "cli": "sb_secret_" + "N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz",
    "issued": jwt(iss="https://auth.example.net/auth/v1", role="service_role"),
    "issued by production": jwt(iss="https://Learn.example.org:443/auth/v1", role="service_role"),
    "demo": jwt(iss="supabase-demo", role="service_role", exp=1983812996),
    "prod": jwt(iss="supabase", role="service_role", ref=PROD),
    "stage": jwt(iss="supabase", role="service_role", ref=STAGE),
    "other": jwt(iss="supabase", role="service_role", ref=OTHER),
}

LOCAL, STAGING, PRODUCTION = TargetKind.LOCAL, TargetKind.STAGING, TargetKind.PRODUCTION
REFUSED = None

# URL, key, expected kind, expected host (or, where refused, a part of the message).
TABLE: list[tuple[str, str, TargetKind | None, str]] = [
    # This machine, in its plain spellings
    ("http://127.0.0.1:54321", "opaque", STAGING, "127.0.0.1"),
    ("http://127.0.0.1:54321/", "demo", LOCAL, "127.0.0.1"),
    ("http://localhost:54321", "demo", LOCAL, "localhost"),
    ("http://LOCALHOST", "demo", LOCAL, "localhost"),
    ("HTTP://localhost.:8000", "demo", LOCAL, "localhost"),
    ("https://localhost", "opaque", STAGING, "localhost"),
    ("http://127.0.0.9", "opaque", PRODUCTION, "127.0.0.9"),
    ("http://localhost", "issued", STAGING, "localhost"),
    ("http://localhost", "issued by production", PRODUCTION, "localhost"),
    ("http://localhost", "cli", LOCAL, "localhost"),
    ("http://127.255.255.254", "demo", LOCAL, "127.255.255.254"),
    ("http://[::1]:54321", "demo", LOCAL, "::1"),
    ("http://[0:0:0:0:0:0:0:1]", "demo", LOCAL, "::1"),
    ("http://[::ffff:127.0.0.1]:54321", "demo", LOCAL, "127.0.0.1"),
    ("http://[::FFFF:7F00:1]", "demo", LOCAL, "127.0.0.1"),
    ("http://localhost。", "demo", LOCAL, "localhost"),  # the ideographic full stop
    # Names below localhost: some resolvers ask the network where they lead
    ("http://api.localhost:3000", "demo", REFUSED, "unencrypted"),
    ("http://prod.localhost:54321", "opaque", REFUSED, "unencrypted"),
    ("https://api.localhost:3000", "demo", PRODUCTION, "api.localhost"),
    ("https://\u212aube.localhost", "opaque", PRODUCTION, "kube.localhost"),  # the Kelvin sign
    # This machine, with the key of a hosted project: a tunnel
    ("http://localhost:54321", "prod", PRODUCTION, "localhost"),
    ("http://127.0.0.1:54321", "prod", PRODUCTION, "127.0.0.1"),
    ("http://[::1]:54321", "other", PRODUCTION, "::1"),
    ("http://localhost:54321", "other", PRODUCTION, "localhost"),
    ("http://[::ffff:127.0.0.1]", "other", PRODUCTION, "127.0.0.1"),
    ("http://127.0.0.1:54321", "stage", STAGING, "127.0.0.1"),
    ("https://198.51.100.4", "other", PRODUCTION, "198.51.100.4"),
    # This machine, in spellings that resolvers and people read differently
    ("http://127.1", "demo", REFUSED, "read differently"),
    ("http://2130706433", "demo", REFUSED, "read differently"),
    ("http://0x7f.1", "demo", REFUSED, "read differently"),
    ("http://0x7f000001", "demo", REFUSED, "read differently"),
    ("http://0177.0.0.1", "demo", REFUSED, "read differently"),
    ("http://127.0.0.0x1", "demo", REFUSED, "read differently"),
    ("http://127.0.0.1.0", "demo", REFUSED, "read differently"),
    ("http://127.0.0.256", "demo", REFUSED, "read differently"),
    ("http://１２７.0.0.1", "demo", REFUSED, "international"),
    ("http://ｌocalhost", "demo", REFUSED, "international"),
    ("http://0.0.0.0:54321", "demo", REFUSED, "no machine"),
    ("http://[::]:54321", "demo", REFUSED, "no machine"),
    ("http://[::1%25lo]:54321", "demo", REFUSED, "plain IPv6"),
    ("http://[fe80::1%eth0]", "demo", REFUSED, "plain IPv6"),
    ("http://[::1", "demo", REFUSED, "host and port"),
    ("http://[::1]evil.example", "demo", REFUSED, "host and port"),
    ("http://::1:54321", "demo", REFUSED, "host and port"),
    # What only looks like this machine
    ("https://127.evil.example", "demo", PRODUCTION, "127.evil.example"),
    ("https://127.0.0.1.evil.example", "demo", PRODUCTION, "127.0.0.1.evil.example"),
    ("https://localhost.evil.example", "demo", PRODUCTION, "localhost.evil.example"),
    ("https://notlocalhost", "demo", PRODUCTION, "notlocalhost"),
    ("https://localhost.localdomain", "demo", PRODUCTION, "localhost.localdomain"),
    ("https://128.0.0.1", "demo", PRODUCTION, "128.0.0.1"),
    ("https://[::127.0.0.1]", "demo", PRODUCTION, "::7f00:1"),
    ("https://[64:ff9b::7f00:1]", "demo", PRODUCTION, "64:ff9b::7f00:1"),
    ("http://127.evil.example", "demo", REFUSED, "unencrypted"),
    ("https://localhost@evil.example", "demo", REFUSED, "user name"),
    ("https://localhost:80@evil.example", "demo", REFUSED, "user name"),
    ("https://evil.example@localhost", "demo", REFUSED, "user name"),
    ("https://@evil.example", "demo", REFUSED, "user name"),
    ("https://localhost\\@evil.example", "demo", REFUSED, "backslash"),
    ("https:\\\\localhost", "demo", REFUSED, "backslash"),
    ("https://localhost%2eevil.example", "demo", REFUSED, "no host name"),
    ("https://%6c%6f%63%61%6c%68%6f%73%74", "demo", REFUSED, "no host name"),
    ("https://localhost%00.evil.example", "demo", REFUSED, "no host name"),
    ("https://localhost#@evil.example", "demo", REFUSED, "after the host"),
    ("https://localhost?@evil.example", "demo", REFUSED, "after the host"),
    ("https://localhost/@evil.example", "demo", REFUSED, "after the host"),
    # Declared production, however it is written
    (f"https://{PROD}.supabase.co", "prod", PRODUCTION, f"{PROD}.supabase.co"),
    (f"https://{PROD}.supabase.co", "opaque", PRODUCTION, f"{PROD}.supabase.co"),
    (f"https://{PROD.upper()}.SUPABASE.CO.:443/", "prod", PRODUCTION, f"{PROD}.supabase.co"),
    (f"https://{PROD}。supabase｡co", "prod", PRODUCTION, f"{PROD}.supabase.co"),
    (f"https://db.{PROD}.supabase.co", "prod", PRODUCTION, f"db.{PROD}.supabase.co"),
    (f"https://{PROD}.functions.supabase.co", "prod", PRODUCTION, f"{PROD}.functions.supabase.co"),
    (f"https://{PROD}.supabase.in", "opaque", PRODUCTION, f"{PROD}.supabase.in"),
    ("https://learn.example.org", "opaque", PRODUCTION, "learn.example.org"),
    ("https://LEARN.example.ORG.:8443", "opaque", PRODUCTION, "learn.example.org"),
    ("https://api.learn.example.org", "opaque", PRODUCTION, "api.learn.example.org"),
    ("https://bücher.example", "opaque", PRODUCTION, "xn--bcher-kva.example"),
    ("https://BÜCHER.example", "opaque", PRODUCTION, "xn--bcher-kva.example"),
    ("https://bu\u0308cher.example", "opaque", REFUSED, "international"),
    ("https://XN--BCHER-KVA.example", "opaque", PRODUCTION, "xn--bcher-kva.example"),
    ("https://203.0.113.7", "opaque", PRODUCTION, "203.0.113.7"),
    ("https://[::ffff:203.0.113.7]", "opaque", PRODUCTION, "203.0.113.7"),
    ("https://[2001:DB8:0::7]:8443", "opaque", PRODUCTION, "2001:db8::7"),
    ("https://staging.example.org", "prod", PRODUCTION, "staging.example.org"),
    (f"https://{STAGE}.supabase.co", "prod", REFUSED, PROD),
    (f"https://{PROD}.supabase.co", "stage", REFUSED, STAGE),
    # Declared not to be production
    (f"https://{STAGE}.supabase.co", "stage", STAGING, f"{STAGE}.supabase.co"),
    (f"https://{STAGE}.supabase.co:443", "opaque", STAGING, f"{STAGE}.supabase.co"),
    (f"https://db.{STAGE}.supabase.co", "opaque", STAGING, f"db.{STAGE}.supabase.co"),
    ("https://staging.example.org", "opaque", STAGING, "staging.example.org"),
    ("https://Staging.Example.ORG./", "opaque", STAGING, "staging.example.org"),
    ("https://staging.example.org:8443", "demo", STAGING, "staging.example.org"),
    ("https://api.staging.example.org", "demo", PRODUCTION, "api.staging.example.org"),
    ("https://staging.example.org", "other", STAGING, "staging.example.org"),
    ("https://anything.example", "stage", STAGING, "anything.example"),
    ("https://qa.example.net:8443", "opaque", STAGING, "qa.example.net"),
    ("https://198.51.100.4", "opaque", STAGING, "198.51.100.4"),
    # Near misses: unknown, hence production
    ("https://qa.example.net", "opaque", PRODUCTION, "qa.example.net"),
    ("https://notstaging.example.org", "opaque", PRODUCTION, "notstaging.example.org"),
    ("https://staging.example.org.evil.example", "opaque", PRODUCTION, ""),
    ("https://example.org", "opaque", PRODUCTION, "example.org"),
    ("https://staging-example.org", "opaque", PRODUCTION, "staging-example.org"),
    (f"https://{STAGE}.supabase.co.evil.example", "opaque", PRODUCTION, ""),
    (f"https://{STAGE}.evil.example", "opaque", PRODUCTION, ""),
    (f"https://x{STAGE}.supabase.co", "opaque", PRODUCTION, ""),
    (f"https://{OTHER}.supabase.co", "other", PRODUCTION, ""),
    (f"https://{STAGE}-supabase.co", "opaque", PRODUCTION, ""),
    (f"https://{STAGE}.{PROD}.supabase.co", "opaque", PRODUCTION, ""),
    (f"https://{STAGE}.supabase.com", "opaque", PRODUCTION, ""),
    ("https://supabase.co", "opaque", PRODUCTION, "supabase.co"),
    ("https://aws-0-eu-west-1.pooler.supabase.com:6543", "opaque", PRODUCTION, ""),
    ("https://1198.51.100.4.evil.example", "opaque", PRODUCTION, ""),
    ("HTTPS://qa.example.net:443", "opaque", PRODUCTION, "qa.example.net"),
    ("https://xn--staging.example.org", "opaque", PRODUCTION, "xn--staging.example.org"),
    ("https://stаging.example.org", "opaque", PRODUCTION, ""),  # a Cyrillic а
    # What cannot be read for certain
    ("", "opaque", REFUSED, "not a URL"),
    ("staging.example.org", "opaque", REFUSED, "not a URL"),
    ("//staging.example.org", "opaque", REFUSED, "not a URL"),
    ("https:staging.example.org", "opaque", REFUSED, "not a URL"),
    ("https:///staging.example.org", "opaque", REFUSED, "no host name"),
    ("https://", "opaque", REFUSED, "no host name"),
    ("https://.", "opaque", REFUSED, "no host name"),
    ("https://:443", "opaque", REFUSED, "no host name"),
    ("ftp://staging.example.org", "opaque", REFUSED, "ftp://"),
    ("ws://localhost", "opaque", REFUSED, "ws://"),
    ("http://staging.example.org", "opaque", REFUSED, "unencrypted"),
    ("http://10.0.0.5:8000", "opaque", REFUSED, "unencrypted"),
    (f"http://{STAGE}.supabase.co", "stage", REFUSED, "unencrypted"),
    (f"postgresql://postgres.{STAGE}:pw@aws-0-eu.pooler.supabase.com", "opaque", REFUSED, "postg"),
    ("https://staging.example.org..", "opaque", REFUSED, "no host name"),
    ("https://staging..example.org", "opaque", REFUSED, "no host name"),
    ("https://-staging.example.org", "opaque", REFUSED, "no host name"),
    (f"https://{'a' * 64}.example.org", "opaque", REFUSED, "no host name"),
    (f"https://{'a.' * 127}example", "opaque", REFUSED, "no host name"),
    ("https://staging.example.org:0", "opaque", REFUSED, "port"),
    ("https://staging.example.org:65536", "opaque", REFUSED, "port"),
    ("https://staging.example.org:44x", "opaque", REFUSED, "port"),
    ("https://staging.example.org:４４３", "opaque", REFUSED, "port"),
    ("https://staging.example.org:443:80", "opaque", REFUSED, "port"),
    (" https://staging.example.org", "opaque", REFUSED, "white space"),
    ("https://staging.example.org\n", "opaque", REFUSED, "white space"),
    ("https://stag\ting.example.org", "opaque", REFUSED, "white space"),
    ("https://staging.example.org\x00.evil.example", "opaque", REFUSED, "invisible"),
    ("https://staging\u200b.example.org", "opaque", REFUSED, "invisible"),
    ("https://staging\u00ad.example.org", "opaque", REFUSED, "invisible"),
    ("https://\u202egro.elpmaxe", "opaque", REFUSED, "invisible"),
    ("https://staging.example.org/rest/v1", "opaque", REFUSED, "after the host"),
    ("https://staging.example.org?apikey=x", "opaque", REFUSED, "after the host"),
    ("https://*.example.org", "opaque", REFUSED, "no host name"),
    ("https://staging.example.org" + "/" * 3000, "opaque", REFUSED, "longer than"),
]


def look(url: str, key: str = "opaque", **kwargs: object) -> Target:
    given: dict[str, object] = {
        "prod_hosts": PROD_HOSTS,
        "non_prod_hosts": NON_PROD_HOSTS,
        **kwargs,
    }
    return classify(url, KEYS.get(key, key), **given)  # type: ignore[arg-type]


def test_the_table_is_long_enough() -> None:
    assert len({(url, key) for url, key, *_ in TABLE}) == len(TABLE) >= 80


@pytest.mark.parametrize(("url", "key", "kind", "expected"), TABLE)
def test_each_spelling_is_what_is_written_beside_it(
    url: str, key: str, kind: TargetKind | None, expected: str
) -> None:
    if kind is None:
        with pytest.raises(ConfigurationError) as caught:
            look(url, key)
        assert expected in caught.value.message
        assert caught.value.hint
        assert caught.value.message.isascii()
        assert caught.value.message.isprintable()
        assert KEYS[key] not in caught.value.message
    else:
        target = look(url, key)
        assert target.kind is kind
        if expected:
            assert target.host == expected
        _assert_contacted(url, target)


_DEFAULT_PORTS = {"http": 80, "https": 443}


def _assert_contacted(url: str, target: Target) -> None:
    """The client reaches what was classified, from the given URL and from the normalized one."""
    ours = httpx.URL(target.url)
    assert ours.raw_host.decode() == target.host
    assert (ours.port or _DEFAULT_PORTS[ours.scheme]) == target.port
    assert not ours.userinfo
    assert yarl.URL(target.url).raw_host == target.host
    assert yarl.URL(target.url).port == target.port
    theirs = httpx.URL(url)
    assert _reached(theirs) == target.host
    assert theirs.scheme == ours.scheme
    assert (theirs.port or _DEFAULT_PORTS[theirs.scheme]) == target.port


def _reached(url: httpx.URL) -> str:
    """The host that the client connects to, in the resolver's eyes."""
    host = url.raw_host.decode().removesuffix(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(getattr(address, "ipv4_mapped", None) or address)


REASONS = [
    ("https://staging.example.org", "opaque", "host staging.example.org is declared in"),
    ("https://learn.example.org", "opaque", "declared in HEATMAP_VERIFY_PROD_HOSTS"),
    (f"https://{PROD}.supabase.co", "opaque", f"project {PROD} is declared in HEATMAP_VERIFY_PROD"),
    ("http://localhost", "prod", f"project {PROD} is declared in HEATMAP_VERIFY_PROD_HOSTS"),
    ("http://localhost", "other", f"the key belongs to hosted project {OTHER}: production until"),
    ("http://localhost", "stage", f"project {STAGE} is declared in HEATMAP_VERIFY_NON_PROD_HOSTS"),
    ("http://localhost", "demo", "on this machine, with a key of the local development stack"),
    ("http://127.0.0.9", "opaque", "but the key is not one of the local development stack"),
    ("http://localhost", "issued by production", "the key's issuer learn.example.org is declared"),
    ("https://shop.example", "opaque", "unknown remote host shop.example: production until"),
    ("https://shop.example", "opaque", "until declared in HEATMAP_VERIFY_NON_PROD_HOSTS"),
    (f"https://{OTHER}.supabase.co", "opaque", f"unknown project {OTHER}: production until"),
]


@pytest.mark.parametrize(("url", "key", "reason"), REASONS)
def test_the_reason_names_the_fact_that_decided(url: str, key: str, reason: str) -> None:
    assert reason in look(url, key).reason


def test_identity_and_origin() -> None:
    target = look(f"https://{STAGE.upper()}.supabase.co:443/", "stage")
    assert target.url == f"https://{STAGE}.supabase.co"
    assert target.identity == target.ref == STAGE
    custom = look("https://staging.example.org:8443", "stage")
    assert custom.url == "https://staging.example.org:8443"
    assert custom.identity == STAGE
    six = look("http://[0::1]:8000", "demo")
    assert (six.url, six.host, six.port, six.identity) == ("http://[::1]:8000", "::1", 8000, "::1")


def test_nothing_in_a_target_holds_the_key() -> None:
    for name in ("opaque", "stage"):
        assert KEYS[name] not in repr(look(f"https://{STAGE}.supabase.co", name))


# --- declarations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [
    STAGE, STAGE.upper(), f"{STAGE}.supabase.co", f"https://{STAGE}.supabase.co/",
    f"db.{STAGE}.supabase.co", f"db.{STAGE}.supabase.co:5432", f" {STAGE} ",
])  # fmt: skip
def test_a_project_may_be_declared_in_each_of_its_names(entry: str) -> None:
    url = f"https://{STAGE}.supabase.co"
    assert classify(url, KEYS["stage"], non_prod_hosts=[entry]).kind is STAGING
    assert classify(url, KEYS["stage"], prod_hosts=[entry]).kind is PRODUCTION
    # Production wins the tie, and reaches through a tunnel by the key alone.
    tie = classify(url, KEYS["opaque"], prod_hosts=[entry], non_prod_hosts=[entry])
    assert tie.kind is PRODUCTION
    assert "HEATMAP_VERIFY_PROD_HOSTS" in tie.reason
    tunnel = classify("http://localhost", KEYS["stage"], prod_hosts=[entry])
    assert "HEATMAP_VERIFY_PROD_HOSTS" in tunnel.reason


@pytest.mark.parametrize("entry", [
    ".supabase.co", "*.supabase.co", "*", '"a.example"', "a.example'", "${HOST}", "a.example;b",
    "postgres://postgres:pw@aws-0-eu.pooler.supabase.com:6543/postgres", "sb_secret_abcdefgh1234",
    "", " ", "https://", "127.1", "2130706433", "0x7f.1", "0.0.0.0", "10.0.0.0/8", "[::1%25lo]",
    "https://localhost@evil.example", "ftp://staging.example.org", "a b", "https://a.example/path",
    "staging.example.org/path", "a.example,b.example", "staging.example.org:99999",
    "a\u200b.example", "user@staging.example.org", "staging\\.example.org", "..", "ｌocalhost",
    "-a.example", "://x",
])  # fmt: skip
@pytest.mark.parametrize("variable", ["HEATMAP_VERIFY_PROD_HOSTS", "HEATMAP_VERIFY_NON_PROD_HOSTS"])
def test_a_declaration_that_says_too_little_is_refused(entry: str, variable: str) -> None:
    name = "prod_hosts" if variable == "HEATMAP_VERIFY_PROD_HOSTS" else "non_prod_hosts"
    with pytest.raises(ConfigurationError) as caught:
        look("http://localhost", "demo", **{name: ["fine.example.org", entry]})
    assert caught.value.message.startswith(f"{variable}, entry 2, ")
    assert caught.value.hint
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(("entry", "told"), [
    ("*.example.org", "pattern"), (".example.org", "pattern"), ("me@example.org", "user name"),
    ("", "is empty"), ("https://a.example/path", "with a path"),
])  # fmt: skip
def test_the_refusal_of_a_declaration_says_what_is_wrong(entry: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        look("http://localhost", "demo", non_prod_hosts=[entry])


def test_a_declaration_is_exact() -> None:
    assert look("https://staging.example.net", non_prod_hosts=["example.net"]).kind is PRODUCTION
    assert look("https://example.net", non_prod_hosts=["example.net"]).kind is STAGING
    both = {"prod_hosts": ["example.net"], "non_prod_hosts": ["staging.example.net"]}
    assert look("https://staging.example.net", **both).kind is STAGING
    assert look("https://example.net", **both).kind is PRODUCTION
    assert look(f"https://{STAGE}.supabase.co", non_prod_hosts=["supabase.co"]).kind is PRODUCTION


def test_this_machine_declared_harmless_is_so_in_its_usual_spellings_alone() -> None:
    for entry in ("localhost", "127.0.0.1", "[::1]"):
        for url in ("http://localhost", "http://127.0.0.1:54321", "http://[::1]"):
            assert look(url, non_prod_hosts=[entry]).kind is STAGING
            assert look(url, "other", non_prod_hosts=[entry]).kind is PRODUCTION
        assert look("http://127.0.0.9", non_prod_hosts=[entry]).kind is PRODUCTION
    assert look("http://localhost:1", non_prod_hosts=["127.0.0.1:1"]).kind is STAGING
    assert look("http://localhost:2", non_prod_hosts=["127.0.0.1:1"]).kind is PRODUCTION


# --- what a URL may be ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", [
    "kong:8000", "host.docker.internal:54321", "10.0.0.5:8000", "[fd00::5]:8000", "db.local",
])  # fmt: skip
def test_plain_http_goes_to_a_private_host_that_is_declared_and_to_no_other(host: str) -> None:
    target = look(f"http://{host}", non_prod_hosts=[host])
    assert target.kind is STAGING
    assert "unencrypted" in target.reason
    for more in ({}, {"prod_hosts": [host], "non_prod_hosts": [host]}):
        with pytest.raises(ConfigurationError, match="unencrypted") as caught:
            look(f"http://{host}", **more)
        assert "HEATMAP_VERIFY_NON_PROD_HOSTS" in (caught.value.hint or "")
    # A hosted key behind it: a reverse proxy to somebody's project.
    with pytest.raises(ConfigurationError, match="unencrypted"):
        look(f"http://{host}", "other", non_prod_hosts=[host])
    assert look(f"http://{host}", "stage", non_prod_hosts=[host, STAGE]).kind is STAGING


@pytest.mark.parametrize("host", ["staging.example.org", "8.8.8.8", f"{STAGE}.supabase.co"])
def test_plain_http_goes_to_no_public_host_declared_or_not(host: str) -> None:
    with pytest.raises(ConfigurationError, match="unencrypted"):
        look(f"http://{host}", non_prod_hosts=[host])


def test_a_vanity_subdomain_is_a_name_and_the_key_says_which_project() -> None:
    vanity = "https://acme-learn.supabase.co"
    target = look(vanity, "stage")
    assert (target.kind, target.ref, target.host) == (STAGING, STAGE, "acme-learn.supabase.co")
    assert look(vanity, "prod").kind is PRODUCTION
    assert look(vanity, "stage", prod_hosts=["acme-learn.supabase.co"]).kind is PRODUCTION
    assert look(vanity, non_prod_hosts=["acme-learn.supabase.co"]).kind is STAGING
    assert look(vanity).kind is PRODUCTION


@pytest.mark.parametrize("label", [f"{STAGE}-rr-eu-west-1-abcde", f"{STAGE}-all"])
def test_a_read_replica_is_refused_as_what_it_is(label: str) -> None:
    with pytest.raises(ConfigurationError, match="read replicas of project stage") as caught:
        look(f"https://{label}.supabase.co", "stage")
    assert caught.value.hint == f"write https://{STAGE}.supabase.co"
    # As a declaration it names its project.
    declared = look(f"https://{STAGE}.supabase.co", prod_hosts=[f"{label}.supabase.co"])
    assert "HEATMAP_VERIFY_PROD_HOSTS" in declared.reason


@pytest.mark.parametrize(("url", "meant"), [
    (f"https://{STAGE}.supabase.co/rest/v1/", f"https://{STAGE}.supabase.co"),
    ("https://Staging.example.org:8443/auth/v1", "https://staging.example.org:8443"),
    (f"https://supabase.com/dashboard/project/{STAGE}/settings/api", f"https://{STAGE}.supabase.co"),
    (f"https://app.supabase.com/project/{STAGE}?x=y", f"https://{STAGE}.supabase.co"),
])  # fmt: skip
def test_a_url_with_a_path_is_told_with_the_one_that_is_meant(url: str, meant: str) -> None:
    with pytest.raises(ConfigurationError, match="after the host and port") as caught:
        look(url)
    assert caught.value.hint == f"write {meant}"


HIDDEN = "hunter2"


@pytest.mark.parametrize("text", [
    f"postgresql://postgres:{HIDDEN}@db.example.org:5432/postgres", f"https://me:{HIDDEN}@a.example",
    f"https://me:{HIDDEN}/x@a.example", f"https://me:{HIDDEN}#x@a.example",
    f"https://me:{HIDDEN}?x@a.example", f"https://me:12/{HIDDEN}@a.example",
    f"https://me:12/{HIDDEN}", f"me:{HIDDEN}", f"postgres:{HIDDEN}", f"{HIDDEN}://a.example/x",
    f"https://a.example/{HIDDEN}", f"https://a.example?key={HIDDEN}", f"https://{HIDDEN}!x",
    f"https://{HIDDEN}@a.example", f"{HIDDEN}!", f"https://[{HIDDEN}]", f"{HIDDEN}@a.example",
    f"sb_secret_{HIDDEN}", f"eyJhbGciOiJIUzI1NiJ9.{HIDDEN}.x", f"https://{HIDDEN}-u\u0308.example",
])  # fmt: skip
def test_nothing_of_what_could_not_be_read_is_shown(text: str) -> None:
    uses = ({}, {"prod_hosts": [text]}, {"non_prod_hosts": [text]})
    for number, declared in enumerate(uses):
        with pytest.raises(ConfigurationError) as caught:
            look("https://staging.example.org" if number else text, **declared)
        assert HIDDEN not in caught.value.message + (caught.value.hint or "")


# --- what replies say -----------------------------------------------------------------------------


def test_replies_of_another_project_are_a_refusal() -> None:
    target = look(f"https://{STAGE}.supabase.co", "stage")
    assert named_by_reply(target, STAGE) is target
    with pytest.raises(ConfigurationError, match=f"replies come from project {PROD}"):
        named_by_reply(target, PROD)


def test_replies_of_a_hosted_project_raise_what_named_none() -> None:
    own = look("https://staging.example.org")
    assert named_by_reply(own, OTHER) is own
    assert named_by_reply(own, PROD).kind is PRODUCTION
    tunnel = named_by_reply(look("http://localhost", "demo"), OTHER)
    assert tunnel.kind is PRODUCTION
    assert "this is a tunnel" in tunnel.reason


def test_a_single_label_is_a_project_or_one_machine_but_no_domain() -> None:
    assert look("https://kongo", non_prod_hosts=["kongo"]).kind is STAGING
    assert look("https://api.kongo", non_prod_hosts=["kongo"]).kind is PRODUCTION
    assert look("https://api.kongo", non_prod_hosts=["kongo:8443"]).kind is PRODUCTION


def test_a_port_narrows_staging_but_never_production() -> None:
    declared = ["example.net:8443"]
    assert look("https://example.net:8443", non_prod_hosts=declared).kind is STAGING
    assert look("https://example.net", non_prod_hosts=declared).kind is PRODUCTION
    for url in ("https://example.net:8443", "https://example.net"):
        both = look(url, prod_hosts=declared, non_prod_hosts=["example.net"])
        assert both.kind is PRODUCTION


def test_an_address_is_matched_whole() -> None:
    assert look("https://198.51.100.4.example", non_prod_hosts=["198.51.100.4"]).kind is PRODUCTION
    assert look("https://[2001:db8::1]", non_prod_hosts=["2001:db8:0::1"]).kind is STAGING
    assert look("https://[2001:db8::1]", non_prod_hosts=["[2001:db8::1]:443"]).kind is STAGING


def test_this_machine_declared_production_is_production_in_every_spelling() -> None:
    for entry in ("localhost", "127.0.0.1", "[::1]:54321", "http://127.0.0.9:1"):
        for url in (
            "http://localhost:54321",
            "http://127.0.0.1",
            "http://[::1]",
        ):
            for sandbox in (False, True):
                target = look(url, "demo", prod_hosts=[entry], sandbox=sandbox)
                assert target.kind is PRODUCTION


def test_the_sandbox_is_local_whatever_its_keys_say_but_only_here() -> None:
    assert look("http://127.0.0.1:1", "other", sandbox=True).kind is LOCAL
    assert look("http://127.0.0.1:1", "prod", sandbox=True).kind is PRODUCTION
    with pytest.raises(ConfigurationError, match="on this machine"):
        look("https://staging.example.org", sandbox=True)


# --- the database's word --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["production", " Production\n", "PRODUCTION", "prod", "live", "🦀"]
)
@pytest.mark.parametrize("url", ["http://localhost", f"https://{STAGE}.supabase.co"])
def test_a_database_that_says_production_is_believed(word: str, url: str) -> None:
    target = declared_by_database(look(url), word)
    assert target.kind is PRODUCTION
    assert target.asked_database
    assert "database" in target.reason
    assert target.reason.isprintable()


@pytest.mark.parametrize("word", [None, "", "  ", "staging", "Local", "test"])
@pytest.mark.parametrize(
    "url", ["http://localhost", "https://staging.example.org", "https://a.example"]
)
def test_no_word_of_the_database_lowers_a_target(word: str | None, url: str) -> None:
    before = look(url)
    after = declared_by_database(before, word)
    assert (after.kind, after.reason) == (before.kind, before.reason)
    assert after.asked_database
    assert not before.asked_database


def test_once_raised_by_the_database_it_stays_raised() -> None:
    raised = declared_by_database(look("http://localhost"), "production")
    assert declared_by_database(raised, "staging").kind is PRODUCTION


# --- properties -----------------------------------------------------------------------------------

_WORDS = """
https:// http:// HTTPS:// : / // @ \\ . .. 。 ． ｡ - _ * % # ? & [ ] ::1 ::ffff: 127 0 1 0x7f
127.0.0.1 localhost LOCALHOST evil example org co supabase supabase.co supabase.com pooler db
postgres staging staging.example.org learn learn.example.org bücher ü xn--bcher-kva xn-- 443 80
:443 8443 stagestagestagestage prodprodprodprodprod 203.0.113.7 2001:db8::7 %2e %00 a A ı İ K ß
0177 １ .example .supabase.co qa.example.net 198.51.100.4 :8443
"""
_PIECES = st.sampled_from([*_WORDS.split(), " ", "\n", "\x00", "\u200b", "\u202e"])
_MESS = st.one_of(
    st.lists(_PIECES, max_size=8).map("".join),
    st.lists(_PIECES, max_size=6).map(lambda parts: "https://" + "".join(parts)),
    st.text(max_size=30).map(lambda text: "https://" + text),
    st.text(max_size=40),
)
_ANY_KEY = st.sampled_from(sorted(KEYS))


@settings(max_examples=800, deadline=None)
@given(_MESS, _ANY_KEY)
@example("https://\u212a.example", "opaque")
def test_no_string_makes_the_client_go_elsewhere(text: str, key: str) -> None:
    try:
        target = look(text, key)
    except ConfigurationError:
        return
    _assert_contacted(text, target)


@settings(max_examples=800, deadline=None)
@given(_MESS, _ANY_KEY)
def test_no_string_makes_an_unknown_or_production_host_come_out_as_less(
    text: str, key: str
) -> None:
    """An oracle of its own: the host as the client sees it, against the declared names."""
    try:
        target = look(text, key)
    except ConfigurationError:
        return
    host = _reached(httpx.URL(text))
    labels = host.split(".")
    here = host in {"::1", "localhost"}
    here = here or (host.startswith("127.") and host.replace(".", "").isdigit())
    production = (
        PROD in (labels if host.endswith((".supabase.co", ".supabase.in")) else [])
        or key == "prod"
        or host == "learn.example.org"
        or key == "issued by production"
        or host in {"xn--bcher-kva.example", "203.0.113.7", "2001:db8::7"}
    )
    staged = (
        (STAGE in labels and host.endswith((".supabase.co", ".supabase.in")))
        or key == "stage"
        or host == "staging.example.org"
        or (host in {"localhost", "127.0.0.1", "::1"} and key in {"opaque", "issued", "cli"})
        or host == "qa.example.net"
        or host == "198.51.100.4"
    )
    if target.kind is LOCAL:
        assert here
        assert key in {"cli", "demo"}
    elif target.kind is STAGING:
        assert staged
        assert not production
    if production:
        assert target.kind is PRODUCTION
    if not staged and not here:
        assert target.kind is PRODUCTION


_HOST = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,8}){1,3}", fullmatch=True)


@settings(max_examples=400, deadline=None)
@given(_HOST, st.data())
def test_a_host_declared_production_is_production_however_spelled(
    host: str, data: st.DataObject
) -> None:
    try:
        classify("http://localhost", KEYS["demo"], prod_hosts=[host])
    except ConfigurationError:
        assume(False)
    dots = data.draw(st.lists(st.sampled_from(".。．｡"), min_size=9, max_size=9))
    spelled = "".join(
        dots[n % 9] if char == "." else (char.upper() if data.draw(st.booleans()) else char)
        for n, char in enumerate(host)
    )
    suffix = data.draw(st.sampled_from(["", ".", ":443", ":8443", ".:443", "/", "./"]))
    non_prod = data.draw(st.sampled_from([[], [host], [f"https://{host}"], [f"{host}:8443"]]))
    try:
        target = classify(
            f"https://{spelled}{suffix}",
            KEYS["opaque"],
            prod_hosts=[host],
            non_prod_hosts=non_prod,
        )
    except ConfigurationError:
        return
    assert target.kind is PRODUCTION


@settings(max_examples=400, deadline=None)
@given(_HOST, _HOST, st.sampled_from(["", ".", "x.", "x-", "localhost.", "127."]))
def test_a_remote_host_is_staging_only_where_it_is_declared(
    host: str, declared: str, prefix: str
) -> None:
    for url_host in (f"{prefix}{host}", f"{prefix}{declared}", f"{declared}.{host}"):
        try:
            target = classify(f"https://{url_host}", KEYS["opaque"], non_prod_hosts=[declared])
        except ConfigurationError:
            continue
        expected = url_host.removesuffix(".") == declared
        assert (target.kind is STAGING) == expected
        assert target.kind in {STAGING, PRODUCTION}
