"""The supervisor's process: starts a sandbox's parts, and takes them down.

Started by `tui.sandbox.client` as `python -m tui.sandbox.supervisor`. It lives exactly as long as
its stdin is open and its servers run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tui.errors import ConfigurationError, SandboxError
from tui.sandbox import download, processes
from tui.sandbox.auth import AuthService
from tui.sandbox.client import SandboxOptions, described
from tui.sandbox.faults import FaultSwitch, parse_faults
from tui.sandbox.gateway import Gateway, Keys
from tui.sandbox.postgres import Postgres, find_programs, sql_dir
from tui.sandbox.processes import START_SECONDS
from tui.sandbox.servers import Upstream, auth_server, migrate, postgrest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

ResultT = TypeVar("ResultT")

FETCH_SECONDS = 180.0
# After a long outage PostgREST looks for its database again only every 32 s: then it is restarted.
RECOVERY_SECONDS = 2.0
NICENESS = 5


class Supervisor:
    """One sandbox and everything that runs in it.

    `ended` is done as soon as a server ends that nobody stopped, with the reason.
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
        self.ended: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._undo = contextlib.AsyncExitStack()

    async def start(self) -> dict[str, Any]:
        """Start everything; returns the connection details, named as in `Sandbox`."""
        listener = bind(self._options.port)
        self._undo.callback(listener.close)
        directory = self._options.sql_dir or sql_dir()
        processes.sweep()
        run = processes.RunDirectory.create()
        self._undo.callback(run.remove)
        keys = Keys.generate()
        try:
            async with asyncio.TaskGroup() as group:
                finding = group.create_task(self._find_postgrest(run.path))
                filling = group.create_task(self._fill_database(run, directory, keys))
            program, version = finding.result()
            server, auth = filling.result()
            rest = postgrest(
                program,
                run,
                database_url=server.url("authenticator"),
                jwt_secret=keys.jwt_secret,
                service_role_key=keys.service_role_key,
                max_rows=self._options.max_rows,
            )
            self._undo.push_async_callback(rest.close)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._serve("start-postgrest", "start PostgREST", rest, version))
                group.create_task(self._load_learners(server, directory))
                if auth is not None:
                    title, named = "start the auth server", str(self._options.auth)
                    group.create_task(self._serve("start-auth", title, auth, named))
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures
        async with self._stage("gateway", "open the gateway") as detail:
            emulation = AuthService(
                server.url("supabase_auth_admin"), keys.jwt_secret, self._faults
            )
            self._undo.push_async_callback(emulation.close)
            gateway = Gateway(
                keys,
                rest,
                auth or emulation,
                self._faults,
                self._controls(server, rest, emulation),
            )
            self._undo.push_async_callback(gateway.stop)
            await gateway.start(listener)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            detail.append(url)
        return {
            "url": url,
            "control_key": gateway.control_key,
            "db_url": server.url(),
            "directory": str(run.path),
            **asdict(keys),
        }

    async def _find_postgrest(self, scratch: Path) -> tuple[Path, str]:
        fetching = partial(self._stage, "fetch-postgrest", "fetch PostgREST")
        finding = download.find(self._options.postgrest, scratch, fetching)
        return await _within(FETCH_SECONDS, "the fetched PostgREST", finding)

    async def _fill_database(
        self, run: processes.RunDirectory, directory: Path, keys: Keys
    ) -> tuple[Postgres, Upstream | None]:
        server = await _within(START_SECONDS, "PostgreSQL", self._start_postgres(run))
        auth: Upstream | None = None
        program, migrations = self._options.auth, self._options.auth_migrations
        if program is not None and migrations is not None:
            auth = auth_server(
                program,
                migrations,
                run,
                database_url=server.url("supabase_auth_admin"),
                jwt_secret=keys.jwt_secret,
            )
            self._undo.push_async_callback(auth.close)
        async with self._stage("sql", "apply the SQL") as detail:
            files = await server.apply_platform(directory, partial(migrate, auth) if auth else None)
            detail.append(f"{len(files)} files")
        return server, auth

    async def _start_postgres(self, run: processes.RunDirectory) -> Postgres:
        async with self._stage("find-postgres", "find PostgreSQL") as detail:
            server = Postgres(find_programs(self._options.postgres_bin), run)
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
        self._watch(server)
        return server

    async def _serve(self, name: str, title: str, server: Upstream, about: str) -> None:
        async with self._stage(name, title) as detail:
            await server.start()
            detail.append(about)
        self._watch(server)

    async def _load_learners(self, server: Postgres, directory: Path) -> None:
        seed = self._options.seed_learners
        async with self._stage("learners", "load the learners" if seed else "fill the view"):
            await server.apply_learners(directory, seed=seed)

    def _controls(
        self, server: Postgres, rest: Upstream, emulation: AuthService
    ) -> dict[str, Callable[[], Awaitable[None]]]:
        """What the control route does to the servers."""

        async def restart_postgrest() -> None:
            await rest.stop()
            await rest.start()
            self._watch(rest)

        async def stop_database() -> None:
            # In order: sessions are ended.
            await server.stop(signal.SIGINT)
            # Its connections do not notice by themselves, and would fail once each after the start.
            await emulation.close()

        async def start_database() -> None:
            if not server.is_running():
                await server.start()
                self._watch(server)
            # It looks for the database again now instead of at its next try.
            rest.send(signal.SIGUSR1)
            try:
                await asyncio.wait_for(rest.ready(), RECOVERY_SECONDS)
            except TimeoutError:
                await restart_postgrest()

        return {
            "restart-postgrest": restart_postgrest,
            "stop-database": stop_database,
            "start-database": start_database,
        }

    async def stop(self) -> None:
        """Take everything down and remove the directory; safe at any point."""
        await self._undo.aclose()

    def end(self, reason: str | None = None) -> None:
        """Have the sandbox end; None where it was asked to."""
        if not self.ended.done():
            self.ended.set_result(reason)

    def _watch(self, server: processes.Server) -> None:
        """End the sandbox when a server ends that we did not stop."""

        async def wait() -> None:
            reason = await server.death()
            if reason is not None:
                self.end(f"{server.name} has died: {reason}")

        self._undo.callback(asyncio.create_task(wait()).cancel)

    @asynccontextmanager
    async def _stage(self, name: str, title: str) -> AsyncIterator[list[str]]:
        """Report a stage's begin and end; what is put into the list is its detail."""
        begun = time.monotonic()
        detail: list[str] = []
        stage = {"name": name, "title": title, "seconds": None, "detail": None}
        self._emit({"stage": stage})
        yield detail
        took = {"seconds": time.monotonic() - begun, "detail": detail[-1] if detail else None}
        self._emit({"stage": stage | took})


