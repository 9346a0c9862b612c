"""`--serve-sandbox`: a sandbox for other clients, up until a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tui.cli.connect import sandbox_options
from tui.cli.output import Console
from tui.errors import ExitCode, SandboxError
from tui.sandbox import start_sandbox
from tui.signals import listen

if TYPE_CHECKING:
    from tui.settings import Settings


async def serve(settings: Settings, faults: str | None) -> ExitCode:
    """Keep a sandbox up until a signal comes; its environment goes to stdout as `.env` lines.

    Args:
        settings: How it is to be started.
        faults: Faults that it is to inject, or None.

    Raises:
        SandboxError: It could not be started, or has died.
    """
    console = Console()
    stopped = asyncio.Event()
    deaf = listen(lambda _: stopped.set())
    starting = asyncio.ensure_future(
        start_sandbox(
            sandbox_options(settings, faults),
            lambda stage: console.stage(stage.title, stage.seconds, stage.detail),
        )
    )
    waiting = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return ExitCode.INTERRUPTED
        sandbox = await starting
        # These keys open a database that holds nothing and dies with this process.
        console.plain(
            f"SUPABASE_URL={sandbox.url}\n"
            f"SUPABASE_SERVICE_ROLE_KEY={sandbox.service_role_key}\n"
            f"SUPABASE_ANON_KEY={sandbox.anon_key}\n"
            f"SUPABASE_DB_URL={sandbox.db_url}"
        )
        console.say("the sandbox is up; ctrl-c ends it")
        while not stopped.is_set():
            await asyncio.wait({waiting}, timeout=1.0)
            if sandbox.failure:
                raise SandboxError(sandbox.failure, hint="start it again")
        return ExitCode.VERIFIED
    finally:
        waiting.cancel()
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
        elif starting.exception() is None:
            await starting.result().stop()
        deaf()
