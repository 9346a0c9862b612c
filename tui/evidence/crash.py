"""The report of a crash: what is needed to find a defect of ours, without any secret."""

from __future__ import annotations

import platform
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tui import __version__
from tui.files import write_private
from tui.redact import redact

if TYPE_CHECKING:
    from pathlib import Path


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
