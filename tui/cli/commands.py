"""What the flags choose: console, headless run, deployment log, sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import stat
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tui.cli.arguments import CYCLE, mode_of, refuse_idle, variables
from tui.errors import ConfigurationError, ExitCode, SandboxError
from tui.guard.target import check_declarations, environments, target_of
from tui.redact import Secret
from tui.settings import load_settings
from tui.signals import listen

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from tui.evidence.deployment_log import Record
    from tui.sandbox import Sandbox
    from tui.settings import Settings
    from tui.verify.session import ConnectStage, Session

    OnStage = Callable[[ConnectStage], None]


def dispatch(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do what the flags say; returns the exit code."""
    interactive = _is_interactive(options, environ)
    refuse_idle(options, interactive=interactive)
    settings = load_settings(
        environ=environ, directory=Path.cwd(), env_file=options.env_file, flags=variables(options)
    )
    if options.log:
        return show_log(settings)
    if options.serve_sandbox:
        return asyncio.run(serve(settings, options.sandbox_faults))
    sandbox = options.sandbox or (settings.url is None and interactive)
    if options.sandbox_faults and not sandbox:
        raise ConfigurationError(
            "--sandbox-faults has no meaning for a project that is no sandbox",
            hint="add --sandbox, or leave it out",
        )
    opening = "starting the sandbox"
    if not sandbox:
        # Errors of the target are raised here, before any screen is up.
        options.target = target_of(settings)
        opening = f"opening {options.target.url}"
    if interactive:
        return _open_console(settings, options, environ, sandbox=sandbox, opening=opening)
    # The project's client takes long to load, and the console can be painted before.
    from tui.cli.headless import work

    return asyncio.run(work(settings, options, sandbox=sandbox))


def _is_interactive(options: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    """Whether there are to be screens: nothing says otherwise, at a terminal."""
    return not (
        options.headless
        or options.json
        or mode_of(options) != CYCLE
        or environ.get("TERM") in {"dumb", "unknown"}
        or not is_terminal(sys.stdout)
        or not is_terminal(sys.stdin)
    )


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a terminal is there; a stream that the shell closed is None."""
    return stream is not None and stream.isatty()


# --- a project ------------------------------------------------------------------------------------


async def connect(
    settings: Settings,
    *,
    sandbox: bool,
    allow_prod: bool,
    faults: str | None,
    on_stage: OnStage,
) -> Session:
    """Start the sandbox if asked for, classify the target, ask its database.

    The caller closes the session, and with it the sandbox. Where this fails, or is cancelled,
    nothing stays up.
    """
    from tui.evidence.archive import Archive
    from tui.verify.session import ConnectStage, Session

    # A declaration that cannot be read is refused before anything is started.
    check_declarations(settings.prod_hosts, settings.non_prod_hosts)
    async with contextlib.AsyncExitStack() as undo:
        if sandbox:
            running = await _start_sandbox(settings, faults, on_stage)
            undo.push_async_callback(running.stop)
            settings = replace(
                settings,
                url=running.url,
                service_role_key=Secret(running.service_role_key),
                anon_key=Secret(running.anon_key),
            )
        target, key = target_of(settings, sandbox=sandbox), settings.service_role_key
        if key is None:
            raise AssertionError("a target has a key")
        session = Session(
            settings,
            target,
            key=key,
            archive=Archive.configured(settings, is_sandbox=sandbox),
            is_sandbox=sandbox,
            allow_prod=allow_prod,
        )
        session.on_close(undo.pop_all().aclose)
        undo.push_async_callback(session.aclose)
        for remark in session.remarks:
            on_stage(ConnectStage(f"warning: {remark}", 0.0))
        asking = "ask the project what it is"
        on_stage(ConnectStage(asking, None))
        began = time.perf_counter()
        await session.ask_database()
        on_stage(ConnectStage(asking, time.perf_counter() - began))
        # From here on it is for the caller to close.
        undo.pop_all()
    return session


async def _start_sandbox(settings: Settings, faults: str | None, on_stage: OnStage) -> Sandbox:
    from tui.sandbox import SandboxOptions, start_sandbox
    from tui.verify.session import ConnectStage

    options = SandboxOptions(
        postgrest=settings.sandbox_postgrest,
        postgres_bin=settings.sandbox_postgres,
        auth=settings.sandbox_auth,
        auth_migrations=settings.sandbox_auth_migrations,
        port=settings.sandbox_port,
        faults=faults,
    )
    return await start_sandbox(
        options, lambda stage: on_stage(ConnectStage(stage.title, stage.seconds, stage.detail))
    )


# --- the console ----------------------------------------------------------------------------------


def _open_console(
    settings: Settings,
    options: argparse.Namespace,
    environ: Mapping[str, str],
    *,
    sandbox: bool,
    opening: str,
) -> int:
    from tui.cli.output import knows_all
    from tui.console.app import HeatmapApp
    from tui.console.state import Environments

    directory = Path.cwd()

    async def open_session(chosen: Settings, on_stage: OnStage, *, sandbox: bool) -> Session:
        session = await connect(
            chosen,
            sandbox=sandbox,
            allow_prod=options.allow_prod,
            faults=options.sandbox_faults if sandbox else None,
            on_stage=on_stage,
        )
        spare_what_is_loaded()
        return session

    async def open_file(path: Path, on_stage: OnStage) -> Session:
        chosen = load_settings(
            environ=environ, directory=directory, env_file=path, flags=variables(options)
        )
        return await open_session(chosen, on_stage, sandbox=False)

    spare_what_is_loaded()
    app = HeatmapApp(
        partial(open_session, settings, sandbox=sandbox),
        allow_prod=options.allow_prod,
        opening=opening,
        ascii_only=not knows_all(sys.stdout),
        state_dir=settings.state_dir,
        environments=Environments(lambda: environments(directory, environ), open_file),
    )
    return app.run() or 0


def spare_what_is_loaded() -> None:
    """Exempt from garbage collection what stays until the end: it delays keys."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


# --- the sandbox for others -----------------------------------------------------------------------


async def serve(settings: Settings, faults: str | None) -> ExitCode:
    """Keep a sandbox up until a signal comes; print its environment on stdout."""
    from tui.cli.output import Console

    console = Console()
    stopped = asyncio.Event()
    async with contextlib.AsyncExitStack() as undo:
        undo.callback(listen(lambda _: stopped.set()))
        starting = asyncio.create_task(_start_sandbox(settings, faults, console.stage))
        waiting = asyncio.create_task(stopped.wait())
        undo.callback(waiting.cancel)
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return ExitCode.INTERRUPTED
        sandbox = await starting
        undo.push_async_callback(sandbox.stop)
        if sys.stdout is not None:
            _make_private(sys.stdout.fileno())
        # These keys open a database that holds nothing and dies with this process.
        # An opaque key does not say that it is of this machine, hence the declaration.
        console.plain(
            f"SUPABASE_URL={sandbox.url}\n"
            f"SUPABASE_SERVICE_ROLE_KEY={sandbox.secret_key}\n"
            f"SUPABASE_ANON_KEY={sandbox.publishable_key}\n"
            f"HEATMAP_VERIFY_NON_PROD_HOSTS=127.0.0.1\n"
            f"SUPABASE_DB_URL={sandbox.db_url}\n"
            "# The legacy keys, which hosted projects have until the end of 2026:\n"
            f"# SUPABASE_SERVICE_ROLE_KEY={sandbox.service_role_key}\n"
            f"# SUPABASE_ANON_KEY={sandbox.anon_key}"
        )
        if console.lost is not None:
            raise SandboxError(f"the sandbox's environment could not be printed: {console.lost}")
        console.say("the sandbox is up; ctrl-c ends it")
        while not stopped.is_set():
            await asyncio.wait({waiting}, timeout=1.0)
            if sandbox.failure:
                raise SandboxError(sandbox.failure, hint="start it again")
        return ExitCode.VERIFIED


def _make_private(number: int) -> None:
    """Shut a file that the shell made for the output to others."""
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode) or not mode & 0o077 or sys.platform == "win32":
        return
    try:
        os.fchmod(number, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"others may read the file that stdout goes to: {error.strerror}",
            hint="send it to a file of your own",
        ) from error


