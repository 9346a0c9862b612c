"""What is not recognisably the project's word is judged by no probe."""

from __future__ import annotations

import json
import random
import ssl
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from aiohttp import web

from tests.dry_run.contexts import OPAQUE, QUICK, ask, ask_all, context_on, settings_for
from tui.dry_run.runner import end_of
from tui.errors import ExitCode
from tui.guard.target import classify
from tui.project import READER, Project
from tui.redact import Secret
from tui.verify.events import Mode, ProbeResult, ProbeStatus
from tui.verify.result import Result

if TYPE_CHECKING:
    from tests.dry_run.contexts import Handler
    from tui.sandbox import Sandbox
    from tui.verify.events import DryRunFinished

HTML: Final = {"Content-Type": "text/html"}
JSON: Final = {"Content-Type": "application/json"}
# Asked of this machine, or of the key, and of nothing else.
LOCAL: Final = {
    *("target.tls", "target.key", "target.key_project", "target.expiry", "target.env_file"),
    *("limits.batch", "volume.duration"),
}

# Status, headers, body; words of the verdict, words of its hint.
PAGES: Final = {
    "restricted": (402, JSON, '{"message": "Project is restricted"}', "restricted", "billing"),
    "firewall": (403, HTML, "<title>Access denied</title>", "firewall", "proxy"),
    "waf": (403, JSON, '{"code": "blocked", "message": "Forbidden"}', "firewall", "proxy"),
    "proxy": (407, HTML, "", "asks for a user", "HTTPS_PROXY"),
    "login": (401, HTML, "<title>Sign in</title>", "credentials of its own", "between"),
    "paused": (540, JSON, '{"message": "Project paused"}', "paused", "resume"),
    "timeout": (544, HTML, "", "544", "status page"),
    "cloudflare-521": (521, HTML, "<title>Web server is down</title>", "521", "status page"),
    "cloudflare-522": (522, HTML, "error code: 522", "522", "status page"),
    "cloudflare-523": (523, HTML, "", "523", "status page"),
    "cloudflare-524": (524, HTML, "", "524", "status page"),
    "cloudflare-525": (525, HTML, "", "525", "status page"),
    "cloudflare-530": (530, HTML, "error code: 1016", "530", "status page"),
    "nginx": (502, HTML, "<title>502 Bad Gateway</title>", "502", "status page"),
    "not-found": (404, HTML, "<title>404</title>", "a gateway answers", "SUPABASE_URL"),
    "odd": (418, JSON, '{"error": "teapot"}', "a gateway answers", "SUPABASE_URL"),
    "portal": (200, HTML, "<title>Welcome</title>", "instead of data", "SUPABASE_URL"),
    "portal-json": (200, JSON, '{"login": "/"}', "not PostgREST", "SUPABASE_URL"),
    "redirect": (
        *(301, {**HTML, "Location": "https://127.0.0.1/"}, "", "redirects elsewhere to https"),
        "without a redirect",
    ),
    "https-port": (
        *(400, HTML, "<center>The plain HTTP request was sent to HTTPS port</center>"),
        *("HTTPS port", "https://"),
    ),
    "asked-to-wait": (503, {**JSON, "Retry-After": "32"}, "{}", "asked to wait 32 s (503)", "page"),
}


def not_passed(answers: dict[str, ProbeResult]) -> list[str]:
    """Probes with another answer; latency is this machine's business."""
    return [
        f"{each.id}: {each.detail}"
        for each in answers.values()
        if each.status is not ProbeStatus.PASS and each.id != "target.latency"
    ]


def always(status: int, headers: dict[str, str], body: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, body=body.encode())

    return handler


