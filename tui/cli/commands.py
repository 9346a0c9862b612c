"""Flags decide what runs. Imports what a choice needs once the choice is made."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tui.cli.arguments import CYCLE, WITH_EVIDENCE, mode_of, parser, refuse_idle, variables
from tui.errors import ConfigurationError, Interrupted, OperatorError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence


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
        return _tell(error, options, environ)
    except KeyboardInterrupt:
        return _tell(Interrupted("interrupted"), options, environ)
    except Exception as error:  # noqa: BLE001 - the last resort: a report in place of a traceback
        return _tell(_crashed(error), options, environ)


def _dispatch(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from tui.settings import load_settings

    interactive = _is_interactive(options)
    refuse_idle(options, interactive=interactive)
    directory = Path.cwd()
    settings = load_settings(
        environ=environ, directory=directory, env_file=options.env_file, flags=variables(options)
    )
    if options.log:
        from tui.cli.show_log import show_log

        return int(show_log(settings))
    import asyncio

    if options.serve_sandbox:
        from tui.cli.serve import serve

        return int(asyncio.run(serve(settings, options.sandbox_faults)))
    from tui.cli.connect import project_of

    sandbox = options.sandbox or (settings.url is None and interactive)
    if not sandbox:
        project_of(settings)
        if options.sandbox_faults:
            raise ConfigurationError(
                "--sandbox-faults has no meaning for a project that is no sandbox",
                hint="add --sandbox, or leave it out",
            )
    if interactive:
        from tui.cli.interactive import open_console

        return open_console(settings, options, environ, sandbox=sandbox)
    from tui.cli.headless import work

    return int(asyncio.run(work(settings, options, sandbox=sandbox)))


def _is_interactive(options: argparse.Namespace) -> bool:
    """Whether there are to be screens: nothing says otherwise, and a terminal is at both ends."""
    return not (
        options.headless
        or options.json
        or mode_of(options) != CYCLE
        or not sys.stdout.isatty()
        or not sys.stdin.isatty()
    )


def _tell(error: OperatorError, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Tell what kept a run from beginning, and leave it as evidence where that was asked for."""
    from tui.cli.output import Console, report_error
    from tui.verify.events import Mode

    console = Console()
    try:
        mode = mode_of(options)
    except ConfigurationError:
        mode = CYCLE
    kind = Mode(mode) if mode in set(Mode) else Mode.CYCLE
    code = report_error(error, console, mode=kind, as_json=options.json)
    summary = environ.get("GITHUB_STEP_SUMMARY")
    if mode in WITH_EVIDENCE and (options.report is not None or summary):
        from tui.cli.headless import has_place, leave
        from tui.evidence.gathered import without_run
        from tui.verify.result import document, result_of_error

        evidence = without_run(document(result_of_error(error, kind)), hint=error.hint)
        report = options.report if options.report and has_place(options.report) else None
        leave(evidence, report, Path(summary) if summary else None, console)
    return code


def _crashed(error: Exception) -> OperatorError:
    """A mistake of ours, put into a file without secrets, and into words."""
    from platformdirs import user_state_path

    from tui.evidence.crash import save_crash

    try:
        report = f"the report is in {save_crash(error, user_state_path('heatmap-tui') / 'crashes')}"
    except OSError as problem:
        report = f"a report could not be written: {problem.strerror}"
    return OperatorError(
        f"a mistake of ours ended the command ({type(error).__name__}); {report}",
        hint="send the report; heatmap-tui --purge removes what a run may have left",
    )
