"""The figures of a grid as plain series, for the charts beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.heatmap.grid import Grid


def weekly_points(grid: Grid, row: int | None) -> list[tuple[str, float | None]]:
    """Label and value of every column, for one row or, with None, for all rows together."""
    cells = [c.total for c in grid.columns] if row is None else grid.row_cells(row)
    return [
        (column.label, None if cell is None else cell.value(grid.metric))
        for column, cell in zip(grid.columns, cells, strict=True)
    ]


def cell_values(grid: Grid, row: int | None = None) -> list[float]:
    """The values of all cells that have one, of one row or, with None, of the whole grid."""
    rows = range(len(grid.rows)) if row is None else (row,)
    cells = (cell for place in rows for cell in grid.row_cells(place) if cell is not None)
    values = (cell.value(grid.metric) for cell in cells)
    return [value for value in values if value is not None]


def histogram(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    """How many of `values` fall into each of `bins` equal parts; the last includes its end."""
    counts = [0] * bins
    width = (high - low) / bins
    for value in values:
        place = int((value - low) / width) if width else bins // 2
        counts[min(bins - 1, max(0, place))] += 1
    return counts
