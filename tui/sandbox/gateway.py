"""The sandbox's front door: what stands before PostgREST and the auth service on the platform.

It checks the `apikey`, swaps opaque keys for JWTs, refuses secret keys to browsers, limits the
request line to 8 KiB, and forwards the rest. Faults are injected here and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from aiohttp import web
from yarl import URL

from tui.sandbox.faults import FaultSwitch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tui.sandbox.auth import AuthService
    from tui.sandbox.keys import Keys

ResponseT = TypeVar("ResponseT", bound=web.StreamResponse)

LOG_LENGTH = 50_000
REST = "/rest/v1"
AUTH = "/auth/v1"
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
# Warp, PostgREST's server, drops idle connections after 30 s; ours go first, so that none is
# chosen for a request at the moment it closes.
KEEP_ALIVE_SECONDS = 15.0
SLOW_TICK_SECONDS = 0.1


@dataclass(slots=True)
class Seen:
    """A request as it arrived at the front door; status 0 until it is answered."""

    method: str
    path: str
    status: int = 0


class Answer(Exception):
    """Ends the handling of a request with a JSON answer."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Gateway:
    """The front door.

    Args:
        keys: The keys it accepts.
        rest_socket: PostgREST's Unix socket.
        auth: Answers `/auth/v1`.
        faults: Decides which requests go wrong.
    """

    def __init__(
        self, keys: Keys, rest_socket: Path, auth: AuthService, faults: FaultSwitch | None = None
    ) -> None:
        self._keys = keys
        self._rest_socket = rest_socket
        self._auth = auth
        self.faults = faults or FaultSwitch()
        self.log: deque[Seen] = deque(maxlen=LOG_LENGTH)
        self._upstream: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Serve on a bound socket."""
        self._upstream = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(
                str(self._rest_socket), limit=100, keepalive_timeout=KEEP_ALIVE_SECONDS
            ),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=120),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        # The request line is judged by us: aiohttp would answer 400 where a gateway says 414.
        server = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            max_line_size=1 << 20,
            max_field_size=1 << 16,
        )
        logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, backlog=512).start()

    async def stop(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._upstream is not None:
            await self._upstream.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(request.method, request.raw_path)
        self.log.append(seen)
        fault = self.faults.next(request.method, request.raw_path)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        early = self._fault_before(request, fault.kind)
        if early is not None:
            seen.status = early.status
            return early
        try:
            response = await self._answer(request)
        except Answer as answer:
            response = _json(answer.status, answer.body)
        seen.status = response.status
        if fault.kind is not None:
            return await self._fault_after(request, response, fault.kind)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        line = len(request.method) + len(request.raw_path) + len("  HTTP/1.1")
        if line > self.faults.spec.url_limit:
            return _html(414, "414 Request-URI Too Large")
        bearer = self._authorize(request)
        path, _, query = request.raw_path.partition("?")
        if path == REST or path.startswith(REST + "/"):
            target = (path.removeprefix(REST) or "/") + (f"?{query}" if query else "")
            return await self._forward(request, target, bearer)
        if path.startswith(AUTH + "/"):
            body = await request.content.read()
            answer = await self._auth.answer(
                request.method,
                path.removeprefix(AUTH),
                query=request.query,
                bearer=bearer,
                body=body,
                api_version=request.headers.get("x-supabase-api-version"),
            )
            return web.Response(
                status=answer.status,
                headers=answer.headers,
                body=None if answer.body is None else json.dumps(answer.body).encode(),
                content_type=None if answer.body is None else "application/json",
            )
        return _json(404, {"message": "no Route matched with those values"})

    def _authorize(self, request: web.BaseRequest) -> str:
        """Return the JWT that goes upstream; the platform's own words refuse a bad key."""
        key = request.headers.get("apikey") or request.query.get("apikey")
        if not key:
            raise Answer(
                401,
                {
                    "message": "No API key found in request",
                    "hint": "No `apikey` request header or url param was found.",
                },
            )
        token = self._keys.jwt_for(key)
        if token is None:
            raise Answer(
                401,
                {
                    "message": "Invalid API key",
                    "hint": "Double check your Supabase `anon` or `service_role` API key.",
                },
            )
        if key == self._keys.secret and "Mozilla/" in request.headers.get("User-Agent", ""):
            raise Answer(
                401,
                {
                    "message": "Forbidden use of secret API key in browser",
                    "hint": "Secret API keys can only be used in a protected environment and "
                    "should never be used in a browser. Delete this secret API key immediately.",
                },
            )
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            return token
        # Clients repeat an opaque key here, where upstream only a JWT is understood.
        return self._keys.jwt_for(bearer) or bearer

    async def _forward(self, request: web.BaseRequest, target: str, bearer: str) -> web.Response:
        assert self._upstream is not None  # noqa: S101 - set before the first request is served
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in HOP_HEADERS and name.lower() not in {"apikey", "authorization"}
        ]
        headers.append(("Authorization", f"Bearer {bearer}"))
        body = await request.content.read() if request.body_exists else None
        url = URL(f"http://postgrest{target}", encoded=True)
        try:
            async with self._upstream.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as upstream:
                content = await upstream.read()
                response = web.Response(status=upstream.status, body=content or None)
                for name, value in upstream.headers.items():
                    if name.lower() not in HOP_HEADERS:
                        response.headers.add(name, value)
                if request.method == "HEAD" and "Content-Length" in upstream.headers:
                    response.headers["Content-Length"] = upstream.headers["Content-Length"]
                return response
        except (aiohttp.ClientError, TimeoutError):
            message = "An invalid response was received from the upstream server"
            return _json(502, {"message": message})

    def _fault_before(self, request: web.BaseRequest, kind: str | None) -> web.Response | None:
        """Return the answer of a fault that keeps the request from being carried out."""
        if kind is None:
            return None
        if kind == "drop":
            return _hang_up(request, web.Response(status=499))
        if kind == "html":
            return _html(502, "502 Bad Gateway")
        if not kind.startswith("e"):
            return None
        status = int(kind[1:])
        response = _json(status, {"message": f"injected fault: {status}"})
        if status == 429:
            response.headers["Retry-After"] = f"{self.faults.spec.retry_after:g}"
        return response

    async def _fault_after(
        self, request: web.BaseRequest, response: web.Response, kind: str
    ) -> web.StreamResponse:
        """Spoil the answer to a request that was carried out."""
        body = response.body if isinstance(response.body, bytes) else b""
        if kind == "lost":
            return _hang_up(request, response)
        if kind == "truncate":
            response.body = body[: len(body) // 2]
            return response
        stream = web.StreamResponse(status=response.status)
        for name, value in response.headers.items():
            if name.lower() != "content-length":
                stream.headers.add(name, value)
        if kind == "reset":
            stream.content_length = len(body) + 1024
            await stream.prepare(request)
            await stream.write(body[: len(body) // 2 + 1] or b" ")
            return _hang_up(request, stream, reset=True)
        stream.content_length = len(body)
        await stream.prepare(request)
        ticks = max(1, round(self.faults.spec.slow_seconds / SLOW_TICK_SECONDS))
        size = max(1, -(-len(body) // ticks))
        for start in range(0, len(body), size):
            await asyncio.sleep(self.faults.spec.slow_seconds / max(1, -(-len(body) // size)))
            await stream.write(body[start : start + size])
        return stream


def _hang_up(request: web.BaseRequest, response: ResponseT, *, reset: bool = False) -> ResponseT:
    """Close the connection under a response that is then written to nobody."""
    if request.transport is not None:
        if reset:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return response


def _json(status: int, body: Mapping[str, Any]) -> web.Response:
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json"
    )


def _html(status: int, title: str) -> web.Response:
    page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    return web.Response(status=status, body=page.encode(), content_type="text/html")
