"""From a key to what it paints: during a run against idle, in the same console.

The console runs in a terminal of 80 x 24; keys are pressed at odd moments, so that they meet its
ticks anywhere, and timed until a text of the screen they lead to has been painted. The sandbox is
held on the first processor and the console on the others, as they would be on machines of their
own; where the system cannot do that, the table says so.
"""

from __future__ import annotations

import itertools
import os
import random
import statistics
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench import stack
from tests.bench.figures import Line, Options, Table, Target, say
from tests.bench.terminal import Terminal
from tui.settings import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
# Long enough to press all keys in; it is stopped when they are pressed.
LONG = Volume(users=200, questions=6_000)
# For few keys; small batches, one after the other, take longer than they cost.
LONG_ENOUGH = Volume(users=50, questions=1_600, batch=10, concurrency=1)
CONSOLE = ("-m", "tui")
PRESSES = 12
MILLISECONDS = 1_000.0
# A key and a text that only the place it leads to shows.
TO_TARGET: Final = ("t", b"Afterwards")
TO_DRY_RUN: Final = ("d", b"ready to write")
HELP: Final = ("?", b"Step 4 of 4")


@dataclass(slots=True)
class Pressed:
    """Milliseconds from key to paint, in one console.

    Attributes:
        screens: Going to another screen.
        help: Opening the help of the run's own screen.
    """

    screens: list[float] = field(default_factory=list)
    help: list[float] = field(default_factory=list)


def run(options: Options) -> Table:
    """Measure in a console of its own for each pair."""
    table = Table("From key to paint: during a run / idle")
    idle: list[Pressed] = []
    busy: list[Pressed] = []
    say("keys: during a run and idle ", end="")
    with _sandbox_apart(table) as sandbox:
        for _ in range(options.pairs):
            series = _console(sandbox, *((2, LONG_ENOUGH) if options.quick else (PRESSES, LONG)))
            for samples, into in zip(series, (busy, idle), strict=True):
                into.append(samples)
            say("..", end="")
    say("")
    ratio, worst = (None, None) if options.quick else (Target(2.0), Target(100.0))
    for name, what in (("screens", "to another screen"), ("help", "help, over the run's screen")):
        line = Line(what, "ms", _medians(busy, name), _medians(idle, name), ratio)
        table.lines.append(line)
    slowest = [max(each.screens + each.help) for each in busy]
    table.lines.append(Line("slowest of all, during a run", "ms", slowest, target=worst))
    table.notes.append("a sample is the median of one console's presses, or their slowest")
    return table


@contextmanager
def _sandbox_apart(table: Table) -> Iterator[Sandbox]:
    """A sandbox on the first processor; what is started meanwhile goes to the others."""
    every = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
    first, *others = sorted(every) or [0]
    if not others:
        table.notes.append("console and servers share their processors")
        with stack.running() as sandbox:
            yield sandbox
        return
    os.sched_setaffinity(0, {first})
    try:
        with stack.running() as sandbox:
            os.sched_setaffinity(0, others)
            yield sandbox
    finally:
        os.sched_setaffinity(0, every)


def _medians(consoles: list[Pressed], name: str) -> list[float]:
    return [statistics.median(getattr(each, name)) for each in consoles]


def _console(sandbox: Sandbox, presses: int, size: Volume) -> tuple[Pressed, Pressed]:
    """Keys during a run of the console's own, and while nothing runs."""
    environment = {
        **stack.environment(sandbox, size),
        "PYTHONPATH": str(ROOT),
    }
    busy, idle = Pressed(), Pressed()
    rng = random.Random(7)
    with Terminal([sys.executable, *CONSOLE], environment, Path(environment["HOME"])) as terminal:
        terminal.first_frame()
        terminal.wait_for(b"dry run; it writes nothing")
        terminal.press(*TO_DRY_RUN)
        terminal.press("r", b"Write and verify")
        terminal.press("\r", b"esc: stop")
        # The writing of responses is what lasts.
        terminal.wait_for(b"writing synthetic responses")
        _open_help(terminal, rng, presses, busy)
        _change_screens(terminal, rng, presses, busy)
        terminal.press("r", b"esc: stop")
        terminal.press("\x1b", b"esc again")
        terminal.press("\x1b", b"INTERRUPTED")
        terminal.pause(1.0)
        _open_help(terminal, rng, presses, idle)
        _change_screens(terminal, rng, presses, idle)
    return busy, idle


def _change_screens(terminal: Terminal, rng: random.Random, presses: int, into: Pressed) -> None:
    # The first way to a screen lays it out; what counts is every later one.
    for key, marker in (TO_TARGET, TO_DRY_RUN):
        terminal.press(key, marker)
        terminal.pause(0.3)
    for key, marker in itertools.islice(itertools.cycle((TO_TARGET, TO_DRY_RUN)), presses):
        into.screens.append(terminal.press(key, marker) * MILLISECONDS)
        terminal.pause(0.2 + rng.random() * 0.2)


def _open_help(terminal: Terminal, rng: random.Random, presses: int, into: Pressed) -> None:
    for _ in range(presses):
        taken = terminal.press(*HELP)
        into.help.append(taken * MILLISECONDS)
        terminal.pause(0.1 + rng.random() * 0.1)
        # Any paint will do: closing is not what is measured.
        terminal.press("\x1b", b"\x1b[")
        # The next key must not meet the dialog; closing takes no longer than opening.
        terminal.pause(0.2 + 2 * taken + rng.random() * 0.1)
