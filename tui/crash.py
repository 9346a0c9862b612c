"""The last resort: an internal error put into a file without secrets."""

from __future__ import annotations

import platform
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tui import __version__
from tui.errors import OperatorError
from tui.files import write_private
from tui.redact import redact

if TYPE_CHECKING:
    from pathlib import Path


def report_crash(error: BaseException, folder: Path | None) -> str:
    """Write what is needed to find a defect of ours, and say where; never raises.

    The words follow a semicolon or a colon.
    """
    if folder is None:
        return "there is no state directory to write a report to"
    try:
        return f"the report is in {_save(error, folder)}"
    except Exception as problem:  # noqa: BLE001 - the last resort must not be able to raise
        words = problem.strerror if isinstance(problem, OSError) else None
        return f"a report could not be written: {words or type(problem).__name__}"


def internal_error(error: BaseException, folder: Path | None) -> OperatorError:
    """The error shown to the operator in place of a traceback; never raises."""
    return OperatorError(
        f"an internal error ended the command ({type(error).__name__}); "
        f"{report_crash(error, folder)}",
        hint="send the report; heatmap-tui --purge removes what a run may have left",
    )


def _save(error: BaseException, folder: Path) -> Path:
    now = datetime.now(UTC)
    text = "\n".join(
        [
            f"heatmap-tui {__version__} crashed at {now.isoformat(timespec='seconds')}",
            f"Python {platform.python_version()} on {platform.system()} {platform.machine()}",
            "",
            *traceback.format_exception(error),
        ]
    )
    path = folder / f"crash-{now.strftime('%Y%m%dT%H%M%S%f')}.txt"
    write_private(path, redact(text).encode("utf-8", "backslashreplace"))
    return path
