"""The sandbox's gateway, as the platform has before PostgREST and auth.

It checks the `apikey`, swaps opaque keys for JWTs, refuses secret keys to browsers, limits the
request line to 8 KiB, and forwards the rest. Faults are injected here and nowhere else. The control
route below `/sandbox/v1/` is the console's own; no key of the project opens it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import secrets
import socket
import struct
import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import jwt
from aiohttp import web

from tui.errors import ConfigurationError
from tui.sandbox.auth import ISSUER, sign, verify
from tui.sandbox.client import CONTROL, SeenRequest, described
from tui.sandbox.faults import RATES, parse_faults
from tui.sandbox.servers import reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tui.sandbox.auth import AuthService
    from tui.sandbox.faults import FaultSwitch
    from tui.sandbox.servers import Upstream

ResponseT = TypeVar("ResponseT", bound=web.StreamResponse)

LOG_LENGTH = 50_000
REST = "/rest/v1"
AUTH = "/auth/v1"
TEN_YEARS = 10 * 365 * 24 * 3600
# What stands for an opaque key lives just long enough for one request.
MINTED_SECONDS = 300
SLOW_TICK_SECONDS = 0.1
NEWER_VERSION = "16.2"
# Not of the form of a ref: loopback whose replies name a hosted project is a tunnel to one.
PROJECT_REF = "sandbox"
FORMATS = {"smallint": "int32", "integer": "int32", "bigint": "int64"}
MISSING_TABLE = re.compile(r'relation "(public\.\w+)" does not exist')
REFUSED_CLAIMS = {"JWT expired", "JWT not yet valid", "JWT issued at future", "JWT not in audience"}
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Encoding, Content-Location, Content-Range, "
    "Content-Type, Link, Location, Range-Unit, X-Supabase-Api-Version, X-Total-Count, "
    "sb-error-code",
}
NO_ROUTE = {"message": "no Route matched with those values"}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT",
    "Access-Control-Max-Age": "3600",
}


@dataclass(frozen=True, slots=True)
class Keys:
    """Every key that opens one sandbox, named as in `Sandbox`.

    The claims of the legacy keys are those of the platform's local stack: `iss` is `supabase-demo`
    and there is no `ref`.
    """

    jwt_secret: str
    anon_key: str
    service_role_key: str
    publishable_key: str
    secret_key: str

    @classmethod
    def generate(cls) -> Keys:
        secret = secrets.token_urlsafe(40)
        issued = int(time.time())
        claims = {"iss": ISSUER, "iat": issued, "exp": issued + TEN_YEARS}
        return cls(
            jwt_secret=secret,
            anon_key=sign(claims | {"role": "anon"}, secret),
            service_role_key=sign(claims | {"role": "service_role"}, secret),
            publishable_key=f"sb_publishable_{_opaque()}",
            secret_key=f"sb_secret_{_opaque()}",
        )

    def jwt_for(self, api_key: str) -> str | None:
        """The JWT that a key stands for, or None when the key is not ours.

        For an opaque key it is minted for the occasion. Any JWT that this sandbox's secret signed
        is a key of its own, so that a hosted project's claims can be stood in for; whether it has
        expired is for the upstream to judge.
        """
        role = {self.publishable_key: "anon", self.secret_key: "service_role"}.get(api_key)
        if role is not None:
            return self.mint(role)
        try:
            verify(api_key, self.jwt_secret, verify_exp=False)
        except jwt.InvalidTokenError:
            return None
        return api_key

    def mint(self, role: str) -> str:
        """A JWT of this role for one request."""
        now = int(time.time())
        claims = {"iss": ISSUER, "role": role, "iat": now, "exp": now + MINTED_SECONDS}
        return sign(claims, self.jwt_secret)


def _opaque() -> str:
    # As hosted: 22 characters of base64url, and 8 of a checksum.
    return f"{secrets.token_urlsafe(16)}_{secrets.token_urlsafe(6)}"


class Refusal(Exception):
    """Ends the handling of a request with the platform's own words."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        headers = {"sb-error-code": f"UNAUTHORIZED_{code}"}
        self.reply = reply({"message": message, "hint": hint}, 401, headers)