async def asked_of(handler: Handler) -> tuple[DryRunFinished, dict[str, ProbeResult]]:
    async with context_on(handler) as context:
        return await ask_all(context)


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_told_once_and_everything_else_is_folded_under_it(name: str) -> None:
    status, headers, body, words, hint = PAGES[name]
    verdict, answers = await asked_of(always(status, headers, body))

    reachable = answers["target.reachable"]
    assert reachable.status is ProbeStatus.FAIL
    assert words in reachable.detail
    assert reachable.hint
    assert hint in reachable.hint
    assert [reason.partition(":")[0] for reason in verdict.reasons] == ["target.reachable"]
    rest = {id_: each for id_, each in answers.items() if id_ not in LOCAL | {"target.reachable"}}
    unset = rest.pop("authentication.anon_key")
    assert unset.status is ProbeStatus.SKIP
    assert {each.status for each in rest.values()} == {ProbeStatus.SKIP}
    assert not any(each.hint for each in rest.values())
    assert verdict.folded["target.reachable"] >= len(rest) - 3, "those of anon need its key first"

    result = Result(Mode.DRY_RUN)
    for answer in answers.values():
        result.apply(answer)
    assert end_of(verdict, result).exit_code is ExitCode.UNREACHABLE


async def test_one_gateway_of_two_that_is_away_is_no_unreachable_project(sandbox: Sandbox) -> None:
    """The auth server's gateway alone gives pages: the run is blocked, and nothing is judged."""
    forward = forwarding(sandbox)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/auth"):
            return web.Response(status=403, headers=HTML, text="<title>no</title>")
        return await forward(request)

    verdict, answers = await asked_of_sandbox(sandbox, handler)
    assert answers["target.reachable"].status is ProbeStatus.PASS
    assert answers["authentication.admin"].status is ProbeStatus.SKIP
    assert "firewall" in answers["authentication.admin"].detail
    assert not [each.id for each in answers.values() if each.status is ProbeStatus.FAIL]
    assert not verdict.ready


async def test_a_statement_timeout_is_no_permission() -> None:
    body = {"code": "57014", "message": "canceling statement due to statement timeout"}

    async def handler(request: web.Request) -> web.Response:
        if "rpc" in request.path or "agg" in request.path:
            return web.json_response(body, status=500)
        return web.json_response({"swagger": "2.0"} if request.path == "/rest/v1/" else [])

    async with context_on(handler) as context:
        anon = replace(
            context, anon=context.project, settings=settings_for(context.target.url, OPAQUE, ANON)
        )
        answer = await ask(anon, "permissions.anon_view")
    assert answer.status is ProbeStatus.SKIP
    assert "statement timeout" in answer.detail


ANON: Final = "sb_publishable_0123456789abcdefghijkl_12345678"


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        ({"code": "PGRST126", "message": "Root endpoint metadata is disabled"}, 404),
        ({"message": "Access to schema is forbidden", "hint": "x"}, 401),
        ({"code": "57014", "message": "canceling statement due to statement timeout"}, 500),
    ],
)
async def test_a_root_without_a_description_costs_nothing(
    sandbox: Sandbox, refusal: dict[str, str], status: int
) -> None:
    forward = forwarding(sandbox)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/rest/v1/":
            return web.json_response(refusal, status=status)
        return await forward(request)

    verdict, answers = await asked_of_sandbox(sandbox, handler)
    assert verdict.ready, verdict.reasons
    assert not_passed(answers) == []


async def test_a_gateway_that_checks_no_key_is_worth_a_warning_and_no_more(
    sandbox: Sandbox,
) -> None:
    """The local development stack's: an unknown key counts as anon."""
    forward = forwarding(sandbox)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers["apikey"] not in (sandbox.service_role_key, sandbox.anon_key):
            if request.path.startswith("/auth"):
                body = {"code": 403, "error_code": "bad_jwt", "msg": "invalid JWT"}
                return web.json_response(body, status=403)
            denied = {"code": "42501", "message": "permission denied for materialized view"}
            return web.json_response(denied, status=401)
        return await forward(request)

    verdict, answers = await asked_of_sandbox(sandbox, handler)
    assert verdict.ready
    assert answers["authentication.wrong_key"].status is ProbeStatus.WARN
    assert "counts as anon" in answers["authentication.wrong_key"].detail


