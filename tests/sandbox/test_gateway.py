"""The gateway behaves as the platform's does, where a client can tell."""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING

import httpx
import jwt
import pytest

from tests.sandbox.helpers import eventually, headers, options
from tui.guard.hosts import is_ref
from tui.sandbox import start_sandbox_sync
from tui.sandbox.gateway import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from tui.sandbox import Sandbox

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"


def get(sandbox: Sandbox, path: str, key: str | None = None, **more: str) -> httpx.Response:
    sent = more if key is None else headers(key, **more)
    return httpx.get(f"{sandbox.url}{path}", headers=sent)


def test_a_key_is_needed(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/rest/v1/questions")
    assert answer.status_code == 401
    assert answer.json()["message"] == "No API key found in request"
    assert answer.headers["sb-error-code"] == "UNAUTHORIZED_MISSING_API_KEY"
    assert get(sandbox, "/auth/v1/admin/users").status_code == 401


def test_a_foreign_key_is_refused(sandbox: Sandbox) -> None:
    claims = {"iss": "supabase-demo", "role": "service_role", "exp": int(time.time()) + 60}
    foreign = jwt.encode(claims, "x" * 40, algorithm="HS256")
    for key in (foreign, "sb_secret_" + "0" * 31, "nonsense"):
        answer = get(sandbox, "/rest/v1/questions", key)
        assert answer.status_code == 401
        assert answer.json()["message"] == "Invalid API key"
        assert answer.headers["sb-error-code"] == "UNAUTHORIZED_INVALID_API_KEY"


def test_a_forged_bearer_is_refused_upstream(sandbox: Sandbox) -> None:
    forged = jwt.encode({"role": "service_role"}, "x" * 40, algorithm="HS256")
    sent = {"apikey": sandbox.anon_key, "Authorization": f"Bearer {forged}"}
    answer = httpx.get(f"{sandbox.url}/rest/v1/questions", headers=sent)
    assert answer.status_code == 401
    assert answer.json()["code"] == "PGRST301"


def test_every_kind_of_key_has_its_role(sandbox: Sandbox) -> None:
    for key in (sandbox.service_role_key, sandbox.secret_key):
        assert len(get(sandbox, "/rest/v1/responses?select=id&limit=3", key).json()) == 3
    alone = {"apikey": sandbox.secret_key}
    only = httpx.get(f"{sandbox.url}/rest/v1/responses?limit=1", headers=alone)
    assert len(only.json()) == 1
    for key in (sandbox.anon_key, sandbox.publishable_key):
        answer = get(sandbox, "/rest/v1/responses?select=id", key)
        assert answer.status_code == 401
        assert answer.json()["code"] == "42501"


def test_legacy_keys_look_like_the_local_stacks(sandbox: Sandbox) -> None:
    for key, role in ((sandbox.anon_key, "anon"), (sandbox.service_role_key, "service_role")):
        claims = jwt.decode(key, sandbox.jwt_secret, algorithms=["HS256"])
        assert claims["iss"] == "supabase-demo"
        assert claims["role"] == role
        assert claims["exp"] > time.time()
        assert "ref" not in claims


def test_opaque_keys_look_like_the_hosted_ones(sandbox: Sandbox) -> None:
    for key, kind in ((sandbox.publishable_key, "publishable"), (sandbox.secret_key, "secret")):
        assert re.fullmatch(rf"sb_{kind}_[\w-]{{22}}_[\w-]{{8}}", key)


def test_an_opaque_key_stands_for_a_jwt_of_a_few_minutes() -> None:
    keys = Keys.generate()
    for key, role in ((keys.publishable_key, "anon"), (keys.secret_key, "service_role")):
        minted = keys.jwt_for(key)
        assert minted is not None
        claims = jwt.decode(minted, keys.jwt_secret, algorithms=["HS256"])
        assert claims["role"] == role
        assert 0 < claims["exp"] - claims["iat"] <= 600
    assert keys.jwt_for(keys.anon_key) == keys.anon_key


# As a hosted project answered in October 2026, word for word.
ROOT_WITH_ANON = {
    "anon_key": {
        "message": "Invalid API key",
        "hint": "Only the `service_role` API key can be used for this endpoint.",
    },
    "publishable_key": {
        "message": "Secret API key required",
        "hint": "Only secret API keys can be used for this endpoint.",
    },
}


@pytest.mark.parametrize("kind", ROOT_WITH_ANON)
@pytest.mark.parametrize("path", ["/rest/v1", "/rest/v1/", "/rest/v1/?select=x"])
def test_the_root_is_for_secret_keys(sandbox: Sandbox, kind: str, path: str) -> None:
    answer = get(sandbox, path, getattr(sandbox, kind))
    assert (answer.status_code, answer.json()) == (401, ROOT_WITH_ANON[kind])
    assert answer.headers["sb-error-code"] == "UNAUTHORIZED_INVALID_API_KEY_TYPE"


def test_a_browser_elsewhere_may_read_what_is_answered(sandbox: Sandbox) -> None:
    origin = {"Origin": "https://app.example.com"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "apikey"}
    for path in ("/rest/v1/questions", "/auth/v1/admin/users"):
        preflight = httpx.options(f"{sandbox.url}{path}", headers=origin | asked)
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        assert preflight.headers["Access-Control-Allow-Headers"] == "apikey"
        answer = get(sandbox, path, sandbox.service_role_key, **origin)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]
        refused = get(sandbox, path, **origin)
        assert refused.headers["Access-Control-Allow-Origin"] == "*"


