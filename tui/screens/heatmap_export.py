"""What the heatmap screen saves: its rows as CSV and JSON, itself as a picture."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tui.records.export import write_rows
from tui.records.files import write_private
from tui.redact import redact
from tui.screens.dialogs import Question

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import App

    from tui.verify.events import SampleTaken


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
        OSError: A file cannot be written.
    """
    answer = await app.push_screen_wait(
        Question(
            "Save the heatmap",
            f"The {len(sample.rows):,} rows read, or this screen as a picture.\n\nTo {folder}",
            [("rows", "Rows: CSV and JSON"), ("picture", "Picture: SVG"), ("close", "Close")],
            keys={"r": "rows", "p": "picture"},
        )
    )
    path = folder / name
    if answer == "rows":
        for suffix in (".csv", ".json"):
            await asyncio.to_thread(write_rows, path.with_suffix(suffix), sample.rows)
        return f"Saved the rows to {path}.csv and .json"
    if answer == "picture":
        picture = redact(app.export_screenshot(title="heatmap-tui"))
        await asyncio.to_thread(write_private, path.with_suffix(".svg"), picture.encode())
        return f"Saved the picture to {path}.svg"
    return None
