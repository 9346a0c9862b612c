"""Runs one sandbox: starts its parts in order, serves the front door, and takes everything down."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
import socket
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tui.errors import ConfigurationError, SandboxError
from tui.sandbox import children, postgres, programs, rundir, sqlfiles
from tui.sandbox.faults import FaultSwitch, parse_faults
from tui.sandbox.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from tui.sandbox.fetch import Found
    from tui.sandbox.gateway import Gateway
    from tui.sandbox.keys import Keys
    from tui.sandbox.options import SandboxOptions
    from tui.sandbox.postgrest import Postgrest
    from tui.sandbox.users import Connections

ResultT = TypeVar("ResultT")

START_SECONDS = 60.0
FETCH_SECONDS = 180.0
# After a long outage PostgREST looks for its database again only every 32 s: then it is restarted.
RECOVERY_SECONDS = 2.0
NEEDED = ("aiohttp", "jwt", "psycopg")
# Loaded in a thread while initdb runs: they take longer to load than everything before them.
HEAVY = ("fetch", "keys", "schema", "auth", "gateway", "postgrest")


class Supervisor:
    """One sandbox and everything that runs in it.

    Args:
        options: How to start it.
        emit: Sends a message to the console.

    Raises:
        ConfigurationError: The fault specification is wrong.
    """

    def __init__(self, options: SandboxOptions, emit: Callable[[dict[str, Any]], None]) -> None:
        self._options = options
        self._emit = emit
        self._faults = FaultSwitch(parse_faults(options.faults) if options.faults else None)
        self._sql_dir: Path | None = None
        self._run: rundir.RunDirectory | None = None
        self._watchdog: Watchdog | None = None
        self._postgres: postgres.Postgres | None = None
        self._postgrest: Postgrest | None = None
        self._connections: Connections | None = None
        self._gateway: Gateway | None = None
        self._keys: Keys | None = None
        self._mourners: set[asyncio.Task[None]] = set()

    async def start(self) -> dict[str, Any]:
        """Start everything.

        Returns:
            The connection details, named as the attributes of `tui.sandbox.Sandbox`.

        Raises:
            OperatorError: Something cannot be started; `stop` removes what was.
        """
        check_packages()
        listener = bind(self._options.port)
        try:
            return await self._start(listener)
        except BaseException:
            listener.close()
            raise

    async def _start(self, listener: socket.socket) -> dict[str, Any]:
        self._sql_dir = self._options.sql_dir or sqlfiles.sql_dir()
        rundir.sweep()
        # As root others pass through the directory, because PostgreSQL is another user then.
        run = rundir.create(0o700 if children.server_account() is None else 0o711)
        self._run = run
        if sys.platform != "linux":
            self._watchdog = Watchdog(run.path)
        try:
            async with asyncio.TaskGroup() as group:
                finding = group.create_task(self._find_postgrest(run.path))
                group.create_task(
                    _within(START_SECONDS, "PostgreSQL", self._start_postgres(run, self._sql_dir))
                )
            return await _within(
                START_SECONDS, "PostgREST", self._start_doors(run, finding.result(), listener)
            )
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures

    async def _start_postgres(self, run: rundir.RunDirectory, sql_dir: Path) -> None:
        async with self._stage("find-postgres", "find PostgreSQL") as detail:
            server = postgres.Postgres(
                programs.find(self._options.postgres_bin), run, self._watchdog
            )
            self._postgres = server
            detail.append(await server.probe())
        async with self._stage("initdb", "create the database cluster"):
            await server.initdb()
        async with self._stage("start-postgres", "start PostgreSQL"):
            await server.start()
        self._mourn("PostgreSQL", server.death())
        await asyncio.to_thread(_load)
        from tui.sandbox import schema  # noqa: PLC0415 - see HEAVY

        async with self._stage("sql", "apply the SQL") as detail:
            files = await schema.apply_platform(server.url(), server.url("postgres"), sql_dir)
            detail.append(f"{len(files)} files")

    async def _find_postgrest(self, scratch: Path) -> Found:
        await asyncio.to_thread(_load)
        from tui.sandbox import fetch  # noqa: PLC0415 - see HEAVY

        begun: list[float] = []

        def begin() -> None:
            begun.append(time.monotonic())
            self._tell("fetch-postgrest", "fetch PostgREST", None)

        found = await _within(
            FETCH_SECONDS,
            "the fetched PostgREST",
            fetch.find(self._options.postgrest, scratch, begin),
        )
        if begun:
            self._tell(
                "fetch-postgrest", "fetch PostgREST", time.monotonic() - begun[0], found.source
            )
        return found

    async def _start_doors(
        self, run: rundir.RunDirectory, found: Found, listener: socket.socket
    ) -> dict[str, Any]:
        from tui.sandbox import schema  # noqa: PLC0415 - see HEAVY
        from tui.sandbox.auth import AuthService  # noqa: PLC0415
        from tui.sandbox.gateway import Gateway  # noqa: PLC0415
        from tui.sandbox.keys import Keys  # noqa: PLC0415
        from tui.sandbox.postgrest import Postgrest  # noqa: PLC0415
        from tui.sandbox.users import Connections  # noqa: PLC0415

        server, sql_dir = self._postgres, self._sql_dir
        assert server is not None and sql_dir is not None  # noqa: S101, PT018 - started before
        keys = self._keys = Keys.generate()
        rest = self._postgrest = Postgrest(
            found.program,
            run,
            database_url=server.url("authenticator"),
            jwt_secret=keys.jwt_secret,
            max_rows=self._options.max_rows,
            watchdog=self._watchdog,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_postgrest(found))
            group.create_task(self._load_learners(schema.apply_learners, server.url(), sql_dir))
        async with self._stage("front-door", "open the front door") as detail:
            self._connections = Connections(server.url("supabase_auth_admin"))
            auth = AuthService(self._connections, keys.jwt_secret)
            self._gateway = Gateway(keys, rest.socket, auth, self._faults)
            await self._gateway.start(listener)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            detail.append(url)
        return {
            "url": url,
            "service_role_key": keys.service_role,
            "anon_key": keys.anon,
            "secret_key": keys.secret,
            "publishable_key": keys.publishable,
            "db_url": server.url(),
            "jwt_secret": keys.jwt_secret,
            "directory": str(run.path),
        }

    async def _start_postgrest(self, found: Found) -> None:
        assert self._postgrest is not None and self._keys is not None  # noqa: S101, PT018
        async with self._stage("start-postgrest", "start PostgREST") as detail:
            await self._postgrest.start(self._keys.service_role)
            detail.append(f"{found.version}, {found.source}")
        self._mourn("PostgREST", self._postgrest.death())

    async def _load_learners(
        self, apply: Callable[..., Coroutine[Any, Any, None]], url: str, sql_dir: Path
    ) -> None:
        seed = self._options.seed_learners
        title = "load the learners" if seed else "fill the view"
        async with self._stage("learners", title):
            await apply(url, sql_dir, seed=seed)

    async def stop(self) -> None:
        """Take everything down and remove the directory; safe to call at any point of the start."""
        for task in self._mourners:
            task.cancel()
        if self._gateway is not None:
            await self._gateway.stop()
        if self._postgrest is not None:
            await self._postgrest.stop()
        if self._postgres is not None:
            await self._postgres.stop(signal.SIGQUIT)
        if self._watchdog is not None:
            self._watchdog.close()
        if self._run is not None:
            self._run.remove()

    async def serve(self, action: str, argument: Any) -> Any:
        """Do what the console asks of a running sandbox.

        Args:
            action: `faults`, `requests`, `clear-requests`, `restart-postgrest`, `stop-database` or
                `start-database`.
            argument: The fault specification for `faults`.

        Raises:
            OperatorError: It cannot be done.
        """
        gateway, rest, server, keys = self._gateway, self._postgrest, self._postgres, self._keys
        if gateway is None or rest is None or server is None or keys is None:
            raise SandboxError("the sandbox is not running yet")
        match action:
            case "faults":
                gateway.faults.set(parse_faults(argument) if argument else None)
            case "requests":
                return [[seen.method, seen.path, seen.status] for seen in gateway.log]
            case "clear-requests":
                gateway.log.clear()
            case "restart-postgrest":
                await rest.stop()
                await _within(START_SECONDS, "PostgREST", rest.start(keys.service_role))
                self._mourn("PostgREST", rest.death())
            case "stop-database":
                await server.stop()
                # These do not notice by themselves, and would fail once each after the start.
                if self._connections is not None:
                    await self._connections.close()
            case "start-database":
                if not server.running:
                    await _within(START_SECONDS, "PostgreSQL", server.start())
                    self._mourn("PostgreSQL", server.death())
                rest.reload()
                try:
                    await asyncio.wait_for(rest.ready(keys.service_role), RECOVERY_SECONDS)
                except TimeoutError:
                    await self.serve("restart-postgrest", None)
            case _:
                raise ConfigurationError(f"the sandbox does not know how to {action!r}")
        return None

    def _mourn(self, program: str, death: Coroutine[Any, Any, str | None]) -> None:
        """Tell the console when a program ends that we did not stop."""

        async def wait() -> None:
            last_words = await death
            if last_words is not None:
                self._emit({"died": f"{program} has died: {last_words}"})

        task = asyncio.create_task(wait())
        self._mourners.add(task)
        task.add_done_callback(self._mourners.discard)

    @asynccontextmanager
    async def _stage(self, name: str, title: str) -> AsyncIterator[list[str]]:
        """Report a stage's begin and end; what is put into the list becomes its detail."""
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


def check_packages() -> None:
    """Make sure that the packages of the extra are installed.

    Raises:
        SandboxError: One is missing.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SandboxError(
            f"the sandbox needs packages that are not installed: {', '.join(missing)}",
            hint="pip install 'heatmap-tui[sandbox]'",
        )


def bind(port: int) -> socket.socket:
    """Take the front door's port on loopback, without listening yet.

    Args:
        port: 1 to 65535, or 0 for any free one.

    Raises:
        ConfigurationError: The port is taken, out of range or not ours to take.
    """
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


def _load() -> None:
    for name in HEAVY:
        importlib.import_module(f"tui.sandbox.{name}")


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first failure of a group, however deep."""
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