def test_a_legacy_key_alone_is_no_authorization(sandbox: Sandbox) -> None:
    alone = {"apikey": sandbox.service_role_key}
    answer = httpx.get(f"{sandbox.url}/rest/v1/responses?limit=1", headers=alone)
    assert (answer.status_code, answer.json()["code"]) == (401, "42501")
    answer = httpx.get(f"{sandbox.url}/auth/v1/admin/users", headers=alone)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "no_authorization")


def test_a_gateway_that_checks_no_key(start_private_sandbox: Callable[..., Sandbox]) -> None:
    running = start_private_sandbox(faults="unchecked=1", seed_learners=False)
    # What the local development stack makes of a key it does not know: nobody signed in.
    for key in ("sb_secret_" + "x" * 31, "sb_publishable_" + "x" * 31):
        as_anon = get(running, "/rest/v1/questions", running.anon_key)
        answer = get(running, "/rest/v1/questions", key)
        assert (answer.status_code, answer.json()) == (as_anon.status_code, as_anon.json())
    foreign = jwt.encode({"role": "service_role"}, "x" * 40, algorithm="HS256")
    assert get(running, "/rest/v1/questions", foreign).json()["code"] == "PGRST301"
    assert get(running, "/rest/v1/questions", running.secret_key).is_success


@pytest.fixture(scope="module")
def newer() -> Iterator[Sandbox]:
    running = start_sandbox_sync(options(faults="newer=1"))
    yield running
    running.stop_sync()


def test_the_newer_description_of_the_schema(newer: Sandbox) -> None:
    answer = get(newer, "/rest/v1/", newer.secret_key)
    described = answer.json()
    assert described["info"]["version"] == "16.2"
    columns = described["definitions"]["responses"]["properties"]
    assert columns["ms_to_answer"]["format"] == "int32"
    assert columns["ms_to_answer"]["type"] == "integer"
    assert columns["id"]["format"] == "uuid"
    assert described["definitions"]["answer_events"]["properties"]["id"]["format"] == "int64"
    assert answer.headers["Server"] == "postgrest/16.2"


# As PostgREST's own tests state them (test/spec/Feature, August 2026).
NEWER_ERRORS = {
    "a table that is not there": (
        404,
        {
            "code": "PGRST205",
            "details": None,
            "hint": None,
            "message": "Could not find the table 'public.nowhere' in the schema cache",
        },
    ),
    "an expired token": (
        401,
        {"code": "PGRST303", "details": None, "hint": None, "message": "JWT expired"},
    ),
    "a token signed with another secret": (
        401,
        {
            "code": "PGRST301",
            "details": "None of the keys was able to decode the JWT",
            "hint": None,
            "message": "No suitable key or wrong key type",
        },
    ),
}


