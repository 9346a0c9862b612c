"""Dry runs against a sandbox, and against servers that misbehave on purpose."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tui.dry_run.facts import DryRunContext
from tui.dry_run.runner import run_one, run_probes
from tui.guard.target import classify
from tui.project import Project, RetryPolicy
from tui.redact import Secret
from tui.settings import Settings, Volume
from tui.verify.events import ProbeResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tui.sandbox import Sandbox
    from tui.verify.events import DryRunFinished, Event

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

QUICK = RetryPolicy(attempts=2, base_s=0.02, deadline_s=20.0)
OPAQUE = "sb_secret_" + "0123456789abcdefghijkl_12345678"


def settings_for(url: str, key: str, anon: str | None = None, **changes: Any) -> Settings:
    return Settings(
        url=url,
        service_role_key=Secret(key),
        anon_key=Secret(anon) if anon else None,
        volume=Volume(),
        prod_hosts=(),
        non_prod_hosts=(),
        state_dir=Path("state"),
        deployment_log=Path("log"),
        **changes,
    )


@asynccontextmanager
async def context_of(sandbox: Sandbox, **changes: Any) -> AsyncIterator[DryRunContext]:
    """A context with both keys of a sandbox."""
    key, anon_key = sandbox.service_role_key, sandbox.anon_key
    async with (
        Project(sandbox.url, Secret(key), policy=QUICK) as project,
        Project(sandbox.url, Secret(anon_key), policy=QUICK) as anon,
    ):
        yield DryRunContext(
            project=project,
            anon=anon,
            target=classify(sandbox.url, key),
            settings=settings_for(sandbox.url, key, anon_key),
            **changes,
        )


@asynccontextmanager
async def context_on(
    handler: Handler, key: str = OPAQUE, policy: RetryPolicy = QUICK
) -> AsyncIterator[DryRunContext]:
    """A context on a server that answers every request by a handler."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with Project(url, Secret(key), policy=policy) as project:
            yield DryRunContext(
                project=project,
                anon=None,
                target=classify(url, key, sandbox=True),
                settings=settings_for(url, key),
            )
    finally:
        await runner.cleanup()


async def ask(context: DryRunContext, probe_id: str) -> ProbeResult:
    """What one probe answers."""
    return await run_one(context, probe_id, lambda _: None)


async def ask_all(context: DryRunContext) -> tuple[DryRunFinished, dict[str, ProbeResult]]:
    """The verdict of a dry run, and what each probe answers, by its id."""
    events: list[Event] = []
    verdict = await run_probes(context, events.append)
    return verdict, {
        event.id: event for event in events if isinstance(event, ProbeResult) and event.status
    }
