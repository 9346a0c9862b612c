"""The supervisor's process: starts a sandbox's parts, and takes them down.

Started by `tui.sandbox.client` as `python -m tui.sandbox.supervisor`. It lives exactly as long as
its stdin is open and its servers run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tui.errors import ConfigurationError, OperatorError, SandboxError
from tui.sandbox import download, processes, schema
from tui.sandbox.auth import AuthService
from tui.sandbox.auth_server import AuthServer
from tui.sandbox.client import SandboxOptions, described
from tui.sandbox.faults import FaultSwitch, parse_faults
from tui.sandbox.gateway import Gateway, Keys
from tui.sandbox.postgres import Postgres, find_programs
from tui.sandbox.postgrest import Postgrest
from tui.sandbox.users import Connections
from tui.sandbox.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from tui.sandbox.download import Found

ResultT = TypeVar("ResultT")

START_SECONDS = 60.0
FETCH_SECONDS = 180.0
# After a long outage PostgREST looks for its database again only every 32 s: then it is restarted.
RECOVERY_SECONDS = 2.0
LONGEST_LINE = 1 << 20
NICENESS = 5


class Supervisor:
    """One sandbox and everything that runs in it.

    `died` is done as soon as a server ends that nobody stopped, with the reason.
    """

    def __init__(self, options: SandboxOptions, emit: Callable[[dict[str, Any]], None]) -> None:
        self._options = options
        self._emit = emit
        if (options.auth is None) != (options.auth_migrations is None):
            raise ConfigurationError(
                "HEATMAP_SANDBOX_AUTH and HEATMAP_SANDBOX_AUTH_MIGRATIONS go together",
                hint="set both, or neither to have the auth service emulated",
            )
        self._faults = FaultSwitch(
            parse_faults(options.faults) if options.faults else None, newer=options.newer
        )
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._watching: set[asyncio.Task[None]] = set()
        self._undo = contextlib.AsyncExitStack()

    async def start(self) -> dict[str, Any]:
        """Start everything; returns the connection details, named as in `Sandbox`."""
        listener = bind(self._options.port)
        self._undo.callback(listener.close)
        directory = self._options.sql_dir or schema.sql_dir()
        processes.sweep()
        # As root others pass through the directory, because PostgreSQL is another user then.
        run = processes.RunDirectory.create(0o700 if processes.server_account() is None else 0o711)
        self._undo.callback(run.remove)
        watchdog = None
        if sys.platform != "linux":
            watchdog = Watchdog(run.path)
            self._undo.callback(watchdog.close)
        keys = Keys.generate()
        try:
            async with asyncio.TaskGroup() as group:
                finding = group.create_task(self._find_postgrest(run.path))
                starting = group.create_task(
                    _within(START_SECONDS, "PostgreSQL", self._start_postgres(run, watchdog))
                )
                applying = group.create_task(
                    self._apply_sql(starting, directory, run, keys, watchdog)
                )
            server, auth_server = applying.result()
            rest = Postgrest(
                finding.result().program,
                run,
                database_url=server.url("authenticator"),
                keys=keys,
                max_rows=self._options.max_rows,
                watchdog=watchdog,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(self._start_postgrest(rest, finding.result()))
                group.create_task(self._load_learners(server, directory))
                if auth_server is not None:
                    group.create_task(self._start_auth(auth_server))
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        async with self._stage("gateway", "open the gateway") as detail:
            connections = Connections(server.url("supabase_auth_admin"))
            self._undo.push_async_callback(connections.close)
            gateway = Gateway(
                keys,
                rest.socket,
                auth_server or AuthService(connections, keys.jwt_secret, self._faults),
                self._faults,
                _Control(self, server, rest, connections),
            )
            self._undo.push_async_callback(gateway.stop)
            await gateway.start(listener)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            detail.append(url)
        return {
            "url": url,
            "control_key": gateway.control_key,
            "service_role_key": keys.service_role,
            "anon_key": keys.anon,
            "secret_key": keys.secret,
            "publishable_key": keys.publishable,
            "db_url": server.url(),
            "jwt_secret": keys.jwt_secret,
            "directory": str(run.path),
        }

    async def _start_postgres(
        self, run: processes.RunDirectory, watchdog: Watchdog | None
    ) -> Postgres:
        async with self._stage("find-postgres", "find PostgreSQL") as detail:
            server = Postgres(find_programs(self._options.postgres_bin), run, watchdog)
            self._undo.push_async_callback(server.stop, signal.SIGQUIT)
            detail.append(await server.probe())
        async with self._stage("initdb", "create the database cluster") as detail:
            source = await server.create_cluster()
            detail.append(source)
        async with self._stage("start-postgres", "start PostgreSQL"):
            try:
                await server.start()
            except SandboxError:
                if source != "template":
                    raise
                # A template cut short, by a full disk say: made anew, once.
                await server.stop(signal.SIGQUIT)
                await server.create_cluster(anew=True)
                await server.start()
        self.watch(server)
        return server

    async def _apply_sql(
        self,
        starting: asyncio.Task[Postgres],
        directory: Path,
        run: processes.RunDirectory,
        keys: Keys,
        watchdog: Watchdog | None,
    ) -> tuple[Postgres, AuthServer | None]:
        server = await starting
        auth: AuthServer | None = None
        program, migrations = self._options.auth, self._options.auth_migrations
        if program is not None and migrations is not None:
            auth = AuthServer(
                program,
                migrations,
                run,
                database_url=server.url("supabase_auth_admin"),
                jwt_secret=keys.jwt_secret,
                watchdog=watchdog,
            )
            self._undo.push_async_callback(auth.stop)
        async with self._stage("sql", "apply the SQL") as detail:
            files = await schema.apply_platform(
                server.url(), server.url("postgres"), directory, auth.migrate if auth else None
            )
            detail.append(f"{len(files)} files")
        return server, auth

    async def _start_auth(self, auth: AuthServer) -> None:
        async with self._stage("start-auth", "start the auth server") as detail:
            await auth.start(START_SECONDS)
            detail.append(str(self._options.auth))
        self.watch(auth)

    async def _find_postgrest(self, scratch: Path) -> Found:
        begun: list[float] = []

        def begin() -> None:
            begun.append(time.monotonic())
            self._tell("fetch-postgrest", "fetch PostgREST", None)

        found = await _within(
            FETCH_SECONDS,
            "the fetched PostgREST",
            download.find(self._options.postgrest, scratch, begin),
        )
        if begun:
            took = time.monotonic() - begun[0]
            self._tell("fetch-postgrest", "fetch PostgREST", took, found.source)
        return found

    async def _start_postgrest(self, rest: Postgrest, found: Found) -> None:
        async with self._stage("start-postgrest", "start PostgREST") as detail:
            self._undo.push_async_callback(rest.stop)
            await rest.start(START_SECONDS)
            detail.append(f"{found.version}, {found.source}")
        self.watch(rest)

    async def _load_learners(self, server: Postgres, directory: Path) -> None:
        seed = self._options.seed_learners
        async with self._stage("learners", "load the learners" if seed else "fill the view"):
            await schema.apply_learners(server.url(), directory, seed=seed)

    async def stop(self) -> None:
        """Take everything down and remove the directory; safe at any point."""
        for task in self._watching:
            task.cancel()
        await self._undo.aclose()

    def watch(self, server: processes.Server) -> None:
        """End the sandbox when a server ends that we did not stop."""

        async def wait() -> None:
            reason = await server.death()
            if reason is not None and not self.died.done():
                self.died.set_result(f"{server.name} has died: {reason}")

        task = asyncio.create_task(wait())
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    @asynccontextmanager
    async def _stage(self, name: str, title: str) -> AsyncIterator[list[str]]:
        """Report a stage's begin and end; what is put into the list is its detail."""
        begun = time.monotonic()
        detail: list[str] = []
        self._tell(name, title, None)
        yield detail
        self._tell(name, title, time.monotonic() - begun, detail[-1] if detail else None)

    def _tell(
        self, name: str, title: str, seconds: float | None, detail: str | None = None
    ) -> None:
        stage = {"name": name, "title": title, "seconds": seconds, "detail": detail}
        self._emit({"stage": stage})