def bind(port: int) -> socket.socket:
    """Take the gateway's port on loopback; 0 takes any free one."""
    if not 0 <= port <= 65535:
        raise ConfigurationError(
            f"the sandbox port {port} is not between 0 and 65535", hint="0 takes any free port"
        )
    try:
        # It listens from here on: otherwise a second sandbox could bind the same port meanwhile.
        return socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        raise ConfigurationError(
            f"the sandbox cannot take port {port} on 127.0.0.1: {os.strerror(error.errno or 0)}",
            hint="choose another port, or 0 for any free one",
        ) from error


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
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(message: dict[str, Any]) -> None:
        # The console may be gone.
        with contextlib.suppress(OSError):
            print(json.dumps(message), file=output, flush=True)

    try:
        return asyncio.run(_run(emit))
    except Exception as error:  # noqa: BLE001 - reported to the console, whatever it is
        emit({"failed": described(error, "the sandbox could not start")})
        return 1


async def _run(emit: Callable[[dict[str, Any]], None]) -> int:
    supervisor = Supervisor(SandboxOptions.from_json(sys.stdin.readline()), emit)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, supervisor.end)
    # The console writes nothing more: what can be read is the end.
    loop.add_reader(sys.stdin, supervisor.end)
    start = asyncio.create_task(supervisor.start())
    try:
        either: set[asyncio.Future[Any]] = {start, supervisor.ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            emit({"ready": start.result()})
            await supervisor.ended
    finally:
        loop.remove_reader(sys.stdin)
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        await supervisor.stop()
    reason = supervisor.ended.result()
    if reason is not None:
        sys.stderr.write(f"{reason}\n")
    return 0 if reason is None else 1


if __name__ == "__main__":
    sys.exit(main())
