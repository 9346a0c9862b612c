"""A run without screens, from settings to exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Self

from tui.cli.commands import connect, is_terminal
from tui.cli.output import Console, knows_all
from tui.errors import ConfigurationError, ExitCode, GuardRefused, Interrupted
from tui.evidence.archive import Archive
from tui.evidence.comparison import JUDGED_FROM
from tui.evidence.report import append_report, require_place, save
from tui.guard.api_key import KeyKind
from tui.guard.break_glass import (
    confirm_unattended,
    effects_of_cycle,
    effects_of_purge,
    judge_typed,
)
from tui.signals import REASONS, listen
from tui.verify.events import Mode
from tui.verify.narration import narrate
from tui.verify.result import document as document_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tui.evidence.report import RunEvidence
    from tui.guard.break_glass import Approval
    from tui.settings import Settings
    from tui.verify.events import SampleTaken
    from tui.verify.result import Result
    from tui.verify.session import Run, Session


async def work(settings: Settings, options: argparse.Namespace, *, sandbox: bool) -> ExitCode:
    """Do what the flags say, narrating on stderr, with the result on stdout.

    Returns the exit code that the document states as well.
    """
    console = Console()
    if options.report is not None:
        require_place(options.report)
    with Interruptions(console) as interruptions:
        try:
            return await _run(settings, options, console, interruptions, sandbox=sandbox)
        except asyncio.CancelledError as cancelled:
            if interruptions.reason is None:
                raise
            raise Interrupted(f"{interruptions.reason}; nothing was written") from cancelled


async def _run(
    settings: Settings,
    options: argparse.Namespace,
    console: Console,
    interruptions: Interruptions,
    *,
    sandbox: bool,
) -> ExitCode:
    session = await connect(
        settings,
        sandbox=sandbox,
        allow_prod=options.allow_prod,
        faults=options.sandbox_faults,
        on_stage=console.stage,
    )
    options.target = session.target
    async with session:
        if not (options.dry_run or options.heatmap):
            _check_key(session)
            judge_flags(session, options)
        run = _run_of(session, options, console)
        interruptions.attach(run, session.purge_command)
        result = await follow(run, console)
        if result.finished is None:
            raise AssertionError("a run ends with RunFinished")
        code, problems = result.finished.exit_code, list[str]()
        evidence = Archive.of(session).evidence
        if evidence is not None:
            problems = leave(evidence, options.report, settings.job_summary, console)
            # What a run found outranks where its report was to go.
            if problems and options.report is not None:
                code = code or ExitCode.USAGE
        if options.json:
            document = document_of(result)
            document["exit_code"] = int(code)
            document["problems"] += problems
            console.document(document)
        elif options.heatmap and result.sample is not None:
            console.result(_drawn(result.sample, colour=settings.colour))
        return ExitCode(console.verdict(code))


def _run_of(session: Session, options: argparse.Namespace, console: Console) -> Run:
    if options.dry_run:
        return session.dry_run()
    if options.heatmap:
        return session.heatmap()
    effects = effects_of_purge() if options.purge else effects_of_cycle(session.settings.volume)

    async def obtain_approval() -> Approval:
        return await break_glass(session, options, effects, console)

    if options.purge:
        return session.purge(
            obtain_approval=obtain_approval,
            unexplained=options.purge_unexplained,
            runs=options.purge_run,
        )
    return session.cycle(
        refresh_runs=_refresh_runs(session.settings),
        with_dry_run=True,
        obtain_approval=obtain_approval,
    )


def _refresh_runs(settings: Settings) -> int:
    """As asked for; where a regression is to be judged, enough to judge by."""
    asked = "HEATMAP_REFRESH_RUNS" in settings.sources
    judged = settings.max_regression_percent is not None
    return JUDGED_FROM if judged and not asked else settings.refresh_runs


def _check_key(session: Session) -> None:
    """Refuse an anon key before the project is asked anything."""
    key = session.target.key
    if key.kind is KeyKind.PUBLISHABLE or key.role in {"anon", "authenticated"}:
        raise ConfigurationError(
            f"SUPABASE_SERVICE_ROLE_KEY does not hold a service-role key: the role of this one is "
            f"{key.role or 'anon (publishable)'}",
            hint="copy the service_role (or secret) key from the project's API settings",
        )


def leave(
    evidence: RunEvidence, report: Path | None, job_summary: Path | None, console: Console
) -> list[str]:
    """Write the report where it was asked for, and where a pipeline wants it.

    `job_summary` is the file that the pipeline shows on the job's page. Returns what could not be
    written, in words that were shown already.
    """
    problems: list[str] = []
    try:
        if report is not None:
            console.say(f"evidence: {', '.join(map(str, save(report, evidence)))}")
    except ConfigurationError as error:
        problems.append(error.message)
    try:
        if job_summary is not None:
            append_report(job_summary, evidence)
    except ConfigurationError as error:
        problems.append(error.message)
    for problem in problems:
        console.say(f"warning: {problem}")
    return problems


def _drawn(sample: SampleTaken, *, colour: bool) -> str:
    """The heatmap for a plain terminal or a log."""
    import shutil

    from rich.console import Console as RichConsole

    from tui.heatmap.grid import GridSpec, build_grid
    from tui.heatmap.palette import ASCII_SHADES, SHADES, Depth, depth_of
    from tui.heatmap.plain_text import print_heatmap

    return print_heatmap(
        build_grid(sample.rows, GridSpec(synthetic=sample.synthetic, names=sample.names)),
        shutil.get_terminal_size((100, 24)).columns,
        depth_of(RichConsole().color_system) if colour and is_terminal(sys.stdout) else Depth.NONE,
        glyphs=SHADES if knows_all(sys.stdout) else ASCII_SHADES,
        total=sample.total,
        refreshed_at=sample.refreshed_at,
    )


# --- signals --------------------------------------------------------------------------------------


async def follow(run: Run, console: Console) -> Result:
    """Do a run to its end, narrating; its clean-up is awaited whatever happens."""
    async with contextlib.aclosing(run.events()) as events:
        async for event in events:
            line = narrate(event)
            if line:
                console.say(line)
    return run.result


class Interruptions:
    """What signals do: the first stops, the second warns, the third leaves.

    Before there is a run, the first one cancels the task that made this. `reason` is what the first
    signal meant.
    """

    def __init__(self, console: Console) -> None:
        self.reason: str | None = None
        self._console = console
        self._task = asyncio.current_task()
        self._run: Run | None = None
        self._purge_command: Callable[[], str] = lambda: ""
        self._seen = 0

    def __enter__(self) -> Self:
        self._stop_listening = listen(self._signalled)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_listening()

    def attach(self, run: Run, purge_command: Callable[[], str]) -> None:
        """From here on signals stop this run."""
        self._run, self._purge_command = run, purge_command

    @property
    def _writing(self) -> bool:
        return self._run is not None and self._run.result.may_have_written

    def _signalled(self, name: str) -> None:
        self.reason = self.reason or REASONS[name]
        self._seen += 1
        if self._run is None:
            if self._task is not None:
                self._task.cancel()
        elif self._run.result.finished is not None:
            self._console.say(f"{REASONS[name]}: the run is over, closing")
        elif self._seen == 1:
            self._run.cancel(self.reason)
            self._console.say(f"{self.reason}: stopping{self._so_far()}")
        elif self._seen == 2:
            self._console.say(f"still {self._what()}")
        else:
            self._run.abandon()
            self._console.say(f"leaving{self._so_far()}")
            if self._writing:
                self._console.say(f"remove what is left with: {self._purge_command()}")

    def _so_far(self) -> str:
        return "" if self._writing else "; nothing was written"

    def _what(self) -> str:
        if self._run is None or not self._writing:
            return "stopping; nothing was written"
        if self._run.mode is Mode.PURGE:
            return "finishing what is under way; once more leaves the rest behind"
        return "cleaning up; once more leaves rows behind"


# --- break-glass ----------------------------------------------------------------------------------


def judge_flags(session: Session, options: argparse.Namespace) -> None:
    """Refuse, before anything is asked, what break-glass cannot grant."""
    session.check_guard()
    if not session.target.is_production:
        return
    judge_typed(
        session.target,
        confirmation=options.confirm or "",
        justification=options.justification or "",
    )
    if not _is_at_terminal():
        confirm_unattended(session.target, session.settings.unattended)


async def break_glass(
    session: Session, options: argparse.Namespace, effects: Sequence[str], console: Console
) -> Approval:
    """Obtain the approval of a run: by the flags, and a terminal or a variable."""
    # It may be production since a moment ago only.
    judge_flags(session, options)
    identity = session.target.identity
    if _is_at_terminal():
        console.say(f"PRODUCTION: this writes to {identity} ({session.target.reason}).")
        for line in effects:
            console.say(f"  {line}")
        _forget_typed()
        console.say(f"Type {identity} to go on, anything else to stop:")
        if (await _typed()).strip() != identity:
            raise GuardRefused("break-glass was not confirmed at the terminal", hint=None)
    return session.grant(
        confirmation=options.confirm or "",
        justification=options.justification or "",
        ticket=options.ticket,
    )


def _is_at_terminal() -> bool:
    """Whether somebody can be asked; then no variable answers for them."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def _forget_typed() -> None:
    """Throw away what was typed before the question was there to be read."""
    if sys.platform != "win32":
        import termios

        with contextlib.suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def _typed() -> str:
    """The next line from the terminal; signals are heard meanwhile."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()
    number = sys.stdin.fileno()

    def settle(text: str) -> None:
        if not line.done():
            line.set_result(text)

    def read() -> None:
        text = b""
        # A terminal that is gone says nothing more.
        with contextlib.suppress(OSError):
            while not text.endswith(b"\n") and (more := os.read(number, 1024)):
                text += more
        # Where the loop is closed, nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, text.decode(errors="replace"))

    threading.Thread(target=read, name="terminal", daemon=True).start()
    return await line
