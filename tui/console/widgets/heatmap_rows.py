"""The aggregate rows behind one cell, as a table in plain text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.heatmap.axes import NO_LESION, NO_TOPIC, tag_label
from tui.heatmap.text import fit, plain

if TYPE_CHECKING:
    from tui.heatmap.cells import Cell

MOST: Final = 200
"""Rows listed; the rest is counted."""


def rows_as_text(cell: Cell) -> str:
    """A heading, one line per aggregate row, and how many were left out.

    Args:
        cell: The cell; its rows are listed as read, the first `MOST` of them.
    """
    lines = [cell.describe(), ""]
    lines.append(
        f"{'question':<10}{'week':<12}{'lesion':<16}{'topic':<12}{'right':>9}{'median ms':>11}"
    )
    for row in cell.rows[:MOST]:
        median = "" if row.median_duration_ms is None else plain(row.median_duration_ms)
        lines.append(
            f"{str(row.question_id)[:8]:<10}{row.week_start:<12}"
            f"{fit(tag_label(row.lesion, NO_LESION), 15)} "
            f"{fit(tag_label(row.topic, NO_TOPIC), 11)} "
            f"{f'{row.correct_attempts}/{row.attempts}':>9}{median:>11}"
        )
    more = len(cell.rows) - MOST
    if more > 0:
        lines.append(f"and {more:,} more rows")
    return "\n".join(lines)
