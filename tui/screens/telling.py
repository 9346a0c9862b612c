"""Failures put into words for the operator: the dialog's text, and the report of a crash."""

from __future__ import annotations

import platform
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tui import __version__
from tui.errors import OperatorError
from tui.records.files import write_private
from tui.redact import redact

if TYPE_CHECKING:
    from pathlib import Path

    from tui.target import Target


def failure_title(error: BaseException) -> str:
    """What kind of failure it is, in a few words."""
    return "This did not work" if isinstance(error, OperatorError) else "The console made a mistake"


def failure_text(error: BaseException, target: Target | None) -> str:
    """What failed, on which project, and what to do. No traceback, no secret.

    Args:
        error: What was raised.
        target: The project at hand, None where there is none.
    """
    message = str(error)
    if isinstance(error, OperatorError):
        lines = [error.message]
        if error.hint:
            lines += ["", f"What to do: {error.hint}"]
    else:
        lines = [
            f"{type(error).__name__}: {message}" if message else type(error).__name__,
            "",
            "A run that was under way goes on. Please report this text.",
        ]
    if target is not None:
        lines += ["", f"Project: {target.identity} ({target.kind.value})"]
    return redact("\n".join(lines))


def save_crash(error: BaseException, folder: Path) -> Path:
    """Write what is needed to find a defect of ours, without any secret.

    Args:
        error: What nobody caught.
        folder: Where reports of crashes live; made private if it has to be created.

    Returns:
        The report's file.

    Raises:
        OSError: It cannot be written.
    """
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
    write_private(path, redact(text).encode())
    return path
