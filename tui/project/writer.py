"""Everything that changes a project. Nothing here works without a permission.

Every write can be sent twice: rows carry keys made here and are inserted "on conflict do nothing",
deletes name what must be gone, users are created under an id made here, by which a repeat
recognises its own first try. So a reply that is lost after the commit costs one more request and
nothing else.
"""

from __future__ import annotations

import asyncio
import secrets
import string
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from tui.project.client import REFRESH, counted, filtered
from tui.project.errors import GATEWAY_TIMEOUT, UNEXPECTED_FAILURE, Missing, ProjectError
from tui.project.http import LAST_REPLY, clean_data

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tui.guard.break_glass import WritePermission
    from tui.guard.target import Target
    from tui.project.client import Filter, Project
    from tui.project.retry import RetryPolicy

T = TypeVar("T")

# The auth server's words for an address or an id that is taken.
_TAKEN: Final = frozenset({"email_exists", "user_already_exists", "conflict"})
# So many users who cannot be created (or deleted) for the same reason, and none that can be.
_SAME_REFUSALS: Final = 3

# Between two looks for a user who may be about to be there.
_LOOK_AGAIN_S: Final = 0.5

_BCRYPT: Final = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits

# A refresh may legitimately take minutes on a self-hosted gateway; hosted ones cut at about 60 s.
_REFRESH_DEADLINE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class NewUser:
    """An auth user about to be created, confirmed, so that no mail is sent.

    `id` is ours and on record before the call; `marker` is stored as `app_metadata` (which users
    cannot edit) and as `user_metadata`.
    """

    id: str
    email: str
    marker: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refresh:
    """One refresh of the view.

    Attributes:
        ms: Milliseconds around the call, measured here on a warm connection.
        details: What the function returned, when that is a JSON object; else empty.
    """

    ms: float
    server_ms: float | None
    details: Mapping[str, Any]


def hash_of_nothing() -> str:
    """A bcrypt hash in form, drawn by chance: no password leads to it.

    Without one the auth server invents a password and hashes it, 80 ms of a core for each user.
    """
    # 16 bytes of salt and 23 of digest: the last character of each carries 2 and 4 bits of them.
    salt = "".join(secrets.choice(_BCRYPT) for _ in range(21)) + secrets.choice(_BCRYPT[::16])
    digest = "".join(secrets.choice(_BCRYPT) for _ in range(30)) + secrets.choice(_BCRYPT[::4])
    return f"$2a$10${salt}{digest}"


def _may_be_under_way(error: Exception) -> bool:
    """Whether the server may yet do what it was asked: it has not answered."""
    reply = LAST_REPLY.get()
    if reply is not None:
        return reply.status in GATEWAY_TIMEOUT and not reply.from_project
    return not isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout)


