"""Keeps the garbage collector from holding up the keys."""

from __future__ import annotations

import gc


def set_aside() -> None:
    """Let the collector pass over everything that is there now.

    Looking through all modules, widgets and 100,000 rows takes it 50 to 150 ms each time. What is
    set aside is still freed when nothing refers to it any more; only a cycle among it would stay,
    and rows are in none.
    """
    gc.freeze()
