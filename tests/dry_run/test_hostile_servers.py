"""Servers that a sandbox cannot be: no gate, no auth API, replies that are none."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from tests.dry_run.contexts import OPAQUE, ask, ask_all, context_on
from tui.dry_run.authentication import misspelt
from tui.dry_run.facts import Preflight, UnansweredError, ask_declaration
from tui.dry_run.runner import PROBES, verdict_of
from tui.errors import ExitCode
from tui.project import APPLY_PREFLIGHT, PREFLIGHT, ProjectError, RetryPolicy
from tui.verify.events import ProbeStatus

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw"


# As much of a description as tells that PostgREST answers.
ROOT = {"swagger": "2.0"}


async def everything_goes(request: web.Request) -> web.Response:
    if request.path.startswith("/auth/v1/admin"):
        return web.json_response({"users": []})
    return web.json_response(ROOT if request.path == "/rest/v1/" else [])


async def test_a_project_without_a_gate_is_told() -> None:
    async with context_on(everything_goes) as context:
        answer = await ask(context, "authentication.wrong_key")

    assert answer.status is ProbeStatus.FAIL
    assert "/rest/v1/analytics_heatmap_agg answers 200" in answer.detail
    assert "/auth/v1/admin/users answers 200" in answer.detail


async def test_a_gate_on_one_of_two_doors_is_not_enough() -> None:
    async def half(request: web.Request) -> web.Response:
        if request.path.startswith("/auth") and request.headers["apikey"] != OPAQUE:
            return web.json_response({"message": "Invalid API key"}, status=401)
        return await everything_goes(request)

    async with context_on(half) as context:
        answer = await ask(context, "authentication.wrong_key")

    assert answer.status is ProbeStatus.FAIL
    assert "/auth" not in answer.detail


@pytest.mark.parametrize("body", ["<html>", "[]", '{"users": null}', "{}"])
async def test_an_auth_api_that_is_none_blocks_and_is_not_judged(body: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.startswith("/auth"):
            return web.Response(text=body, content_type="application/json")
        return await everything_goes(request)

    async with context_on(handler) as context:
        answer = await ask(context, "authentication.admin")

    assert answer.status is ProbeStatus.SKIP
    assert answer.detail.startswith("cannot tell: listing users")
    assert not verdict_of([answer]).ready


@pytest.mark.parametrize("body", ["null", "[]", "{}", "0", '"text"', '{"definitions": 3}'])
@pytest.mark.parametrize("status", [200, 404])
async def test_no_reply_makes_a_probe_crash(body: str, status: int) -> None:
    """Whatever JSON a stranger's server gives, each probe has words for it."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, content_type="application/json")

    async with context_on(handler) as context:
        verdict, answers = await ask_all(context)

    assert len(answers) == len(PROBES)
    assert not verdict.ready
    assert [f.id for f in answers.values() if "internal error" in f.detail] == []


@pytest.mark.parametrize("made", ["9999-12-31T23:00:00-05:00", "0001-01-01T00:00+05:00", "soon", 7])
async def test_a_user_of_no_known_day_is_left_over_all_the_same(made: object) -> None:
    user = {"id": "1", "email": "heatmap-20260131-9f3c21aa-0@example.com", "created_at": made}

    async def handler(request: web.Request) -> web.Response:
        if request.path.startswith("/auth/v1/admin"):
            return web.json_response({"users": [user]}, headers={"X-Total-Count": "1"})
        return await everything_goes(request)

    async with context_on(handler) as context:
        answer = await ask(context, "leftovers.users")
    assert answer.status is ProbeStatus.WARN, answer.detail


async def test_responses_too_many_to_count_block_nothing() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/rest/v1/responses":
            if "count=exact" in request.headers.get("Prefer", ""):
                body = {"code": "57014", "message": "canceling statement due to statement timeout"}
                return web.json_response(body, status=500)
            return web.json_response([{"id": n} for n in range(1_000)])
        headers = {"Content-Range": "*/7"} if request.path.startswith("/rest/v1/") else {}
        return web.json_response(ROOT if request.path == "/rest/v1/" else [], headers=headers)

    async with context_on(handler) as context:
        rows = await ask(context, "volume.rows")
        reply = await ask(context, "limits.max_rows")

    assert rows.status is reply.status is ProbeStatus.PASS
    assert "7 users, 7 questions, more than can be counted responses" in rows.detail


async def test_a_gateway_that_fails_now_and_then_is_told_with_its_status() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"message": "upstream is away"}, status=503)

    async with context_on(handler, policy=RetryPolicy()) as context:
        answer = await ask(context, "target.reachable")

    # With the patience of a run, the probe's time would be up before the cause was known.
    assert answer.status is ProbeStatus.FAIL
    assert "503" in answer.detail
    assert "upstream is away" in answer.detail


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    async def handler(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:9/elsewhere")

    async with context_on(handler) as context:
        answer = await ask(context, "target.reachable")

    assert answer.status is ProbeStatus.FAIL
    assert "redirects elsewhere to http://127.0.0.1" in answer.detail


@pytest.mark.parametrize("key", [JWT, OPAQUE, "sb_publishable_abc_def", "plain"])
def test_a_misspelt_key_has_the_same_shape_and_is_another(key: str) -> None:
    wrong = misspelt(key)

    assert wrong != key
    assert len(wrong) == len(key)
    assert wrong.split(".")[:-1] == key.split(".")[:-1]
    assert wrong.split("_")[:2] == key.split("_")[:2] or "_" not in key


@pytest.mark.parametrize("document", ["[]", "7", "{}", '{"ok": true}', '{"schema": 2}'])
@pytest.mark.parametrize("is_postgrests", [True, False])
async def test_only_a_document_of_our_version_is_read(document: str, is_postgrests: bool) -> None:
    async def handler(request: web.Request) -> web.Response:
        is_function = request.path.endswith(PREFLIGHT)
        return web.Response(
            text=document if is_function else json.dumps(ROOT),
            headers={"Content-Range": "0-0/*"} if is_postgrests else None,
            content_type="application/json",
        )

    async with context_on(handler) as context:
        with pytest.raises(ProjectError) as caught:
            await ask_declaration(context.project)
        answer = await ask(context, "schema.preflight")
    # Another function of the project's own says that the project answers.
    is_known = is_postgrests or "schema" in document
    assert caught.value.exit_code is (ExitCode.FAILED if is_known else ExitCode.UNREACHABLE)
    assert caught.value.hint == (APPLY_PREFLIGHT if is_known else None)
    assert answer.status is (ProbeStatus.FAIL if "schema" in document else ProbeStatus.SKIP)
    assert answer.hint == APPLY_PREFLIGHT


def test_a_document_without_a_key_says_which() -> None:
    document = Preflight.read({"schema": 1, "view": {"owner": None}})

    assert document.at("view", "owner") is None
    with pytest.raises(UnansweredError, match=r"does not report view\.rows"):
        document.at("view", "rows")
    with pytest.raises(UnansweredError, match=r"does not report 'rows'"):
        document.at("view")["rows"]
    with pytest.raises(UnansweredError, match=r"does not report view\.owner\.name"):
        document.at("view", "owner", "name")
