"""What the heatmap screen saves: its rows as CSV and JSON, itself as a picture."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from tui.console.dialogs.base import Question
from tui.errors import ConfigurationError
from tui.evidence.export import write_rows
from tui.evidence.saving import save_text
from tui.redact import redact

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from textual.app import App

    from tui.guard.target import Target
    from tui.verify.events import SampleTaken

REPAIR: Final = "make room on the disk, or let yourself write to that directory"


def export_name(target: Target, sample: SampleTaken, *, live: bool, at: datetime) -> str:
    """What an export is called: whose rows, which, when, and whether they are all of them.

    Args:
        target: The project they were read from.
        sample: The rows.
        live: Whether they are the live view's rather than a run's sample.
        at: Now, in UTC.
    """
    project = re.sub(r"[^A-Za-z0-9.-]+", "-", target.identity)
    parts = ["heatmap", project, "live" if live else "run", at.strftime("%Y%m%dT%H%M%SZ")]
    if len(sample.rows) < sample.total:
        parts.append(f"first-{len(sample.rows)}-of-{sample.total}")
    return "_".join(parts)


async def export(app: App[int], sample: SampleTaken, folder: Path, name: str) -> str | None:
    """Ask what to save, and save it; private files.

    Args:
        app: The application, showing the heatmap.
        sample: The rows on show.
        folder: Where to save.
        name: The files' name without its ending.

    Returns:
        What was saved and where, in words; None where nothing was.

    Raises:
        ConfigurationError: A file cannot be written.
    """
    read, total = len(sample.rows), sample.total
    rows = f"{read:,} rows" if read >= total else f"{read:,} rows read, of {total:,},"
    answer = await app.push_screen_wait(
        Question(
            "Save the heatmap",
            f"The {rows} or this screen as a picture.\n\nTo {folder}",
            [("rows", "Rows: CSV and JSON"), ("picture", "Picture: SVG"), ("close", "Close")],
            keys={"r": "rows", "p": "picture"},
        )
    )
    try:
        if answer == "rows":
            for suffix in (".csv", ".json"):
                await asyncio.to_thread(write_rows, folder / f"{name}{suffix}", sample.rows)
            return f"Saved the rows to {folder / name}.csv and .json"
        if answer == "picture":
            picture = redact(app.export_screenshot(title="heatmap-tui"))
            path = await asyncio.to_thread(save_text, folder / f"{name}.svg", picture)
            return f"Saved the picture to {path}"
    except ConfigurationError as error:
        # Where to is not asked here.
        raise ConfigurationError(error.message, hint=REPAIR) from error
    return None
