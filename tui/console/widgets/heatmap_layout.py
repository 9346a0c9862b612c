"""Where things are in the heatmap widget: sizes, and what is visible at a scroll offset.

All lengths are terminal cells. Only whole columns are shown and only whole rows are counted as
visible; the scroll offset snaps to them, so that the header stays above its cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.heatmap.axes import ColumnAxis

if TYPE_CHECKING:
    from tui.heatmap.grid import Grid

HEADER_HEIGHT = 2
TOTAL_WIDTH = 7
LABEL_WIDTH_MIN = 8
LABEL_WIDTH_MAX = 36
TOTALS_FROM_WIDTH = 44
CELL_WIDTH = {ColumnAxis.WEEK: (2, 10), ColumnAxis.TOPIC: (8, 14)}
ROW_HEIGHT_MAX = 3
VALUE_FROM_WIDTH = 4


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of one grid in one area.

    Attributes:
        rows: Number of grid rows.
        columns: Number of grid columns.
        label_width: Width of the row labels.
        total_width: Width of the row totals beside them, 0 when there is no room for them.
        cell_width: Width of a cell.
        row_height: Height of a row.
        width: Width of the area, scroll bar excluded.
        height: Height of the area, scroll bar excluded.
    """

    rows: int = 0
    columns: int = 0
    label_width: int = 0
    total_width: int = 0
    cell_width: int = 1
    row_height: int = 1
    width: int = 0
    height: int = 0

    @property
    def gutter(self) -> int:
        """Width left of the cells."""
        return self.label_width + self.total_width + 1

    @property
    def virtual_size(self) -> tuple[int, int]:
        """Width and height that the whole grid would take, header and gutter included."""
        return (
            self.gutter + self.columns * self.cell_width,
            HEADER_HEIGHT + self.rows * self.row_height,
        )

    @property
    def columns_shown(self) -> int:
        """Columns that fit."""
        return min(self.columns, max(1, (self.width - self.gutter) // self.cell_width))

    @property
    def rows_shown(self) -> int:
        """Rows that fit whole."""
        return min(self.rows, max(1, (self.height - HEADER_HEIGHT) // self.row_height))

    def first_column(self, scroll_x: int) -> int:
        """The leftmost column at a scroll offset."""
        return min(-(-scroll_x // self.cell_width), max(0, self.columns - self.columns_shown))

    def first_row(self, scroll_y: int) -> int:
        """The topmost row at a scroll offset."""
        return min(-(-scroll_y // self.row_height), max(0, self.rows - self.rows_shown))

    def position_at(self, x: int, y: int, scroll_x: int, scroll_y: int) -> tuple[int, int] | None:
        """Row and column under a point of the area, None outside the cells."""
        if x < self.gutter or y < HEADER_HEIGHT or not self.rows or not self.columns:
            return None
        column = self.first_column(scroll_x) + (x - self.gutter) // self.cell_width
        row = self.first_row(scroll_y) + (y - HEADER_HEIGHT) // self.row_height
        shown = column < self.first_column(scroll_x) + self.columns_shown
        return (row, column) if row < self.rows and shown else None

    def scroll_to_show(
        self, row: int, column: int, scroll_x: int, scroll_y: int
    ) -> tuple[int, int]:
        """The scroll offset nearest to the given one at which a cell is visible."""
        first_row = _nearest(self.first_row(scroll_y), row, self.rows_shown)
        first_column = _nearest(self.first_column(scroll_x), column, self.columns_shown)
        return first_column * self.cell_width, first_row * self.row_height


def lay_out(grid: Grid, width: int, height: int, *, bar_width: int, bar_height: int) -> Layout:
    """Sizes for `grid` in an area of `width` x `height`, scroll bars included.

    Args:
        grid: What is to be shown.
        width: Whole width.
        height: Whole height.
        bar_width: What a vertical scroll bar takes, if one is needed.
        bar_height: What a horizontal scroll bar takes, if one is needed.
    """
    rows, columns = len(grid.rows), len(grid.columns)
    smallest, largest = CELL_WIDTH[grid.spec.columns]
    if HEADER_HEIGHT + rows > height:
        width -= bar_width
    total_width = TOTAL_WIDTH if width >= TOTALS_FROM_WIDTH else 0
    label_most = min(LABEL_WIDTH_MAX, max(LABEL_WIDTH_MIN, width // 3 - total_width))
    label_width = max(LABEL_WIDTH_MIN, min(label_most, grid.label_width))
    room = max(0, width - label_width - total_width - 1)
    cell_width = _clamp(room // columns if columns else smallest, smallest, largest)
    if columns * cell_width > room:
        height -= bar_height
        if HEADER_HEIGHT + rows > height and HEADER_HEIGHT + rows <= height + bar_height:
            width -= bar_width
    row_height = _clamp((height - HEADER_HEIGHT) // rows if rows else 1, 1, ROW_HEIGHT_MAX)
    return Layout(
        rows=rows,
        columns=columns,
        label_width=label_width,
        total_width=total_width,
        cell_width=cell_width,
        row_height=row_height,
        width=max(0, width),
        height=max(0, height),
    )


def _clamp(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def _nearest(first: int, wanted: int, shown: int) -> int:
    return min(wanted, max(first, wanted - shown + 1))