class Writer:
    """The writing half of a project, for the one target its permission names.

    Raises:
        GuardRefused: The permission is for another target, or its run is over. Every method raises
            it as well.
        ValueError: The connection leads elsewhere.
    """

    def __init__(self, project: Project, target: Target, permission: WritePermission) -> None:
        if project.url != target.url:
            raise ValueError(f"the connection leads to {project.url}, not to {target.url}")
        self._project = project
        self._target = target
        self._permission = permission
        # What has worked for some user, and refusals of what has not.
        self._worked: set[str] = set()
        self._refused: dict[str, list[ProjectError]] = {}
        permission.require(target)

    async def _send(
        self,
        what: str,
        request: Callable[[], Awaitable[T]],
        *,
        auth: bool = False,
        policy: RetryPolicy | None = None,
    ) -> T:
        """The only way out of this class: asks the permission before each write.

        A trigger or a foreign key on `auth.users` refuses every user alike, and the auth server's
        one word for it does not tell that from a fault that passes: what was refused several times
        and has never worked is not sent any more.
        """
        self._permission.require(self._target)
        refused = self._refused.setdefault(what, [])
        if len(refused) >= _SAME_REFUSALS and what not in self._worked:
            raise refused[0]
        project = self._project.under(policy) if policy else self._project
        try:
            result = await project.ask(what, request, auth=auth)
        except ProjectError as error:
            if error.code == UNEXPECTED_FAILURE:
                refused.append(error)
            raise
        self._worked.add(what)
        return result

    async def insert(
        self, table: str, rows: Sequence[Mapping[str, Any]], *, unique: str = "id"
    ) -> None:
        """Insert rows; those whose unique columns are already there stay as they are."""
        from postgrest import ReturnMethod

        async def request() -> None:
            query = self._project.rest.from_(table).upsert(
                list(rows),
                on_conflict=unique,
                ignore_duplicates=True,
                returning=ReturnMethod.minimal,
            )
            await query.execute()

        await self._send(f"writing {len(rows):,} {table}", request)

    async def delete(self, table: str, filters: Sequence[Filter]) -> int:
        """Delete the rows for which all filters hold, and return how many there were.

        After a repeat the count is that of the last attempt.
        """
        from postgrest import CountMethod, ReturnMethod

        if not filters:
            raise ValueError(f"{table}: without a filter nothing is deleted")

        async def request() -> int:
            query = self._project.rest.from_(table).delete(
                count=CountMethod.exact, returning=ReturnMethod.minimal
            )
            return counted((await filtered(query, filters).execute()).count)

        return await self._send("deleting " + table, request)

    async def create_user(self, user: NewUser) -> None:
        """Create a confirmed user under our own id, whom no password lets in.

        A creation that may still be under way is looked for before it is sent again: a second one,
        waiting at the server, would otherwise be carried out after the user has been deleted.
        """
        from supabase_auth.errors import AuthApiError

        admin = self._project.admin
        hashed = hash_of_nothing()
        in_doubt = False

        async def request() -> str:
            nonlocal in_doubt
            if in_doubt and await self._appears(user.id):
                return user.id
            # Until a reply says otherwise, and if none comes.
            in_doubt = True
            try:
                answer = await admin.create_user(
                    {
                        "id": user.id,
                        "email": user.email,
                        "email_confirm": True,
                        "password_hash": hashed,
                        "app_metadata": dict(user.marker),
                        "user_metadata": dict(user.marker),
                    }
                )
            except Exception as error:
                in_doubt = _may_be_under_way(error)
                if not isinstance(error, AuthApiError) or error.code not in _TAKEN:
                    raise
                if await self._user_exists(user.id):
                    return user.id
                raise ProjectError(
                    f"creating a user: {user.email} belongs to somebody else ({error.code})",
                    code=error.code,
                    status=error.status,
                ) from None
            return answer.user.id

        made = await self._send("creating a user", request, auth=True)
        if made != user.id:
            raise ProjectError(
                f"creating a user: the auth server made {made}, not the id it was given",
                hint="the auth server is too old: upgrade it to one that takes an id",
            )

    async def _appears(self, user_id: str) -> bool:
        """Whether a user is there, or appears while an earlier request may make it."""
        until = time.monotonic() + self._project.policy.in_doubt_s
        while not await self._user_exists(user_id):
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_LOOK_AGAIN_S)
        return True

    async def _user_exists(self, user_id: str) -> bool:
        """Ask once. For the inside of a request, which is what is tried again."""
        from supabase_auth.errors import AuthApiError

        try:
            await self._project.admin.get_user_by_id(user_id)
        except AuthApiError as unknown:
            if unknown.code != "user_not_found":
                raise
            return False
        return True

    async def delete_user(self, user_id: str) -> bool:
        """Delete a user; False when there was none, which is just as good."""
        admin = self._project.admin
        try:
            await self._send("deleting a user", lambda: admin.delete_user(user_id), auth=True)
        except Missing:
            return False
        return True

    async def refresh(self) -> Refresh:
        """Refresh the view and time it.

        A failed attempt is never repeated inside the measurement: the time is that of the call that
        succeeded. Where a gateway gives up waiting, the database goes on: that is not repeated at
        all.
        """
        started = 0.0

        async def request() -> Any:
            nonlocal started
            started = time.perf_counter()
            return clean_data((await self._project.rest.rpc(REFRESH, {}).execute()).data)

        policy = replace(self._project.policy, deadline_s=_REFRESH_DEADLINE_S, once=GATEWAY_TIMEOUT)
        answer = await self._send("refreshing the view", request, policy=policy)
        ms = (time.perf_counter() - started) * 1_000
        details = answer if isinstance(answer, dict) else {}
        reported = details.get("server_ms")
        return Refresh(
            ms=ms,
            server_ms=float(reported) if isinstance(reported, (int, float)) else None,
            details=details,
        )
