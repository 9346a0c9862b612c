"""An emulation of the platform's auth service (GoTrue), which no package registry carries.

Emulated over `auth.users`: the admin routes for users, sign-in with a password, the signed-in
user, and health. Status codes, error codes and both error shapes follow GoTrue; everything else of
it, such as sessions, refresh tokens, identities and mail, is missing. Passwords are hashed only as
well as data that lives for minutes on loopback needs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
from psycopg.types.json import Jsonb

from tui.sandbox import users

if TYPE_CHECKING:
    from collections.abc import Mapping

# From this API version on, GoTrue's errors are {"code", "message"}; before, {"code", "error_code",
# "msg"}. It echoes the version it chose.
NEW_ERRORS = "2024-01-01"
ADMIN_ROLES = frozenset({"service_role", "supabase_admin"})
ISSUER = "supabase-demo"
AUDIENCE = "authenticated"
PER_PAGE = 50
SHORTEST_PASSWORD = 6
SESSION_SECONDS = 3600
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class AuthAnswer:
    """What the service answers; a body of None means none at all."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class AuthError(Exception):
    """An error of the service, in GoTrue's terms."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def answer(self, api_version: str | None) -> AuthAnswer:
        """Return the answer in the shape that the client's API version asks for."""
        headers = {"x-sb-error-code": self.code}
        if api_version is not None and api_version >= NEW_ERRORS:
            headers["x-supabase-api-version"] = NEW_ERRORS
            return AuthAnswer(self.status, {"code": self.code, "message": str(self)}, headers)
        body = {"code": self.status, "error_code": self.code, "msg": str(self)}
        return AuthAnswer(self.status, body, headers)


class AuthService:
    """Answers the routes under `/auth/v1`.

    Args:
        connections: Connections as `supabase_auth_admin`.
        jwt_secret: Verifies callers and signs what a sign-in returns.
    """

    def __init__(self, connections: users.Connections, jwt_secret: str) -> None:
        self._connections = connections
        self._secret = jwt_secret

    async def answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        bearer: str,
        body: bytes,
        api_version: str | None,
    ) -> AuthAnswer:
        """Answer one request.

        Args:
            method: In capitals.
            path: Without the `/auth/v1` before it and without a query.
            query: The decoded query.
            bearer: The caller's JWT.
            body: The raw body.
            api_version: The `X-Supabase-Api-Version` header.
        """
        try:
            return await self._route(method, path.rstrip("/"), query, bearer, body)
        except AuthError as error:
            return error.answer(api_version)
        except users.StoreFailure as failure:
            return AuthError(500, "unexpected_failure", str(failure)).answer(api_version)

    async def _route(
        self, method: str, path: str, query: Mapping[str, str], bearer: str, body: bytes
    ) -> AuthAnswer:
        parts = path.removeprefix("/").split("/")
        if parts[0] == "admin":
            if self._claims(bearer).get("role") not in ADMIN_ROLES:
                raise AuthError(403, "not_admin", "User not allowed")
            return await self._admin(method, parts[1:], query, body)
        match method, parts:
            case "GET", ["health"]:
                about = "GoTrue, emulated by the sandbox"
                return AuthAnswer(200, {"version": "0", "name": "GoTrue", "description": about})
            case "POST", ["token"]:
                return await self._sign_in(query.get("grant_type", ""), _decoded(body))
            case "POST", ["logout"]:
                self._claims(bearer)
                return AuthAnswer(204, None)
            case "GET", ["user"]:
                return AuthAnswer(200, await self._find(str(self._claims(bearer).get("sub"))))
        raise _no_route()

    async def _admin(
        self, method: str, parts: list[str], query: Mapping[str, str], body: bytes
    ) -> AuthAnswer:
        match method, parts:
            case "GET", ["users"]:
                return await self._list(query)
            case "POST", ["users"]:
                user = await self._create(_decoded(body))
            case "GET", ["users", user_id]:
                user = await self._find(user_id)
            case "PUT", ["users", user_id]:
                user = await self._update(user_id, _decoded(body))
            case "DELETE", ["users", user_id]:
                await self._delete(user_id)
                user = {}
            case _:
                raise _no_route()
        return AuthAnswer(200, user)

    def _claims(self, bearer: str) -> dict[str, Any]:
        try:
            return verify(bearer, self._secret)
        except jwt.InvalidTokenError as error:
            raise AuthError(
                403, "bad_jwt", f"invalid JWT: unable to parse or verify signature, {error}"
            ) from error

    async def _create(self, given: dict[str, Any]) -> dict[str, Any]:
        email = _email(given.get("email"))
        if email is None:
            raise AuthError(
                400, "validation_failed", "Cannot create a user without either an email or phone"
            )
        user_id = _uuid(given["id"], 400) if given.get("id") else str(uuid.uuid4())
        password = given.get("password") or secrets.token_urlsafe(32)
        providers = {"provider": "email", "providers": ["email"]}
        async with self._connections.transaction("creating new user") as database:
            if await users.email_is_taken(database, email):
                raise _email_exists()
            # As GoTrue does: first the user, then what is known about it, in one transaction. So a
            # trigger on insert never sees the app_metadata.
            await users.insert(
                database,
                id=user_id,
                aud=given.get("aud") or AUDIENCE,
                role=given.get("role") or "authenticated",
                email=email,
                encrypted_password=_hashed(password),
                raw_app_meta_data=Jsonb(providers),
                raw_user_meta_data=Jsonb(given.get("user_metadata") or {}),
            )
            return await users.update(
                database,
                user_id,
                confirm=bool(given.get("email_confirm")),
                app_metadata=given.get("app_metadata") or {},
            )

    async def _list(self, query: Mapping[str, str]) -> AuthAnswer:
        page, per_page = _positive(query, "page", 1), _positive(query, "per_page", PER_PAGE)
        async with self._connections.transaction("finding users") as database:
            total, found = await users.page(
                database, query.get("filter", ""), limit=per_page, offset=(page - 1) * per_page
            )
        pages = -(-total // per_page)
        links = []
        if pages > page:
            links.append(_link(query, page + 1, "next"))
        links.append(_link(query, pages, "last"))
        headers = {"X-Total-Count": str(total), "Link": ", ".join(links)}
        return AuthAnswer(200, {"users": found, "aud": AUDIENCE}, headers)

    async def _find(self, user_id: str) -> dict[str, Any]:
        user_id = _uuid(user_id, 404)
        async with self._connections.transaction("loading user") as database:
            found = await users.find(database, user_id)
        if found is None:
            raise _not_found()
        return found

    async def _update(self, user_id: str, given: dict[str, Any]) -> dict[str, Any]:
        user_id = _uuid(user_id, 404)
        email = _email(given.get("email"))
        password = given.get("password")
        async with self._connections.transaction("updating user") as database:
            if await users.find(database, user_id) is None:
                raise _not_found()
            if email is not None and await users.email_is_taken(database, email, but_for=user_id):
                raise _email_exists()
            return await users.update(
                database,
                user_id,
                email=email,
                encrypted_password=None if password is None else _hashed(password),
                confirm=bool(given.get("email_confirm")),
                app_metadata=given.get("app_metadata") or {},
                user_metadata=given.get("user_metadata") or {},
            )

    async def _delete(self, user_id: str) -> None:
        user_id = _uuid(user_id, 404)
        async with self._connections.transaction("deleting user") as database:
            if not await users.delete(database, user_id):
                raise _not_found()

    async def _sign_in(self, grant: str, given: dict[str, Any]) -> AuthAnswer:
        if grant != "password":
            raise AuthError(400, "validation_failed", "unsupported_grant_type")
        async with self._connections.transaction("querying schema") as database:
            found = await users.sign_in(
                database,
                _email(given.get("email")) or "",
                lambda stored: _matches(str(given.get("password") or ""), stored),
            )
        if found is None:
            raise AuthError(400, "invalid_credentials", "Invalid login credentials")
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": found["aud"],
            "sub": found["id"],
            "role": found["role"],
            "email": found["email"],
            "app_metadata": found["app_metadata"],
            "user_metadata": found["user_metadata"],
            "session_id": str(uuid.uuid4()),
            "iat": now,
            "exp": now + SESSION_SECONDS,
        }
        session = {
            "access_token": sign(claims, self._secret),
            "token_type": "bearer",
            "expires_in": SESSION_SECONDS,
            "expires_at": now + SESSION_SECONDS,
            "refresh_token": secrets.token_urlsafe(16),
            "user": found,
        }
        return AuthAnswer(200, session)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise AuthError(400, "bad_json", f"Could not parse request body: {error}") from error
    if not isinstance(value, dict):
        raise AuthError(400, "bad_json", "Could not parse request body: not an object")
    return value