class _Control:
    def __init__(
        self, supervisor: Supervisor, server: Postgres, rest: Postgrest, connections: Connections
    ) -> None:
        self._supervisor = supervisor
        self._server = server
        self._rest = rest
        self._connections = connections

    async def __call__(self, action: str) -> None:
        match action:
            case "restart-postgrest":
                await self._restart_postgrest()
            case "stop-database":
                await self._server.stop()
                # These do not notice by themselves, and would fail once each after the start.
                await self._connections.close()
            case "start-database":
                if not self._server.is_running():
                    await _within(START_SECONDS, "PostgreSQL", self._server.start())
                    self._supervisor.watch(self._server)
                self._rest.reload()
                try:
                    await asyncio.wait_for(self._rest.ready(), RECOVERY_SECONDS)
                except TimeoutError:
                    await self._restart_postgrest()
            case _:
                raise ConfigurationError(f"the sandbox does not know how to {action!r}")

    async def _restart_postgrest(self) -> None:
        await self._rest.stop()
        await self._rest.start(START_SECONDS)
        self._supervisor.watch(self._rest)


def bind(port: int) -> socket.socket:
    """Take the gateway's port on loopback; 0 takes any free one."""
    if not 0 <= port <= 65535:
        raise ConfigurationError(
            f"the sandbox port {port} is not between 0 and 65535", hint="0 takes any free port"
        )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        # Taken from here on: without this a second sandbox could bind the same port meanwhile.
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"the sandbox cannot take port {port} on 127.0.0.1: {error.strerror}",
            hint="choose another port, or 0 for any free one",
        ) from error
    return listener


