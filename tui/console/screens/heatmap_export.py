"""What the heatmap screen saves: rows as CSV and JSON, or a picture."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from tui.errors import ConfigurationError
from tui.files import save_text
from tui.heatmap.axes import row_filter
from tui.heatmap.formatting import plural
from tui.heatmap.rows import write_rows
from tui.redact import redact_known

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from textual.app import App

    from tui.console.controller import Controller
    from tui.guard.target import Target
    from tui.heatmap.grid import Grid
    from tui.verify.events import SampleTaken

_FILTER_IN_NAME: Final = 40
REPAIR: Final = "make room on the disk, or let yourself write to that directory"


def export_name(
    target: Target, sample: SampleTaken, grid: Grid, *, live: bool, at: datetime
) -> str:
    """What an export is called: whose rows, which, when, and what filters."""
    parts = ["heatmap", target.identity, "live" if live else "run", at.strftime("%Y%m%dT%H%M%SZ")]
    if len(sample.rows) < sample.total:
        parts.append(f"first-{len(sample.rows)}-of-{sample.total}")
    parts += [each[:_FILTER_IN_NAME] for each in grid.spec.filters]
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part).strip("-") for part in parts)


async def export(
    app: App[object],
    controller: Controller,
    sample: SampleTaken,
    grid: Grid,
    *,
    folder: Path,
    name: str,
) -> str | None:
    """Ask what to save, and save it in private files; returns what and where.

    Rows that the filters of `grid` keep out are not saved.
    """
    keep = row_filter(grid.spec)
    rows = sample.rows
    if keep is not None:
        rows = await asyncio.to_thread(lambda: tuple(filter(keep, sample.rows)))
    read, total = len(sample.rows), sample.total
    which = f"{plural(read, 'row')}" if read >= total else f"{read:,} rows read, of {total:,},"
    if keep is not None:
        which = f"{len(rows):,} of {which} {' and '.join(grid.spec.filters)},"
    picture = f"this screen as a picture ({grid.spec.metric.heading}, {grid.spec.scale.heading})"
    answer = await controller.choose(
        "Save the heatmap",
        f"The {which} or {picture}.\n\nTo {folder}",
        [("rows", "Rows: CSV and JSON"), ("picture", "Picture: SVG"), ("close", "Close")],
        keys={"r": "rows", "p": "picture"},
    )
    try:
        if answer == "rows":
            for suffix in (".csv", ".json"):
                await asyncio.to_thread(write_rows, folder / f"{name}{suffix}", rows)
            filtered = f" {' and '.join(grid.spec.filters)}" if keep is not None else ""
            said = plural(len(rows), "row")
            return f"Saved {said}{filtered} to {folder / name}.csv and .json"
        if answer == "picture":
            title = " · ".join(["heatmap-tui", *grid.spec.words])
            drawn = redact_known(app.export_screenshot(title=title))
            path = await asyncio.to_thread(save_text, folder / f"{name}.svg", drawn)
            return f"Saved the picture to {path}"
    except ConfigurationError as error:
        # Where to is not asked here.
        raise ConfigurationError(error.message, hint=REPAIR) from error
    return None
