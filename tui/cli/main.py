"""The command's entry, and its last resort."""

from __future__ import annotations

import contextlib
import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - one line instead of a traceback
    sys.exit(f"heatmap-tui needs Python 3.11 or newer; this is {sys.version.split()[0]}")

from typing import TYPE_CHECKING

from tui.cli.arguments import CYCLE, WITH_EVIDENCE, mode_of, parser
from tui.errors import ConfigurationError, Interrupted, OperatorError
from tui.redact import redact

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or the process's own."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # Where the flags cannot be read, this much of them decides how the error is reported.
    options = parser().parse_args(["--json"] if "--json" in given else [])
    try:
        options = parser().parse_args(given)
        # What --help and --version do not need is loaded here.
        from tui.cli.commands import dispatch

        return dispatch(options, os.environ)
    except OperatorError as error:
        return _tell(error, options, os.environ)
    except KeyboardInterrupt:
        return _tell(Interrupted("interrupted"), options, os.environ)
    except Exception as error:  # noqa: BLE001 - the last resort: a report in place of a traceback
        return _tell(_internal(error), options, os.environ)


def _tell(error: OperatorError, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Report what kept a run from beginning, and write evidence where asked for.

    It runs where an error is being handled already, so nothing it does may raise another.
    """
    try:
        return _tell_and_leave(error, options, environ)
    except Exception as defect:  # noqa: BLE001 - see above
        # Where not even this can be made or written, the exit code remains: an import that a signal
        # cut short, say, fails again.
        with contextlib.suppress(Exception):
            sys.stderr.write(f"heatmap-tui: {redact(error.message)}\n")
        with contextlib.suppress(Exception):
            sys.stderr.write(f"heatmap-tui: {redact(_internal(defect).message)}\n")
        return int(error.exit_code)


def _tell_and_leave(
    error: OperatorError, options: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    from pathlib import Path

    from tui.cli.output import Console, report_error
    from tui.verify.events import Mode

    console = Console()
    try:
        mode = mode_of(options)
    except ConfigurationError:
        mode = CYCLE
    kind = Mode(mode) if mode in set(Mode) else Mode.CYCLE
    target = options.target
    code = report_error(error, console, mode=kind, target=target, as_json=options.json)
    summary = environ.get("GITHUB_STEP_SUMMARY")
    if mode in WITH_EVIDENCE and (options.report is not None or summary):
        from tui.cli.headless import leave
        from tui.evidence.report import require_place, without_run

        report = options.report
        try:
            if report is not None:
                require_place(report)
        except ConfigurationError:
            # It may be the very error that was reported.
            report = None
        leave(without_run(error, kind, target), report, Path(summary) if summary else None, console)
    return code


def _internal(error: Exception) -> OperatorError:
    """An internal error, put into a file without secrets; never raises."""
    try:
        from platformdirs import user_state_path

        folder = user_state_path("heatmap-tui") / "crashes"
    except Exception:  # noqa: BLE001 - without a home there is no place for a report
        folder = None
    from tui.crash import internal_error

    return internal_error(error, folder)
