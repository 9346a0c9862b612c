"""Aggregate rows to a grid: grouped, summed, ordered.

`build_steps` does the work in small steps, so that an event loop can breathe between them;
`build_grid` and `build_grid_async` run it to the end.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from tui.heatmap.axes import (
    NO_TOPIC,
    ColumnAxis,
    GridSpec,
    Metric,
    column_key,
    row_filter,
    row_key,
    row_label,
    tag_label,
)
from tui.heatmap.cells import Cell, Entry, Pile, Tally, cell_of
from tui.heatmap.ordering import merge_in_order, row_order
from tui.heatmap.text import text_width

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping

    from tui.heatmap.rows import AggregateRow

STEP_ROWS = 250
"""Aggregate rows handled between two pauses: about a millisecond of work."""

HOLD_SECONDS = 0.010
"""How long `build_grid_async` works before it lets the event loop run."""

_Table = dict["Hashable", dict["Hashable", "Entry"]]


@dataclass(frozen=True, slots=True)
class GridColumn:
    """One column.

    Attributes:
        key: What identifies the column's group: a topic, or a number of weeks.
        label: What the column is called: an ISO date or a topic.
        week: The Monday of the week, None on the topic axis.
        total: The column's cells together, None when it has none.
    """

    key: Hashable
    label: str
    week: date | None
    total: Cell | None


@dataclass(frozen=True, slots=True)
class GridRow:
    """One row.

    Attributes:
        key: What identifies the row's group: a tag, a pair of tags, or a question id as a number.
        label: What the row is called, safe to print.
        entries: What is behind each cell, by the key of the column; `Grid.cell` reads it.
        total: The row's cells together.
    """

    key: Hashable
    label: str
    entries: Mapping[Hashable, Entry]
    total: Cell


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A heatmap, ready to be drawn. A grid equals itself alone: to compare would take too long.

    Attributes:
        spec: What was asked for.
        rows: The rows in the order asked for.
        columns: The columns; weeks are continuous from the first to the last.
        total: All cells together, None in an empty grid.
        low: Smallest value of the metric in any cell, None without one.
        high: Largest value of the metric in any cell, None without one.
        rows_read: Aggregate rows given.
        rows_used: Aggregate rows that passed the filters.
        label_width: Terminal cells that the widest row label takes.
    """

    spec: GridSpec
    rows: tuple[GridRow, ...] = ()
    columns: tuple[GridColumn, ...] = ()
    total: Cell | None = None
    low: float | None = None
    high: float | None = None
    rows_read: int = 0
    rows_used: int = 0
    label_width: int = 0

    @property
    def metric(self) -> Metric:
        """What the cells show."""
        return self.spec.metric

    @property
    def scale(self) -> tuple[float, float] | None:
        """The values at the two ends of the colour scale, None in a grid without values.

        Accuracy always runs from 0 to 1 and attempts from 0, so that grids can be compared; the
        median runs from its smallest to its largest value.
        """
        if self.low is None or self.high is None:
            return None
        if self.metric is Metric.ACCURACY:
            return (0.0, 1.0)
        return (0.0 if self.metric is Metric.ATTEMPTS else self.low, self.high)

    def cell(self, row: int, column: int) -> Cell | None:
        """The cell at a position, None where there is no data."""
        entry = self.rows[row].entries.get(self.columns[column].key)
        return None if entry is None else cell_of(entry)

    def row_cells(self, row: int) -> list[Cell | None]:
        """The cells of one row, None where there is no data."""
        return [self.cell(row, column) for column in range(len(self.columns))]

    def position(self, value: float) -> float:
        """Where `value` lies on the colour scale, 0 to 1; the middle when all are the same."""
        scale = self.scale
        if scale is None or scale[0] == scale[1]:
            return 0.5
        return min(1.0, max(0.0, (value - scale[0]) / (scale[1] - scale[0])))


def build_grid(rows: Iterable[AggregateRow], spec: GridSpec) -> Grid:
    """Group `rows` into the grid that `spec` asks for, in one go."""
    steps = build_steps(rows, spec)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            grid: Grid = done.value
            return grid


async def build_grid_async(
    rows: Iterable[AggregateRow], spec: GridSpec, *, hold_seconds: float = HOLD_SECONDS
) -> Grid:
    """Group `rows` into a grid, letting the event loop run every `hold_seconds`.

    Cancelling the task stops it at the next pause. Nothing else is affected.
    """
    steps = build_steps(rows, spec)
    since = time.monotonic()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            grid: Grid = done.value
            return grid
        if time.monotonic() - since >= hold_seconds:
            await asyncio.sleep(0)
            since = time.monotonic()


