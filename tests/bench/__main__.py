"""Benchmarks: ratios measured side by side, printed as tables.

    python -m tests.bench                 all of them, about a quarter of an hour
    python -m tests.bench cycle start     these two
    python -m tests.bench scale --million with 1,000,000 responses, some minutes more
    python -m tests.bench --quick         one tiny run of each, to see that they work

They need the packages of the `sandbox` extra. Progress goes to stderr, the tables to stdout. The
exit code is 1 when a target was missed. What the SQL itself costs is measured by
`python -m tests.bench.bench_sql`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time

from tests.bench.figures import Options, Table, say

NAMES = ("cycle", "inserts", "scale", "start", "keys", "heatmap", "neighbours")


def measure(name: str, options: Options) -> Table:
    """Run one benchmark by name."""
    table = importlib.import_module(f"tests.bench.bench_{name}").run(options)
    assert isinstance(table, Table)
    return table


def _load() -> str:
    """How many processes want a processor; far above their number, figures spread and tilt."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def main(arguments: list[str] | None = None) -> int:
    """Parse, measure, print. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME",
                        help=f"which: {', '.join(NAMES)} (default: all)")  # fmt: skip
    parser.add_argument("--runs", type=int, default=5, help="pairs for each line (default 5)")
    parser.add_argument("--quick", action="store_true", help="one tiny pair for each line")
    parser.add_argument("--million", action="store_true", help="scale: 1,000,000 responses too")
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 40, 150], metavar="MS",
                        help="cycle: milliseconds added to each request")  # fmt: skip
    chosen = parser.parse_args(arguments)
    options = Options(max(1, chosen.runs), chosen.quick, chosen.million, tuple(chosen.latency))
    reached = True
    for name in chosen.names or NAMES:
        began = time.monotonic()
        before = _load()
        table = measure(name, options)
        table.notes.append(f"load of the machine: {before} before, {_load()} after")
        print(table, flush=True)
        say(f"({name} took {time.monotonic() - began:.0f} s)")
        reached &= table.reached
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
