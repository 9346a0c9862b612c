"""One budget of tries for each request; fewer requests in flight after a fault."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tui.guard import break_glass
from tui.guard.target import classify, declared_by_database
from tui.project import (
    GATEWAY_TIMEOUT,
    KeyRefused,
    NewUser,
    Project,
    ProjectError,
    RetryNotice,
    RetryPolicy,
    Writer,
)
from tui.project.retry import Lane
from tui.redact import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

QUICK = RetryPolicy(base_s=0.01, cap_s=0.02, deadline_s=5.0)
USER = NewUser("00000000-0000-4000-8000-000000000001", "heatmap-a-1@example.com", {})
MADE = {
    "id": USER.id,
    "aud": "authenticated",
    "email": USER.email,
    "created_at": "2026-01-01",
    "app_metadata": {},
    "user_metadata": {},
}
TAKEN = {"code": "email_exists", "message": "A user with this email address has already been"}
UNKNOWN = {"code": "user_not_found", "message": "User not found"}
API_VERSION = {"X-Supabase-Api-Version": "2024-01-01"}


@asynccontextmanager
async def served(
    handler: Handler, **policy: float
) -> AsyncIterator[tuple[Project, Writer, Counter[str], list[RetryNotice]]]:
    """A project and a writer on a server of one handler, what it was asked, what was retried."""
    asked: Counter[str] = Counter()
    notices: list[RetryNotice] = []

    async def counting(request: web.Request) -> web.StreamResponse:
        asked[request.method] += 1
        return await handler(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", counting)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    chosen = RetryPolicy(
        **{"base_s": 0.01, "cap_s": 0.02, "deadline_s": 5.0, "in_doubt_s": 0.0, **policy}
    )  # type: ignore[arg-type]
    key = "sb_secret_" + "0123456789abcdefghijkl_12345678"
    target = declared_by_database(classify(url, key, sandbox=True), None)
    permission = break_glass.authorize_write(target, allow_prod=False, now=break_glass.Moment.now())
    try:
        async with Project(url, Secret(key), policy=chosen, on_retry=notices.append) as project:
            yield project, Writer(project, target, permission), asked, notices
    finally:
        await runner.cleanup()


def always(status: int, body: Any, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers={**API_VERSION, **headers})

    return handler


def in_turn(*replies: tuple[int, Any]) -> Handler:
    left = list(replies)

    async def handler(_: web.Request) -> web.Response:
        status, body = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(body, str):
            return web.Response(text=body, status=status, content_type="text/html")
        return web.json_response(body, status=status, headers=API_VERSION)

    return handler


async def test_a_user_is_sent_again_and_nothing_else() -> None:
    async with served(always(503, {"message": "away"})) as (_, writer, asked, notices):
        with pytest.raises(ProjectError, match="503"):
            await writer.create_user(USER)
    assert asked == {"POST": 5}
    assert [notice.attempt for notice in notices] == [2, 3, 4, 5]


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504, 520, 521, 525, 530, 544])
async def test_every_write_is_sent_again_after_a_gateways_page(status: int) -> None:
    page = (status, "<html><title>not now</title></html>")
    away = (404, UNKNOWN)
    in_doubt = status in GATEWAY_TIMEOUT
    turns = [page, away, page, away] if in_doubt else [page, page]
    async with served(in_turn(*turns, (200, MADE))) as (_, writer, asked, _n):
        await writer.create_user(USER)
    assert asked == {"POST": 3, "GET": 2 * in_doubt} if in_doubt else {"POST": 3}
    async with served(in_turn(page, (201, []))) as (_, writer, asked, _n):
        await writer.insert("questions", [{"id": USER.id}])
    assert asked == {"POST": 2}
    async with served(in_turn(page, (200, {}))) as (_, writer, asked, _n):
        assert await writer.delete_user(USER.id)
    assert asked == {"DELETE": 2}


@pytest.mark.parametrize("code", ["40P01", "40001", "PGRST000", "PGRST003"])
async def test_a_deadlock_passes(code: str) -> None:
    trouble = (500, {"code": code, "message": "not now", "details": None, "hint": None})
    async with served(in_turn(trouble, (201, []))) as (_, writer, asked, _n):
        await writer.insert("questions", [{"id": USER.id}])
    assert asked == {"POST": 2}


async def test_a_repeat_that_meets_its_own_first_try_succeeded() -> None:
    lost = (502, "<html>gone</html>")
    async with served(in_turn(lost, (422, TAKEN), (200, MADE))) as (_, writer, asked, _n):
        await writer.create_user(USER)
    assert asked == {"POST": 2, "GET": 1}


async def test_a_creation_that_is_still_under_way_is_waited_for_and_not_sent_again() -> None:
    gave_up = (504, "<html>too late</html>")
    turns = in_turn(gave_up, (404, UNKNOWN), (404, UNKNOWN), (200, MADE))
    async with served(turns, in_doubt_s=10.0) as (_, writer, asked, _n):
        await writer.create_user(USER)
    assert asked == {"POST": 1, "GET": 3}


async def test_a_creation_whose_connection_broke_is_looked_for_before_it_is_sent_again() -> None:
    asked_before: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked_before.append(request.method)
        if len(asked_before) == 1:
            assert request.transport is not None
            request.transport.abort()
        found = web.json_response(MADE, headers=API_VERSION)
        return found if len(asked_before) == 2 else web.json_response({}, status=500)

    async with served(handler) as (_, writer, asked, _n):
        await writer.create_user(USER)
    assert asked == {"POST": 1, "GET": 1}


async def test_what_the_auth_server_itself_gave_up_on_is_sent_again_at_once() -> None:
    ended = (504, {"code": "request_timeout", "message": "Processing this request timed out"})
    async with served(in_turn(ended, (200, MADE)), in_doubt_s=10.0) as (_, writer, asked, _n):
        await writer.create_user(USER)
    assert asked == {"POST": 2}


async def test_an_address_of_somebody_else_is_refused_once() -> None:
    async with served(in_turn((422, TAKEN), (404, UNKNOWN))) as (_, writer, asked, _n):
        with pytest.raises(ProjectError, match="belongs to somebody else"):
            await writer.create_user(USER)
    assert asked == {"POST": 1, "GET": 1}


async def test_an_auth_server_that_ignores_the_id_is_told_at_once() -> None:
    other = {**MADE, "id": "00000000-0000-4000-8000-000000000002"}
    async with served(always(200, other)) as (_, writer, _asked, _n):
        with pytest.raises(ProjectError, match="not the id it was given"):
            await writer.create_user(USER)


async def test_what_refuses_every_user_is_not_asked_for_each() -> None:
    """Three users, twice each."""
    body = {"code": "unexpected_failure", "message": "Database error creating new user"}
    async with served(always(500, body)) as (_, writer, asked, _n):
        for _ in range(20):
            with pytest.raises(ProjectError, match="Database error creating new user") as told:
                await writer.create_user(USER)
    assert asked == {"POST": 6}
    assert "Postgres logs" in str(told.value.hint)


async def test_one_user_that_cannot_be_deleted_stops_no_other() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("1"):
            return web.json_response({}, headers=API_VERSION)
        body = {"code": "unexpected_failure", "message": "Database error deleting user"}
        return web.json_response(body, status=500, headers=API_VERSION)

    async with served(handler) as (_, writer, asked, _n):
        await writer.delete_user(USER.id)
        for number in range(5):
            with pytest.raises(ProjectError):
                await writer.delete_user(USER.id[:-1] + "2")
            assert asked["DELETE"] == 1 + 2 * (number + 1)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"code": "PGRST303", "message": "JWT issued at future"}),
        (403, {"code": "bad_jwt", "message": "unrecognized JWT kid <nil> for algorithm ES256"}),
    ],
)
async def test_a_key_that_was_accepted_is_not_given_up_for_one_refusal(
    status: int, body: dict[str, str]
) -> None:
    async with served(in_turn((200, MADE), (status, body), (200, {}))) as (_, writer, asked, _n):
        await writer.create_user(USER)
        assert await writer.delete_user(USER.id)
    assert asked == {"POST": 1, "DELETE": 2}
    async with served(always(status, body)) as (_, writer, asked, _n):
        with pytest.raises(KeyRefused):
            await writer.delete_user(USER.id)
    assert asked == {"DELETE": 1}, "never accepted, so refused"


async def test_what_the_server_asks_to_wait_is_told_and_patience_has_an_end() -> None:
    async with served(always(503, {"message": "busy"}, **{"Retry-After": "1"}), attempts=2) as (
        project,
        _w,
        _a,
        notices,
    ):
        began = time.monotonic()
        with pytest.raises(ProjectError, match=r"asked to wait 1 s \(503\)"):
            await project.count("questions")
        assert time.monotonic() - began >= 1.0
    assert notices[0].reason == "503, asked to wait 1 s"
    hurried = served(always(503, {"message": "busy"}, **{"Retry-After": "32"}), patience_s=2.0)
    async with hurried as (project, _w, asked, notices):
        with pytest.raises(ProjectError, match=r"asked to wait 32 s \(503\)"):
            await project.count("questions")
    assert asked == {"GET": 1}
    assert not notices


async def test_a_date_to_retry_after_counts_from_the_replys_own_clock() -> None:
    headers = {
        "Date": "Fri, 31 Dec 1999 23:59:00 GMT",
        "Retry-After": "Fri, 31 Dec 1999 23:59:40 GMT",
    }
    async with served(always(503, {}, **headers), patience_s=2.0) as (project, *_):
        with pytest.raises(ProjectError, match="asked to wait 40 s"):
            await project.count("questions")


async def in_flight_at_most(lane: Lane, requests: int) -> int:
    now = most = 0

    async def request() -> None:
        nonlocal now, most
        async with lane:
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*(request() for _ in range(requests)))
    return most


async def test_a_fault_halves_what_is_in_flight_and_successes_raise_it_again() -> None:
    lane = Lane(8)
    assert await in_flight_at_most(lane, 30) == 8
    sent_at = time.monotonic()
    for _ in range(8):
        lane.failed(sent_at)
    assert await in_flight_at_most(lane, 30) == 4, "faults of one moment count once"
    for _ in range(10):
        lane.failed(time.monotonic())
    assert await in_flight_at_most(lane, 30) == 1
    for _ in range(100):
        lane.succeeded()
    assert await in_flight_at_most(lane, 30) == 8


async def test_a_fault_while_requests_are_in_flight_counts_as_they_end() -> None:
    lane = Lane(4)
    for _ in range(4):
        await lane.__aenter__()
    lane.failed(time.monotonic())
    for _ in range(4):
        await lane.__aexit__()
    assert await in_flight_at_most(lane, 10) == 2


async def replies(lane: Lane, count: int, *, way_ms: float, work_ms: float) -> int:
    """Have a server of two cores answer, and return how many are in flight in the end."""
    most = 0
    for _ in range(count):
        most = await in_flight_at_most(lane, 60)
        working = most * work_ms / (way_ms + work_ms)
        lane.succeeded((way_ms + work_ms * max(1.0, working / 2)) / 1_000)
    return most


async def test_a_near_server_gets_few_at_once_and_a_distant_one_all() -> None:
    assert await in_flight_at_most(Lane(24, at_server=2), 60) == 2, "before anything is known"
    for way_ms, first, later in ((1.0, 2, 2), (40.0, 5, 9), (150.0, 12, 24)):
        line = Lane(8)
        lane = Lane(24, at_server=2, beside=line)
        line.succeeded(way_ms / 1_000)
        assert await in_flight_at_most(lane, 60) == first, "as far as the line is known"
        assert abs(await replies(lane, 60, way_ms=way_ms, work_ms=12.0) - later) <= 1
    for _ in range(60):
        lane.succeeded(0.6)
    assert await in_flight_at_most(lane, 60) == 3, "it has become slow"


async def test_requests_that_come_together_are_not_taken_for_a_slow_server() -> None:
    line = Lane(8)
    lane = Lane(24, at_server=2, beside=line)
    line.succeeded(0.15)
    for _ in range(5):
        for before in range(await in_flight_at_most(lane, 60)):
            # Each waits for those of its own burst that are before it at one of two cores.
            lane.succeeded(0.15 + 0.012 * (1 + before // 2))
    assert await in_flight_at_most(lane, 60) == 24


async def test_a_user_comes_with_a_hash_that_no_password_leads_to() -> None:
    sent: list[dict[str, Any]] = []

    async def handler(request: web.Request) -> web.Response:
        sent.append(await request.json())
        return web.json_response(MADE, headers=API_VERSION)

    async with served(handler) as (_, writer, *_):
        await writer.create_user(USER)
        await writer.create_user(USER)

    hashes = [each["password_hash"] for each in sent]
    assert len(set(hashes)) == 2, "fresh for every user"
    for each in hashes:
        # Only these last characters are of whole bytes: others no bcrypt library reads.
        assert re.fullmatch(
            r"\$2a\$10\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]", each
        )
    assert not any("password" in each for each in sent)
