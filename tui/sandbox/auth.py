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
import select
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

import jwt
import psycopg
from aiohttp import web
from psycopg.rows import dict_row
from psycopg.types.json import JsonbDumper

from tui.sandbox import users
from tui.sandbox.servers import reply
from tui.sandbox.users import NOBODY, User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from multidict import MultiMapping

    from tui.sandbox.faults import FaultSwitch
    from tui.sandbox.users import Database

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
CONNECT_SECONDS = 5
# As many as the hosted server has.
POOL_SIZE = 10
# Of two cores, hashing takes both.
HASHING_AT_ONCE = 2
LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{LABEL}(?:\.{LABEL})*")
PHONE = re.compile(r"[1-9][0-9]{1,14}")
BCRYPT = re.compile(r"\$2[abxy]?\$(0[4-9]|[12][0-9]|3[01])\$.{53,}", re.DOTALL)
ARGON2 = re.compile(r"\$argon2i?d?\$v=19\$m=\d+,t=\d+,p=\d+\$[\w+/]+\$[\w+/]+")
FIREBASE = re.compile(r"\$fbscrypt\$v=\d+,n=\d+,r=\d+,p=\d+.*\$.+\$.+")
DURATION_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# What a refusing database may be quoted on, to clients of the older API.
QUOTABLE = frozenset({"P0001", "23000", "23001", "23502", "23503", "23505", "23514", "23P01"})
# By what a user is reached.
ADDRESSES = ("email", "phone")
Types: TypeAlias = dict[str, type]
# The JSON that a request may hold, by the names and types of the server's own.
ATTRIBUTES: Types = {
    **dict.fromkeys(("id", "aud", "role", "email", "phone", "ban_duration"), str),
    **dict.fromkeys(("password", "password_hash"), str),
    **dict.fromkeys(("email_confirm", "phone_confirm"), bool),
    **dict.fromkeys(("user_metadata", "app_metadata"), dict),
}
# What a session's token says of its user, as a reply does.
OF_A_USER = ("aud", "role", "email", "phone", "app_metadata", "user_metadata")
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


