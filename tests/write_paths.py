"""Walks the code for whatever could change a project, and says what is not behind the gate.

It knows no file by heart but the few places where a thing may be. What can change a project is read
from the client libraries themselves, so a call that nobody has used yet is known.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
from postgrest import AsyncRequestBuilder
from supabase_auth import AsyncGoTrueClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[1]
PROJECT: Final = "tui/project/"
SANDBOX: Final = "tui/sandbox/"
WRITING: Final = "tui/project/writer.py"
SESSION: Final = "tui/verify/session.py"

READS: Final = {"select", "get", "head", "options", "aclose", "close", "get_user_by_id"} | {
    *("list_users", "get_user", "get_session", "get_claims", "on_auth_state_change", "initialize"),
}
# Whole clients of the platform that this console has no use for.
CLIENTS: Final = {"channel", "functions", "mfa", "oauth", "passkey", "schema", "storage"}


def public_methods(library: type) -> set[str]:
    members = inspect.getmembers(library, inspect.isfunction)
    return {name for name, _ in members if not name.startswith("_")}


WRITES: Final = CLIENTS | (
    set[str]().union(
        public_methods(AsyncRequestBuilder),
        public_methods(httpx.AsyncClient),
        public_methods(AsyncGoTrueClient),
        public_methods(type(AsyncGoTrueClient().admin)),
    )
    - READS
)

# Modules that can open a connection or run a program, or load another module by its name.
NETWORK: Final = {
    *(
        "aiohttp",
        "ftplib",
        "http",
        "httpcore",
        "httpx",
        "importlib",
        "multiprocessing",
        "postgrest",
    ),
    *("psycopg", "pycurl", "requests", "runpy", "smtplib", "socket", "socketserver", "storage3"),
    *("supabase", "supabase_auth", "supabase_functions", "telnetlib", "urllib3", "websockets"),
    *("realtime", "urllib.request", "xmlrpc", "ctypes"),
}
PROGRAMS: Final = {
    *("create_connection", "create_datagram_endpoint", "create_subprocess_exec"),
    *("create_subprocess_shell", "execv", "execve", "execvp", "fork", "forkpty", "open_connection"),
    *("open_unix_connection", "popen", "posix_spawn", "spawnv", "subprocess_exec", "system"),
    *("subprocess_shell", "__setattr__", "__import__"),
}
SUBPROCESS: Final = {"run", "Popen", "call", "check_call", "check_output", "getoutput"}

# What makes a writer, and the only places that may touch it other than in an annotation.
GUARDED: Final[Mapping[str, set[tuple[str, str]]]] = {
    "Writer": {(SESSION, "approved_writer")},
    "approved_writer": {(SESSION, "Session._approve")},
    "authorize_write": {(SESSION, "approved_writer"), (SESSION, "Session.check_guard")},
    "WritePermission": {("tui/guard/break_glass.py", "authorize_write")},
    "Approval": {("tui/guard/break_glass.py", "grant")},
    "_MINT": {
        ("tui/guard/break_glass.py", name) for name in ("authorize_write", "grant", "_only_here")
    },
    "Target": {("tui/guard/target.py", "classify")},
}
# Arguments by which a target could be made to look harmless or asked.
FORGING: Final[Mapping[str, set[tuple[str, str]]]] = {
    "asked_database": {
        ("tui/guard/target.py", "declared_by_database"),
        (SESSION, "Session.check_guard"),
    },
}


@dataclass(frozen=True)
class Site:
    """A place in the code."""

    path: str
    line: int
    within: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.within or 'module'}: {self.what}"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


class Walker:
    """One module, with the way up from every node."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.tree = ast.parse(source)
        self._parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }

    def up(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self._parents:
            node = self._parents[node]
            yield node

    def within(self, node: ast.AST) -> str:
        named = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        names = [above.name for above in self.up(node) if isinstance(above, named)]
        return ".".join(reversed(names))

    def site(self, node: ast.AST, what: str) -> Site:
        return Site(self.path, getattr(node, "lineno", 0), self.within(node), what)

    def in_annotation(self, node: ast.AST) -> bool:
        child = node
        for above in self.up(node):
            if child in (getattr(above, "annotation", None), getattr(above, "returns", None)):
                return True
            child = above
        return False

    def senders(self) -> Iterator[ast.AST]:
        """Everything in the project package that can change a project, called or handed on."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Attribute(attr="rpc"):
                    call = next(self.up(node))
                    by_get = isinstance(call, ast.Call) and any(
                        each.arg == "get"
                        and isinstance(each.value, ast.Constant)
                        and each.value.value is True
                        for each in call.keywords
                    )
                    if not by_get:
                        yield node
                case ast.Attribute(attr=name) if name in WRITES:
                    yield node
                case ast.Attribute(value=owner, attr=name) if _is_private(name):
                    # Somebody else's private parts: `auth._request("POST", ...)`.
                    if not (isinstance(owner, ast.Name) and owner.id in {"self", "cls"}):
                        yield node
                case ast.Call(func=ast.Name(id="getattr"), args=[_, name, *_]):
                    safe = isinstance(name, ast.Constant) and name.value not in WRITES | {"rpc"}
                    if not safe:
                        yield node

    def behind_send(self, node: ast.AST) -> bool:
        """Whether a sender is in a function that goes to `self._send` of `Writer` and nowhere."""
        if self.path != WRITING or not self.within(node).startswith("Writer."):
            return False
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        holder = next(above for above in self.up(node) if isinstance(above, kinds))
        if isinstance(holder, ast.Lambda):
            return self._given_to_send(holder)
        method = next((above for above in self.up(holder) if isinstance(above, kinds)), None)
        if method is None:
            return False
        uses = [
            each
            for each in ast.walk(method)
            if isinstance(each, ast.Name) and each.id == holder.name
        ]
        return bool(uses) and all(self._given_to_send(use) for use in uses)

    def _given_to_send(self, node: ast.AST) -> bool:
        call = next(self.up(node))
        return isinstance(call, ast.Call) and ast.unparse(call.func) == "self._send"

    def violations(self) -> Iterator[Site]:
        if self.path.startswith(PROJECT):
            for node in self.senders():
                if not self.behind_send(node):
                    yield self.site(node, f"{ast.unparse(node)} is not behind Writer._send")
        elif self.path.startswith(SANDBOX):
            yield from self._sandbox_reaching_out()
        else:
            yield from self._sending_elsewhere()
        yield from self._guarded()
        if self.path == WRITING:
            yield from self._send_asks_first()
        if self.path == SESSION:
            yield from self._guard_is_asked_first()

    def imports(self) -> Iterator[tuple[ast.AST, str, str | None]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node, each.name, each.asname) for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                for each in node.names:
                    yield node, f"{node.module}.{each.name}", each.asname

    def _sandbox_reaching_out(self) -> Iterator[Site]:
        for node, name, _ in self.imports():
            ours = name.startswith("tui.") and not name.startswith(("tui.sandbox", "tui.errors"))
            if ours and not name.startswith(("tui.__version__",)):
                yield self.site(node, f"imports {name}: the sandbox must not know a project")

    def _sending_elsewhere(self) -> Iterator[Site]:
        for node, name, _ in self.imports():
            if {name, name.partition(".")[0], name.rpartition(".")[0]} & NETWORK:
                yield self.site(node, f"imports {name}")
        for node in ast.walk(self.tree):
            match node:
                case ast.Attribute(attr="supabase" | "_http" | "_client"):
                    yield self.site(node, f"{ast.unparse(node)} reaches past the project client")
                case ast.Attribute(attr=name) if name in PROGRAMS:
                    if ast.unparse(node) != "platform.system":
                        yield self.site(node, ast.unparse(node))
                case ast.Name(id="exec" | "eval" | "__import__"):
                    yield self.site(node, node.id)
                case ast.Attribute(value=ast.Name(id="subprocess"), attr=name):
                    call = next(self.up(node))
                    if name in SUBPROCESS and not (
                        isinstance(call, ast.Call)
                        and call.args
                        and ast.unparse(call.args[0]).startswith("['git', ")
                    ):
                        yield self.site(node, f"{ast.unparse(node)} of something other than git")

    def _guarded(self) -> Iterator[Site]:
        for node, origin, renamed in self.imports():
            if renamed and origin.rpartition(".")[2] in GUARDED:
                yield self.site(node, f"{origin} is renamed to {renamed}")
        for node in ast.walk(self.tree):
            name = str(getattr(node, "id", "") or getattr(node, "attr", ""))
            loaded = isinstance(getattr(node, "ctx", None), ast.Load)
            place = (self.path, self.within(node))
            if loaded and name in GUARDED and not self.in_annotation(node):
                if place not in GUARDED[name]:
                    yield self.site(node, f"{name} is used where it must not be")
                elif place == (SESSION, "Session.check_guard") and not isinstance(
                    next(self.up(next(self.up(node)))), ast.Expr
                ):
                    yield self.site(node, f"{name}: its permission must go nowhere")
            elif isinstance(node, ast.keyword) and node.arg in FORGING:
                if place not in FORGING[str(node.arg)]:
                    yield self.site(node.value, f"{node.arg} is set")
            elif isinstance(node, ast.keyword) and node.arg == "kind":
                call = ast.unparse(next(self.up(node)))
                if call.startswith(("replace(", "dataclasses.replace(")) and self.path != (
                    "tui/guard/target.py"
                ):
                    yield self.site(node.value, "kind is replaced")

    def _function(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        found = [n for n in ast.walk(self.tree) if isinstance(n, kinds) and n.name == name]
        return found[0] if len(found) == 1 else None

    def _send_asks_first(self) -> Iterator[Site]:
        send = self._function("_send")
        first = [ast.unparse(each) for each in send.body[1:2]] if send else []
        if first != ["self._permission.require(self._target)"]:
            yield self.site(send or self.tree, "_send does not ask the permission first")
        for node in ast.walk(self.tree):
            asks = isinstance(node, ast.Attribute) and node.attr == "ask"
            if asks and self.within(node) != "Writer._send":
                yield self.site(node, f"{ast.unparse(node)} goes past _send")

    def _guard_is_asked_first(self) -> Iterator[Site]:
        """`permission = break_glass.authorize_write(...)`, then `with` it around `Writer(...)`."""
        function = self._function("approved_writer") or self.tree
        given = {
            node.targets[0].id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func) == "break_glass.authorize_write"
        }
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Writer":
                around = {
                    ast.unparse(item.context_expr)
                    for above in self.up(node)
                    if isinstance(above, ast.With)
                    for item in above.items
                }
                if len(node.args) != 3 or ast.unparse(node.args[2]) not in given & around:
                    yield self.site(node, "Writer is made without what authorize_write gave")


def sources() -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "tui").rglob("*.py"))
    }


def violations(code: Mapping[str, str]) -> list[str]:
    return [str(site) for path, text in code.items() for site in Walker(path, text).violations()]
