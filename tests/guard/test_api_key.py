from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.errors import ConfigurationError
from tui.guard.api_key import KeyKind, read_key

STAGE = "stagestagestagestage"


def jwt(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJl"


def test_what_a_key_says_is_read() -> None:
    facts = read_key(jwt(iss="supabase", role="service_role", ref=STAGE.upper(), exp=2e9))
    assert facts.kind is KeyKind.LEGACY_JWT
    assert (facts.role, facts.ref) == ("service_role", STAGE)
    assert facts.expires_at == datetime(2033, 5, 18, 3, 33, 20, tzinfo=UTC)
    assert read_key("sb_secret_" + "abcdefghijklmnopqrstuv_12345678").kind is KeyKind.SECRET
    assert read_key("sb_publishable_abcdefgh").kind is KeyKind.PUBLISHABLE
    bare = read_key(jwt(role="anon"))
    assert (bare.role, bare.ref, bare.expires_at) == ("anon", None, None)


def test_a_users_token_names_its_project_in_the_issuer() -> None:
    assert read_key(jwt(iss=f"https://{STAGE}.supabase.co/auth/v1")).ref == STAGE
    assert read_key(jwt(iss="https://auth.example.org/auth/v1")).ref is None
    assert read_key(jwt(iss="http://127.0.0.1:54321/auth/v1")).ref is None


@pytest.mark.parametrize("key", [
    "", " ", "anon", "eyJhbGciOiJIUzI1NiJ9", "a.b.c", "a.b", "a.b.c.d", "eyJ.eyJ.x",
    "sb_secret_:", "sb_secret_with space", "sbp_0123456789abcdef", "sb_secret_abc\n",
    "Bearer " + jwt(role="service_role"), jwt(role="service_role") + "\u200b", '"quoted.key.here"',
    jwt(ref=7), jwt(ref=""), jwt(ref="a b"), jwt(ref="../x"), jwt(ref=["a"]), jwt(role={"a": 1}),
    jwt(exp="soon"), jwt(exp=True), jwt(exp=1e300), jwt(exp=float("nan")), jwt(role="a\nb"),
    "e30.e30.c2ln", "bnVsbA.bnVsbA.c2ln", "W10.W10.c2ln", jwt(role="x" * 300),
    pytest.param("x" * 20_000, id="long"),
    pytest.param(f"eyJhbGciOjF9.{base64.urlsafe_b64encode(b'[' * 9000).decode()}.x", id="deep"),
])  # fmt: skip
def test_an_unreadable_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_key(key, "SUPABASE_ANON_KEY")
    assert caught.value.message.startswith("SUPABASE_ANON_KEY ")
    assert caught.value.hint
    told = f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"
    assert len(key) < 5 or key not in told


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.text(alphabet="eyJabc._-019", max_size=80)))
def test_any_key_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        read_key(text)
