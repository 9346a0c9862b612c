"""Peak memory and rate as the volume grows, each run in a process of its own.

The process is the command itself, headless, with its dry run; its children are not counted, and it
has none, since the sandbox belongs to the benchmark. Memory is the resident peak that the kernel
keeps for the process (VmHWM), so this benchmark needs Linux.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import stack
from tests.bench.figures import Line, Options, Table, Target, say

if TYPE_CHECKING:
    from tui.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
MEBIBYTE = 1024.0
LIMIT_SECONDS = 1_800.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ran:
    """What one process did.

    Attributes:
        peak: Most memory it ever held, in MiB.
        writing: Rows a second while responses were written.
        whole: Responses a second over the whole run.
    """

    peak: float
    writing: float
    whole: float


def run(options: Options) -> Table:
    """Measure 10,000 beside 100,000 and, when asked for, 1,000,000 responses."""
    table = Table("Peak memory and rate by volume")
    base = 100 if options.quick else 10_000
    sizes = [1_000 if options.quick else 100_000] + ([1_000_000] if options.million else [])
    with stack.running() as sandbox:
        if not options.quick:
            process(sandbox, 100)
        for responses in sizes:
            # A million take minutes: one is compared with the small run before and after it.
            pairs = 1 if responses >= 1_000_000 else options.pairs
            _compare(sandbox, table, base, responses, pairs, judged=not options.quick)
    return table


def _compare(
    sandbox: Sandbox, table: Table, base: int, responses: int, pairs: int, *, judged: bool
) -> None:
    say(f"scale: {responses:,} beside {base:,} responses ", end="")
    large: list[Ran] = []
    small: list[Ran] = []
    for _ in range(pairs):
        small.append(process(sandbox, base))
        large.append(process(sandbox, responses))
        say("..", end="")
    if pairs == 1 and responses >= 1_000_000:
        after = process(sandbox, base)
        before = small[0]
        small = [
            Ran(
                (before.peak + after.peak) / 2,
                (before.writing + after.writing) / 2,
                (before.whole + after.whole) / 2,
            )
        ]
    say("")
    name = f"{responses:,} / {base:,} responses"
    at_least = Target(0.85, at_least=True) if judged else None
    table.lines += [
        Line(f"{name}: peak memory", "MiB", [each.peak for each in large],
             [each.peak for each in small], Target(1.3) if judged else None),
        Line(f"{name}: peak memory, alone", "MiB", [each.peak for each in large],
             target=Target(150) if judged else None),
        Line(f"{name}: rows written", "rows/s", [each.writing for each in large],
             [each.writing for each in small], at_least),
        Line(f"{name}: whole run", "responses/s", [each.whole for each in large],
             [each.whole for each in small], at_least),
    ]  # fmt: skip


def process(sandbox: Sandbox, responses: int) -> Ran:
    """Verify in a process of its own.

    Raises:
        RuntimeError: It did not verify, or not in time.
    """
    size = stack.volume(responses)
    with subprocess.Popen(
        [sys.executable, "-m", "tui", "--headless", "--json"],
        cwd=ROOT,
        env={**stack.environment(sandbox, size), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        try:
            peak = _watch(child)
            text, _ = child.communicate(timeout=10)
        finally:
            child.kill()
    if child.returncode != 0:
        raise RuntimeError(f"the run of {responses:,} ended with {child.returncode}: {text[-500:]}")
    document = json.loads(text)
    stages = {stage["name"]: stage["seconds"] for stage in document["stages"]}
    return Ran(
        peak / MEBIBYTE,
        responses / stages["responses"],
        responses / document["total_seconds"],
    )


def _watch(child: subprocess.Popen[str]) -> int:
    """Follow a process to its end; the highest peak seen, in KiB."""
    deadline = time.monotonic() + LIMIT_SECONDS
    status = Path(f"/proc/{child.pid}/status")
    peak = 0
    while time.monotonic() < deadline:
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]))
        try:
            child.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return peak
    raise RuntimeError(f"the run took longer than {LIMIT_SECONDS:.0f} s")
