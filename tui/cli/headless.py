"""A run without screens, from settings to exit code."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from tui.cli.commands import connect
from tui.cli.confirm import break_glass, judge_flags
from tui.cli.output import Console, Interruptions, follow
from tui.errors import ConfigurationError, ExitCode, Interrupted
from tui.evidence.archive import Archive
from tui.evidence.comparison import JUDGED_FROM
from tui.evidence.report import append_report, require_place, save
from tui.guard.api_key import KeyKind
from tui.guard.break_glass import effects_of_cycle, effects_of_purge
from tui.verify.result import document as document_of

if TYPE_CHECKING:
    import argparse
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
        on_stage=lambda stage: console.stage(stage.title, stage.seconds, stage.detail),
    )
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
        _show(result, code, problems, options, console, colour=settings.colour)
        return ExitCode(console.verdict(code))


def _show(
    result: Result,
    code: ExitCode,
    problems: list[str],
    options: argparse.Namespace,
    console: Console,
    *,
    colour: bool,
) -> None:
    if options.json:
        document = document_of(result)
        document["exit_code"] = int(code)
        document["problems"] = [*document.get("problems", ()), *problems]
        console.document(document)
    elif options.heatmap and result.sample is not None:
        console.result(_drawn(result.sample, colour=colour))


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

    stdout = sys.stdout
    encoding = "" if stdout is None else (stdout.encoding or "").lower().replace("-", "")
    return print_heatmap(
        build_grid(sample.rows, GridSpec(synthetic=sample.synthetic, names=sample.names)),
        shutil.get_terminal_size((100, 24)).columns,
        depth_of(RichConsole().color_system)
        if colour and stdout is not None and stdout.isatty()
        else Depth.NONE,
        glyphs=SHADES if encoding == "utf8" else ASCII_SHADES,
        total=sample.total,
        refreshed_at=sample.refreshed_at,
    )
