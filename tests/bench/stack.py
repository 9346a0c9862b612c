"""The sandbox the benchmarks measure on, and one verification of it as the console makes it."""

from __future__ import annotations

import asyncio
import math
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from tui.evidence.archive import Archive
from tui.guard.target import classify
from tui.redact import Secret
from tui.sandbox import Sandbox, SandboxOptions, start_sandbox_sync
from tui.settings import Volume, load_settings
from tui.verify.events import Outcome, StageFinished
from tui.verify.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.verify.events import Event

RUN_SECONDS = 900.0
# The default of the console and of the script it replaces.
USERS = 50
# Names the vendor's auth server, as for the sandbox.
AUTH = "HEATMAP_SANDBOX_AUTH"


@dataclass(frozen=True, slots=True)
class Measured:
    """One verification.

    Attributes:
        seconds: From before the first connection to after the last is closed.
        stages: Seconds of each stage by name.
        requests: Requests that reached the gateway.
    """

    seconds: float
    stages: dict[str, float]
    requests: int


def options() -> SandboxOptions:
    """A sandbox with the vendor's auth server where one is named, else with its emulation."""
    program, migrations = map(os.environ.get, (AUTH, f"{AUTH}_MIGRATIONS"))
    if program is None or migrations is None:
        return SandboxOptions()
    return SandboxOptions(auth=Path(program), auth_migrations=Path(migrations))


@contextmanager
def running() -> Iterator[Sandbox]:
    """A sandbox, and a home of our own, so that no journal of an operator is touched."""
    cache = platformdirs.user_cache_path("heatmap-tui").parent
    with tempfile.TemporaryDirectory(prefix="heatmap-bench-") as home:
        moved = {
            "HOME": home,
            "XDG_STATE_HOME": f"{home}/state",
            "XDG_CONFIG_HOME": f"{home}/config",
            "XDG_CACHE_HOME": str(cache),
        }
        kept = {name: os.environ.get(name) for name in moved}
        os.environ.update(moved)
        try:
            sandbox = start_sandbox_sync(options())
            try:
                yield sandbox
            finally:
                sandbox.stop_sync()
        finally:
            for name, value in kept.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def volume(responses: int, *, batch: int = 500, concurrency: int = 8) -> Volume:
    """As many responses: of 5 users where they are few, of 50, of 1,000 for 1,000,000."""
    users = USERS if responses < 1_000_000 else math.isqrt(responses)
    if responses < 10_000:
        users = max(1, min(5, responses))
    return Volume(users, responses // users, batch, concurrency)


def environment(sandbox: Sandbox, size: Volume) -> dict[str, str]:
    """What a console's process is given to verify the sandbox as a project of its own."""
    ours = ("SUPABASE_", "HEATMAP_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "SUPABASE_URL": sandbox.url,
        "SUPABASE_SERVICE_ROLE_KEY": sandbox.service_role_key,
        "SUPABASE_ANON_KEY": sandbox.anon_key,
        "HEATMAP_VERIFY_USERS": str(size.users),
        "HEATMAP_VERIFY_QUESTIONS": str(size.questions),
        "HEATMAP_VERIFY_BATCH": str(size.batch),
        "HEATMAP_VERIFY_CONCURRENCY": str(size.concurrency),
    }


def open_session(sandbox: Sandbox, size: Volume) -> Session:
    """A session on the sandbox as on any local project."""
    settings = load_settings(
        environ=environment(sandbox, size), directory=Path(tempfile.gettempdir())
    )
    settings = replace(settings, env_file=None, volume=size)
    target = classify(
        sandbox.url,
        sandbox.service_role_key,
        prod_hosts=settings.prod_hosts,
        non_prod_hosts=settings.non_prod_hosts,
    )
    return Session(
        settings,
        target,
        key=Secret(sandbox.service_role_key),
        archive=Archive.configured(settings, is_sandbox=False),
        is_sandbox=False,
    )


def verify(sandbox: Sandbox, size: Volume) -> Measured:
    """One whole cycle with every check, from no connection at all.

    Raises:
        RuntimeError: It did not end verified, so its time means nothing.
    """
    sandbox.clear_requests()
    stages: dict[str, float] = {}

    def watch(event: Event) -> None:
        if isinstance(event, StageFinished):
            stages[event.stage.value] = event.seconds

    taken = asyncio.run(followed(sandbox, size, watch))
    return Measured(taken, stages, len(sandbox.requests()))


async def followed(sandbox: Sandbox, size: Volume, watch: Callable[[Event], None]) -> float:
    """Follow one whole cycle; the seconds it took, from no connection at all.

    Raises:
        RuntimeError: It did not end verified, so its time means nothing.
    """
    began = time.perf_counter()
    async with asyncio.timeout(RUN_SECONDS), open_session(sandbox, size) as session:
        await session.ask_database()
        run = session.cycle()
        async for event in run.events():
            watch(event)
    finished = run.result.finished
    if finished is None or finished.outcome is not Outcome.VERIFIED:
        raise RuntimeError(f"the cycle did not verify: {finished}")
    return time.perf_counter() - began