async def test_users_that_cannot_be_listed_are_told_with_the_sql_that_mends_them(
    sandbox: Sandbox,
) -> None:
    forward = forwarding(sandbox)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/auth/v1/admin/users" and "filter" not in request.query:
            body = {"code": 500, "error_code": "unexpected_failure", "msg": "Database error"}
            return web.json_response(body, status=500)
        return await forward(request)

    verdict, answers = await asked_of_sandbox(sandbox, handler)
    answer = answers["authentication.admin"]
    assert verdict.ready
    assert answer.status is ProbeStatus.WARN
    assert answer.hint
    assert "select id, email from auth.users where confirmation_token is null" in answer.hint
    assert "update auth.users set confirmation_token = coalesce(" in answer.hint


async def test_a_kind_of_read_that_is_refused_is_found_before_the_first_write(
    sandbox: Sandbox,
) -> None:
    forward = forwarding(sandbox)

    async def handler(request: web.Request) -> web.StreamResponse:
        if "or" in request.query:
            body = {"code": "PGRST100", "message": "failed to parse logic tree"}
            return web.json_response(body, status=400)
        return await forward(request)

    verdict, answers = await asked_of_sandbox(sandbox, handler)
    assert not verdict.ready
    assert answers["schema.requests"].status is ProbeStatus.FAIL
    assert "PGRST100" in answers["schema.requests"].detail


@dataclass(frozen=True)
class Reply:
    """One reply of the sandbox, as it was recorded."""

    status: int
    headers: dict[str, str]
    body: bytes


# Made once: it takes longer than a request.
_TLS = ssl.create_default_context()


async def _ask(sandbox: Sandbox, request: web.Request) -> Reply:
    kept = ("apikey", "Authorization", "Accept", "Prefer", "Range", "Range-Unit", "Accept-Profile")
    headers = {name: request.headers[name] for name in kept if name in request.headers}
    async with httpx.AsyncClient(verify=_TLS, timeout=60) as client:
        reply = await client.get(sandbox.url + request.path_qs, headers=headers)
    told = ("content-type", "content-range", "x-total-count")
    return Reply(
        reply.status_code,
        {name: reply.headers[name] for name in told if name in reply.headers},
        reply.content,
    )


def forwarding(sandbox: Sandbox) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        reply = await _ask(sandbox, request)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    return handler


async def asked_of_sandbox(
    sandbox: Sandbox, handler: Handler
) -> tuple[DryRunFinished, dict[str, ProbeResult]]:
    """A dry run with both keys of a sandbox, through a handler before it."""
    async with (
        context_on(handler, sandbox.service_role_key) as context,
        Project(context.target.url, Secret(sandbox.anon_key), policy=QUICK) as anon,
    ):
        url, key = context.target.url, sandbox.service_role_key
        whole = replace(
            context,
            anon=anon,
            target=classify(url, key),
            settings=settings_for(url, key, sandbox.anon_key),
        )
        return await ask_all(whole)


Key = tuple[str, str]
Change = "Callable[[Reply, random.Random], Reply]"


def key_of(request: web.Request) -> Key:
    # The rows shown are of another run each time.
    path = request.path if "sample" in request.query else request.path_qs
    return path, request.headers.get("apikey", "")


def as_page(reply: Reply, rng: random.Random) -> Reply:
    return Reply(rng.choice((200, 403, 404, 418, 500, 530)), {"content-type": "text/html"}, b"<p>")


def other_status(reply: Reply, rng: random.Random) -> Reply:
    return replace(reply, status=rng.choice((402, 418, 451, 499, 540, 599)))


def other_code(reply: Reply, rng: random.Random) -> Reply:
    """A code that nobody knows in place of a refusal's, or in place of data."""
    body = {"code": rng.choice(("QX123", "PGRST999", "renamed_code")), "message": "something new"}
    status = reply.status if reply.status >= 400 else rng.choice((400, 409, 500))
    return Reply(status, JSON, json.dumps(body).encode())


