"""The rows behind the auth emulation: `auth.users`, read and written as `supabase_auth_admin`."""

from __future__ import annotations

import asyncio
import select
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Row: TypeAlias = dict[str, Any]
Database: TypeAlias = psycopg.AsyncConnection[Row]

POOL_SIZE = 8
CONNECT_SECONDS = 5
MATCHES = (
    "aud = 'authenticated' and (%(filter)s = '%%' or email like %(filter)s"
    " or raw_user_meta_data ->> 'full_name' ilike %(filter)s)"
)


class StoreFailure(Exception):
    """The database did not do what was asked; the message says what that was."""


class Connections:
    """A few connections to the database, opened when needed and kept.

    Args:
        url: Where to connect, and as whom.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Database] = []
        self._slots = asyncio.Semaphore(POOL_SIZE)

    @asynccontextmanager
    async def transaction(self, what: str) -> AsyncIterator[Database]:
        """Lend a connection for one transaction, committed at the end.

        Args:
            what: What it does, for the message when the database fails.

        Raises:
            StoreFailure: The database refused or is away.
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
                raise StoreFailure(f"Database error {what}") from error

    async def _connection(self) -> Database:
        while self._idle:
            database = self._idle.pop()
            if not _has_ended(database):
                return database
            await database.close()
        return await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_SECONDS
        )

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            await self._idle.pop().close()


def _has_ended(database: Database) -> bool:
    """Whether the server has said something to an idle connection: its last word, as a rule."""
    try:
        return bool(select.select([database.fileno()], [], [], 0)[0])
    except (psycopg.Error, ValueError):
        return True


async def email_is_taken(database: Database, email: str, *, but_for: str | None = None) -> bool:
    """Return whether another user has this email address."""
    found = await database.execute(
        "select 1 from auth.users where email = %s and id is distinct from %s", [email, but_for]
    )
    return await found.fetchone() is not None


async def insert(database: Database, **values: Any) -> None:
    """Insert a user; the names are those of the columns."""
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    places = sql.SQL(", ").join(map(sql.Placeholder, values))
    await database.execute(
        sql.SQL("insert into auth.users ({}) values ({})").format(names, places), values
    )


async def update(
    database: Database,
    user_id: str,
    *,
    email: str | None = None,
    encrypted_password: str | None = None,
    confirm: bool = False,
    app_metadata: Row | None = None,
    user_metadata: Row | None = None,
) -> Row:
    """Change a user and return it. Metadata is merged by its top keys; a null value removes one."""
    found = await database.execute(
        "update auth.users set"
        " email = coalesce(%s, email),"
        " encrypted_password = coalesce(%s, encrypted_password),"
        " email_confirmed_at = case when %s then coalesce(email_confirmed_at, now())"
        "   else email_confirmed_at end,"
        " raw_app_meta_data = (raw_app_meta_data || %s) - %s::text[],"
        " raw_user_meta_data = (raw_user_meta_data || %s) - %s::text[],"
        " updated_at = now()"
        " where id = %s returning *",
        [
            email,
            encrypted_password,
            confirm,
            *_merged(app_metadata or {}),
            *_merged(user_metadata or {}),
            user_id,
        ],
    )
    row = await found.fetchone()
    if row is None:
        raise StoreFailure("Database error updating user")
    return as_json(row)


def _merged(given: Row) -> tuple[Jsonb, list[str]]:
    return Jsonb(given), [name for name, value in given.items() if value is None]


async def find(database: Database, user_id: str) -> Row | None:
    """Return a user, or None."""
    found = await database.execute("select * from auth.users where id = %s", [user_id])
    row = await found.fetchone()
    return None if row is None else as_json(row)


async def page(database: Database, text: str, *, limit: int, offset: int) -> tuple[int, list[Row]]:
    """Return how many users match, and one page of them, newest first.

    Args:
        database: A connection.
        text: Part of the email address or of the full name; `%` and `_` are wild, as in GoTrue.
        limit: The most users to return.
        offset: How many to pass over.
    """
    values = {"filter": f"%{text}%" if text else "%", "limit": limit, "offset": offset}
    counted = await database.execute(f"select count(*) from auth.users where {MATCHES}", values)  # noqa: S608 - a constant
    count = await counted.fetchone()
    found = await database.execute(
        f"select * from auth.users where {MATCHES}"  # noqa: S608 - a constant
        " order by created_at desc, id limit %(limit)s offset %(offset)s",
        values,
    )
    return (count or {"count": 0})["count"], [as_json(row) for row in await found.fetchall()]


async def delete(database: Database, user_id: str) -> bool:
    """Delete a user and return whether there was one."""
    done = await database.execute("delete from auth.users where id = %s", [user_id])
    return done.rowcount > 0


async def sign_in(
    database: Database, email: str, matches: Callable[[str | None], bool]
) -> Row | None:
    """Record and return the user who signs in, or None when the password does not match.

    Args:
        database: A connection.
        email: The address, in lower case.
        matches: Whether the stored hash is that of the password given.
    """
    found = await database.execute(
        "select id, encrypted_password from auth.users where email = %s", [email]
    )
    row = await found.fetchone()
    if row is None or not matches(row["encrypted_password"]):
        return None
    signed_in = await database.execute(
        "update auth.users set last_sign_in_at = now() where id = %s returning *", [row["id"]]
    )
    user = await signed_in.fetchone()
    return None if user is None else as_json(user)


def as_json(row: Row) -> Row:
    """Return a row as GoTrue shows a user."""
    moments = {
        name: None if row[name] is None else row[name].isoformat().replace("+00:00", "Z")
        for name in ("email_confirmed_at", "last_sign_in_at", "created_at", "updated_at")
    }
    return {
        "id": str(row["id"]),
        "aud": row["aud"],
        "role": row["role"],
        "email": row["email"],
        "phone": "",
        "confirmed_at": moments["email_confirmed_at"],
        "app_metadata": row["raw_app_meta_data"],
        "user_metadata": row["raw_user_meta_data"],
        "identities": [],
        "is_anonymous": False,
        **moments,
    }
