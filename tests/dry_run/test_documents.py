"""Probes that judge the preflight document, on documents that no sandbox gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.dry_run.contexts import ask, context_on

if TYPE_CHECKING:
    from tui.verify.events import ProbeResult

NO_TABLES = {name: {"rls": None} for name in ("questions", "responses", "app_users")}
NO_VIEW = {
    "view": {"exists": False},
    "privileges": {"view_select": {"anon": None, "authenticated": None}},
}


async def judged(probe: str, **document: Any) -> ProbeResult:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/analytics_heatmap_preflight"):
            return web.json_response({"schema": 1, **document})
        told = document.get("tables", NO_TABLES).get(request.path.rpartition("/")[2])
        if told is not None and told["rls"] is not None:
            return web.json_response([], headers={"Content-Range": "*/0"})
        return web.json_response({})

    async with context_on(handler) as context:
        return await ask(context, probe)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        (None, "pass"),
        ("staging", "pass"),
        ("Sandbox", "pass"),
        ("production", "fail"),
        ("prod", "fail"),
        ("live", "fail"),
        ("PRODUCTION ", "fail"),
        (7, "fail"),
    ],
)
async def test_what_the_guard_takes_for_production_the_probe_does(word: Any, status: str) -> None:
    answer = await judged("target.declared", declared_environment=word)
    assert answer.status == status, answer.detail


@pytest.mark.parametrize(
    ("probe", "document"),
    [("permissions.lint_0013", {"tables": NO_TABLES}), ("permissions.lint_0016", NO_VIEW)],
)
async def test_a_lint_says_nothing_of_what_is_not_there(
    probe: str, document: dict[str, Any]
) -> None:
    answer = await judged(probe, **document)
    assert answer.status == "skip", answer.detail


async def test_a_lint_fails_where_one_table_is_bare() -> None:
    tables = {name: {"rls": name != "questions"} for name in NO_TABLES}
    answer = await judged("permissions.lint_0013", tables=tables)
    assert answer.status == "fail", answer
