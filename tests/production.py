"""A sandbox that is production, and ways to see whether anything was written to it."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, LiteralString

import httpx
import psycopg
from aiohttp import ClientSession, web

from tests.sandbox.helpers import eventually
from tests.verify.conftest import QUICK, contents
from tests.written import written
from tui.evidence.archive import Archive
from tui.guard.break_glass import Approval, Moment, grant
from tui.guard.target import Target, classify
from tui.redact import Secret
from tui.settings import load_settings
from tui.verify.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from tui.evidence.deployment_log import DeploymentLog
    from tui.sandbox import Sandbox

READING: Final = {"GET", "HEAD"}
REASON: Final = "restoring the index after the incident of today"


@dataclass(frozen=True)
class Production:
    """A sandbox that is production, and what an operator would have configured."""

    sandbox: Sandbox
    identity: str
    key: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    log: DeploymentLog

    def approval(self, target: Target, now: Moment | None = None) -> Approval:
        """What break-glass would give for a target."""
        return grant(
            target,
            confirmation=target.identity,
            justification=REASON,
            dry_run_ready=True,
            now=now or Moment.now(),
        )

    @asynccontextmanager
    async def session(self, *, allow_prod: bool, url: str | None = None) -> AsyncIterator[Session]:
        """A session as the command line opens it."""
        settings = load_settings(environ=self.environment, directory=self.log.path.parent)
        target = classify(
            url or self.sandbox.url,
            self.key,
            prod_hosts=settings.prod_hosts,
            non_prod_hosts=settings.non_prod_hosts,
        )
        key = Secret(self.key)
        async with Session(
            settings,
            target,
            key=key,
            archive=Archive.configured(settings, is_sandbox=False),
            is_sandbox=False,
            allow_prod=allow_prod,
            policy=QUICK,
        ) as session:
            await session.ask_database()
            yield session


def execute(sandbox: Sandbox, statement: LiteralString) -> None:
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(statement)


def count(sandbox: Sandbox, what: LiteralString) -> int:
    with psycopg.connect(sandbox.db_url) as connection:
        row = connection.execute(f"select count(*)::int from {what}").fetchone()
    assert row is not None
    return int(row[0])


def evidence(sandbox: Sandbox) -> dict[str, Any]:
    """What moves when something is written: transaction ids, statistics, contents."""
    found = written(sandbox)
    _revive(sandbox)
    return {**found, "contents": contents(sandbox)}


def as_service(sandbox: Sandbox) -> dict[str, str]:
    """The headers of a request as the service role."""
    key = sandbox.service_role_key
    return {"apikey": key, "Authorization": f"Bearer {key}"}


def _revive(sandbox: Sandbox) -> None:
    """Ask until PostgREST has let go of the connections that have ended."""
    path = "/rest/v1/questions?select=id&limit=1&order=id"
    with httpx.Client(headers=as_service(sandbox)) as client:
        assert eventually(lambda: client.get(sandbox.url + path).is_success)


@contextmanager
def nothing_written(sandbox: Sandbox) -> Iterator[None]:
    before = evidence(sandbox)
    sandbox.clear_requests()
    yield
    assert {seen.method for seen in sandbox.requests()} <= READING
    assert evidence(sandbox) == before


class FrontDoor:
    """Stands before the sandbox and looks at the log as each write arrives."""

    def __init__(self, production: Production, on_write: Callable[[], None]) -> None:
        self._production = production
        self._on_write = on_write
        self.seen: list[tuple[str, ...]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        async with ClientSession() as self._onward:
            runner = web.ServerRunner(web.Server(self._pass_on, access_log=None))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            try:
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()

    async def _pass_on(self, request: web.BaseRequest) -> web.Response:
        if request.method not in READING:
            self.seen.append(events(self._production.log))
            self._on_write()
        own = {"host", "content-length", "transfer-encoding", "content-encoding"}
        async with self._onward.request(
            request.method,
            self._production.sandbox.url + request.raw_path,
            headers={k: v for k, v in request.headers.items() if k.lower() not in own},
            data=await request.read() or None,
        ) as reply:
            headers = {k: v for k, v in reply.headers.items() if k.lower() not in own}
            return web.Response(status=reply.status, headers=headers, body=await reply.read())


def events(log: DeploymentLog) -> tuple[str, ...]:
    return tuple(record.event for record in log.read())