@dataclass(eq=False, repr=False)
class Gateway:
    """The gateway; `controls` do to the servers what the control route asks for."""

    keys: Keys
    rest: Upstream
    auth: AuthService | Upstream
    faults: FaultSwitch
    controls: Mapping[str, Callable[[], Awaitable[None]]]

    def __post_init__(self) -> None:
        self.control_key = secrets.token_urlsafe(16)
        self._log: deque[SeenRequest] = deque(maxlen=LOG_LENGTH)
        # The request line is judged by us: aiohttp would answer 400 where a gateway says 414.
        server = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            max_line_size=1 << 20,
            max_field_size=1 << 16,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        self._given_up: set[asyncio.Task[web.Response]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Serve on a bound socket."""
        logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, backlog=512).start()

    async def stop(self) -> None:
        """Stop serving."""
        for task in self._given_up:
            task.cancel()
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await self._answer_control(request)
        seen = SeenRequest(request.method, request.raw_path)
        self._log.append(seen)
        fault = self.faults.next(request.method, request.raw_path)
        # Before any wait: a client that goes away meanwhile does not call back what it sent.
        body = await request.content.read()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        response = await self._reply(request, body, fault.kind)
        seen.status = response.status
        if fault.kind in {"lost", "truncate", "reset", "slow"}:
            return await self._fault_after(request, response, fault.kind)
        return response

    async def _reply(
        self, request: web.BaseRequest, body: bytes, fault: str | None
    ) -> web.Response:
        """The answer; most faults keep the request from being carried out."""
        match fault:
            case "drop":
                return _hang_up(request, web.Response(status=499))
            case "html":
                return _html(502, "502 Bad Gateway")
            case "refusal":
                return _refused_in_passing(request)
            case str() if fault not in RATES:
                status = int(fault[1:])
                after = f"{self.faults.spec.retry_after:g}"
                headers = {"Retry-After": after} if status == 429 else {}
                return reply({"message": f"injected fault: {status}"}, status, headers)
            case "gave_up":
                response = await self._give_up_on(request, body)
            case _:
                response = await self._answer(request, body)
        if "Origin" in request.headers:
            response.headers.update(CORS)
        if self.faults.spec.newer:
            response.headers["sb-project-ref"] = PROJECT_REF
        return response

    async def _answer(self, request: web.BaseRequest, body: bytes) -> web.Response:
        line = len(request.method) + len(request.raw_path) + len("  HTTP/1.1")
        if line > self.faults.spec.url_limit:
            return _html(414, "414 Request-URI Too Large")
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            wanted = request.headers.get("Access-Control-Request-Headers", "")
            return web.Response(
                headers=PREFLIGHT | ({"Access-Control-Allow-Headers": wanted} if wanted else {})
            )
        path = request.raw_path.partition("?")[0]
        try:
            bearer = self._authorize(request, is_root=path in {REST, REST + "/"})
        except Refusal as refusal:
            return refusal.reply
        if path.startswith(AUTH + "/"):
            target = request.raw_path.removeprefix(AUTH)
            return await self.auth.answer(request, target, bearer, body)
        if path == REST or path.startswith(REST + "/"):
            target = request.raw_path.removeprefix(REST)
            target = target if target.startswith("/") else f"/{target}"
            answer = await self.rest.answer(request, target, bearer, body)
            return _newer(answer) if self.faults.spec.newer else answer
        return reply(NO_ROUTE, 404)

    def _authorize(self, request: web.BaseRequest, *, is_root: bool) -> str | None:
        """The JWT that goes upstream; None, as a legacy key alone authorizes nothing."""
        key = request.headers.get("apikey") or request.query.get("apikey")
        if not key:
            raise Refusal(
                "MISSING_API_KEY",
                "No API key found in request",
                "No `apikey` request header or url param was found.",
            )
        token = self.keys.jwt_for(key)
        if token is None and self.faults.spec.unchecked:
            token = self.keys.mint("anon") if key.startswith("sb_") else key
        if token is None:
            raise Refusal(
                "INVALID_API_KEY",
                "Invalid API key",
                "Double check your Supabase `anon` or `service_role` API key.",
            )
        if key == self.keys.secret_key and "Mozilla/" in request.headers.get("User-Agent", ""):
            raise Refusal(
                "INVALID_API_KEY_TYPE",
                "Forbidden use of secret API key in browser",
                "Secret API keys can only be used in a protected environment and should never be "
                "used in a browser. Delete this secret API key immediately!",
            )
        if is_root and key == self.keys.publishable_key:
            raise Refusal(
                "INVALID_API_KEY_TYPE",
                "Secret API key required",
                "Only secret API keys can be used for this endpoint.",
            )
        if is_root and _role(token) == "anon":
            raise Refusal(
                "INVALID_API_KEY_TYPE",
                "Invalid API key",
                "Only the `service_role` API key can be used for this endpoint.",
            )
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not bearer:
            return token if key.startswith("sb_") else None
        # Clients repeat an opaque key here, where upstream only a JWT is understood.
        return token if bearer == key else self.keys.jwt_for(bearer) or bearer

    async def _answer_control(self, request: web.BaseRequest) -> web.Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.method != "POST" or not hmac.compare_digest(given, self.control_key):
            return reply(NO_ROUTE, 404)
        action = request.path.removeprefix(CONTROL)
        try:
            argument = json.loads(await request.content.read() or b"null")
            return reply({"result": await self._carry_out(action, argument)})
        except Exception as error:  # noqa: BLE001 - reported, whatever it is
            return reply({"failed": described(error, f"the sandbox could not do {action}")}, 500)

    async def _carry_out(self, action: str, argument: Any) -> Any:
        match action:
            case "faults":
                self.faults.set(parse_faults(argument) if argument else None)
            case "requests":
                return [[seen.method, seen.path, seen.status] for seen in self._log]
            case "clear-requests":
                self._log.clear()
            case _ if action in self.controls:
                await self.controls[action]()
            case _:
                raise ConfigurationError(f"the sandbox does not know how to {action!r}")
        return None

    async def _give_up_on(self, request: web.BaseRequest, body: bytes) -> web.Response:
        """Answer 504 while the request is carried out all the same."""
        task = asyncio.create_task(self._answer(request, body))
        self._given_up.add(task)
        task.add_done_callback(self._given_up.discard)
        await asyncio.wait({task}, timeout=self.faults.spec.gave_up_seconds)
        return _html(504, "504 Gateway Time-out")

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
        stream = web.StreamResponse(status=response.status, headers=response.headers)
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


def _role(token: str) -> Any:
    try:
        return jwt.decode(token, options={"verify_signature": False}).get("role")
    except jwt.InvalidTokenError:
        return None


def _newer(response: web.Response) -> web.Response:
    """A reply of PostgREST 12 as PostgREST 16 would give it."""
    response.headers["Server"] = f"postgrest/{NEWER_VERSION}"
    kind, body = response.headers.get("Content-Type", ""), response.body
    if not isinstance(body, bytes) or "json" not in kind:
        return response
    if "openapi" in kind:
        response.body = _newer_description(body)
    elif response.status >= 400:
        error = _newer_error(json.loads(body))
        response.headers["Proxy-Status"] = f"PostgREST; error={error['code']}"
        response.body = json.dumps(error).encode()
    return response


def _newer_description(body: bytes) -> bytes:
    def renamed(part: dict[str, Any]) -> dict[str, Any]:
        # In a table's properties, `format` may be a column.
        known = FORMATS.get(str(part.get("format")))
        return part if known is None else part | {"format": known}

    description = json.loads(body, object_hook=renamed)
    description["info"]["version"] = NEWER_VERSION
    return json.dumps(description).encode()


def _newer_error(error: dict[str, Any]) -> dict[str, Any]:
    missing = MISSING_TABLE.fullmatch(error["message"])
    if error["code"] == "42P01" and missing is not None:
        message = f"Could not find the table '{missing[1]}' in the schema cache"
        return {"code": "PGRST205", "details": None, "hint": None, "message": message}
    if error["message"] in REFUSED_CLAIMS:
        return error | {"code": "PGRST303"}
    if error["message"] == "JWSError JWSInvalidSignature":
        details = "None of the keys was able to decode the JWT"
        return error | {"message": "No suitable key or wrong key type", "details": details}
    return error


def _refused_in_passing(request: web.BaseRequest) -> web.Response:
    """Refuse a right key, as clocks that differ and keys just rotated do."""
    if request.path.startswith(AUTH):
        message = (
            "invalid JWT: unable to parse or verify signature, token is unverifiable: error while "
            f"executing keyfunc: unrecognized JWT kid {uuid.uuid4()} for algorithm ES256"
        )
        body = {"code": 403, "error_code": "bad_jwt", "msg": message}
        return reply(body, 403, {"x-sb-error-code": "bad_jwt"})
    message = "JWT issued at future"
    headers = {
        "WWW-Authenticate": f'Bearer error="invalid_token", error_description="{message}"',
        "Proxy-Status": "PostgREST; error=PGRST303",
    }
    error = {"code": "PGRST303", "details": None, "hint": None, "message": message}
    return reply(error, 401, headers)


def _hang_up(request: web.BaseRequest, response: ResponseT, *, reset: bool = False) -> ResponseT:
    """Close the connection under a response that is then written to nobody."""
    if request.transport is not None:
        if reset:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return response


def _html(status: int, title: str) -> web.Response:
    page = f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
    return web.Response(status=status, body=page.encode(), content_type="text/html")
