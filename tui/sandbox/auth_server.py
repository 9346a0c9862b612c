"""The vendor's own auth server, where the operator names one.

It gets an empty schema `auth` of its own, applies its migrations there, and serves on loopback
behind the sandbox's gateway.
"""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import aiohttp

from tui.errors import ConfigurationError, SandboxError
from tui.sandbox import processes

if TYPE_CHECKING:
    from pathlib import Path

    from tui.sandbox.processes import RunDirectory
    from tui.sandbox.watchdog import Watchdog

SETTINGS = {
    "GOTRUE_DB_DRIVER": "postgres",
    "DB_NAMESPACE": "auth",
    # As hosted. Without it the pool grows with the requests in flight.
    "GOTRUE_DB_MAX_POOL_SIZE": "10",
    "GOTRUE_JWT_AUD": "authenticated",
    "GOTRUE_JWT_DEFAULT_GROUP_NAME": "authenticated",
    "GOTRUE_JWT_ADMIN_ROLES": "supabase_admin,service_role",
    "GOTRUE_SITE_URL": "http://127.0.0.1:3000",
    "GOTRUE_API_HOST": "127.0.0.1",
    "GOTRUE_LOG_LEVEL": "warn",
}
OTHER_PROGRAM = "name the vendor's auth server, 2.180 or newer, with the migrations of that version"


class AuthServer(processes.Server):
    """One auth server.

    `program` and `migrations` are `HEATMAP_SANDBOX_AUTH` and `HEATMAP_SANDBOX_AUTH_MIGRATIONS`; it
    connects as `supabase_auth_admin`.
    """

    def __init__(
        self,
        program: Path,
        migrations: Path,
        run: RunDirectory,
        *,
        database_url: str,
        jwt_secret: str,
        watchdog: Watchdog | None,
    ) -> None:
        super().__init__("the auth server", run, log="auth", watchdog=watchdog)
        self._program = program
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = SETTINGS | {
            "DATABASE_URL": database_url,
            "GOTRUE_DB_MIGRATIONS_PATH": str(migrations),
            "GOTRUE_JWT_SECRET": jwt_secret,
            "API_EXTERNAL_URL": self.url,
            "PORT": str(port),
        }

    async def migrate(self) -> None:
        """Fill its schema."""
        await self._launch("migrate")
        assert self._process is not None  # noqa: S101 - launched above
        if await self._process.wait() != 0:
            raise SandboxError(
                f"the auth server's migrations failed: {self.last_words(1)}", hint=OTHER_PROGRAM
            )

    async def start(self, seconds: float) -> None:
        """Start it and wait until it serves."""
        await self._launch("serve")
        async with aiohttp.ClientSession() as session:

            async def serves() -> bool:
                try:
                    async with session.get(f"{self.url}/health") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await self.until(serves, hint=OTHER_PROGRAM, seconds=seconds)

    async def _launch(self, command: str) -> None:
        try:
            await self.launch([self._program, command], signal.SIGKILL, self._environment)
        except OSError as error:
            raise ConfigurationError(
                f"HEATMAP_SANDBOX_AUTH: {self._program} cannot be executed: {error.strerror}",
                hint=OTHER_PROGRAM,
            ) from error

    async def stop(self) -> None:
        """End it at once; it keeps no state."""
        await self.end(signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
