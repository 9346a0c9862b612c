"""Flags decide what runs. Imports what a choice needs once the choice is made."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui.connect import connect, project_of, sandbox_options
from tui.errors import ConfigurationError, ExitCode, GuardRefused, OperatorError, SandboxError
from tui.flags import parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from tui.env_file import EnvironmentDraft
    from tui.headless import Console
    from tui.override import Permit
    from tui.records.chain import Record
    from tui.screens.environments import Environments
    from tui.settings import Settings
    from tui.verify.events import SampleTaken
    from tui.verify.session import ConnectStage, Run, Session


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command.

    Args:
        arguments: Command line without the program's name.
        environ: The process environment.

    Returns:
        The exit code, see `tui.errors.ExitCode`.
    """
    options = parser().parse_args(arguments)
    try:
        return _dispatch(options, environ)
    except OperatorError as error:
        return _tell(error, options)
    except KeyboardInterrupt:
        print("heatmap-tui: interrupted", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last resort: a report in place of a traceback
        return _tell(_crashed(error), options)


def _crashed(error: Exception) -> OperatorError:
    """A mistake of ours, put into a file without secrets, and into words."""
    from platformdirs import user_state_path

    from tui.records.crash import save_crash

    try:
        report = f"the report is in {save_crash(error, user_state_path('heatmap-tui') / 'crashes')}"
    except OSError as problem:
        report = f"a report could not be written: {problem.strerror}"
    return OperatorError(
        f"a mistake of ours ended the command ({type(error).__name__}); {report}",
        hint="send the report; heatmap-tui --purge removes what a run may have left",
    )


def _tell(error: OperatorError, options: argparse.Namespace) -> int:
    from tui.headless import Console, report_error

    return report_error(error, Console(), mode=_mode(options), as_json=options.json)


def _mode(options: argparse.Namespace) -> str:
    chosen = [name for name in ("dry_run", "purge", "heatmap") if getattr(options, name)]
    return chosen[0].replace("_", "-") if chosen else "cycle"


def _dispatch(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    _check_combination(options)
    settings = _settings(options, environ)
    if options.log:
        return _show_log(settings)
    import asyncio

    if options.serve_sandbox:
        return asyncio.run(_serve(settings, options.sandbox_faults))
    interactive = not (
        options.headless
        or options.json
        or options.purge
        or options.heatmap
        or not sys.stdout.isatty()
        or not sys.stdin.isatty()
    )
    sandbox = options.sandbox or (settings.url is None and interactive)
    if not sandbox:
        project_of(settings)
    if interactive:
        return _console(settings, options, environ, sandbox=sandbox)
    return asyncio.run(_headless(settings, options, sandbox=sandbox))


def _check_combination(options: argparse.Namespace) -> None:
    modes = ("dry_run", "purge", "heatmap", "log", "serve_sandbox")
    chosen = [f"--{mode.replace('_', '-')}" for mode in modes if getattr(options, mode)]
    if len(chosen) > 1:
        raise ConfigurationError(f"{' and '.join(chosen)} exclude each other", hint="choose one")


def _settings(options: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    from tui.settings import load_settings

    return load_settings(
        environ=environ,
        directory=Path.cwd(),
        env_file=options.env_file,
        flags={
            "HEATMAP_VERIFY_USERS": options.users,
            "HEATMAP_VERIFY_QUESTIONS": options.questions,
            "HEATMAP_VERIFY_BATCH": options.batch,
            "HEATMAP_REFRESH_RUNS": options.refresh_runs,
            "HEATMAP_MAX_REFRESH_MS": options.max_refresh_ms,
            "HEATMAP_MAX_REGRESSION": options.max_regression,
        },
    )


async def _headless(settings: Settings, options: argparse.Namespace, *, sandbox: bool) -> int:
    from tui.headless import Console, follow

    console = Console()
    session = await connect(
        settings,
        sandbox=sandbox,
        allow_prod=options.allow_prod,
        faults=options.sandbox_faults,
        on_stage=lambda s: _say_stage(s, console),
    )
    async with session:
        if not (options.dry_run or options.heatmap):
            _check_key(session)
            session.check_guard()
        run = _run_of(session, options, console)
        result = await follow(run, console)
        if options.json:
            console.document(result.document())
        elif options.heatmap and result.sample is not None:
            console.result(_drawn(result.sample, colour=session.settings.colour))
        _leave_evidence(session, options.report, console)
        if result.finished is None:
            raise AssertionError("a run ends with RunFinished")
        return int(result.finished.exit_code)


def _leave_evidence(session: Session, path: Path | None, console: Console) -> None:
    """Write the report where it was asked for, and the summary where a pipeline wants it."""
    from tui.records.junit import junit
    from tui.records.report import save, save_text
    from tui.records.summary import append_summary

    if session.evidence is None:
        return
    if path is not None:
        written = [*save(path, session.evidence)]
        written.append(save_text(path.with_suffix(".xml"), junit(session.evidence)))
        console.say(f"evidence: {', '.join(map(str, written))}")
    if session.settings.job_summary is not None:
        append_summary(session.settings.job_summary, session.evidence)


def _run_of(session: Session, options: argparse.Namespace, console: Console) -> Run:
    if options.dry_run:
        return session.dry_run()

    def obtain_permit() -> Permit:
        return _break_glass(session, options, console)

    if options.heatmap:
        return session.heatmap()
    if options.purge:
        confirmed = options.confirm == session.target.identity
        return session.purge(obtain_permit=obtain_permit, confirmed=confirmed)
    return session.cycle(
        refresh_runs=_refresh_runs(session.settings),
        with_dry_run=True,
        obtain_permit=obtain_permit,
    )


def _refresh_runs(settings: Settings) -> int:
    """As asked for; and where a regression is to be judged, enough to judge by."""
    from tui.records.thresholds import RUNS_TO_JUDGE

    asked = "HEATMAP_REFRESH_RUNS" in settings.sources
    judged = settings.max_regression_percent is not None
    return RUNS_TO_JUDGE if judged and not asked else settings.refresh_runs


def _break_glass(session: Session, options: argparse.Namespace, console: Console) -> Permit:
    """Ask for what break-glass demands: the flags, and a terminal or a named project."""
    from tui.override import confirm_unattended

    identity = session.target.identity
    if sys.stdin.isatty() and not session.settings.unattended:
        console.say(f"PRODUCTION: this writes to {identity} ({session.target.reason}).")
        console.say(f"Type {identity} to go on, anything else to stop:")
        if sys.stdin.readline().strip() != identity:
            raise GuardRefused("break-glass was not confirmed at the terminal", hint=None)
    else:
        confirm_unattended(session.target, session.settings.unattended)
    return session.grant(
        confirmation=options.confirm or "",
        justification=options.justification or "",
        ticket=options.ticket,
    )


def _drawn(sample: SampleTaken, *, colour: bool) -> str:
    """The heatmap for a plain terminal or a log."""
    import shutil

    from tui.heatmap.axes import GridSpec
    from tui.heatmap.grid import build_grid
    from tui.heatmap.printed import print_heatmap

    grid = build_grid(sample.rows, GridSpec(synthetic=sample.synthetic))
    return print_heatmap(
        grid, shutil.get_terminal_size((100, 24)).columns, colour and sys.stdout.isatty()
    )


def _check_key(session: Session) -> None:
    """An anon key is a slip of the hand: say so before anything is asked of the project."""
    from tui.target import KeyKind

    key = session.target.key
    if key.kind is KeyKind.PUBLISHABLE or key.role in {"anon", "authenticated"}:
        raise ConfigurationError(
            f"SUPABASE_SERVICE_ROLE_KEY does not hold a service-role key: the role of this one is "
            f"{key.role or 'anon (publishable)'}",
            hint="copy the service_role (or secret) key from the project's API settings",
        )


def _say_stage(stage: ConnectStage, console: Console) -> None:
    if stage.seconds is not None:
        detail = f": {stage.detail}" if stage.detail else ""
        console.say(f"  {stage.title}{detail} ({stage.seconds:.2f} s)")


def _console(
    settings: Settings,
    options: argparse.Namespace,
    environ: Mapping[str, str],
    *,
    sandbox: bool,
) -> int:
    from tui.app import HeatmapApp

    async def open_session(on_stage: Callable[[ConnectStage], None]) -> Session:
        return await connect(
            settings,
            sandbox=sandbox,
            allow_prod=options.allow_prod,
            faults=options.sandbox_faults,
            on_stage=on_stage,
        )

    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    app = HeatmapApp(
        open_session,
        allow_prod=options.allow_prod,
        opening="starting the sandbox" if sandbox else f"opening {settings.url}",
        ascii_only=encoding != "utf8",
        state_dir=settings.state_dir,
        environments=lambda: _environments(settings, options, environ),
    )
    return app.run() or 0


def _environments(
    settings: Settings, options: argparse.Namespace, environ: Mapping[str, str]
) -> Environments:
    """How the console comes to another project: a file chosen there goes before the environment."""
    import argparse

    from tui import env_file
    from tui.screens.environments import Environments
    from tui.verify.events import ProbeFinished

    directory = Path.cwd()
    rest = {k: v for k, v in environ.items() if k not in env_file.PROJECT_VARIABLES}

    async def open_file(path: Path, on_stage: Callable[[ConnectStage], None]) -> Session:
        chosen = argparse.Namespace(**{**vars(options), "env_file": path})
        return await connect(
            _settings(chosen, rest),
            sandbox=False,
            allow_prod=options.allow_prod,
            faults=None,
            on_stage=on_stage,
        )

    async def check(draft: EnvironmentDraft) -> list[ProbeFinished]:
        values = draft.values()
        declared = values.get("HEATMAP_VERIFY_NON_PROD_HOSTS")
        described = replace(
            settings,
            url=draft.url,
            service_role_key=draft.service_key,
            anon_key=draft.anon_key,
            non_prod_hosts=(declared,) if declared else (),
        )
        session = await connect(
            described, sandbox=False, allow_prod=False, faults=None, on_stage=lambda _: None
        )
        async with session:
            return [
                event
                for probe in ("target.reachable", "authentication.key")
                async for event in session.ask_again(probe).events()
                if isinstance(event, ProbeFinished)
            ]

    def write(draft: EnvironmentDraft, name: str) -> Path:
        path = directory / Path(name).name
        env_file.write_new(path, draft.values())
        return path

    return Environments(
        files=lambda: env_file.environment_files(directory),
        open=open_file,
        check=check,
        write=write,
        free_name=lambda: env_file.free_name(directory),
    )


async def _serve(settings: Settings, faults: str | None) -> int:
    """Keep a sandbox up until a signal comes; its environment goes to stdout as `.env` lines."""
    import asyncio
    import contextlib
    import signal

    from tui.headless import Console
    from tui.sandbox import start_sandbox

    console = Console()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    sandbox = await start_sandbox(
        sandbox_options(settings, faults),
        lambda stage: _say_stage(stage, console),  # type: ignore[arg-type]
    )
    try:
        # These keys open a database that holds nothing and dies with this process.
        print(f"SUPABASE_URL={sandbox.url}")
        print(f"SUPABASE_SERVICE_ROLE_KEY={sandbox.service_role_key}")
        print(f"SUPABASE_ANON_KEY={sandbox.anon_key}")
        print(f"SUPABASE_DB_URL={sandbox.db_url}", flush=True)
        console.say("the sandbox is up; ctrl-c ends it")
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), timeout=1.0)
            if sandbox.failure:
                raise SandboxError(sandbox.failure, hint="start it again")
    finally:
        await sandbox.stop()
    return 0


def _show_log(settings: Settings) -> int:
    """Print the deployment log on stdout, and what is wrong with it on stderr."""
    from tui.headless import Console
    from tui.records.deployment_log import DeploymentLog

    console = Console()
    log = DeploymentLog(settings.deployment_log)
    for record in log.read():
        console.result(_log_line(record))
    problems = log.verify()
    for problem in problems:
        console.say(f"PROBLEM: {problem}")
    if problems:
        return int(ExitCode.FAILED)
    head = log.head()
    console.say(f"{settings.deployment_log}: " + (f"whole, head {head}" if head else "no record"))
    return int(ExitCode.VERIFIED)


def _log_line(record: Record) -> str:
    what = f"{record.seq:>4}  {record.time}  {record.event:<7}  {record.target['identity']}"
    who = f"{record.action} {record.run_id} by {record.user}@{record.host}"
    why = record.justification if record.outcome is None else f"{record.outcome}: {record.detail}"
    return f"{what}  {who}  {why}" + (f"  [{record.ticket}]" if record.ticket else "")