def cut_short(reply: Reply, _: random.Random) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) // 2] or b"{")


def without_a_key(reply: Reply, rng: random.Random) -> Reply:
    """One key dropped, at any depth: what it told is unknown."""
    body = json.loads(reply.body or b"null")
    places: list[dict[str, Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            places.extend([value] if value else [])
            for each in value.values():
                walk(each)
        if isinstance(value, list):
            for each in value:
                walk(each)

    walk(body)
    if not places:
        return other_code(reply, rng)
    place = rng.choice(places)
    del place[rng.choice(sorted(place))]
    return replace(reply, body=json.dumps(body).encode())


def of_another_shape(reply: Reply, rng: random.Random) -> Reply:
    if reply.body.startswith(b"["):
        return replace(reply, body=b'{"rows": []}')
    return replace(reply, body=rng.choice((b"null", b"7", b'"text"', b'{"data": {}}')))


CHANGES: Final = (
    as_page,
    other_status,
    other_code,
    cut_short,
    without_a_key,
    of_another_shape,
)


def is_understood(probe: str, mutated: Key, changed: Reply, change: object) -> bool:
    """Whether a probe has to fail on a reply that is not what a sound project says."""
    path, _ = mutated
    match probe:
        case "schema.reader":
            # Other columns, or no rows, are those of another function.
            return READER in path and change in {without_a_key, of_another_shape}
        case "authentication.anon_key":
            return path.startswith("/rest/v1/questions") and changed.status == 401
        case "limits.url_length":
            # What is said of the longest URL alone is about its length.
            return "&id=in." in path and changed.status == 400
    return False


async def test_no_probe_fails_on_what_it_does_not_understand(
    sandbox: Sandbox, sample_seed: int
) -> None:
    """Each reply of a sound project, mutated by itself in each way, by the seed."""
    recorded: dict[Key, Reply] = {}

    async def record(request: web.Request) -> web.StreamResponse:
        reply = recorded[key_of(request)] = await _ask(sandbox, request)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    verdict, answers = await asked_of_sandbox(sandbox, record)
    assert verdict.ready
    assert not_passed(answers) == []
    assert len(recorded) >= 15

    for number, mutated in enumerate(sorted(recorded)):
        for change in CHANGES:
            rng = random.Random(f"{sample_seed}:{number}:{change.__name__}")
            changed = change(recorded[mutated], rng)

            async def replay(
                request: web.Request, mutated: Key = mutated, changed: Reply = changed
            ) -> web.StreamResponse:
                reply = recorded.get(key_of(request))
                if reply is None:
                    reply = await _ask(sandbox, request)
                if key_of(request) == mutated:
                    reply = changed
                return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

            _, told = await asked_of_sandbox(sandbox, replay)
            what = f"{mutated[0]} by {change.__name__}: {changed.status} {changed.body[:200]!r}"
            wrong = [
                each
                for each in told.values()
                if each.status is ProbeStatus.FAIL
                and not is_understood(each.id, mutated, changed, change)
            ]
            assert wrong == [], what
            asked_again = Counter(each.cause for each in told.values())
            untold = [each for each in told.values() if each.status is not ProbeStatus.PASS]
            # The description costs nothing where the preflight answers.
            spared = change in {without_a_key, cut_short, of_another_shape}
            # A 401 with a message is what a wrong key and anon should get, whatever its code.
            spared = spared or changed.status == 401
            # A code that is known tells more than the status.
            spared = spared or (change is other_status and b'"code"' in changed.body)
            # How soon the auth server answers, a refusal of its own tells as well.
            spared = spared or (change is other_code and mutated[0] == "/auth/v1/health")
            assert untold or spared or mutated[0] == "/rest/v1/", what
            assert asked_again[None] >= len(LOCAL)