def _email(value: Any) -> str | None:
    if not value:
        return None
    if not isinstance(value, str) or EMAIL.fullmatch(value) is None:
        raise AuthError(
            400, "validation_failed", "Unable to validate email address: invalid format"
        )
    return value.lower()


def _uuid(value: Any, status: int) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError as error:
        message = "user_id must be an UUID" if status == 404 else "ID must conform to the uuid v4"
        raise AuthError(status, "validation_failed", message) from error


def _positive(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise AuthError(
            400, "validation_failed", f"Bad Pagination Parameters: {name} is not a number"
        )
    return int(text) or default


def _link(query: Mapping[str, str], page: int, relation: str) -> str:
    parts = sorted({**query, "page": str(page)}.items())
    return f'</admin/users?{urlencode(parts)}>; rel="{relation}"'


def _no_route() -> AuthError:
    return AuthError(404, "not_found", "404 page not found")


def _not_found() -> AuthError:
    return AuthError(404, "user_not_found", "User not found")


def _email_exists() -> AuthError:
    return AuthError(
        422, "email_exists", "A user with this email address has already been registered"
    )


def _hashed(password: Any) -> str:
    if not isinstance(password, str) or len(password) < SHORTEST_PASSWORD:
        raise AuthError(
            422,
            "weak_password",
            f"Password should be at least {SHORTEST_PASSWORD} characters.",
        )
    salt = secrets.token_bytes(8)
    return f"sandbox${salt.hex()}${hashlib.sha256(salt + password.encode()).hexdigest()}"


def _matches(password: str, stored: str | None) -> bool:
    scheme, _, rest = (stored or "").partition("$")
    salt, _, digest = rest.partition("$")
    if scheme != "sandbox":
        return False
    expected = hashlib.sha256(bytes.fromhex(salt) + password.encode()).hexdigest()
    return hmac.compare_digest(expected, digest)


def sign(claims: dict[str, Any], secret: str) -> str:
    """Return a JWT over the claims, signed with HS256."""
    return jwt.encode(claims, secret, algorithm="HS256")


def verify(token: str, secret: str) -> dict[str, Any]:
    """Return the claims of a JWT.

    Raises:
        jwt.InvalidTokenError: The token is malformed, expired or signed with another secret.
    """
    claims: dict[str, Any] = jwt.decode(
        token, secret, algorithms=["HS256"], options={"verify_aud": False}
    )
    return claims
