"""How long one waits: for the first paint, for `--version`, for the sandbox.

The first paint is taken in a terminal of 80 x 24, from the start of the process until every cell
was painted once. The console's address answers nothing: it connects after the first paint, so that
must not matter. The sandbox starts cold without any compiled bytecode, as right after installing,
and warm with it; PostgREST is in the cache both times.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.figures import Line, Options, Table, Target, in_pairs, say, seconds
from tests.bench.terminal import Terminal
from tui.sandbox import SandboxOptions, start_sandbox_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CONSOLE = ("-m", "tui")
EMPTY_APP = ("-c", "from textual.app import App; App().run()")
VERSION = ("-m", "tui", "--version")
PASS = ("-c", "pass")
PROCESS_SECONDS = 60.0
BANNER = b"opening"
# Short processes are counted in tens of milliseconds: take more of them.
SHORT = 4


def run(options: Options) -> Table:
    """Measure all of them."""
    table = Table("Start")
    with _home() as environment:
        table.lines += _first_paint(options, environment)
        table.lines.append(_version(options, environment))
    table.lines.append(_sandbox(options))
    return table


def _first_paint(options: Options, environment: dict[str, str]) -> list[Line]:
    spent: dict[tuple[str, ...], list[float]] = {CONSOLE: [], EMPTY_APP: []}

    def paint(command: tuple[str, ...], marker: bytes) -> float:
        directory = Path(environment["HOME"])
        with Terminal([sys.executable, *command], environment, directory) as terminal:
            taken = terminal.first_frame(marker)
            cpu = terminal.cpu_seconds()
        if cpu is not None:
            spent[command].append(cpu)
        return taken

    paint(CONSOLE, BANNER)
    paint(EMPTY_APP, b"")
    for each in spent.values():
        each.clear()
    say("start: first paint, then an empty Textual app ", end="")
    ours, theirs = in_pairs(
        options.pairs if options.quick else options.pairs * SHORT,
        lambda: paint(CONSOLE, BANNER),
        lambda: paint(EMPTY_APP, b""),
    )
    what = "first paint / empty Textual app"
    return [
        Line(what, "s", ours, theirs, _target(options, 1.3)),
        Line(f"{what}, processor time", "s", spent[CONSOLE], spent[EMPTY_APP]),
    ]


def _version(options: Options, environment: dict[str, str]) -> Line:
    def call(command: tuple[str, ...]) -> float:
        return seconds(
            lambda: subprocess.run(
                [sys.executable, *command],
                cwd=environment["HOME"],
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
                timeout=PROCESS_SECONDS,
            )
        )

    call(VERSION)
    call(PASS)
    say("start: --version, then python -c pass ", end="")
    pairs = options.pairs if options.quick else options.pairs * SHORT
    ours, theirs = in_pairs(pairs, lambda: call(VERSION), lambda: call(PASS))
    return Line("--version / python -c pass", "s", ours, theirs, _target(options, 3.0))


def _sandbox(options: Options) -> Line:
    def start() -> float:
        started = []
        taken = seconds(lambda: started.append(start_sandbox_sync(SandboxOptions())))
        started[0].stop_sync()
        return taken

    def cold() -> float:
        with tempfile.TemporaryDirectory(prefix="heatmap-bench-") as empty:
            os.environ["PYTHONPYCACHEPREFIX"] = empty
            try:
                return start()
            finally:
                del os.environ["PYTHONPYCACHEPREFIX"]

    if not options.quick:
        start()
    say("start: sandbox warm, then cold ", end="")
    ours, theirs = in_pairs(options.pairs, start, cold)
    return Line("sandbox warm / cold", "s", ours, theirs)


def _target(options: Options, bound: float) -> Target | None:
    return None if options.quick else Target(bound)


@contextmanager
def _home() -> Iterator[dict[str, str]]:
    """A home without anything in it, and a project that does not answer."""
    ours = ("SUPABASE_", "HEATMAP_")
    with tempfile.TemporaryDirectory(prefix="heatmap-bench-") as home:
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
            "HOME": home,
            "PYTHONPATH": str(ROOT),
            "SUPABASE_URL": "http://127.0.0.1:9",
            "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_nothing_listens_there",
        }
