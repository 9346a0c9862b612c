"""Every way to change a project goes through the one gate: found by walking the code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest

from tests.write_paths import (
    PROJECT,
    SESSION,
    WRITES,
    WRITING,
    Walker,
    public_methods,
    sources,
    violations,
)
from tui.errors import GuardRefused
from tui.guard.break_glass import Moment, authorize_write
from tui.guard.target import classify, declared_by_database
from tui.project import Filter, NewUser, Project, Writer
from tui.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.conftest import Database
    from tui.sandbox import Sandbox


def test_every_way_to_change_a_project_is_behind_the_gate() -> None:
    assert violations(sources()) == []


def test_the_walker_sees_the_writes_there_are() -> None:
    found = set()
    for path, text in sources().items():
        if path.startswith(PROJECT):
            walker = Walker(path, text)
            found |= {(walker.within(node), ast.unparse(node)) for node in walker.senders()}
    where = {within.split(".")[1]: what.rpartition(".")[2] for within, what in found}
    assert where == {
        "insert": "upsert",
        "delete": "delete",
        "create_user": "create_user",
        "delete_user": "delete_user",
        "refresh": "rpc",
    }
    assert len(found) == 5
    assert {"insert", "upsert", "update", "delete", "post", "put", "patch", "request"} <= WRITES
    assert {"create_user", "delete_user", "update_user_by_id", "invite_user_by_email"} <= WRITES


METHOD: Final = "\n    async def sly(self) -> None:\n        "
CLIENT: Final = "tui/project/client.py"
ADDED: Final = {
    "a method of the reader that posts": (CLIENT, "await self._http.post(self.url)"),
    "one that hands a write on": (CLIENT, "send = self._http.request\n        await send('POST')"),
    "a table written by the reader": (CLIENT, "await self._client.table('q').insert({}).execute()"),
    "a function called by POST": (CLIENT, "await self._client.rpc('f', {}).execute()"),
    "a function called by the caller's choice": (CLIENT, "self._client.rpc('f', {}, get=not 1)"),
    "a user changed": (CLIENT, "await self._client.auth.admin.update_user_by_id('', {})"),
    "a library's private way": (CLIENT, "await self._client.auth._request('POST', 'x')"),
    "a name put together": (CLIENT, "await getattr(self._http, 'po' + 'st')(self.url)"),
    "a name by getattr": (CLIENT, "await getattr(self._http, 'post')(self.url)"),
    "the platform's storage": (CLIENT, "await self._client.storage.empty_bucket('x')"),
    "a write of Writer past _send": (WRITING, "await self._project.supabase.table('q').delete()"),
    "a request of Writer sent twice": (
        WRITING,
        "async def request() -> None:\n            await self._project.supabase.auth.sign_up({})\n"
        "        await self._send('x', request)\n        await request()",
    ),
    "Writer asking the project itself": (WRITING, "await self._project.ask('x', self.refresh)"),
}


@pytest.mark.parametrize("case", ADDED)
def test_a_new_method_that_writes_past_the_gate_is_found(case: str) -> None:
    path, body = ADDED[case]
    code = sources()
    head, mark, tail = code[path].partition(
        "\n    async def " + ("get(" if path == CLIENT else "i")
    )
    assert mark
    code[path] = head + METHOD + body + "\n" + mark + tail
    found = violations({path: code[path]})
    assert found
    assert all(each.startswith(path) and ".sly" in each for each in found)


CHANGED: Final = {
    "the question is not asked": (WRITING, "self._permission.require(self._target)\n        ", ""),
    "the gate's answer is thrown away": (
        SESSION,
        "with permission:",
        "with contextlib.nullcontext():",
    ),
    "the gate is left out": (
        SESSION,
        "permission = break_glass.authorize_write(",
        "permission = dict(",
    ),
    "the reader renamed": (SESSION, "RetryPolicy, Writer", "RetryPolicy, Writer as Pen"),
    "the guard's own rehearsal kept": (
        SESSION,
        "            break_glass.authorize_write(asked",
        "            self.kept = break_glass.authorize_write(asked",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_gate_that_is_propped_open_is_found(case: str) -> None:
    path, old, new = CHANGED[case]
    code = sources()
    assert old in code[path]
    code[path] = code[path].replace(old, new)
    assert violations({path: code[path]})


ELSEWHERE: Final = [
    "from tui.project import Writer\nw = Writer(p, t, m)",
    "from tui import project\nw = project.Writer(p, t, m)",
    "from tui.project import Writer\nclass Pen(Writer):\n    pass",
    "from tui.project import Writer\nw = object.__new__(Writer)",
    "from tui.guard.break_glass import authorize_write as a\np = a(t, allow_prod=True, now=n)",
    "from tui.guard import break_glass as b\np = b.Approval(b._MINT, t, '', None, n)",
    "from tui.guard.break_glass import WritePermission as W\np = W(None, t, None)",
    "from tui.verify.session import approved_writer\nx = approved_writer(r)",
    "from dataclasses import replace\nt = replace(t, asked_database=True)",
    "from dataclasses import replace\nt = replace(t, kind=TargetKind.LOCAL)",
    "from tui.guard.target import Target\nt = Target()",
    "object.__setattr__(t, 'kind', 'local')",
    "import httpx\nhttpx.post('x')",
    "import urllib.request",
    "from urllib import request",
    "import supabase",
    "import socket",
    "import importlib\nimportlib.import_module('ht' + 'tpx')",
    "h = __import__('httpx')",
    "session._project.supabase.table('x').delete()",
    "session._project._http.post('x')",
    "import subprocess\nsubprocess.run(['curl', '-X', 'POST', 'x'])",
    "import subprocess\nsend = subprocess.run",
    "import asyncio\nasyncio.open_connection('x', 1)",
    "import os\nos.system('curl')",
]


@pytest.mark.parametrize("source", ELSEWHERE)
@pytest.mark.parametrize("path", ["tui/verify/new.py", "tui/console/screens/new.py", "tui/new.py"])
def test_a_way_around_the_gate_is_found_in_any_module(path: str, source: str) -> None:
    assert violations({path: source})


def test_a_sandbox_that_knows_a_project_is_found() -> None:
    assert violations({"tui/sandbox/new.py": "from tui.settings import load_settings"})
    assert violations({"tui/sandbox/new.py": "from tui.project import Project"})


# --- and at run time ------------------------------------------------------------------------------

NOBODY: Final = str(uuid4())
CALLS: Final[Mapping[str, Callable[[Writer], Awaitable[object]]]] = {
    "insert": lambda writer: writer.insert("questions", [{"id": NOBODY}]),
    "delete": lambda writer: writer.delete("questions", [Filter("id", "eq", NOBODY)]),
    "create_user": lambda writer: writer.create_user(NewUser(NOBODY, "a@example.com", {})),
    "delete_user": lambda writer: writer.delete_user(NOBODY),
    "refresh": lambda writer: writer.refresh(),
}


def test_every_method_of_the_writer_is_tried_below() -> None:
    assert public_methods(Writer) == set(CALLS)


@pytest.mark.parametrize("method", CALLS)
async def test_a_method_of_the_writer_sends_nothing_once_its_run_is_over(
    sandbox: Sandbox, database: Database, method: str
) -> None:
    target = declared_by_database(classify(sandbox.url, sandbox.service_role_key), None)
    async with Project(target.url, Secret(sandbox.service_role_key)) as project:
        with authorize_write(target, allow_prod=False, now=Moment.now()) as permission:
            writer = Writer(project, target, permission)
            sandbox.clear_requests()
            if method in {"delete", "delete_user"}:
                await CALLS[method](writer)
                assert {seen.method for seen in sandbox.requests()} == {"DELETE"}
        sandbox.clear_requests()
        with pytest.raises(GuardRefused, match="is over"):
            await CALLS[method](writer)
        with pytest.raises(GuardRefused, match="is over"):
            Writer(project, target, permission)
    assert sandbox.requests() == []
    assert database.execute("select from questions where id = %s", [NOBODY]).rowcount == 0
