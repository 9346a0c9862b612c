"""The servers behind the gateway: PostgREST, and an auth server if named.

PostgREST is reached over a private Unix socket. The auth server gets an empty schema `auth` of its
own, applies its migrations there, and serves on loopback.
"""

from __future__ import annotations

import json
import socket
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from yarl import URL

from tui.errors import ConfigurationError, SandboxError
from tui.sandbox import download, processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tui.sandbox.processes import RunDirectory

OTHER_AUTH = "name the vendor's auth server, 2.180 or newer, with the migrations of that version"
# Warp, PostgREST's server, drops idle connections after 30 s; ours go first, so that none is
# chosen for a request at the moment it closes.
KEEP_ALIVE_SECONDS = 15.0
# A header of this hop, or one that must speak of our own body and not of the upstream's.
HOP_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
KEPT_BACK = HOP_HEADERS | {"apikey", "authorization"}


@dataclass(eq=False, repr=False, kw_only=True)
class Upstream(processes.Server):
    """A server that the gateway forwards requests to.

    `probe` holds method, path and headers of a request that it answers with 200 once it serves;
    `hint` is for an operator where it never does.
    """

    command: Sequence[str | Path]
    url: str
    connector: InitVar[aiohttp.BaseConnector]
    probe: tuple[str, str, dict[str, str]]
    hint: str

    def __post_init__(self, connector: aiohttp.BaseConnector) -> None:
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=120),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def start(self) -> None:
        """Start it and wait until it serves."""
        await self.launch(self.command)
        await self.ready()

    async def ready(self) -> None:
        """Wait until it serves."""
        method, path, headers = self.probe

        async def serves() -> bool:
            try:
                url = self.url + path
                async with self._session.request(method, url, headers=headers) as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await self.until(serves, self.hint)

    async def close(self) -> None:
        """End it at once, as it keeps no state, and the connections to it."""
        await self.stop()
        await self._session.close()

    async def answer(
        self, request: web.BaseRequest, target: str, bearer: str | None, body: bytes
    ) -> web.Response:
        """Its answer to a request; `target` is path and query as it knows them."""
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in KEPT_BACK
        ]
        if bearer is not None:
            headers.append(("Authorization", f"Bearer {bearer}"))
        try:
            async with self._session.request(
                request.method,
                URL(self.url + target, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            message = "An invalid response was received from the upstream server"
            return reply({"message": message}, 502)
        response = web.Response(status=answer.status, body=content or None)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_HEADERS:
                response.headers.add(name, value)
        if request.method == "HEAD" and "Content-Length" in answer.headers:
            response.headers["Content-Length"] = answer.headers["Content-Length"]
        return response


def postgrest(
    program: Path,
    run: RunDirectory,
    *,
    database_url: str,
    jwt_secret: str,
    service_role_key: str,
    max_rows: int,
) -> Upstream:
    """A PostgREST server; `max_rows` is its `db-max-rows`, 0 for no limit."""
    rest_socket = str(run.path / "rest.sock")
    return Upstream(
        name="PostgREST",
        run=run,
        command=[program],
        environment={
            "PGRST_DB_URI": database_url,
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_POOL": "20",
            "PGRST_DB_CHANNEL_ENABLED": "true",
            **({"PGRST_DB_MAX_ROWS": str(max_rows)} if max_rows > 0 else {}),
            "PGRST_JWT_SECRET": jwt_secret,
            "PGRST_OPENAPI_MODE": "follow-privileges",
            "PGRST_SERVER_UNIX_SOCKET": rest_socket,
            "PGRST_SERVER_UNIX_SOCKET_MODE": "600",
            "PGRST_LOG_LEVEL": "warn",
        },
        url="http://postgrest",
        connector=aiohttp.UnixConnector(rest_socket, keepalive_timeout=KEEP_ALIVE_SECONDS),
        probe=("HEAD", "/", {"Authorization": f"Bearer {service_role_key}"}),
        hint=download.OTHER_PROGRAM,
    )


def auth_server(
    program: Path, migrations: Path, run: RunDirectory, *, database_url: str, jwt_secret: str
) -> Upstream:
    """The vendor's auth server, which connects as `supabase_auth_admin`.

    `program` and `migrations` are `HEATMAP_SANDBOX_AUTH` and `HEATMAP_SANDBOX_AUTH_MIGRATIONS`.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    return Upstream(
        name="the auth server",
        run=run,
        command=[program, "serve"],
        environment={
            "GOTRUE_DB_DRIVER": "postgres",
            "DB_NAMESPACE": "auth",
            "DATABASE_URL": database_url,
            "GOTRUE_DB_MIGRATIONS_PATH": str(migrations),
            # As hosted. Without it the pool grows with the requests in flight.
            "GOTRUE_DB_MAX_POOL_SIZE": "10",
            "GOTRUE_JWT_SECRET": jwt_secret,
            "GOTRUE_JWT_AUD": "authenticated",
            "GOTRUE_JWT_DEFAULT_GROUP_NAME": "authenticated",
            "GOTRUE_JWT_ADMIN_ROLES": "supabase_admin,service_role",
            "GOTRUE_SITE_URL": "http://127.0.0.1:3000",
            "GOTRUE_API_HOST": "127.0.0.1",
            "API_EXTERNAL_URL": url,
            "PORT": port,
            "GOTRUE_LOG_LEVEL": "warn",
        },
        url=url,
        connector=aiohttp.TCPConnector(),
        probe=("GET", "/health", {}),
        hint=OTHER_AUTH,
    )


async def migrate(auth: Upstream) -> None:
    """Have the auth server fill its schema."""
    try:
        code = await auth.complete([auth.command[0], "migrate"])
    except SandboxError as error:
        what = f"HEATMAP_SANDBOX_AUTH: {error.message}"
        raise ConfigurationError(what, hint=OTHER_AUTH) from error
    if code != 0:
        what = f"the auth server's migrations failed: {auth.last_words(1)}"
        raise SandboxError(what, hint=OTHER_AUTH)


def reply(
    value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON object as a response."""
    return web.Response(
        status=status,
        headers=headers,
        body=json.dumps(value, default=_plain).encode(),
        content_type="application/json",
    )


def _plain(value: Any) -> str:
    """A time as Go writes it; an id as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
