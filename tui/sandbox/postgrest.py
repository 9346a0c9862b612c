"""The sandbox's PostgREST: the real program, on a Unix socket that nobody else can take."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING

import aiohttp

from tui.errors import SandboxError
from tui.sandbox import children

if TYPE_CHECKING:
    from pathlib import Path

    from tui.sandbox.rundir import RunDirectory
    from tui.sandbox.watchdog import Watchdog

OLDEST_VERSION = 12


async def version(program: Path) -> str | None:
    """Return the version a PostgREST executable claims, or None when it is none we can use."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(program),
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=children.CLEAN_ENVIRONMENT,
        )
    except OSError:
        return None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    match = re.match(rb"PostgREST (\d+)\S*", output)
    if match is None or int(match[1]) < OLDEST_VERSION:
        return None
    return match[0].decode("ascii", "replace").removeprefix("PostgREST ")


class Postgrest:
    """One PostgREST server.

    Args:
        program: The executable.
        run: Where its socket and log live.
        database_url: A connection as `authenticator`.
        jwt_secret: Verifies the JWTs it is sent.
        max_rows: Its `db-max-rows`; 0 for no limit.
        watchdog: Ends it after a kill of ours, where the kernel cannot.
    """

    def __init__(
        self,
        program: Path,
        run: RunDirectory,
        *,
        database_url: str,
        jwt_secret: str,
        max_rows: int,
        watchdog: Watchdog | None,
    ) -> None:
        self._program = program
        self._run = run
        self._watchdog = watchdog
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._environment = {
            "PGRST_DB_URI": database_url,
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_POOL": "20",
            "PGRST_DB_CHANNEL_ENABLED": "true",
            "PGRST_JWT_SECRET": jwt_secret,
            "PGRST_OPENAPI_MODE": "follow-privileges",
            "PGRST_SERVER_UNIX_SOCKET": str(self.socket),
            "PGRST_SERVER_UNIX_SOCKET_MODE": "600",
            "PGRST_LOG_LEVEL": "warn",
        }
        if max_rows > 0:
            self._environment["PGRST_DB_MAX_ROWS"] = str(max_rows)

    @property
    def socket(self) -> Path:
        """The socket it listens on."""
        return self._run.path / "rest.sock"

    async def start(self, service_key: str) -> None:
        """Start it and wait until it serves the schema.

        Args:
            service_key: A JWT with the service role, to ask for the schema with.

        Raises:
            SandboxError: It exited early; the message ends with the tail of its log.
        """
        self._stopping = False
        self.socket.unlink(missing_ok=True)
        log = self._run.log("postgrest")
        try:
            self._process = await children.start(
                [self._program],
                directory=self._run.path,
                log=log,
                death_signal=signal.SIGKILL,
                environment=self._environment,
                lock=self._run.lock,
                watchdog=self._watchdog,
            )
        except OSError as error:
            raise SandboxError(
                f"PostgREST at {self._program} cannot be executed: {error.strerror}",
                hint="set HEATMAP_SANDBOX_POSTGREST to a PostgREST executable",
            ) from error
        await self.ready(service_key)

    async def ready(self, service_key: str) -> None:
        """Wait until it serves the schema.

        Raises:
            SandboxError: It exited; the message ends with the tail of its log.
        """
        connector = aiohttp.UnixConnector(str(self.socket))
        headers = {"Authorization": f"Bearer {service_key}"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            while True:
                if self._process is None or self._process.returncode is not None:
                    raise SandboxError(
                        f"PostgREST stopped while starting: "
                        f"{children.tail(self._run.log('postgrest'))}",
                        hint="set HEATMAP_SANDBOX_POSTGREST to a PostgREST 12 to 14",
                    )
                try:
                    async with session.head("http://postgrest/") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)

    async def death(self) -> str | None:
        """Wait for it to end; return the tail of its log, or None when we stopped it."""
        process = self._process
        if process is None:
            return None
        await process.wait()
        return None if self._stopping else children.tail(self._run.log("postgrest"))

    async def stop(self) -> None:
        """End it at once; it keeps no state."""
        self._stopping = True
        await children.end(self._process, signal.SIGKILL)
        if self._process is not None and self._watchdog is not None:
            self._watchdog.forget(self._process.pid)
        self._process = None

    def reload(self) -> None:
        """Have it look at the database again now instead of at its next try."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGUSR1)
