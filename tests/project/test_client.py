"""The project client against a real PostgREST, and against a door that misbehaves."""

from __future__ import annotations

import asyncio
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

import httpx
import psycopg
import pytest

from tui.guard import break_glass
from tui.guard.target import classify, declared_by_database
from tui.project import (
    Denied,
    Filter,
    KeyRefused,
    Missing,
    NewUser,
    Project,
    ProjectError,
    ProjectUnreachable,
    RetryNotice,
    RetryPolicy,
    Writer,
    one_of,
    outside,
)
from tui.redact import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tui.sandbox import Sandbox

QUICK = RetryPolicy(base_s=0.01, cap_s=0.05, deadline_s=10.0)


@pytest.fixture
async def project(sandbox: Sandbox) -> AsyncIterator[Project]:
    async with Project(sandbox.url, Secret(sandbox.service_role_key), policy=QUICK) as opened:
        yield opened


async def test_reads_every_row_past_the_servers_limit(project: Project) -> None:
    total = await project.count("responses")
    assert total > 1_000, "the server hands out 1,000 rows at a time"
    rows = await project.rows("responses", ("id",), order=("id",))
    assert len(rows) == total
    assert len({row["id"] for row in rows}) == total


async def test_conditions_choose_rows(project: Project) -> None:
    ids = sorted(row["id"] for row in await project.rows("questions", ("id",), order=("id",)))
    assert await project.count("questions", [one_of("id", ids[:3])]) == 3
    assert await project.count("questions", [outside("id", ids[1], ids[-2])]) == 2
    assert await project.count("questions", [Filter("slug", "match", "^nothing$")]) == 0
    with pytest.raises(ValueError, match="151"):
        one_of("id", ["x"] * 151)


async def test_each_refusal_has_its_type(sandbox: Sandbox, project: Project) -> None:
    with pytest.raises(Missing) as missing:
        await project.count("no_such_table")
    assert missing.value.status == 404
    with pytest.raises(Missing):
        await project.call_read_only("no_such_function")
    with pytest.raises(ProjectError) as read_only:
        await project.call_read_only("analytics_refresh_heatmap")
    assert read_only.value.code == "25006"
    async with Project(sandbox.url, Secret(sandbox.anon_key), policy=QUICK) as anon:
        with pytest.raises(Denied) as denied:
            await anon.call_read_only("analytics_heatmap_admin")
        assert denied.value.code == "42501"
        with pytest.raises(ProjectError) as admin:
            await anon.get_json("/auth/v1/admin/users", "listing users")
        assert admin.value.status in {401, 403}
    async with Project(sandbox.url, Secret(sandbox.anon_key[:-4] + "AAAA"), policy=QUICK) as wrong:
        with pytest.raises(KeyRefused):
            await wrong.count("questions")


async def test_nobody_signs_in_as_a_user_that_a_run_makes(
    sandbox: Sandbox, project: Project
) -> None:
    target = declared_by_database(classify(sandbox.url, sandbox.service_role_key), None)
    permission = break_glass.authorize_write(target, allow_prod=False, now=break_glass.Moment.now())
    made = NewUser(str(uuid4()), f"heatmap-{uuid4().hex}-1@example.com", {"synthetic": True})
    with permission:
        writer = Writer(project, target, permission)
        await writer.create_user(made)
        try:
            with psycopg.connect(sandbox.db_url) as database:
                kept = database.execute(
                    "select encrypted_password from auth.users where id = %s", [made.id]
                ).fetchone()
            assert kept is not None, "it exists"
            assert kept[0].startswith("$2a$10$"), "as it was given, so nothing was hashed"
            async with httpx.AsyncClient(headers={"apikey": sandbox.anon_key}) as learner:
                for tried in ("", kept[0], made.email, made.id, "password"):
                    answer = await learner.post(
                        f"{sandbox.url}/auth/v1/token?grant_type=password",
                        json={"email": made.email, "password": tried},
                    )
                    assert answer.status_code == 400, answer.text
                    assert "invalid_credentials" in answer.text
        finally:
            assert await writer.delete_user(made.id)


async def test_no_error_shows_the_key(sandbox: Sandbox) -> None:
    wrong = sandbox.service_role_key[:-6] + "AAAAAA"
    async with Project(sandbox.url, Secret(wrong), policy=QUICK) as project:
        with pytest.raises(ProjectError) as refused:
            await project.count("questions")
    assert wrong not in str(refused.value) + repr(refused.value) + str(refused.value.hint)


async def test_a_port_where_nobody_listens_is_unreachable_and_retried() -> None:
    notices: list[RetryNotice] = []
    async with Project(
        "http://127.0.0.1:9", Secret("sb_secret_nobody"), policy=QUICK, on_retry=notices.append
    ) as project:
        with pytest.raises(ProjectUnreachable):
            await project.count("questions")
    assert [notice.attempt for notice in notices] == [2, 3, 4, 5]
    assert all(notice.attempts == 5 for notice in notices)


