"""The rows behind the auth emulation.

A user is handled as the vendor's server handles it: read or made once, changed in memory, and each
change written as an update of its own. So triggers see the same statements in the same order, and a
reply shows what the server knew and not what the database computed since.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import psycopg
from psycopg.types.json import Json

Row: TypeAlias = dict[str, Any]
Database: TypeAlias = psycopg.AsyncConnection[Row]

NOBODY = "00000000-0000-0000-0000-000000000000"
# NULL in one of these, as hand-written SQL leaves it, is more than the vendor's server can read.
NEVER_NULL = (
    "aud",
    "role",
    "confirmation_token",
    "recovery_token",
    "email_change_token_new",
    "email_change",
    "email_change_token_current",
    "email_change_confirm_status",
    "phone_change",
    "phone_change_token",
    "reauthentication_token",
    "created_at",
    "updated_at",
)
OF_AN_IDENTITY = (
    "user_id",
    "identity_data",
    "provider",
    "last_sign_in_at",
    "created_at",
    "updated_at",
    "email",
)
TIMES = (
    "created_at",
    "updated_at",
    "email_confirmed_at",
    "invited_at",
    "phone_confirmed_at",
    "confirmation_sent_at",
    "confirmed_at",
    "recovery_sent_at",
    "email_change_sent_at",
    "phone_change_sent_at",
    "reauthentication_sent_at",
    "last_sign_in_at",
    "banned_until",
    "deleted_at",
)


@dataclass(eq=False, repr=False)
class User:
    """One user and its identities, within one transaction.

    `row` holds its columns in `auth.users`, `identities` its rows in `auth.identities`, or None
    where they were not read.
    """

    database: Database
    row: Row
    identities: list[Row] | None = None

    @classmethod
    async def create(cls, database: Database, **columns: Any) -> User:
        """Insert a user with the given columns; the rest is as the server leaves it."""
        now = datetime.now(UTC)
        row = dict.fromkeys(NEVER_NULL, "") | {
            "instance_id": NOBODY,
            "email_change_confirm_status": 0,
            "is_anonymous": False,
            "is_sso_user": False,
            "created_at": now,
            "updated_at": now,
            **columns,
        }
        await _insert(database, "users", row)
        return cls(database, row, [])

    @classmethod
    async def find(cls, database: Database, where: str, *values: Any) -> User | None:
        """The user that a condition on `auth.users` names."""
        query = f"select * from auth.users where instance_id = %s and {where} limit 1"  # noqa: S608 - ours
        found = await database.execute(query, [NOBODY, *values])
        row = await found.fetchone()
        if row is None:
            return None
        _read(row)
        identities = await database.execute(
            "select * from auth.identities where user_id = %s", [row["id"]]
        )
        return cls(database, row, await identities.fetchall())

    @classmethod
    async def reached_by(cls, database: Database, kind: str, address: str, aud: str) -> User | None:
        """The user of an audience with an email address or a phone number."""
        column = "lower(email)" if kind == "email" else "phone"
        where = f"{column} = %s and aud = %s and is_sso_user = false"
        return await cls.find(database, where, address.lower(), aud)

    def is_banned(self) -> bool:
        until = self.row["banned_until"]
        return until is not None and until > datetime.now(UTC)

    @property
    def id(self) -> str:
        return str(self.row["id"])

    async def set(self, **columns: Any) -> None:
        """Write columns, if any, and remember them."""
        if not columns:
            return
        self.row |= columns
        values = columns | {"updated_at": datetime.now(UTC)}
        changes = ", ".join(f"{name} = %({name})s" for name in values)
        await self.database.execute(
            f"update auth.users set {changes} where id = %(id)s",  # noqa: S608 - ours
            values | {"id": self.row["id"]},
        )

    async def merge(self, column: str, given: Row | None) -> None:
        """Change metadata by its top keys; a null value removes one."""
        if given is None:
            return
        known = self.row.get(column)
        if known is not None:
            kept = {name: value for name, value in known.items() if name not in given}
            given = kept | {name: value for name, value in given.items() if value is not None}
        await self.set(**{column: given})

    async def confirm(self, kind: str) -> None:
        """Take its email address or its phone number for confirmed."""
        await self.set(confirmation_token="", **{f"{kind}_confirmed_at": datetime.now(UTC)})
        if kind == "email":
            await self.merge("raw_user_meta_data", {"email_verified": True})

    async def identify(self, provider: str, **data: Any) -> None:
        """Make its identity with a provider, or change the data of the one it has.

        A reply shows an identity as it was read: a change is seen from the next request on.
        """
        for identity in self.identities or []:
            if identity["provider"] == provider:
                await self.database.execute(
                    "update auth.identities set identity_data = %s where id = %s",
                    [identity["identity_data"] | data, identity["id"]],
                )
                return
        now = datetime.now(UTC)
        verified = {"email_verified": False, "phone_verified": False}
        row = {
            "id": uuid.uuid4(),
            "provider_id": self.id,
            "user_id": self.row["id"],
            "identity_data": {"sub": self.id, **verified, **data},
            "provider": provider,
            "last_sign_in_at": now,
            "created_at": now,
            "updated_at": now,
        }
        await _insert(self.database, "identities", row)
        self.identities = [*(self.identities or []), row | {"email": data.get("email")}]

    async def sign_in(self) -> str:
        """Open a session and return its id."""
        now, session = datetime.now(UTC), str(uuid.uuid4())
        await self.set(last_sign_in_at=now)
        row = {"id": session, "user_id": self.row["id"], "created_at": now, "updated_at": now}
        await _insert(self.database, "sessions", row)
        return session

    async def sign_out(self, *, but_for: str | None = None, only: str | None = None) -> None:
        """Close its sessions: all, all but one, or one alone."""
        await self.database.execute(
            "delete from auth.sessions where user_id = %s"
            " and (%s::uuid is null or id <> %s::uuid) and (%s::uuid is null or id = %s::uuid)",
            [self.row["id"], but_for, but_for, only, only],
        )

    async def soft_delete(self) -> None:
        """Keep the row without anything that says who it was."""
        hashed = {
            name: _hashed(self.id, self.row.get(name) or "")[:length]
            for name, length in (
                ("email", None),
                ("phone", 15),
                ("email_change", None),
                ("phone_change", 15),
            )
        }
        await self.set(**hashed, encrypted_password=None, deleted_at=datetime.now(UTC))
        await self.set(raw_user_meta_data={})
        await self.set(raw_app_meta_data={})
        await self.sign_out()
        for identity in self.identities or []:
            name = f"{identity['provider']}:{identity['provider_id']}"
            await self.database.execute(
                "update auth.identities set identity_data = '{}', provider_id = %s where id = %s",
                [_hashed(self.id, name), identity["id"]],
            )

    async def delete(self) -> None:
        """Delete the row, and what hangs on it."""
        await self.database.execute("delete from auth.users where id = %s", [self.row["id"]])

    async def record(
        self, action: str, kind: str, *, by_itself: bool = False, **traits: str
    ) -> None:
        """Write a row of the audit log: what the service role, or the user, did."""
        email = self.row.get("email") or ""
        actor = (self.id, email) if by_itself else (NOBODY, "service_role")
        if not by_itself:
            phone = self.row.get("phone") or ""
            traits |= {"user_id": self.id, "user_email": email, "user_phone": phone}
        payload: Row = {
            "action": action,
            "actor_id": actor[0],
            "actor_username": actor[1],
            "actor_via_sso": False,
            "log_type": kind,
        }
        if traits:
            payload["traits"] = traits
        row = {
            "instance_id": NOBODY,
            "id": uuid.uuid4(),
            "payload": Json(payload),
            "created_at": datetime.now(UTC),
            "ip_address": "",
        }
        await _insert(self.database, "audit_log_entries", row)

    def as_json(self) -> Row:
        """The user as a reply shows it: unset times are absent."""
        row, identities = self.row, self.identities
        shown = {name: row[name] for name in ("id", "aud", "role", "is_anonymous")} | {
            "email": row.get("email") or "",
            "phone": row.get("phone") or "",
            "app_metadata": row.get("raw_app_meta_data"),
            "user_metadata": row.get("raw_user_meta_data"),
            "identities": identities and [_identity_as_json(each) for each in identities],
        }
        shown |= {name: row[name] for name in TIMES if row.get(name) is not None}
        changes = {"new_email": row.get("email_change"), "new_phone": row.get("phone_change")}
        return shown | {name: value for name, value in changes.items() if value}


async def page(
    database: Database, aud: str, text: str, *, limit: int, offset: int, upwards: bool
) -> tuple[int, list[User]]:
    """How many users match, and one page of them, by the time they were made.

    `text` is part of the email address or of the full name; `%` and `_` are wild.
    """
    matches = (
        "from auth.users where instance_id = %(nobody)s and aud = %(aud)s and (%(text)s = '%%'"
        " or email like %(text)s or raw_user_meta_data ->> 'full_name' ilike %(text)s)"
    )
    values = {
        "nobody": NOBODY,
        "aud": aud,
        "text": f"%{text}%" if text else "%",
        "limit": limit,
        "offset": offset,
    }
    counted = await database.execute(f"select count(*) {matches}", values)
    count = await counted.fetchone()
    order = "asc" if upwards else "desc"
    found = await database.execute(
        f"select * {matches} order by created_at {order} limit %(limit)s offset %(offset)s",
        values,
    )
    rows = await found.fetchall()
    for row in rows:
        _read(row)
    return (count or {"count": 0})["count"], [User(database, row) for row in rows]


async def session_exists(database: Database, session: str) -> bool:
    """Whether a session is open."""
    found = await database.execute("select 1 from auth.sessions where id = %s", [session])
    return await found.fetchone() is not None


async def _insert(database: Database, table: str, row: Row) -> None:
    places = ", ".join(f"%({name})s" for name in row)
    query = f"insert into auth.{table} ({', '.join(row)}) values ({places})"  # noqa: S608 - ours
    await database.execute(query, row)


def _read(row: Row) -> None:
    """Take a row as the server reads one: a NULL it cannot read is an error."""
    if any(row[name] is None for name in NEVER_NULL):
        raise psycopg.DataError("converting NULL to string is unsupported")
    for name in ("raw_app_meta_data", "raw_user_meta_data"):
        row[name] = row[name] or {}


def _hashed(user_id: str, value: str) -> str:
    digest = hashlib.sha256((user_id + value).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _identity_as_json(identity: Row) -> Row:
    shown = {"identity_id": identity["id"], "id": identity["provider_id"]}
    shown |= {name: identity[name] for name in OF_AN_IDENTITY}
    return {name: value for name, value in shown.items() if value not in (None, "", {})}
