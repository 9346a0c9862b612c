"""An emulation of the platform's auth server (GoTrue).

No package registry carries the server itself. Emulated are the admin routes for users, sign-in with
a password, the signed-in user, sign-out and health, reply for reply as version 2.196 of the
vendor's server (`tests/sandbox` compares the two). What else that server knows is answered 501.
Passwords are hashed only as well as data that lives for minutes on loopback needs; a hash that was
given is kept as it is and lets nobody in.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, urlencode

import jwt
import psycopg

from tui.sandbox import users
from tui.sandbox.users import NOBODY, StoreFailure, User

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tui.sandbox.faults import FaultSwitch

VERSION = "v2.196.0"
# From this API version on, errors are {"code", "message"}; before, {"code", "error_code", "msg"}.
NEW_ERRORS = "2024-01-01"
ADMIN_ROLES = frozenset({"service_role", "supabase_admin"})
ISSUER = "supabase-demo"
AUDIENCE = "authenticated"
PER_PAGE = 50
SHORTEST_PASSWORD = 6
LONGEST_PASSWORD = 72
SESSION_SECONDS = 3600
REQUEST_SECONDS = 10.0
# Of two cores, hashing takes both.
HASHING_AT_ONCE = 2
LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{LABEL}(?:\.{LABEL})*")
PHONE = re.compile(r"[1-9][0-9]{1,14}")
BCRYPT = re.compile(r"\$2[abxy]?\$(0[4-9]|[12][0-9]|3[01])\$.{53,}", re.DOTALL)
ARGON2 = re.compile(r"\$argon2i?d?\$v=19\$m=\d+,t=\d+,p=\d+\$[\w+/]+\$[\w+/]+")
FIREBASE = re.compile(r"\$fbscrypt\$v=\d+,n=\d+,r=\d+,p=\d+.*\$.+\$.+")
DURATION_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
# What a refusing database may be quoted on, to clients of the older API.
QUOTABLE = frozenset({"P0001", "23000", "23001", "23502", "23503", "23505", "23514", "23P01"})
Types: TypeAlias = dict[str, type]
# The JSON that a request may hold, by the names and types of the server's own.
ATTRIBUTES: Types = {
    "id": str,
    "aud": str,
    "role": str,
    "email": str,
    "phone": str,
    "password": str,
    "password_hash": str,
    "email_confirm": bool,
    "phone_confirm": bool,
    "user_metadata": dict,
    "app_metadata": dict,
    "ban_duration": str,
}
CREDENTIALS: Types = {"email": str, "phone": str, "password": str}
DELETION: Types = {"should_soft_delete": bool}
GO_TYPES = {str: "string", bool: "bool", dict: "map[string]interface {}"}
JSON_KINDS = {str: "string", bool: "bool", dict: "object", list: "array"}
# Routes of the server that are not emulated: a pattern, and what it belongs to.
ABSENT = re.compile(
    r"(settings|callback|authorize|invite|signup|recover|resend|magiclink|otp|verify|reauthenticate"
    r"|user/.+|factors(/.+)?|passkeys(/.+)?|sso(/.+)?|oauth(/.+)?|scim(/.+)?"
    r"|\.well-known/(openid-configuration|oauth-authorization-server)"
    r"|admin/(audit|generate_link|sso/.+|oauth/.+|custom-providers.*|users/[^/]+/.+))"
)


@dataclass(frozen=True, slots=True)
class AuthAnswer:
    """What the service answers."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class AuthError(Exception):
    """An error of the service, in the server's terms; a code of "" is a defect."""

    def __init__(
        self, status: int, code: str, message: str, reasons: list[str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.reasons = reasons

    def answer(self, api_version: str) -> AuthAnswer:
        """The answer in the shape that the client's API version asks for."""
        is_new = re.fullmatch(r"\d{4}-\d\d-\d\d", api_version) and api_version >= NEW_ERRORS
        headers: dict[str, str] = {"x-supabase-api-version": NEW_ERRORS} if is_new else {}
        if self.code and not (is_new and self.reasons):
            headers["x-sb-error-code"] = self.code
        code = self.code or "unexpected_failure"
        weak = {"weak_password": {"reasons": self.reasons}} if self.reasons else {}
        if is_new:
            return _json({"code": code, "message": str(self), **weak}, self.status, headers)
        refused = self.__cause__.__cause__ if self.__cause__ is not None else None
        if isinstance(refused, psycopg.Error) and refused.sqlstate in QUOTABLE:
            told = {
                "code": refused.sqlstate,
                "message": refused.diag.message_primary,
                "hint": refused.diag.message_hint,
                "detail": refused.diag.message_detail,
            }
            said = {name: value for name, value in told.items() if value}
            return _json(said, 500, headers)
        body = {"code": self.status, "error_code": code, "msg": str(self), **weak}
        if self.status >= 500 and self.code:
            body["error_id"] = str(uuid.uuid4())
        return _json(body, self.status, headers)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    query: dict[str, list[str]]
    bearer: str | None
    body: bytes

    def param(self, name: str) -> str:
        """The first value of a query parameter, or ""."""
        return self.query.get(name, [""])[0]


Handlers: TypeAlias = "dict[str, Callable[[_Request], Awaitable[AuthAnswer]]]"


class AuthService:
    """Answers the routes under `/auth/v1`, as `supabase_auth_admin`.

    `faults` says how long a password takes to hash.
    """

    def __init__(
        self, connections: users.Connections, jwt_secret: str, faults: FaultSwitch
    ) -> None:
        self._connections = connections
        self._secret = jwt_secret
        self._faults = faults
        self._hashing = asyncio.Semaphore(HASHING_AT_ONCE)

    async def answer(
        self, method: str, target: str, *, bearer: str | None, body: bytes, api_version: str
    ) -> AuthAnswer:
        """Answer one request.

        `target` is path and query without the `/auth/v1` before it; `api_version` is the
        `X-Supabase-Api-Version` header, or "".
        """
        path, _, query = target.partition("?")
        asked = _Request(method, target, parse_qs(query), bearer, body)
        try:
            return await asyncio.wait_for(self._route(path.strip("/"), asked), REQUEST_SECONDS)
        except TimeoutError:
            message = "Processing this request timed out, please retry after a moment."
            return AuthError(504, "request_timeout", message).answer(api_version)
        except AuthError as error:
            return error.answer(api_version)
        except StoreFailure as failure:
            internal = AuthError(500, "unexpected_failure", str(failure))
            internal.__cause__ = failure
            return internal.answer(api_version)

    async def _route(self, path: str, asked: _Request) -> AuthAnswer:
        parts = path.split("/")
        if parts[0] == "admin":
            self._require_admin(asked)
        if parts[:2] == ["admin", "users"] and len(parts) == 3:
            return await self._of_user(parts[2], asked)
        routes: dict[str, Handlers] = {
            "health": {"GET": _health},
            ".well-known/jwks.json": {"GET": _key_set},
            "token": {"POST": self._token},
            "user": {"GET": self._me},
            "logout": {"POST": self._sign_out},
            "admin/users": {"GET": self._list, "POST": self._create},
        }
        if path in routes:
            return await _allowed(asked, routes[path])
        if ABSENT.fullmatch(path):
            raise AuthError(501, "not_implemented", f"the sandbox does not emulate /{path}")
        return _no_page()

    def _claims(self, asked: _Request) -> dict[str, Any]:
        if asked.bearer is None:
            message = "This endpoint requires a valid Bearer token"
            raise AuthError(401, "no_authorization", message)
        try:
            return verify(asked.bearer, self._secret)
        except jwt.InvalidTokenError as error:
            what = f"invalid JWT: unable to parse or verify signature, {_in_their_words(error)}"
            raise AuthError(403, "bad_jwt", what) from None

    def _require_admin(self, asked: _Request) -> None:
        if self._claims(asked).get("role") not in ADMIN_ROLES:
            raise AuthError(403, "not_admin", "User not allowed")

    async def _list(self, asked: _Request) -> AuthAnswer:
        upwards = _upwards(asked.query.get("sort", []))
        number, size = _number(asked, "page", 1), _number(asked, "per_page", PER_PAGE)
        if size == 0:
            raise AuthError(500, "", "Internal Server Error")
        async with self._connections.transaction("Database error finding users") as database:
            total, found = await users.page(
                database,
                AUDIENCE,
                asked.param("filter"),
                limit=size,
                offset=(max(number, 1) - 1) * size,
                upwards=upwards,
            )
        pages = -(-total // size)
        links = [_link(asked, number + 1, "next")] if pages > number else []
        headers = {
            "X-Total-Count": str(total),
            "Link": ", ".join([*links, _link(asked, pages, "last")]),
        }
        listed = {"users": [user.as_json() for user in found], "aud": AUDIENCE}
        return _json(listed, headers=headers)

    async def _create(self, asked: _Request) -> AuthAnswer:
        given = _parsed(asked.body, ATTRIBUTES, "AdminUserParams")
        aud = given.get("aud") or AUDIENCE
        if not given.get("email") and not given.get("phone"):
            message = "Cannot create a user without either an email or phone"
            raise AuthError(400, "validation_failed", message)
        email = await self._free_email(given["email"], aud) if given.get("email") else None
        phone = await self._free_phone(given["phone"], aud) if given.get("phone") else None
        providers = [name for name, it in (("email", email), ("phone", phone)) if it is not None]
        columns = await self._password_of(given)
        user_id = _new_id(given.get("id"))
        ban = _ban(given.get("ban_duration"))
        failure = "Database error creating new user"
        async with self._connections.transaction(failure) as database:
            # As the server does: first the user, then what is known about it. So a trigger on
            # insert sees neither its role nor its app_metadata.
            user = await User.create(
                database,
                id=user_id,
                aud=aud,
                email=email,
                phone=phone,
                raw_app_meta_data={"provider": providers[0], "providers": providers},
                **columns,
            )
            if email is not None:
                await user.identify("email", email=email)
            if phone is not None:
                await user.identify("phone", phone=phone)
            await users.record(database, "user_signedup", "team", user, provider=providers[0])
            await user.set(role=given.get("role") or "authenticated")
            if given.get("app_metadata") is not None:
                await user.merge("raw_app_meta_data", given["app_metadata"])
            await user.confirm(email=given.get("email_confirm"), phone=given.get("phone_confirm"))
            if ban:
                await user.set(**ban)
        return _json(user.as_json())

    async def _free_email(self, given: str, aud: str) -> str:
        email = _email(given)
        async with self._connections.transaction("Database error checking email") as database:
            if await User.with_email(database, email, aud) is not None:
                message = "A user with this email address has already been registered"
                raise AuthError(422, "email_exists", message)
        return email

    async def _free_phone(self, given: str, aud: str) -> str:
        phone = _phone(given)
        async with self._connections.transaction("Database error checking phone") as database:
            if await User.with_phone(database, phone, aud) is not None:
                message = "Phone number already registered by another user"
                raise AuthError(422, "phone_exists", message)
        return phone

    async def _password_of(self, given: dict[str, Any]) -> dict[str, Any]:
        """What a new user's password is, and its metadata, as columns."""
        hashed, metadata = given.get("password_hash"), given.get("user_metadata")
        if not hashed:
            password = given.get("password") or secrets.token_urlsafe(32)
            stored = await self._hashed(password)
            return {"encrypted_password": stored, "raw_user_meta_data": metadata or {}}
        if given.get("password") is not None:
            message = "Only a password or a password hash should be provided"
            raise AuthError(400, "validation_failed", message)
        if not any(form.fullmatch(hashed) for form in (BCRYPT, ARGON2, FIREBASE)):
            raise AuthError(500, "unexpected_failure", "Error creating user")
        return {"encrypted_password": hashed, "raw_user_meta_data": metadata}

    async def _hashed(self, password: str) -> str:
        if len(password.encode()) > LONGEST_PASSWORD:
            raise AuthError(500, "", "Internal Server Error")
        await self._take_as_long_as_bcrypt()
        salt = secrets.token_bytes(8)
        return f"sandbox${salt.hex()}${hashlib.sha256(salt + password.encode()).hexdigest()}"

    async def _take_as_long_as_bcrypt(self) -> None:
        if self._faults.spec.hash_ms:
            async with self._hashing:
                await asyncio.sleep(self._faults.spec.hash_ms / 1000)

    async def _of_user(self, user_id: str, asked: _Request) -> AuthAnswer:
        try:
            known = str(uuid.UUID(user_id))
        except ValueError:
            raise AuthError(404, "validation_failed", "user_id must be an UUID") from None
        async with self._connections.transaction("Database error loading user") as database:
            user = await User.find(database, "id = %s", known)
        if user is None:
            raise AuthError(404, "user_not_found", "User not found")

        async def get(_: _Request) -> AuthAnswer:
            return _json(user.as_json())

        async def put(asked: _Request) -> AuthAnswer:
            return await self._update(user, asked)

        async def delete(asked: _Request) -> AuthAnswer:
            return await self._delete(user, asked)

        return await _allowed(asked, {"GET": get, "PUT": put, "DELETE": delete})

    async def _update(self, user: User, asked: _Request) -> AuthAnswer:
        given = _parsed(asked.body, ATTRIBUTES, "AdminUserParams")
        email = _email(given["email"]) if given.get("email") else None
        phone = _phone(given["phone"]) if given.get("phone") else None
        ban = _ban(given.get("ban_duration"))
        password = given.get("password")
        if password is not None and len(password) < SHORTEST_PASSWORD:
            message = f"Password should be at least {SHORTEST_PASSWORD} characters."
            raise AuthError(422, "weak_password", message, ["length"])
        stored = None if password is None else await self._hashed(password)
        async with self._connections.transaction("Error updating user") as database:
            user = User(database, user.row, user.identities)
            if given.get("role"):
                await user.set(role=given["role"])
            await user.confirm(email=given.get("email_confirm"), phone=given.get("phone_confirm"))
            if stored is not None:
                await user.set(encrypted_password=stored)
                await user.sign_out()
            if email is not None:
                verified = bool(given.get("email_confirm"))
                await user.identify("email", email=email, email_verified=verified)
                await user.set(email=email)
            if phone is not None:
                verified = bool(given.get("phone_confirm"))
                await user.identify("phone", phone=phone, phone_verified=verified)
                await user.set(phone=phone)
            if given.get("app_metadata") is not None:
                await user.merge("raw_app_meta_data", given["app_metadata"])
            if given.get("user_metadata") is not None:
                await user.merge("raw_user_meta_data", given["user_metadata"])
            if ban:
                await user.set(**ban)
            await users.record(database, "user_modified", "user", user)
        return _json(user.as_json())

    async def _delete(self, user: User, asked: _Request) -> AuthAnswer:
        given = _parsed(asked.body, DELETION, "adminUserDeleteParams") if asked.body else {}
        async with self._connections.transaction("Database error deleting user") as database:
            user = User(database, user.row, user.identities)
            await users.record(database, "user_deleted", "team", user)
            if not given.get("should_soft_delete"):
                await user.delete()
            elif user.row["deleted_at"] is None:
                await user.soft_delete()
        return _json({})

    async def _token(self, asked: _Request) -> AuthAnswer:
        grant = asked.param("grant_type")
        if grant in {"refresh_token", "id_token", "pkce", "web3"}:
            raise AuthError(501, "not_implemented", f"the sandbox does not emulate {grant}")
        if grant != "password":
            raise AuthError(400, "invalid_credentials", "unsupported_grant_type")
        given = _parsed(asked.body, CREDENTIALS, "PasswordGrantParams")
        email, phone = given.get("email"), given.get("phone")
        if email and phone:
            message = "Only an email address or phone number should be provided on login."
            raise AuthError(400, "validation_failed", message)
        if phone:
            raise AuthError(422, "phone_provider_disabled", "Phone logins are disabled")
        if not email:
            raise AuthError(400, "validation_failed", "missing email or phone")
        failure = "Database error querying schema"
        wrong = AuthError(400, "invalid_credentials", "Invalid login credentials")
        async with self._connections.transaction(failure) as database:
            user = await User.with_email(database, email, AUDIENCE)
        if user is None or not user.row["encrypted_password"]:
            raise wrong
        banned = user.row["banned_until"]
        if banned is not None and banned > datetime.now(UTC):
            raise AuthError(400, "user_banned", "User is banned")
        await self._take_as_long_as_bcrypt()
        if not _matches(given.get("password") or "", user.row["encrypted_password"]):
            raise wrong
        if user.row["email_confirmed_at"] is None:
            raise AuthError(400, "email_not_confirmed", "Email not confirmed")
        async with self._connections.transaction(failure) as database:
            user = User(database, user.row, user.identities)
            await users.record(database, "login", "account", user, by_itself=True, provider="email")
            session = await user.sign_in()
        return _json(self._session(user.as_json(), session))

    def _session(self, user: dict[str, Any], session: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": user["aud"],
            "sub": user["id"],
            "role": user["role"],
            "email": user["email"],
            "phone": user["phone"],
            "app_metadata": user["app_metadata"],
            "user_metadata": user["user_metadata"],
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": session,
            "is_anonymous": False,
            "iat": now,
            "exp": now + SESSION_SECONDS,
        }
        return {
            "access_token": sign(claims, self._secret),
            "token_type": "bearer",
            "expires_in": SESSION_SECONDS,
            "expires_at": now + SESSION_SECONDS,
            "refresh_token": secrets.token_urlsafe(16),
            "user": user,
            "weak_password": None,
        }

    async def _signed_in(self, asked: _Request) -> tuple[User, str | None]:
        """Who is signed in, and the session."""
        claims = self._claims(asked)
        subject, session = claims.get("sub") or "", claims.get("session_id")
        if not subject:
            raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
        try:
            uuid.UUID(subject)
        except ValueError:
            message = "invalid claim: sub claim must be a UUID"
            raise AuthError(400, "bad_jwt", message) from None
        async with self._connections.transaction("Database error loading user") as database:
            user = await User.find(database, "id = %s", subject)
            if user is None:
                message = "User from sub claim in JWT does not exist"
                raise AuthError(403, "user_not_found", message)
            if session and not await users.session_exists(database, session):
                message = "Session from session_id claim in JWT does not exist"
                raise AuthError(403, "session_not_found", message)
        banned = user.row["banned_until"]
        if banned is not None and banned > datetime.now(UTC):
            raise AuthError(403, "user_banned", "User is banned")
        return user, session

    async def _me(self, asked: _Request) -> AuthAnswer:
        user, _ = await self._signed_in(asked)
        return _json(user.as_json())

    async def _sign_out(self, asked: _Request) -> AuthAnswer:
        user, session = await self._signed_in(asked)
        scope = asked.param("scope") or "global"
        if scope not in {"global", "local", "others"}:
            message = f'Unsupported logout scope "{scope}"'
            raise AuthError(400, "validation_failed", message)
        async with self._connections.transaction("Error logging out user") as database:
            user = User(database, user.row)
            await users.record(database, "logout", "account", user, by_itself=True)
            await user.sign_out(
                but_for=session if scope == "others" else None,
                only=session if scope == "local" else None,
            )
        return AuthAnswer(204)


def _ban(text: str | None) -> dict[str, Any]:
    """The columns that a `ban_duration` sets."""
    if not text:
        return {}
    seconds = 0.0 if text == "none" else _duration(text)
    return {"banned_until": datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None}


def _duration(text: str) -> float:
    """The seconds of a duration such as `1h30m`; refused as Go's parser does."""
    sign, rest, total = (-1 if text.startswith("-") else 1), text.lstrip("+-"), 0.0
    if rest == "0":
        return 0.0
    what = f'time: invalid duration "{text}"'
    while rest or what:
        number = re.match(r"\d+(\.\d*)?|\.\d+", rest)
        if number is None:
            break
        rest = rest[number.end() :]
        unit = re.match(r"[^.\d]*", rest)
        name = unit[0] if unit is not None else ""
        if name not in DURATION_UNITS:
            unknown = f'unknown unit "{name}"' if name else "missing unit"
            what = f'time: {unknown} in duration "{text}"'
            break
        total += float(number[0]) * DURATION_UNITS[name]
        rest = rest[len(name) :]
        if not rest:
            return sign * total
    message = f"invalid format for ban duration: {what}"
    raise AuthError(400, "validation_failed", message)


async def _allowed(asked: _Request, methods: Handlers) -> AuthAnswer:
    handler = methods.get(asked.method)
    if handler is None:
        return AuthAnswer(405, headers={"Allow": ", ".join(methods)})
    return await handler(asked)


async def _health(_: _Request) -> AuthAnswer:
    about = "GoTrue, emulated by the sandbox"
    return _json({"version": VERSION, "name": "GoTrue", "description": about})


async def _key_set(_: _Request) -> AuthAnswer:
    return _json({"keys": []})


def _json(
    value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> AuthAnswer:
    kind = {"Content-Type": "application/json"}
    return AuthAnswer(status, json.dumps(value).encode(), kind | (headers or {}))


def _no_page() -> AuthAnswer:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return AuthAnswer(404, b"404 page not found\n", headers)


def _parsed(body: bytes, wanted: Types, struct: str) -> dict[str, Any]:
    """The JSON object of a body, checked for its types as Go's parser does."""
    try:
        value = json.loads(body)
    except ValueError as error:
        at = getattr(error, "pos", 0)
        text = body.decode("utf-8", "replace")
        what = "unexpected end of JSON input"
        if at < len(text.rstrip()) and text[at:].strip() != "{":
            what = f"invalid character {text[at]!r} looking for beginning of value"
        raise _bad_json(what) from None
    if not isinstance(value, dict):
        kind = JSON_KINDS.get(type(value), "number")
        raise _bad_json(f"json: cannot unmarshal {kind} into Go value of type api.{struct}")
    for name, expected in wanted.items():
        found = value.get(name)
        if found is not None and not isinstance(found, expected):
            kind = JSON_KINDS.get(type(found), "number")
            place = f"Go struct field {struct}.{name} of type {GO_TYPES[expected]}"
            raise _bad_json(f"json: cannot unmarshal {kind} into {place}")
    return value


def _bad_json(what: str) -> AuthError:
    return AuthError(400, "bad_json", f"Could not parse request body as JSON: {what}")


def _email(given: str) -> str:
    if len(given) > 255:
        raise AuthError(400, "validation_failed", "An email address is too long")
    if EMAIL.fullmatch(given) is None:
        message = "Unable to validate email address: invalid format"
        raise AuthError(400, "validation_failed", message)
    return given.lower()


def _phone(given: str) -> str:
    phone = given.removeprefix("+").replace(" ", "")
    if PHONE.fullmatch(phone) is None:
        message = "Invalid phone number format (E.164 required)"
        raise AuthError(400, "validation_failed", message)
    return phone


def _new_id(given: str | None) -> str:
    if not given:
        return str(uuid.uuid4())
    try:
        chosen = str(uuid.UUID(given))
    except ValueError:
        message = "ID must conform to the uuid v4 format"
        raise AuthError(400, "validation_failed", message) from None
    if chosen == NOBODY:
        raise AuthError(400, "validation_failed", "ID cannot be a nil uuid")
    return chosen


def _number(asked: _Request, name: str, default: int) -> int:
    text = asked.param(name)
    if text and not (text.isascii() and text.isdigit()):
        what = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise AuthError(400, "validation_failed", f"Bad Pagination Parameters: {what}")
    return int(text) if text else default


def _upwards(sort: list[str]) -> bool:
    """Whether the oldest users come first."""
    upwards = False
    for name, _, direction in (each.partition(" ") for each in sort):
        what = None
        if name != "created_at":
            what = f"bad field for sort '{name}'"
        elif direction.upper() not in {"", "ASC", "DESC"}:
            what = f"bad direction for sort '{direction}', only 'asc' and 'desc' allowed"
        if what is not None:
            raise AuthError(400, "validation_failed", f"Bad Sort Parameters: {what}")
        upwards = direction.upper() == "ASC"
    return upwards


def _link(asked: _Request, page: int, relation: str) -> str:
    path = asked.target.partition("?")[0]
    query = urlencode(sorted({**asked.query, "page": [str(page)]}.items()), doseq=True)
    return f'<{path}?{query}>; rel="{relation}"'


def _matches(password: str, stored: str) -> bool:
    scheme, _, rest = stored.partition("$")
    salt, _, digest = rest.partition("$")
    if scheme != "sandbox":
        return False
    expected = hashlib.sha256(bytes.fromhex(salt) + password.encode()).hexdigest()
    return hmac.compare_digest(expected, digest)


def _in_their_words(error: jwt.InvalidTokenError) -> str:
    match error:
        case jwt.InvalidSignatureError():
            return "token signature is invalid: signature is invalid"
        case jwt.ExpiredSignatureError():
            return "token has invalid claims: token is expired"
        case jwt.DecodeError() if "segments" in str(error):
            return "token is malformed: token contains an invalid number of segments"
    return f"token is malformed: {error}"


def sign(claims: dict[str, Any], secret: str) -> str:
    """A JWT over the claims, signed with HS256."""
    return jwt.encode(claims, secret, algorithm="HS256")


def verify(token: str, secret: str) -> dict[str, Any]:
    """The claims of a JWT; a `jwt.InvalidTokenError` where it is not good."""
    claims: dict[str, Any] = jwt.decode(
        token, secret, algorithms=["HS256"], options={"verify_aud": False, "verify_sub": False}
    )
    return claims
