"""Everything we ask of a Supabase project without changing it.

Reads are paged past the server's `max-rows` (1,000 on hosted projects, applied to functions too and
without an error), in a total order, until as many rows have arrived as the server counts.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tui.project.errors import (
    PASSING_STATUS,
    UNEXPECTED_FAILURE,
    Garbled,
    KeyRefused,
    NotOurs,
    ProjectError,
    ProjectUnreachable,
    Truncated,
    refusal,
)
from tui.project.http import LAST_REPLY, clean_data, http_client, proxy_for, read_reply
from tui.project.retry import Lane, RetryNotice, RetryPolicy, try_once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from types import UnionType

    import httpx
    from postgrest.base_request_builder import BaseFilterRequestBuilder, BaseSelectRequestBuilder
    from supabase_auth import AsyncGoTrueAdminAPI

    from tui.redact import Secret

T = TypeVar("T")
F = TypeVar("F", bound="BaseFilterRequestBuilder[Any]")
S = TypeVar("S", bound="BaseSelectRequestBuilder[Any]")

# The heatmap's objects, as `sql/` creates them.
VIEW: Final = "analytics_heatmap_agg"
READER: Final = "analytics_heatmap_admin"
REFRESH: Final = "analytics_refresh_heatmap"
PREFLIGHT: Final = "analytics_heatmap_preflight"
APPLY_PREFLIGHT: Final = "apply sql/analytics_heatmap_preflight.sql"
ENVIRONMENT: Final = "analytics_heatmap_environment"

# Asking for more than the server's max-rows is harmless; asking for this much keeps a page small.
PAGE: Final = 1_000
_LISTING: Final = "listing users"
# Creations and deletions of users that the auth server works on at once, however many are on the
# way: it shares its cores with learners who sign in.
_USERS_AT_SERVER: Final = 2
# With a condition beside them, so many UUIDs make a URL of under 3.5 KB. PostgREST repeats the URL
# in its reply, and an nginx with its defaults refuses a reply with over 4 KB of headers.
IDS_PER_REQUEST: Final = 80
_ANY: Final = "or"


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of a request: column, PostgREST operator, value."""

    column: str
    operator: str
    value: str


def outside(column: str, low: object, high: object) -> Filter:
    """Rows whose column is below `low` or above `high`."""
    return any_of(f"{column}.lt.{low}", f"{column}.gt.{high}")


def any_of(*conditions: str) -> Filter:
    """Rows for which one of some conditions holds, each as PostgREST writes it."""
    return Filter("", _ANY, ",".join(conditions))


def one_of(column: str, values: Sequence[object]) -> Filter:
    """Rows whose column is one of at most `IDS_PER_REQUEST` values."""
    if not 0 < len(values) <= IDS_PER_REQUEST:
        raise ValueError(f"{len(values)} values do not make one request")
    return Filter(column, "in", f"({','.join(map(str, values))})")