class Door(BaseHTTPRequestHandler):
    """Answers by a script: one (status, headers, body) for each request, the last for ever."""

    script: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    seen: ClassVar[list[tuple[str, str, str | None]]] = []

    def _answer(self) -> None:
        self.seen.append((self.command, self.path, self.headers.get("apikey")))
        status, headers, body = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815 - as the base class wants it

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def door() -> Iterator[Callable[..., str]]:
    """A server that answers by a script; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    Thread(target=server.serve_forever, daemon=True).start()

    def answering(*script: tuple[int, dict[str, str], bytes]) -> str:
        Door.script[:], Door.seen[:] = list(script), []
        return f"http://127.0.0.1:{server.server_port}"

    yield answering
    server.shutdown()
    server.server_close()


JSON = {"Content-Type": "application/json"}
ROW = (206, {**JSON, "Content-Range": "0-0/1"}, b'[{"id": 1}]')


async def ask(url: str, **policy: float) -> list[dict[str, object]]:
    chosen = RetryPolicy(**{"base_s": 0.01, "cap_s": 0.02, "deadline_s": 2.0, **policy})  # type: ignore[arg-type]
    async with Project(url, Secret("sb_secret_door"), policy=chosen) as project:
        return await project.rows("questions", ("id",), order=("id",))


async def test_a_redirect_is_not_followed_with_the_key(door: Callable[..., str]) -> None:
    url = door((302, {"Location": "/elsewhere"}, b""))
    with pytest.raises(ProjectError, match="redirects elsewhere"):
        await ask(url)
    assert [path.partition("?")[0] for _, path, _ in Door.seen] == ["/rest/v1/questions"]


@pytest.mark.parametrize(
    "trouble",
    [
        (408, JSON, b"{}"),
        (425, JSON, b"{}"),
        (429, {**JSON, "Retry-After": "0"}, b"{}"),
        (502, {}, b"<html>Bad Gateway</html>"),
        (503, JSON, b'{"code":"PGRST002","message":"schema cache"}'),
        (504, {}, b""),
        (520, {}, b""),
        (200, {**JSON, "Content-Range": "0-0/1"}, b'[{"id": '),
    ],
    ids=lambda trouble: f"{trouble[0]}",
)
async def test_what_may_pass_is_asked_again(
    door: Callable[..., str], trouble: tuple[int, dict[str, str], bytes]
) -> None:
    assert await ask(door(trouble, trouble, ROW)) == [{"id": 1}]
    assert len(Door.seen) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        (400, JSON, b'{"code":"22P02","message":"bad input"}'),
        (401, JSON, b'{"message":"Invalid API key"}'),
        (403, JSON, b'{"code":"42501","message":"denied"}'),
        (404, JSON, b'{"code":"PGRST205","message":"no table"}'),
        (409, JSON, b'{"code":"23505","message":"duplicate"}'),
        (500, JSON, b'{"code":"57014","message":"timeout"}'),
    ],
    ids=lambda refusal: f"{refusal[0]}",
)
async def test_what_will_not_pass_is_asked_once(
    door: Callable[..., str], refusal: tuple[int, dict[str, str], bytes]
) -> None:
    with pytest.raises(ProjectError):
        await ask(door(refusal))
    assert len(Door.seen) == 1


async def test_retry_after_is_honoured(door: Callable[..., str]) -> None:
    began = time.monotonic()
    assert await ask(door((429, {**JSON, "Retry-After": "1"}, b"{}"), ROW)) == [{"id": 1}]
    assert time.monotonic() - began >= 1.0


async def test_a_reply_that_stops_short_of_its_count_is_not_taken_for_whole(
    door: Callable[..., str],
) -> None:
    url = door(
        (206, {**JSON, "Content-Range": "0-0/3"}, b'[{"id": 1}]'),
        (200, {**JSON, "Content-Range": "*/3"}, b"[]"),
    )
    with pytest.raises(ProjectError, match="1 rows came of 3"):
        await ask(url)


@pytest.mark.parametrize("error", [ProjectError, StopAsyncIteration])
async def test_work_in_flight_is_awaited_after_a_failure(
    project: Project, error: type[Exception]
) -> None:
    finished: list[int] = []

    async def work(item: int) -> None:
        await asyncio.sleep(0.05 if item else 0.01)
        if item == 0:
            raise error("the first fails")
        finished.append(item)

    with pytest.raises(error, match="the first fails"):
        await project.each(range(100), work)
    assert finished == list(range(1, project.concurrency)), "begun, so finished; and no more begun"


async def test_a_mistake_of_ours_is_no_garbled_reply(project: Project) -> None:
    notices: list[RetryNotice] = []
    project.on_retry = notices.append

    async def wrong_before_a_reply() -> None:
        raise ValueError("a mistake of ours")

    async def wrong_after_a_reply() -> None:
        await project._http.get(project.url + "/auth/v1/health")
        one_of("id", ["x"] * 151)

    for request, words in ((wrong_before_a_reply, "mistake"), (wrong_after_a_reply, "151")):
        with pytest.raises(ValueError, match=words):
            await project.ask("making a mistake", request)
    assert notices == [], "it is not sent again"


async def test_a_count_that_is_none_is_a_garbled_reply(door: Callable[..., str]) -> None:
    url = door((206, {**JSON, "Content-Range": "0-0/many"}, b'[{"id": 1}]'), ROW)
    assert await ask(url) == [{"id": 1}]
    assert len(Door.seen) == 2


async def test_a_list_of_users_without_a_number_is_read_to_its_end(
    door: Callable[..., str],
) -> None:
    told = {**JSON, "X-Total-Count": "several"}
    url = door((200, told, b'{"users": [{"id": "a"}]}'), (200, told, b'{"users": []}'))
    async with Project(url, Secret("sb_secret_door")) as opened:
        found = [user async for page in opened.users_matching("x") for user in page]
    assert found == [{"id": "a"}]
