"""The order of grid rows: worst first, by label, by attempts. Rows without a value come last."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from tui.heatmap.axes import GridSpec, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tui.heatmap.grid import GridRow

SortKey = tuple[float | bool | str, ...]


def row_order(spec: GridSpec) -> Callable[[GridRow], SortKey]:
    """The sort key that `spec.order` asks for.

    Ties fall to the larger number of attempts, then to the label. An absent tag comes after all
    others where the order is by label.
    """

    def by_label(row: GridRow) -> SortKey:
        parts = row.key if isinstance(row.key, tuple) else (row.key,)
        return (*(part is None for part in parts), row.label.casefold(), row.label)

    def by_attempts(row: GridRow) -> SortKey:
        return (-row.total.attempts, row.label.casefold(), row.label)

    def by_worst(row: GridRow) -> SortKey:
        value = row.total.value(spec.metric)
        if value is None:
            return (True, 0.0, *by_attempts(row))
        return (False, -value if spec.metric.high_is_bad else value, *by_attempts(row))

    return {Order.LABEL: by_label, Order.ATTEMPTS: by_attempts, Order.WORST: by_worst}[spec.order]


def merge_in_order(
    rows: Sequence[GridRow], key: Callable[[GridRow], SortKey], *, run_length: int
) -> Iterator[GridRow | None]:
    """Sort `rows` in short runs and merge these, so that no step takes long.

    Yields:
        The rows in order; None now and then while the runs are still being sorted.
    """
    runs: list[list[tuple[SortKey, int]]] = []
    for start in range(0, len(rows), run_length):
        end = min(start + run_length, len(rows))
        keyed = ((key(rows[place]), place) for place in range(start, end))
        runs.append(sorted(keyed, reverse=True))
        # A whole step's worth of pauses: whoever takes `run_length` items gets control back.
        yield from [None] * run_length
    for _, place in heapq.merge(*map(_consume, runs)):
        yield rows[place]


def _consume(run: list[tuple[SortKey, int]]) -> Iterator[tuple[SortKey, int]]:
    """Smallest first, from a list in descending order, freed along the way and not at the end."""
    while run:
        yield run.pop()
