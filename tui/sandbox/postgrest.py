"""The sandbox's PostgREST: the real program, on a private Unix socket."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING

import aiohttp

from tui.errors import SandboxError
from tui.sandbox import processes

if TYPE_CHECKING:
    from pathlib import Path

    from tui.sandbox.gateway import Keys
    from tui.sandbox.processes import RunDirectory
    from tui.sandbox.watchdog import Watchdog

OLDEST_VERSION = 12
OTHER_PROGRAM = f"set HEATMAP_SANDBOX_POSTGREST to a PostgREST {OLDEST_VERSION} or newer"


async def version(program: Path) -> str | None:
    """The version of a PostgREST executable, or None when we cannot use it."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(program),
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=processes.CLEAN_ENVIRONMENT,
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


class Postgrest(processes.Server):
    """One PostgREST server; `max_rows` is its `db-max-rows`, 0 for no limit."""

    def __init__(
        self,
        program: Path,
        run: RunDirectory,
        *,
        database_url: str,
        keys: Keys,
        max_rows: int,
        watchdog: Watchdog | None,
    ) -> None:
        super().__init__("PostgREST", run, log="postgrest", watchdog=watchdog)
        self._program = program
        self._keys = keys
        self.socket = run.path / "rest.sock"
        self._environment = {
            "PGRST_DB_URI": database_url,
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_POOL": "20",
            "PGRST_DB_CHANNEL_ENABLED": "true",
            "PGRST_JWT_SECRET": keys.jwt_secret,
            "PGRST_OPENAPI_MODE": "follow-privileges",
            "PGRST_SERVER_UNIX_SOCKET": str(self.socket),
            "PGRST_SERVER_UNIX_SOCKET_MODE": "600",
            "PGRST_LOG_LEVEL": "warn",
        }
        if max_rows > 0:
            self._environment["PGRST_DB_MAX_ROWS"] = str(max_rows)

    async def start(self, seconds: float) -> None:
        """Start it and wait until it serves the schema."""
        self.socket.unlink(missing_ok=True)
        try:
            await self.launch([self._program], signal.SIGKILL, self._environment)
        except OSError as error:
            raise SandboxError(
                f"PostgREST at {self._program} cannot be executed: {error.strerror}",
                hint="set HEATMAP_SANDBOX_POSTGREST to a PostgREST executable",
            ) from error
        await self.ready(seconds)

    async def ready(self, seconds: float | None = None) -> None:
        """Wait until it serves the schema."""
        connector = aiohttp.UnixConnector(str(self.socket))
        headers = {"Authorization": f"Bearer {self._keys.service_role}"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

            async def serves() -> bool:
                try:
                    async with session.head("http://postgrest/") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await self.until(serves, hint=OTHER_PROGRAM, seconds=seconds)

    async def stop(self) -> None:
        """End it at once; it keeps no state."""
        await self.end(signal.SIGKILL)

    def reload(self) -> None:
        """Have it look at the database again now instead of at its next try."""
        if self._process is not None and self.is_running():
            self._process.send_signal(signal.SIGUSR1)
