from __future__ import annotations

import base64
import copy
import json
import pickle
import threading
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import redact as module
from tui.redact import MASK, Secret, redact


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets made up here must not mask words of other tests."""
    monkeypatch.setattr(module, "_live", set())


def jwt(**claims: object) -> str:
    def part(value: object) -> str:
        raw = json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


TOKEN = jwt(iss="supabase", role="service_role", ref="abcdefghijklmnopqrst")
SECRET_KEY = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"

LEAKS = [
    (f"key is {TOKEN}", TOKEN),
    (f"cut short: {TOKEN[:30]}", TOKEN[4:30]),
    (f"cut in the payload: {TOKEN[:80]}...", TOKEN[60:80]),
    (f"{SECRET_KEY}", "N7UND0UgjKTVK"),
    ("sb_publishable_abcdef_123", "abcdef"),
    ("sbp_0102030405060708", "0102030405"),
    ("Authorization: Bearer opaque-token-1", "opaque-token-1"),
    ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ('{"Authorization": "Bearer opaque-token-1"}', "opaque-token-1"),
    ("{'apikey': 'opaque-token-1', 'accept': 'x'}", "opaque-token-1"),
    ("[(b'apikey', b'opaque-token-1'), (b'a', b'b')]", "opaque-token-1"),
    ('"{\\"apikey\\": \\"opaque-token-1\\"}"', "opaque-token-1"),
    ("apikey=opaque-token-1&select=*", "opaque-token-1"),
    ("x-api-key: opaque-token-1", "opaque-token-1"),
    ("SUPABASE_SERVICE_ROLE_KEY=opaque-token-1", "opaque-token-1"),
    ("export SUPABASE_ANON_KEY='opaque-token-1'", "opaque-token-1"),
    ("host=db.example password=hunter22 user=me", "hunter22"),
    ("PGPASSWORD=hunter22 psql", "hunter22"),
    ("postgresql://postgres:hunter22@db.example:5432/postgres", "hunter22"),
    ("postgresql://postgres:hun@ter/22@db.example:5432/postgres", "hun@ter"),
    ("https://:hunter22@staging.example.org/", "hunter22"),
]


@pytest.mark.parametrize(("text", "leak"), LEAKS)
def test_whatever_is_shaped_like_a_secret_is_masked(text: str, leak: str) -> None:
    assert leak in text
    masked = redact(text)
    assert leak not in masked
    assert MASK in masked
    assert redact(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "https://abcdefghijklmnopqrst.supabase.co/rest/v1/questions?select=id",
        "http://127.0.0.1:54321/rest/v1/",
        "user heatmap-1-2@example.com was deleted at 12:30",
        "the key is a secret key, sent as apikey",
        "no password is needed; set SUPABASE_URL=https://staging.example.org",
        "question slug heatmap-verification-20260101-7",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_what_surrounds_a_secret_stays_readable() -> None:
    assert redact("postgresql://me:pw@db.example/x") == f"postgresql://me:{MASK}@db.example/x"
    assert redact("apikey: abcdef, host: b") == f"apikey: {MASK}, host: b"
    assert redact("sb_secret_abc") == f"sb_secret_{MASK}"


def test_held_secrets_are_masked_in_each_spelling() -> None:
    secret = "pa ss/wörd+1"
    Secret(secret)
    for spelling in (secret, "pa%20ss%2Fw%C3%B6rd%2B1"):
        assert redact(f"<{spelling}>") == f"<{MASK}>"
    Secret("back\\slash'1")
    assert redact("back\\\\slash'1") != "back\\\\slash'1"


def test_a_longer_secret_is_masked_before_one_it_contains() -> None:
    Secret("abcdef")
    Secret("abcdefgh")
    assert redact("abcdefgh") == MASK


def test_too_short_a_secret_does_not_mangle_words() -> None:
    Secret("or")
    Secret("")
    assert redact("an ordinary word") == "an ordinary word"


@given(st.text(min_size=6, max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_secret_once_held_never_gets_out(value: str, before: str, after: str) -> None:
    module._live.clear()
    Secret(value)
    masked = redact(before + value + after)
    # What the mask itself spells cannot be told from a leak.
    assert value not in masked.replace(MASK, "\0") or value in MASK


def test_the_signature_of_a_held_token_is_masked_alone() -> None:
    Secret(TOKEN)
    assert redact("rest: c2lnbmF0dXJlLW9mLXRoZS10b2tlbg") == f"rest: {MASK}"


@dataclass(frozen=True)
class Holder:
    key: Secret


@pytest.mark.parametrize("value", [TOKEN, SECRET_KEY, "sb_publishable_abcdef", "hunter22"])
def test_a_secret_shows_no_character_of_itself(value: str) -> None:
    secret = Secret(value)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", repr(Holder(secret))):
        assert "hidden" in shown
        assert value[-6:] not in shown
        assert value[:6] not in shown
    assert secret.reveal() == value


def test_a_secret_cannot_be_written_down_by_accident() -> None:
    secret = Secret("hunter22")
    with pytest.raises(TypeError, match="a secret cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps({"key": secret})
    with pytest.raises(TypeError):
        vars(secret)
    assert asdict(Holder(secret))["key"] is secret
    assert copy.copy(secret) is secret


def test_secrets_compare_by_value() -> None:
    assert Secret("größer-als") == Secret("größer-als")
    assert Secret("hunter22") != Secret("hunter23")
    assert Secret("hunter22") != "hunter22"
    assert len({Secret("hunter22"), Secret("hunter22")}) == 1


def test_secrets_may_be_made_while_others_redact() -> None:
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for n in range(200):
                value = f"thread-{thread}-value-{n}-x"
                Secret(value)
                assert value not in redact(f"leak {value} leak")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
