"""From a key to what it paints: during a run against idle, in the same console.

The console runs in a terminal of 80 x 24 on a sandbox; keys are pressed at odd moments, so that
they meet its ticks anywhere, and timed until a text of the screen they lead to has been painted.
While a run is under way, the sandbox's own processes want the same processors. What these take is
shown by a third series: keys in the idle console while another process does such a run.
"""

from __future__ import annotations

import itertools
import random
import signal
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench import stack
from tests.bench.figures import Line, Options, Table, Target, say
from tests.bench.terminal import WAIT_SECONDS, Terminal
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
    beside: list[Pressed] = []
    say("keys: during a run and idle ", end="")
    with stack.running() as sandbox:
        for _ in range(options.pairs):
            series = _console(sandbox, *((2, LONG_ENOUGH) if options.quick else (PRESSES, LONG)))
            for samples, into in zip(series, (busy, idle, beside), strict=True):
                into.append(samples)
            say("...", end="")
    say("")
    target = None if options.quick else Target(2.0)
    for name, what in (("screens", "to another screen"), ("help", "help, over the run's screen")):
        calm = _medians(idle, name)
        table.lines.append(Line(what, "ms", _medians(busy, name), calm, target))
        also = f"{what}, the run in another process"
        table.lines.append(Line(also, "ms", _medians(beside, name), calm))
    worst, best = ([max(each.screens + each.help) for each in those] for those in (busy, idle))
    table.lines.append(Line("slowest of all", "ms", worst, best))
    table.notes.append("a sample is the median of one console's presses")
    return table


def _medians(consoles: list[Pressed], name: str) -> list[float]:
    return [statistics.median(getattr(each, name)) for each in consoles]


def _console(sandbox: Sandbox, presses: int, size: Volume) -> tuple[Pressed, Pressed, Pressed]:
    """Keys during the console's own run, while nothing runs, and while another process runs."""
    environment = {
        **stack.environment(sandbox, size),
        "PYTHONPATH": str(ROOT),
    }
    busy, idle, beside = Pressed(), Pressed(), Pressed()
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
        terminal.press("r", b"INTERRUPTED")
        with _run_elsewhere(sandbox, environment):
            _open_help(terminal, rng, presses, beside)
            _change_screens(terminal, rng, presses, beside)
    return busy, idle, beside


@contextmanager
def _run_elsewhere(sandbox: Sandbox, environment: dict[str, str]) -> Iterator[None]:
    """A headless run of the same volume that is writing responses; it is stopped at the end."""
    sandbox.clear_requests()
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "tui", "--headless"]
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as child:
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            while not _is_writing(sandbox):
                if child.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the run beside the console did not begin to write")
                time.sleep(0.2)
            yield
        finally:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


def _is_writing(sandbox: Sandbox) -> bool:
    return any(
        seen.method == "POST" and "/rest/v1/responses" in seen.path for seen in sandbox.requests()
    )


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