@pytest.mark.parametrize("what", NEWER_ERRORS)
def test_newer_errors(newer: Sandbox, what: str) -> None:
    past = {"role": "service_role", "exp": 1_700_000_000}
    token, path = {
        "a table that is not there": (newer.service_role_key, "nowhere"),
        "an expired token": (jwt.encode(past, newer.jwt_secret, "HS256"), "questions"),
        "a token signed with another secret": (jwt.encode(past, "x" * 40, "HS256"), "questions"),
    }[what]
    sent = {"apikey": newer.anon_key, "Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{newer.url}/rest/v1/{path}", headers=sent)
    assert (answer.status_code, answer.json()) == NEWER_ERRORS[what]
    assert answer.headers["Proxy-Status"] == f"PostgREST; error={answer.json()['code']}"


def test_newer_replies_name_the_project_and_are_otherwise_as_before(newer: Sandbox) -> None:
    answer = get(newer, "/rest/v1/questions?select=id", newer.secret_key)
    # A ref would make this a tunnel to a hosted project, and refuse every run.
    assert not is_ref(answer.headers["sb-project-ref"])
    assert len(answer.json()) > 50
    refused = get(newer, "/rest/v1/questions")
    assert refused.headers["sb-project-ref"] == answer.headers["sb-project-ref"]
    denied = get(newer, "/rest/v1/responses", newer.anon_key)
    assert denied.json()["code"] == "42501"
    assert denied.headers["Proxy-Status"] == "PostgREST; error=42501"


