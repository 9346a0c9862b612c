"""Aggregate rows as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.errors import ConfigurationError
from tui.evidence.saving import save_text
from tui.heatmap.rows import rows_as_csv, rows_as_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tui.heatmap.rows import AggregateRow


def write_rows(path: Path, rows: Iterable[AggregateRow]) -> Path:
    """Write rows to a file that appears whole or not at all, readable by its owner alone.

    Args:
        path: Where to; `.csv` or `.json` decides the format. An existing file is replaced.
        rows: The rows.

    Returns:
        The absolute path of the file.

    Raises:
        ConfigurationError: The suffix is neither, or the file cannot be written.
    """
    formats = {".csv": rows_as_csv, ".json": rows_as_json}
    written = formats.get(path.suffix.lower())
    if written is None:
        raise ConfigurationError(
            f"Cannot export to {path}: the name must end in .csv or .json.",
            hint="Choose a file name that ends in .csv or .json.",
        )
    return save_text(path, written(rows))
