"""Where the cursor of the heatmap starts, and where it goes when the grid changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.heatmap.axes import ColumnAxis

if TYPE_CHECKING:
    from tui.heatmap.grid import Grid


def start_column(grid: Grid) -> int:
    """The newest week, or the first topic."""
    by_week = grid.spec.columns is ColumnAxis.WEEK
    return max(0, len(grid.columns) - 1) if by_week else 0


def follow(old: Grid, new: Grid, row: int, column: int) -> tuple[int, int]:
    """Where the cursor of `old` belongs in `new`."""
    new_row = 0
    same_order = (old.spec.axis, old.spec.order) == (new.spec.axis, new.spec.order)
    if same_order and row < len(old.rows):
        wanted = old.rows[row].key
        new_row = next((place for place, each in enumerate(new.rows) if each.key == wanted), 0)
    new_column = start_column(new)
    if old.spec.columns is new.spec.columns and column < len(old.columns):
        key = old.columns[column].key
        places = (place for place, each in enumerate(new.columns) if each.key == key)
        new_column = next(places, new_column)
    return new_row, new_column