def filtered(query: F, filters: Sequence[Filter]) -> F:
    """The query with the filters added; all of them must hold."""
    for condition in filters:
        if condition.operator == _ANY:
            query = query.or_(condition.value)
        else:
            query = query.filter(condition.column, condition.operator, condition.value)
    return query


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one reply, and how many there are in all if that was asked."""

    rows: list[dict[str, Any]]
    total: int | None


class Project:
    """A connection to one Supabase project with one key.

    Use as an async context manager. Every method raises a `ProjectError`: nothing of httpx or of
    supabase-py escapes. `on_retry` is called before a request is repeated.
    """

    def __init__(
        self,
        url: str,
        key: Secret,
        *,
        concurrency: int = 8,
        policy: RetryPolicy | None = None,
        on_retry: Callable[[RetryNotice], None] = lambda _: None,
    ) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self.concurrency = concurrency
        self.policy = policy or RetryPolicy()
        self.on_retry = on_retry
        # Two pools: httpcore looks at every connection of a pool for each request, and the auth
        # service gets many small ones. All probes are sent at once; what writes needs fewer.
        connections = max(concurrency + 4, 2 * concurrency)
        self._lane = Lane(connections)
        self._auth_lane = Lane(self.small_requests, at_server=_USERS_AT_SERVER, beside=self._lane)
        proxy, self.remarks = proxy_for(self.url)
        self.named_by_replies = set[str]()
        client = partial(http_client, self.url, proxy=proxy, named=self.named_by_replies)
        self._http = client(connections=connections, kept=concurrency + 2)
        self._auth_http = client(connections=self.small_requests, kept=self.small_requests)
        # The two parts of supabase-py that are used: the whole of it takes as long again to load.
        # No screen waits for either: they are loaded here, and where they are needed.
        from postgrest import AsyncPostgrestClient, CountMethod

        self._exact = CountMethod.exact
        self.rest = AsyncPostgrestClient(
            f"{self.url}/rest/v1",
            headers=_key_headers(key),
            http_client=self._http,
            retry_enabled=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection. Safe to call twice."""
        await self._http.aclose()
        await self._auth_http.aclose()

    def under(self, policy: RetryPolicy) -> Self:
        """The same connection under another retry policy."""
        other = copy.copy(self)
        other.policy = policy
        return other

    @cached_property
    def admin(self) -> AsyncGoTrueAdminAPI:
        """The auth service's admin API, for this package alone; loaded at need."""
        from supabase_auth import AsyncGoTrueAdminAPI

        return AsyncGoTrueAdminAPI(
            url=f"{self.url}/auth/v1", headers=_key_headers(self.key), http_client=self._auth_http
        )

    def load(self) -> None:
        """Load now, in a thread beside what waits, the part that making users needs."""
        self.admin  # noqa: B018 - it is kept

    async def ask(self, what: str, request: Callable[[], Awaitable[T]], *, auth: bool = False) -> T:
        """Send a request, again after a fault that may pass; translate what fails.

        For this package alone. Never called by a `request`: there is one budget of tries, and none
        within it. `what` is a gerund phrase; `request` builds the request afresh and must be safe
        to repeat.

        Raises:
            ProjectError: The request failed for good.
        """
        lane = self._auth_lane if auth else self._lane
        number = unexpected = 0
        while True:
            number += 1
            async with lane:
                sent_at = time.monotonic()
                try:
                    result = await try_once(what, request, self.policy.deadline_s)
                except ProjectError as error:
                    unexpected += error.code == UNEXPECTED_FAILURE
                    tries = self.policy.tries(error, unexpected, key_accepted=lane.key_accepted)
                    if error.transient:
                        lane.failed(sent_at)
                    if not isinstance(error, KeyRefused | ProjectUnreachable):
                        lane.key_accepted = True
                    if number >= tries:
                        raise
                    failure = error
                else:
                    lane.succeeded(time.monotonic() - sent_at)
                    return result
            wait_s = self.policy.wait_s(number, failure)
            self.on_retry(RetryNotice(what, number + 1, tries, wait_s, failure.reason))
            await asyncio.sleep(wait_s)

    async def get(self, path: str, *, key: Secret | None = None) -> httpx.Response:
        """GET a path and return the project's reply, be it a refusal.

        For what supabase-py has no call for: the API description, health, a bare status. A
        gateway's page is no reply of the project: it is raised, once it was asked again where that
        may help. `key` is sent in place of the project's own.
        """
        what = f"asking {path.partition('?')[0]}"

        async def request() -> httpx.Response:
            response = await self._http.get(self.url + path, headers=_key_headers(key or self.key))
            if not response.is_success:
                reply = read_reply(response)
                if not reply.from_project or reply.status in PASSING_STATUS:
                    raise refusal(what, reply)
            return response

        return await self.ask(what, request)

    async def get_json(self, path: str, what: str) -> dict[str, Any]:
        """GET a path and read the JSON object there; a refusal is raised."""
        document: dict[str, Any] = (await self._get_json(path, what, dict))[0]
        return document

    async def _get_json(
        self, path: str, what: str, kind: type | UnionType
    ) -> tuple[Any, httpx.Headers]:
        async def request() -> tuple[Any, httpx.Headers]:
            response = await self._http.get(self.url + path, headers=_key_headers(self.key))
            if not response.is_success:
                raise refusal(what, read_reply(response))
            document = response.json()
            if not isinstance(document, kind):
                raise Garbled("other JSON was expected")
            return clean_data(document), response.headers

        return await self.ask(what, request)

    async def openapi(self) -> dict[str, Any]:
        """The OpenAPI 2.0 document that PostgREST makes of the exposed schema."""
        return await self.get_json("/rest/v1/", "reading the API description")

    async def page(
        self,
        table: str,
        columns: Sequence[str],
        filters: Sequence[Filter] = (),
        *,
        order: Sequence[str] = (),
        offset: int = 0,
        limit: int = PAGE,
        count: bool = False,
    ) -> Page:
        """One page of a table or view."""

        async def request() -> Page:
            query = self.rest.from_(table).select(*columns, count=self._exact if count else None)
            result = await _part(filtered(query, filters), order, offset, limit).execute()
            return Page(_dicts(result.data), counted(result.count) if count else None)

        return await self.ask(f"reading {table}", request)

    async def pages(
        self,
        table: str,
        columns: Sequence[str],
        filters: Sequence[Filter] = (),
        *,
        order: Sequence[str],
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """All rows, page by page.

        `order` gives a total order; without one, pages overlap and miss rows.
        """
        first = await self.page(table, columns, filters, order=order, count=True)
        total = first.total or 0
        rows = first.rows
        seen = len(rows)
        while rows:
            yield rows
            if seen >= total:
                return
            rows = (await self.page(table, columns, filters, order=order, offset=seen)).rows
            seen += len(rows)
        if seen < total:
            raise Truncated(f"reading {table}: {seen:,} rows came of {total:,}")

    async def rows(
        self,
        table: str,
        columns: Sequence[str],
        filters: Sequence[Filter] = (),
        *,
        order: Sequence[str],
    ) -> list[dict[str, Any]]:
        """All rows at once; see `pages`."""
        collected: list[dict[str, Any]] = []
        async for page in self.pages(table, columns, filters, order=order):
            collected += page
        return collected

    async def count(self, table: str, filters: Sequence[Filter] = ()) -> int:
        """How many rows there are, counted by the server."""

        async def request() -> int:
            # Not HEAD: the reply to a refusal would have no body, and so no code.
            query = self.rest.from_(table).select("*", count=self._exact)
            return counted((await filtered(query, filters).limit(0).execute()).count)

        return await self.ask(f"counting {table}", request)

    async def call_read_only(
        self,
        function: str,
        parameters: dict[str, Any] | None = None,
        *,
        filters: Sequence[Filter] = (),
        order: Sequence[str] = (),
        offset: int = 0,
        limit: int | None = None,
        count: bool = False,
    ) -> tuple[Any, int | None]:
        """Call a function by GET, which PostgREST runs in a read-only transaction.

        Returns what the function returned, and the number of rows in all if `count`.
        """

        async def request() -> tuple[Any, int | None]:
            query = self.rest.rpc(
                function, parameters or {}, count=self._exact if count else None, get=True
            )
            result = await _part(filtered(query, filters), order, offset, limit).execute()
            if isinstance(result.data, str):
                # postgrest-py hands on as text what it cannot read; no function of ours gives text.
                raise Garbled("the reply is not the JSON it says it is")
            return clean_data(result.data), result.count

        return await self.ask(f"calling {function}", request)

    async def preflight(self, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """The document in which the database describes itself.

        Raises:
            NotOurs: The project has another function of that name.
            ProjectUnreachable: Nothing shows that the reply is the project's.
        """
        document, _ = await self.call_read_only(PREFLIGHT, parameters)
        if isinstance(document, dict) and "schema" in document:
            return document
        said = f"calling {PREFLIGHT}: the reply is no document of that function"
        reply = LAST_REPLY.get()
        if reply is not None and reply.has_range:
            raise NotOurs(said, hint=APPLY_PREFLIGHT)
        raise ProjectUnreachable(said)

    async def declared_environment(self) -> str | None:
        """What the database says it is, by the function that says only this."""
        # postgrest-py hands on as text what it cannot read, which here could be taken for a word.
        path, what = f"/rest/v1/rpc/{ENVIRONMENT}", f"calling {ENVIRONMENT}"
        word: str | None = (await self._get_json(path, what, str | None))[0]
        return word

    async def users_matching(self, fragment: str) -> AsyncIterator[list[dict[str, Any]]]:
        """Auth users whose email may hold a fragment, page by page.

        GoTrue filters by `filter=`; a server that ignores it returns everybody, so the caller must
        look at each user. Collect before deleting: deletion shifts the pages.
        """
        seen = 0
        before: list[Any] = []
        for number in itertools.count(1):
            query = f"page={number}&per_page={PAGE}&filter={fragment}"
            reply, headers = await self._get_json(f"/auth/v1/admin/users?{query}", _LISTING, dict)
            users = reply.get("users")
            if not isinstance(users, list):
                raise ProjectUnreachable(f"{_LISTING}: the reply holds no list of users")
            if not users:
                return
            if users == before:
                raise ProjectUnreachable(f"{_LISTING}: page {number} is the one before it again")
            yield users
            before = users
            seen += len(users)
            # A server that does not say how many there are is asked until it has no more.
            total = headers.get("x-total-count", "")
            if total.isdecimal() and seen >= int(total):
                return

    @property
    def small_requests(self) -> int:
        """How many requests of a row each may be in flight: there latency counts."""
        return 3 * self.concurrency

    async def each(
        self,
        items: Iterable[T] | AsyncIterator[T],
        work: Callable[[T], Awaitable[None]],
        *,
        at_once: int | None = None,
    ) -> None:
        """Do `work` on every item, at most `at_once` at a time.

        Items are drawn as workers become free, so a generator is never ahead by more than that.
        After a failure nothing new is begun, but requests in flight are awaited: the server may
        commit them anyhow, and whoever cleans up must not race them. The first failure is raised.
        """
        source = items if isinstance(items, AsyncIterator) else _drawn(items)
        turn = asyncio.Lock()
        failures: list[Exception] = []

        async def worker() -> None:
            try:
                while not failures:
                    try:
                        async with turn:
                            item = await anext(source)
                    except StopAsyncIteration:
                        return
                    await work(item)
            except Exception as error:  # noqa: BLE001 - raised below
                failures.append(error)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once or self.concurrency):
                group.create_task(worker())
        if failures:
            raise failures[0]


async def _drawn(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


def _key_headers(key: Secret) -> dict[str, str]:
    """Headers as supabase-py sends them; the gateway makes a token of the key."""
    bearer = f"Bearer {key.reveal()}"
    return {"apikey": key.reveal(), "Authorization": bearer, "Accept-Profile": "public"}


def _part(query: S, order: Sequence[str], offset: int, limit: int | None) -> S:
    """The query for a part of its rows in an order; without a limit, for all."""
    for column in order:
        query = query.order(column)
    return query if limit is None else query.range(offset, offset + limit - 1)


def counted(count: int | None) -> int:
    """A count that was asked for; `Garbled` where the reply holds none."""
    if count is None:
        raise Garbled("the reply holds no count")
    return count


def _dicts(data: Any) -> list[dict[str, Any]]:
    if not isinstance(data, list):
        raise Garbled("a list of rows was expected")
    return [clean_data(row) for row in data]