async def _within(seconds: float, what: str, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        raise SandboxError(
            f"{what} was not ready within {seconds:.0f} s",
            hint="is the machine very busy? try again",
        ) from None


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def main() -> int:
    """Run one sandbox until stdin ends or SIGTERM arrives."""
    # A ctrl-c or a closed terminal is the console's to handle: it may still have to clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Its servers share the machine with the console, whose keys must not wait for them.
    os.nice(NICENESS)
    # Logs, sockets and settings of a run are for nobody else.
    os.umask(0o077)
    # The console reads stdout to itself: whatever a library prints goes to stderr.
    output = os.dup(1)
    os.dup2(2, 1)
    return asyncio.run(_run(output))


async def _run(output: int) -> int:
    def emit(message: dict[str, Any]) -> None:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(output, line) :]
        except OSError:
            logging.getLogger(__name__).debug("the console is gone")

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    terminated = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, terminated.set)
    try:
        supervisor = Supervisor(SandboxOptions.from_json(json.loads(await reader.readline())), emit)
    except (OperatorError, TypeError, ValueError) as error:
        emit({"failed": _failure(error)})
        return 1
    end: set[asyncio.Future[Any]] = {
        asyncio.create_task(reader.read()),
        asyncio.create_task(terminated.wait()),
    }
    start = asyncio.create_task(supervisor.start())
    failure: BaseException | None = None
    try:
        await asyncio.wait({start, *end}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            failure = start.exception()
            if failure is None:
                emit({"ready": start.result()})
                await asyncio.wait({supervisor.died, *end}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (start, *end):
            task.cancel()
        await asyncio.gather(start, *end, return_exceptions=True)
        await supervisor.stop()
    if failure is not None:
        emit({"failed": _failure(failure)})
    elif supervisor.died.done():
        sys.stderr.write(f"{supervisor.died.result()}\n")
    else:
        return 0
    return 1


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, OperatorError):
        return described(error)
    logging.getLogger(__name__).error("the sandbox could not start", exc_info=error)
    return described(
        SandboxError(
            f"the sandbox could not start: {type(error).__name__}: {error}",
            hint="this is a defect of the sandbox; point the console at a project meanwhile",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