def test_the_newer_shape_outlives_other_faults(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    running = start_private_sandbox(newer=True, seed_learners=False)
    running.set_faults("latency=1")
    running.set_faults(None)
    assert "sb-project-ref" in get(running, "/rest/v1/questions", running.secret_key).headers


def test_no_key_of_the_project_opens_the_control_route(sandbox: Sandbox) -> None:
    route = f"{sandbox.url}/sandbox/v1/requests"
    for key in (None, sandbox.service_role_key, sandbox.secret_key):
        answer = httpx.post(route, headers={} if key is None else headers(key))
        assert answer.status_code == 404
    sandbox.clear_requests()
    assert sandbox.requests() == [], "and what is asked there is not among what was seen"


def test_browsers_may_not_use_secret_keys(sandbox: Sandbox) -> None:
    agent = {"User-Agent": BROWSER}
    answer = get(sandbox, "/rest/v1/questions", sandbox.secret_key, **agent)
    assert answer.status_code == 401
    assert "browser" in answer.json()["message"]
    assert get(sandbox, "/rest/v1/questions", sandbox.service_role_key, **agent).is_success
    assert get(sandbox, "/rest/v1/questions", sandbox.publishable_key, **agent).status_code != 400


def test_the_request_line_is_limited_to_8_kib(sandbox: Sandbox) -> None:
    def line(path: str) -> int:
        return len(f"GET {path} HTTP/1.1")

    path = "/rest/v1/questions?slug=eq."
    longest = path + "x" * (8192 - line(path))
    assert get(sandbox, longest, sandbox.service_role_key).status_code == 200
    answer = get(sandbox, longest + "x", sandbox.service_role_key)
    assert answer.status_code == 414
    assert answer.headers["Content-Type"].startswith("text/html")

    def ids(count: int) -> int:
        listed = ",".join(str(uuid.uuid4()) for _ in range(count))
        encoded = httpx.QueryParams({"select": "id", "id": f"in.({listed})"})
        return get(sandbox, f"/rest/v1/questions?{encoded}", sandbox.secret_key).status_code

    assert ids(200) == 200
    assert ids(215) == 414


def test_the_description_of_the_schema(sandbox: Sandbox) -> None:
    described = get(sandbox, "/rest/v1/", sandbox.service_role_key).json()
    assert "/responses" in described["paths"]
    assert "/rpc/analytics_refresh_heatmap" in described["paths"]
    assert described["definitions"]["responses"]["required"]
    assert get(sandbox, "/rest/v1", sandbox.service_role_key).is_success


def test_no_other_routes(sandbox: Sandbox) -> None:
    for path in ("/", "/storage/v1/bucket", "/rest/v2/questions", "/rest/v1x"):
        assert get(sandbox, path, sandbox.service_role_key).status_code == 404


def test_counts_ranges_and_heads_pass_unchanged(sandbox: Sandbox) -> None:
    key = sandbox.service_role_key
    exact = {"Prefer": "count=exact"}
    answer = get(sandbox, "/rest/v1/responses?select=id", key, **exact)
    total = int(answer.headers["Content-Range"].partition("/")[2])
    assert total > 1000
    assert answer.status_code == 206
    assert len(answer.json()) == 1000
    head = httpx.head(f"{sandbox.url}/rest/v1/responses?select=id", headers=headers(key, **exact))
    assert head.headers["Content-Range"] == f"0-999/{total}"
    assert head.content == b""
    some = get(sandbox, "/rest/v1/responses?select=id", key, Range="5-9", **exact)
    assert some.headers["Content-Range"] == f"5-9/{total}"
    encoded = get(sandbox, "/rest/v1/questions?select=id&slug=eq.a%2Cb%26c%2525", key)
    assert encoded.json() == []


def test_a_body_of_several_megabytes(sandbox: Sandbox) -> None:
    slug = f"large-{uuid.uuid4()}"
    row = {"slug": slug, "stem_md": "é" * 3_000_000, "explanation_brief_md": "-"}
    url = f"{sandbox.url}/rest/v1/questions"
    sent = headers(sandbox.secret_key, Prefer="return=representation")
    made = httpx.post(url, json=row, headers=sent, timeout=60)
    try:
        assert made.status_code == 201
        assert made.json()[0]["stem_md"] == row["stem_md"]
    finally:
        gone = httpx.delete(f"{url}?slug=eq.{slug}", headers=headers(sandbox.secret_key))
    assert gone.status_code == 204
    assert gone.content == b""


def test_the_log_of_requests(sandbox: Sandbox) -> None:
    sandbox.clear_requests()
    get(sandbox, "/rest/v1/questions?select=id&limit=1", sandbox.service_role_key)
    httpx.post(f"{sandbox.url}/rest/v1/nowhere", headers=headers(sandbox.secret_key), json={})
    get(sandbox, "/auth/v1/health")
    seen = [(request.method, request.path, request.status) for request in sandbox.requests()]
    assert seen == [
        ("GET", "/rest/v1/questions?select=id&limit=1", 200),
        ("POST", "/rest/v1/nowhere", 404),
        ("GET", "/auth/v1/health", 401),
    ]


def test_only_loopback_is_listened_on(sandbox: Sandbox) -> None:
    assert sandbox.url.startswith("http://127.0.0.1:")
    with pytest.raises(httpx.ConnectError):
        httpx.get(sandbox.url.replace("127.0.0.1", "127.0.0.2"), trust_env=False)


def test_max_rows_is_an_option(start_private_sandbox: Callable[..., Sandbox]) -> None:
    running = start_private_sandbox(max_rows=7)
    assert len(get(running, "/rest/v1/responses", running.secret_key).json()) == 7


def test_ddl_by_any_client_is_seen_without_a_notify(
    sandbox: Sandbox, database: psycopg.Connection
) -> None:
    def status() -> int:
        return get(sandbox, "/rest/v1/seen_at_once", sandbox.secret_key).status_code

    assert status() == 404
    database.execute("create table public.seen_at_once (id int primary key)")
    database.execute("grant select on public.seen_at_once to service_role")
    try:
        assert eventually(lambda: status() == 200)
    finally:
        database.execute("drop table public.seen_at_once")
    assert eventually(lambda: status() == 404)