# --- the deployment log ---------------------------------------------------------------------------


def show_log(settings: Settings) -> ExitCode:
    """Print the deployment log, checked against history and reports."""
    from tui.cli.output import Console
    from tui.evidence.archive import Archive

    console = Console()
    path = settings.deployment_log
    archive = Archive.configured(settings, is_sandbox=False)
    log = archive.log.check(archive.anchors())
    for record in log.records:
        console.result(_line(record))
    for remark in log.remarks:
        console.say(f"note: {remark}")
    recorded = {each.log for each in archive.history.read().entries if each.log_head}
    for other in sorted(filter(None, recorded - {str(path.absolute())})):
        console.say(f"note: runs in the history were recorded in another log, {other}")
    for problem in log.problems:
        console.say(f"PROBLEM: {problem}")
    if log.problems:
        return ExitCode.FAILED
    if not log.records:
        console.say(f"{path}: no record")
        return ExitCode.VERIFIED
    last = log.records[-1]
    console.say(f"{path}: whole, {last.seq:,} records, last hash {last.hash}")
    if log.anchored < last.seq:
        after = f"after record {log.anchored:,}" if log.anchored else "in it"
        console.say(
            f"note: no run in the history and no report here vouches for what is {after}: "
            "a changed or missing end would not be noticed there"
        )
    return ExitCode(console.verdict(ExitCode.VERIFIED))


def _line(record: Record) -> str:
    what = f"{record.seq:>4}  {record.time}  {record.event:<7}  {record.target.get('identity')}"
    who = f"{record.action} {record.run_id} by {record.user}@{record.host}"
    why = record.justification if record.outcome is None else f"{record.outcome}: {record.detail}"
    return f"{what}  {who}  {why}" + (f"  [{record.ticket}]" if record.ticket else "")
