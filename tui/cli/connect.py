"""From settings to a session: the sandbox or the configured project, classified."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tui.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.redact import Secret
    from tui.sandbox import SandboxOptions
    from tui.settings import Settings
    from tui.verify.session import ConnectStage, Session

T = TypeVar("T")


async def connect(
    settings: Settings,
    *,
    sandbox: bool,
    allow_prod: bool,
    faults: str | None,
    on_stage: Callable[[ConnectStage], None],
) -> Session:
    """Start the sandbox if that is what runs, classify the target, ask the database what it is.

    Args:
        settings: As configured.
        sandbox: Run against a sandbox of our own; it goes when the session is closed.
        allow_prod: `--allow-prod` was given.
        faults: Faults that the sandbox is to inject, or None.
        on_stage: Told what is being waited for.

    Returns:
        The session, for the caller to close. Where this fails, or is cancelled, nothing stays up.

    Raises:
        ConfigurationError: URL, key or a declaration does not make sense.
        SandboxError: The sandbox could not be started.
    """
    from tui.guard.target import check_declarations, classify
    from tui.redact import Secret
    from tui.verify.session import ConnectStage, Session

    # A declaration that cannot be read is told before anything is started.
    check_declarations(settings.prod_hosts, settings.non_prod_hosts)
    async with contextlib.AsyncExitStack() as undo:
        if sandbox:
            from tui.sandbox import start_sandbox

            running = await start_sandbox(
                sandbox_options(settings, faults),
                lambda stage: on_stage(ConnectStage(stage.title, stage.seconds, stage.detail)),
            )
            undo.push_async_callback(running.stop)
            settings = replace(
                settings,
                url=running.url,
                service_role_key=Secret(running.service_role_key),
                anon_key=Secret(running.anon_key),
            )
        url, key = project_of(settings)
        target = classify(
            url,
            key.reveal(),
            prod_hosts=settings.prod_hosts,
            non_prod_hosts=settings.non_prod_hosts,
            sandbox=sandbox,
        )
        session = Session(settings, target, key=key, is_sandbox=sandbox, allow_prod=allow_prod)
        session.on_close(undo.pop_all().aclose)
        undo.push_async_callback(session.aclose)
        asking = "ask the project what it is"
        on_stage(ConnectStage(asking, None))
        began = time.perf_counter()
        await session.ask_database()
        on_stage(ConnectStage(asking, time.perf_counter() - began))
        # From here on it is for the caller to close.
        undo.pop_all()
    return session


def sandbox_options(settings: Settings, faults: str | None) -> SandboxOptions:
    """How the settings want the sandbox started."""
    from tui.sandbox import SandboxOptions

    return SandboxOptions(
        postgrest=settings.sandbox_postgrest,
        postgres_bin=settings.sandbox_postgres,
        port=settings.sandbox_port,
        faults=faults,
    )


def project_of(settings: Settings) -> tuple[str, Secret]:
    """The project's URL and key.

    Raises:
        ConfigurationError: One of them is not set.
    """
    return (
        _required("SUPABASE_URL", settings.url, settings),
        _required("SUPABASE_SERVICE_ROLE_KEY", settings.service_role_key, settings),
    )


def _required(name: str, value: T | None, settings: Settings) -> T:
    if value is None:
        raise ConfigurationError(
            f"{name} is not set, neither in the environment nor in {settings.env_file or '.env'}",
            hint="copy it from the project's API settings, or pass --sandbox",
        )
    return value