def build_steps(
    rows: Iterable[AggregateRow], spec: GridSpec, *, step_rows: int = STEP_ROWS
) -> Generator[int, None, Grid]:
    """Group `rows` step by step.

    Yields:
        The aggregate rows read so far, after every small piece of work.

    Returns:
        The grid, as the value of `StopIteration`.
    """
    table: _Table = {}
    columns: dict[Hashable, Tally] = {}
    read = used = 0
    for used_now, read_now in _group(rows, spec, table, columns, step_rows):
        read += read_now
        used += used_now
        yield read

    whole = Tally()
    extremes = _Extremes(spec.metric)
    grid_rows: list[GridRow] = []
    label_width = worked = 0
    for key, entries in table.items():
        total = Tally()
        for column, entry in entries.items():
            total.include(entry)
            columns[column].include(entry)
            extremes.note(entry)
            worked += 1
            if worked >= step_rows:
                worked = 0
                yield read
        label = row_label(spec.axis, _any_row(entries), spec.names)
        label_width = max(label_width, text_width(label))
        whole.merge(total)
        grid_rows.append(GridRow(key, label, entries, total.cell()))

    ordered: list[GridRow] = []
    merged = merge_in_order(grid_rows, row_order(spec), run_length=step_rows)
    while piece := list(islice(merged, step_rows)):
        ordered += [row for row in piece if row is not None]
        yield read
    return Grid(
        spec=spec,
        rows=tuple(ordered),
        columns=tuple(_columns(spec, columns)),
        total=whole.cell() if whole.attempts else None,
        low=extremes.low,
        high=extremes.high,
        rows_read=read,
        rows_used=used,
        label_width=label_width,
    )


class _Extremes:
    """Smallest and largest value of a metric over cells."""

    __slots__ = ("_metric", "high", "low")

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self.low: float | None = None
        self.high: float | None = None

    def note(self, entry: Entry) -> None:
        """Take in one cell."""
        value = cell_of(entry).value(self._metric)
        if value is None:
            return
        if self.low is None or value < self.low:
            self.low = value
        if self.high is None or value > self.high:
            self.high = value


def _group(
    rows: Iterable[AggregateRow],
    spec: GridSpec,
    table: _Table,
    columns: dict[Hashable, Tally],
    step_rows: int,
) -> Generator[tuple[int, int], None, None]:
    """Put rows into `table` and note the columns seen.

    Yields:
        How many rows were used and read, after every `step_rows`.
    """
    key_of, column_of, keep = row_key(spec.axis), column_key(spec.columns), row_filter(spec)
    remaining = iter(rows)
    while piece := list(islice(remaining, step_rows)):
        kept = piece if keep is None else [row for row in piece if keep(row)]
        for row in kept:
            key, column = key_of(row), column_of(row)
            entries = table.get(key)
            if entries is None:
                entries = table[key] = {}
            entry = entries.get(column)
            if entry is None:
                entries[column] = row
                if column not in columns:
                    columns[column] = Tally()
            elif isinstance(entry, Pile):
                entry.add(row)
            else:
                pile = entries[column] = Pile(entry)
                pile.add(row)
        yield len(kept), len(piece)


def _any_row(entries: Mapping[Hashable, Entry]) -> AggregateRow:
    entry = next(iter(entries.values()))
    return entry.rows[0] if isinstance(entry, Pile) else entry


def _columns(spec: GridSpec, tallies: Mapping[Hashable, Tally]) -> Iterator[GridColumn]:
    """The columns in order, with the weeks between the first and the last that have no rows."""
    if spec.columns is ColumnAxis.TOPIC:
        for topic in sorted(tallies, key=_topic_order):
            label = tag_label(topic if isinstance(topic, str) else None, NO_TOPIC)
            yield GridColumn(topic, label, None, tallies[topic].cell())
        return
    numbers = [key for key in tallies if isinstance(key, int)]
    for number in range(min(numbers), max(numbers) + 1) if numbers else ():
        monday = date.min + timedelta(weeks=number)
        tally = tallies.get(number)
        yield GridColumn(number, monday.isoformat(), monday, tally.cell() if tally else None)


def _topic_order(topic: Hashable) -> tuple[bool, str, str]:
    return (topic is None, str(topic).casefold(), str(topic))