class AuthError(Exception):
    """An error of the service, in the server's terms; a code of "" is a defect."""

    def __init__(
        self, status: int, code: str, message: str, reasons: list[str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.reasons = reasons

    def reply(self, api_version: str) -> web.Response:
        """The reply in the shape that the client's API version asks for."""
        is_new = re.fullmatch(r"\d{4}-\d\d-\d\d", api_version) and api_version >= NEW_ERRORS
        headers: dict[str, str] = {"x-supabase-api-version": NEW_ERRORS} if is_new else {}
        if self.code and not (is_new and self.reasons):
            headers["x-sb-error-code"] = self.code
        code = self.code or "unexpected_failure"
        weak = {"weak_password": {"reasons": self.reasons}} if self.reasons else {}
        if is_new:
            return reply({"code": code, "message": str(self), **weak}, self.status, headers)
        refused = self.__cause__
        if isinstance(refused, psycopg.Error) and refused.sqlstate in QUOTABLE:
            quoted = {
                "code": refused.sqlstate,
                "message": refused.diag.message_primary,
                "hint": refused.diag.message_hint,
                "detail": refused.diag.message_detail,
            }
            return reply({name: value for name, value in quoted.items() if value}, 500, headers)
        body = {"code": self.status, "error_code": code, "msg": str(self), **weak}
        if self.status >= 500 and self.code:
            body["error_id"] = str(uuid.uuid4())
        return reply(body, self.status, headers)


def _invalid(message: str) -> AuthError:
    return AuthError(400, "validation_failed", message)


class Connections:
    """A few connections to the database, opened when needed and kept."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Database] = []
        self._slots = asyncio.Semaphore(POOL_SIZE)

    @asynccontextmanager
    async def transaction(self, failure: str) -> AsyncIterator[Database]:
        """Lend a connection for one transaction, committed at the end.

        `failure` is what the service says when the database refuses or is away.
        """
        async with self._slots:
            try:
                database = await self._connection()
                try:
                    async with database.transaction():
                        yield database
                finally:
                    if not database.closed:
                        self._idle.append(database)
            except psycopg.Error as error:
                raise AuthError(500, "unexpected_failure", failure) from error

    async def _connection(self) -> Database:
        while self._idle:
            database = self._idle.pop()
            if not _has_ended(database):
                return database
            await database.close()
        database = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_SECONDS
        )
        database.adapters.register_dumper(dict, JsonbDumper)
        return database

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()


def _has_ended(database: Database) -> bool:
    """Whether the server has spoken to an idle connection: its last word."""
    try:
        return bool(select.select([database.fileno()], [], [], 0)[0])
    except (psycopg.Error, ValueError):
        return True


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request; `path` is without the `/auth/v1` before it."""

    method: str
    path: str
    query: MultiMapping[str]
    bearer: str | None
    body: bytes


Handler: TypeAlias = "Callable[[_Asked], Awaitable[web.Response]]"


class AuthService:
    """Answers the routes under `/auth/v1`, as `supabase_auth_admin`.

    `faults` says how long a password takes to hash.
    """

    def __init__(self, database_url: str, jwt_secret: str, faults: FaultSwitch) -> None:
        self._connections = Connections(database_url)
        self._secret = jwt_secret
        self._faults = faults
        self._hashing = asyncio.Semaphore(HASHING_AT_ONCE)
        self._routes: dict[str, dict[str, Handler]] = {
            "health": {"GET": _health},
            ".well-known/jwks.json": {"GET": _key_set},
            "token": {"POST": self._token},
            "user": {"GET": self._me},
            "logout": {"POST": self._sign_out},
            "admin/users": {"GET": self._list, "POST": self._create},
        }

    async def close(self) -> None:
        """Close the connections; a next request opens others."""
        await self._connections.close()

    async def answer(
        self, request: web.BaseRequest, target: str, bearer: str | None, body: bytes
    ) -> web.Response:
        """Answer one request, whose path and query without `/auth/v1` are `target`."""
        asked = _Asked(request.method, target.partition("?")[0], request.query, bearer, body)
        api_version = request.headers.get("x-supabase-api-version", "")
        try:
            return await asyncio.wait_for(self._route(asked), REQUEST_SECONDS)
        except TimeoutError:
            message = "Processing this request timed out, please retry after a moment."
            return AuthError(504, "request_timeout", message).reply(api_version)
        except AuthError as error:
            return error.reply(api_version)

    async def _route(self, asked: _Asked) -> web.Response:
        path = asked.path.strip("/")
        if path.partition("/")[0] == "admin" and self._claims(asked).get("role") not in ADMIN_ROLES:
            raise AuthError(403, "not_admin", "User not allowed")
        methods = self._routes.get(path)
        if (named := re.fullmatch(r"admin/users/([^/]+)", path)) is not None:
            user = await self._user(named[1])
            methods = {
                "GET": partial(_show, user),
                "PUT": partial(self._update, user),
                "DELETE": partial(self._delete, user),
            }
        if methods is None:
            if ABSENT.fullmatch(path):
                raise AuthError(501, "not_implemented", f"the sandbox does not emulate /{path}")
            return web.Response(status=404, text="404 page not found\n")
        if asked.method not in methods:
            return web.Response(status=405, headers={"Allow": ", ".join(methods)})
        return await methods[asked.method](asked)

    def _claims(self, asked: _Asked) -> dict[str, Any]:
        if asked.bearer is None:
            message = "This endpoint requires a valid Bearer token"
            raise AuthError(401, "no_authorization", message)
        try:
            return verify(asked.bearer, self._secret)
        except jwt.InvalidTokenError as error:
            what = f"invalid JWT: unable to parse or verify signature, {_in_their_words(error)}"
            raise AuthError(403, "bad_jwt", what) from None

    async def _list(self, asked: _Asked) -> web.Response:
        upwards = _upwards(asked.query.getall("sort", []))
        number, size = _number(asked, "page", 1), _number(asked, "per_page", PER_PAGE)
        if size == 0:
            raise AuthError(500, "", "Internal Server Error")
        async with self._connections.transaction("Database error finding users") as database:
            total, found = await users.page(
                database,
                AUDIENCE,
                asked.query.get("filter", ""),
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
        return reply(listed, headers=headers)

    async def _create(self, asked: _Asked) -> web.Response:
        given = _parsed(asked.body, ATTRIBUTES, "AdminUserParams")
        aud = given.get("aud") or AUDIENCE
        if not given.get("email") and not given.get("phone"):
            raise _invalid("Cannot create a user without either an email or phone")
        addresses: dict[str, str] = {}
        for kind in ADDRESSES:
            if given.get(kind):
                addresses[kind] = _address(kind, given[kind])
                await self._refuse_taken(kind, addresses[kind], aud)
        provider, *_ = providers = list(addresses)
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
                raw_app_meta_data={"provider": provider, "providers": providers},
                **addresses,
                **columns,
            )
            for kind, address in addresses.items():
                await user.identify(kind, **{kind: address})
            await user.record("user_signedup", "team", provider=provider)
            await user.set(role=given.get("role") or "authenticated")
            await user.merge("raw_app_meta_data", given.get("app_metadata"))
            await _confirm(user, given)
            await user.set(**ban)
        return reply(user.as_json())

    async def _refuse_taken(self, kind: str, address: str, aud: str) -> None:
        async with self._connections.transaction(f"Database error checking {kind}") as database:
            known = await User.reached_by(database, kind, address, aud)
        if known is not None and kind == "email":
            message = "A user with this email address has already been registered"
            raise AuthError(422, "email_exists", message)
        if known is not None:
            raise AuthError(422, "phone_exists", "Phone number already registered by another user")

    async def _password_of(self, given: dict[str, Any]) -> dict[str, Any]:
        """What a new user's password is, and its metadata, as columns."""
        hashed, metadata = given.get("password_hash"), given.get("user_metadata")
        if not hashed:
            password = given.get("password") or secrets.token_urlsafe(32)
            stored = await self._hashed(password)
            return {"encrypted_password": stored, "raw_user_meta_data": metadata or {}}
        if given.get("password") is not None:
            raise _invalid("Only a password or a password hash should be provided")
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

    async def _user(self, user_id: str) -> User:
        try:
            known = str(uuid.UUID(user_id))
        except ValueError:
            raise AuthError(404, "validation_failed", "user_id must be an UUID") from None
        async with self._connections.transaction("Database error loading user") as database:
            user = await User.find(database, "id = %s", known)
        if user is None:
            raise AuthError(404, "user_not_found", "User not found")
        return user

    async def _update(self, user: User, asked: _Asked) -> web.Response:
        given = _parsed(asked.body, ATTRIBUTES, "AdminUserParams")
        addresses = {kind: _address(kind, given[kind]) for kind in ADDRESSES if given.get(kind)}
        ban = _ban(given.get("ban_duration"))
        password = given.get("password")
        if password is not None and len(password) < SHORTEST_PASSWORD:
            message = f"Password should be at least {SHORTEST_PASSWORD} characters."
            raise AuthError(422, "weak_password", message, ["length"])
        stored = None if password is None else await self._hashed(password)
        async with self._connections.transaction("Error updating user") as user.database:
            if given.get("role"):
                await user.set(role=given["role"])
            await _confirm(user, given)
            if stored is not None:
                await user.set(encrypted_password=stored)
                await user.sign_out()
            for kind, address in addresses.items():
                verified = bool(given.get(f"{kind}_confirm"))
                await user.identify(kind, **{kind: address, f"{kind}_verified": verified})
                await user.set(**{kind: address})
            await user.merge("raw_app_meta_data", given.get("app_metadata"))
            await user.merge("raw_user_meta_data", given.get("user_metadata"))
            await user.set(**ban)
            await user.record("user_modified", "user")
        return reply(user.as_json())

    async def _delete(self, user: User, asked: _Asked) -> web.Response:
        given = _parsed(asked.body, DELETION, "adminUserDeleteParams") if asked.body else {}
        async with self._connections.transaction("Database error deleting user") as user.database:
            await user.record("user_deleted", "team")
            if not given.get("should_soft_delete"):
                await user.delete()
            elif user.row["deleted_at"] is None:
                await user.soft_delete()
        return reply({})

    async def _token(self, asked: _Asked) -> web.Response:
        grant = asked.query.get("grant_type", "")
        if grant in {"refresh_token", "id_token", "pkce", "web3"}:
            raise AuthError(501, "not_implemented", f"the sandbox does not emulate {grant}")
        if grant != "password":
            raise AuthError(400, "invalid_credentials", "unsupported_grant_type")
        given = _parsed(asked.body, CREDENTIALS, "PasswordGrantParams")
        email, phone = given.get("email"), given.get("phone")
        if email and phone:
            raise _invalid("Only an email address or phone number should be provided on login.")
        if phone:
            raise AuthError(422, "phone_provider_disabled", "Phone logins are disabled")
        if not email:
            raise _invalid("missing email or phone")
        failure = "Database error querying schema"
        wrong = AuthError(400, "invalid_credentials", "Invalid login credentials")
        async with self._connections.transaction(failure) as database:
            user = await User.reached_by(database, "email", email, AUDIENCE)
        if user is None or not user.row["encrypted_password"]:
            raise wrong
        if user.is_banned():
            raise AuthError(400, "user_banned", "User is banned")
        await self._take_as_long_as_bcrypt()
        if not _matches(given.get("password") or "", user.row["encrypted_password"]):
            raise wrong
        if user.row["email_confirmed_at"] is None:
            raise AuthError(400, "email_not_confirmed", "Email not confirmed")
        async with self._connections.transaction(failure) as user.database:
            await user.record("login", "account", by_itself=True, provider="email")
            session = await user.sign_in()
        return reply(self._session(user.as_json(), session))

    def _session(self, user: dict[str, Any], session: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {name: user[name] for name in OF_A_USER} | {
            "iss": ISSUER,
            "sub": str(user["id"]),
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

    async def _signed_in(self, asked: _Asked) -> tuple[User, str | None]:
        """Who is signed in, and the session."""
        claims = self._claims(asked)
        subject, session = claims.get("sub") or "", claims.get("session_id")
        if not subject:
            raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
        try:
            uuid.UUID(subject)
        except ValueError:
            what = "invalid claim: sub claim must be a UUID"
            raise AuthError(400, "bad_jwt", what) from None
        async with self._connections.transaction("Database error loading user") as database:
            user = await User.find(database, "id = %s", subject)
            if user is None:
                message = "User from sub claim in JWT does not exist"
                raise AuthError(403, "user_not_found", message)
            if session and not await users.session_exists(database, session):
                message = "Session from session_id claim in JWT does not exist"
                raise AuthError(403, "session_not_found", message)
        if user.is_banned():
            raise AuthError(403, "user_banned", "User is banned")
        return user, session

    async def _me(self, asked: _Asked) -> web.Response:
        user, _ = await self._signed_in(asked)
        return reply(user.as_json())

    async def _sign_out(self, asked: _Asked) -> web.Response:
        user, session = await self._signed_in(asked)
        scope = asked.query.get("scope") or "global"
        if scope not in {"global", "local", "others"}:
            raise _invalid(f'Unsupported logout scope "{scope}"')
        async with self._connections.transaction("Error logging out user") as user.database:
            await user.record("logout", "account", by_itself=True)
            await user.sign_out(
                but_for=session if scope == "others" else None,
                only=session if scope == "local" else None,
            )
        return web.Response(status=204)


def _ban(text: str | None) -> dict[str, Any]:
    """The columns that a `ban_duration` sets."""
    if not text:
        return {}
    seconds = 0.0 if text == "none" else _duration(text)
    return {"banned_until": datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None}


def _duration(text: str) -> float:
    """The seconds of a duration such as `1h30m`; refused as Go's parser does."""
    sign, rest = (-1 if text.startswith("-") else 1), text.lstrip("+-")
    if rest == "0":
        return 0.0
    parts = re.findall(r"(\d+\.?\d*|\.\d+)([^.\d]*)", rest)
    units = [unit for _, unit in parts]
    what = None
    if unknown := [unit for unit in units if unit not in DURATION_UNITS]:
        unit = f'unknown unit "{unknown[0]}"' if unknown[0] else "missing unit"
        what = f'time: {unit} in duration "{text}"'
    elif not parts or "".join(map("".join, parts)) != rest:
        what = f'time: invalid duration "{text}"'
    if what is not None:
        raise _invalid(f"invalid format for ban duration: {what}")
    return sign * sum(float(number) * DURATION_UNITS[unit] for number, unit in parts)


async def _confirm(user: User, given: dict[str, Any]) -> None:
    for kind in ADDRESSES:
        if given.get(f"{kind}_confirm"):
            await user.confirm(kind)


async def _show(user: User, _: _Asked) -> web.Response:
    return reply(user.as_json())


async def _health(_: _Asked) -> web.Response:
    about = "GoTrue, emulated by the sandbox"
    return reply({"version": VERSION, "name": "GoTrue", "description": about})


async def _key_set(_: _Asked) -> web.Response:
    return reply({"keys": []})


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
        raise _unfit(value, f"value of type api.{struct}")
    for name, expected in wanted.items():
        found = value.get(name)
        if found is not None and not isinstance(found, expected):
            raise _unfit(found, f"struct field {struct}.{name} of type {GO_TYPES[expected]}")
    return value


def _unfit(value: Any, place: str) -> AuthError:
    kind = JSON_KINDS.get(type(value), "number")
    return _bad_json(f"json: cannot unmarshal {kind} into Go {place}")


def _bad_json(what: str) -> AuthError:
    return AuthError(400, "bad_json", f"Could not parse request body as JSON: {what}")


def _address(kind: str, given: str) -> str:
    """An email address or a phone number as it is stored."""
    if kind == "phone":
        phone = given.removeprefix("+").replace(" ", "")
        if PHONE.fullmatch(phone) is None:
            raise _invalid("Invalid phone number format (E.164 required)")
        return phone
    if len(given) > 255:
        raise _invalid("An email address is too long")
    if EMAIL.fullmatch(given) is None:
        raise _invalid("Unable to validate email address: invalid format")
    return given.lower()


def _new_id(given: str | None) -> str:
    if not given:
        return str(uuid.uuid4())
    try:
        chosen = str(uuid.UUID(given))
    except ValueError:
        raise _invalid("ID must conform to the uuid v4 format") from None
    if chosen == NOBODY:
        raise _invalid("ID cannot be a nil uuid")
    return chosen


def _number(asked: _Asked, name: str, default: int) -> int:
    text = asked.query.get(name, "")
    if text and not (text.isascii() and text.isdigit()):
        what = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise _invalid(f"Bad Pagination Parameters: {what}")
    return int(text) if text else default


def _upwards(sort: list[str]) -> bool:
    """Whether the oldest users come first."""
    upwards, bad = False, "Bad Sort Parameters: bad"
    for name, _, direction in (each.partition(" ") for each in sort):
        if name != "created_at":
            raise _invalid(f"{bad} field for sort '{name}'")
        if direction.upper() not in {"", "ASC", "DESC"}:
            raise _invalid(f"{bad} direction for sort '{direction}', only 'asc' and 'desc' allowed")
        upwards = direction.upper() == "ASC"
    return upwards


def _link(asked: _Asked, page: int, relation: str) -> str:
    others = [(name, value) for name, value in asked.query.items() if name != "page"]
    query = urlencode(sorted([*others, ("page", str(page))]))
    return f'<{asked.path}?{query}>; rel="{relation}"'


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


def verify(token: str, secret: str, *, verify_exp: bool = True) -> dict[str, Any]:
    """The claims of a JWT; a `jwt.InvalidTokenError` where it is not good."""
    claims: dict[str, Any] = jwt.decode(
        token,
        secret,
        algorithms=["HS256"],
        options={"verify_aud": False, "verify_sub": False, "verify_exp": verify_exp},
    )
    return claims
