"""Data of the project is cleaned where it enters, and masked for what is known alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dry_run.contexts import context_on
from tui.project.errors import ProjectError, refusal
from tui.project.http import Reply, clean, clean_data, read_reply
from tui.redact import MASK, remember

if TYPE_CHECKING:
    from typing import Any

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw"
SAID: Any = {
    "topic": "a\x1b]52;c;eA==\x07b\x9d0;x\x9c\u202ec\u2028d\ud800",
    "text\x1b": ["line\none\ttab\r\n", 'zero\u200dwidth and no\u00a0break "ok"', 1, None, True],
    "shape": TOKEN,
}
CLEAN: Any = {
    "topic": "a ]52;c;eA== b 0;x  c d ",
    "text ": ["line\none\ttab\r\n", 'zero\u200dwidth and no\u00a0break "ok"', 1, None, True],
    "shape": TOKEN,
}


def test_control_characters_go_and_everything_else_stays() -> None:
    assert clean_data(SAID) == CLEAN
    assert clean_data(CLEAN) == CLEAN


def test_a_known_key_is_masked_in_data_and_a_shape_is_not() -> None:
    remember("the-key-in-use-0123")
    assert clean_data({"a": f"the-key-in-use-0123 {TOKEN}"}) == {"a": f"{MASK} {TOKEN}"}
    assert clean(f"the-key-in-use-0123 {TOKEN}") == f"{MASK} {MASK}"


async def test_every_way_of_reading_cleans() -> None:
    async def handler(request: web.Request) -> web.Response:
        is_text = request.path.endswith("environment")
        listed = request.path.startswith("/rest/v1/") and request.path != "/rest/v1/"
        body: Any = SAID["topic"] if is_text else [SAID] if listed else {"users": [SAID]}
        return web.json_response(text=json.dumps(body), headers={"Content-Range": "0-0/1"})

    async with context_on(handler) as context:
        project = context.project
        assert (await project.page("questions", ["id"])).rows == [CLEAN]
        assert (await project.call_read_only("reader"))[0] == [CLEAN]
        assert await project.declared_environment() == CLEAN["topic"]
        assert await project.openapi() == {"users": [CLEAN]}
        pages = project.users_matching("heatmap-")
        assert await anext(pages) == [CLEAN]
        with pytest.raises(ProjectError, match="page 2 is the one before it again"):
            await anext(pages)


async def test_a_reply_nested_beyond_reading_is_a_reply_cut_short() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="[" * 200_000, content_type="application/json")

    async with context_on(handler) as context:
        with pytest.raises(ProjectError, match="cut short or is not JSON"):
            await context.project.openapi()
        with pytest.raises(ProjectError):
            await context.project.call_read_only("reader")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
BODIES = (
    st.binary(max_size=60)
    | ANY.map(lambda body: json.dumps(body).encode())
    | st.builds(
        lambda **body: json.dumps(body).encode(), message=ANY, code=ANY, hint=ANY, error_code=ANY
    )
)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
TIMES = st.sampled_from([
    "²", "٣", "-1", "1e9", "9" * 400, "Mon, 01 Jan 99999 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "1 2 3", "",
])  # fmt: skip


@settings(max_examples=400)
@given(
    st.sampled_from([200, 204, 301, 400, 401, 402, 403, 404, 406, 409, 413, 429, 500, 503, 540]),
    BODIES,
    st.sampled_from(["application/json", "text/html", "", "text/html; charset=nonsense", "\xff"]),
    TIMES | VALUES,
    TIMES | VALUES,
    VALUES,
    st.sampled_from(["/rest/v1/questions", "/auth/v1/admin/users"]),
)
def test_whatever_is_replied_it_is_read(
    status: int, body: bytes, kind: str, wait: str, date: str, location: str, path: str
) -> None:
    headers = {"Content-Type": kind, "Retry-After": wait, "Date": date, "Location": location}
    response = httpx.Response(
        status,
        content=body,
        headers=[(name.encode(), value.encode("utf-8")) for name, value in headers.items()],
        request=httpx.Request("GET", f"https://example.org{path}"),
    )
    reply = read_reply(response)
    assert isinstance(reply, Reply)
    if status >= 300:
        error = refusal("reading", reply)
        for text in (error.message, error.hint or ""):
            assert text.isprintable()
            assert len(text) < 900
