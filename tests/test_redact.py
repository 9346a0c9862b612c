from __future__ import annotations

import base64
import copy
import json
import pickle
import string
import threading
from dataclasses import asdict, dataclass
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui import redact as module
from tui.errors import ConfigurationError
from tui.guard.api_key import read_key
from tui.redact import MASK, Secret, redact, remember


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets made up here must not mask words of other tests."""
    monkeypatch.setattr(module, "_live", ())


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
    ("[(b'authorization', b'Bearer opaque-token-1'), (b'a', b'b')]", "opaque-token-1"),
    ('"{\\"Authorization\\": \\"Bearer opaque-token-1\\"}"', "opaque-token-1"),
    ("postgresql://postgres:hunter22@db.example:5432/postgres", "hunter22"),
    ("postgresql://postgres:hun@ter/22@db.example:5432/postgres", "hun@ter"),
    ("postgresql://postgres:22/hunter@db.example:5432/postgres", "hunter"),
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
        "http://127.0.0.1:54321/auth/v1/admin/users?filter=heatmap-1-2@example.com",
        "user heatmap-1-2@example.com was deleted at 12:30",
        "the key is a secret key, sent as apikey",
        "no password is needed; set SUPABASE_URL=https://staging.example.org",
        "question slug heatmap-verification-20260101-7",
        "authentication.anon_key: SUPABASE_ANON_KEY is not set",
        "Basic anatomy",
        "password: hashing",
        "Authorization: bearer tokens and basic authentication explained",
        "a key that starts with sb_secret_ is a secret key",
        "cookie: session, access_token: what it is for",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


# Words that are near to what is masked, beside those of every sentence.
_WORDS = """
a after all anatomy and apikey auth authentication authorization authorization: backup basic Basic
bearer Bearer because bytes cache caching column cookie cookie, cookies credential credentials data
eye eyes for header header: heatmap http https in is it jwt key key= keys learner not of or passwd:
password password: password= passwords policy postgres postgresql proxy questions refresh responses
role row secret secret_key secrets security service service_role session sign supabase the to token
token: tokens topic user view was week with x-api-key: SUPABASE_URL SUPABASE_SERVICE_ROLE_KEY
SUPABASE_ANON_KEY HEATMAP_VERIFY_PROD_HOSTS PGPASSWORD sb_secret_ sb_publishable_ 42501 8443 1,600
https://example.org http://localhost:54321/rest/v1 me@example.org "quoted" 'quoted' (in brackets)
"""
SENTENCES = st.lists(st.sampled_from(_WORDS.split()), min_size=1, max_size=14).map(" ".join)


@settings(max_examples=500)
@given(SENTENCES)
def test_no_sentence_is_touched(text: str) -> None:
    assert redact(text) == text


_RUN = string.ascii_letters + string.digits
KEYS = st.one_of(
    st.text(_RUN + "_-", min_size=12, max_size=60).map("sb_secret_".__add__),
    st.builds(
        lambda ref, n: jwt(ref=ref, n=n), st.text(_RUN, min_size=1, max_size=20), st.integers()
    ),
)


@settings(max_examples=300)
@given(KEYS, SENTENCES, SENTENCES, st.sampled_from([" {} ", "'{}'", "={}&", "\n{}\n", "({})"]))
def test_no_key_gets_out_and_the_sentence_around_it_stays(
    key: str, before: str, after: str, around: str
) -> None:
    read_key(key)
    for spelled in (key, quote(key, safe="")):
        masked = redact(before + around.format(spelled) + after)
        assert key not in masked
        assert spelled[-10:] not in masked
        assert masked.startswith(before)
        assert masked.endswith(after)


@settings(max_examples=300)
@given(
    SENTENCES,
    st.text(_RUN + "/?#@!$", min_size=6, max_size=30),
    st.sampled_from(["Bearer", "Basic"]),
)
def test_neither_a_password_in_a_url_nor_a_token_in_a_header_gets_out(
    text: str, secret: str, scheme: str
) -> None:
    url = f"postgresql://postgres:{secret}@db.example.org:5432/postgres"
    assert redact(f"{text} {url} {text}") == (
        f"{text} postgresql://postgres:{MASK}@db.example.org:5432/postgres {text}"
    )
    token = base64.b64encode(f"me:{secret}".encode()).decode()
    masked = redact(f"{text} Authorization: {scheme} {token}")
    assert masked == f"{text} Authorization: {scheme} {MASK}"


def test_what_surrounds_a_secret_stays_readable() -> None:
    assert redact("postgresql://me:pw@db.example/x") == f"postgresql://me:{MASK}@db.example/x"
    assert redact("sb_secret_abc") == f"sb_secret_{MASK}"


def test_remembered_keys_are_masked_in_each_spelling() -> None:
    secret = "pa ss/wörd+1234"
    remember(secret)
    for spelling in (secret, "pa%20ss%2Fw%C3%B6rd%2B1234"):
        assert redact(f"<{spelling}>") == f"<{MASK}>"
    remember("back\\slash'1234")
    assert redact("back\\\\slash'1234") != "back\\\\slash'1234"


def test_a_longer_secret_is_masked_before_one_it_contains() -> None:
    remember("abcdef-01234")
    remember("abcdef-01234-gh")
    assert redact("abcdef-01234-gh") == MASK


@pytest.mark.parametrize("word", ["questions", "service_role", "or", ""])
def test_a_word_given_as_a_key_masks_nothing(word: str) -> None:
    Secret(word)
    with pytest.raises(ConfigurationError):
        read_key(word)
    text = f"the {word} of questions for the service_role, an ordinary word"
    assert redact(text) == text


@given(st.text(min_size=10, max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_secret_once_remembered_never_gets_out(value: str, before: str, after: str) -> None:
    module._live = ()
    remember(value)
    masked = redact(before + value + after)
    # What the mask itself spells cannot be told from a leak.
    assert value not in masked.replace(MASK, "\0") or value in MASK


def test_the_signature_of_a_remembered_token_is_masked_alone() -> None:
    remember(TOKEN)
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
    # A variable may hold bytes that are no text.
    assert Secret("a\udcff") != Secret("b\udcff")
    assert Secret("hunter22") != Secret("hunter23")
    assert Secret("hunter22") != "hunter22"
    assert len({Secret("hunter22"), Secret("hunter22")}) == 1


def test_secrets_may_be_made_while_others_redact() -> None:
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for n in range(200):
                value = f"thread-{thread}-value-{n}-x"
                remember(value)
                assert value not in redact(f"leak {value} leak")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
