"""The whole headless command, and its cycle alone, against a sequential client that checks nothing.

The command is timed as a process, from its start to its exit, dry run, checks and audit included.
The cycle and the sequential client are timed from before their first connection to after their last
reply. Latency is added to every request by the sandbox's gateway. The auth server is the vendor's
where `HEATMAP_SANDBOX_AUTH` names one, with targets of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import sequential, stack
from tests.bench.figures import Line, Options, Table, Target, say, seconds

if TYPE_CHECKING:
    from tui.sandbox import Sandbox
    from tui.settings import Volume

ROOT = Path(__file__).resolve().parents[2]
WHOLE = {0: Target(0.75), 40: Target(0.13), 150: Target(0.085)}
WHOLE_ON_THE_VENDORS = {0: Target(0.40), 40: Target(0.22), 150: Target(0.14)}
CYCLE = {0: Target(0.65), 40: Target(0.15), 150: Target(0.10)}
DRY_RUN = {150: Target(1.2)}
ROUND_TRIPS = {40: Target(5.0)}
LIMIT_SECONDS = 900.0


def run(options: Options) -> Table:
    """Measure at each latency."""
    table = Table("The command and its cycle / sequential client without any check")
    size = stack.volume(100 if options.quick else 10_000)
    whole, cycle = (WHOLE_ON_THE_VENDORS, {}) if stack.AUTH in os.environ else (WHOLE, CYCLE)
    with stack.running() as sandbox:
        command(sandbox, stack.volume(100))
        near = 0.0
        for latency in options.latencies:
            sandbox.set_faults(f"latency={latency}" if latency else None)
            measured = _measure(sandbox, size, options, latency)
            sandbox.set_faults(None)
            judged = dict[str, Target | None]()
            if not options.quick:
                judged = {"command": whole.get(latency), "cycle": cycle.get(latency)}
            for name in ("command", "cycle"):
                table.lines.append(
                    Line(
                        f"{name}, {latency} ms",
                        "s",
                        measured[name],
                        measured["theirs"],
                        judged.get(name),
                        f"requests {measured['requests'][name]} / {measured['requests']['theirs']}",
                    )
                )
            dry = measured["dry run"]
            target = None if options.quick else DRY_RUN.get(latency)
            note = f"requests {measured['requests']['dry run']}"
            table.lines.append(Line(f"dry run, {latency} ms", "s", dry, target=target, note=note))
            if not latency:
                near = statistics.median(dry)
            elif near and not options.quick:
                trips = [max(0.0, each - near) / latency * 1_000 for each in dry]
                what = f"dry run, {latency} ms: round trips in a row"
                table.lines.append(Line(what, "", trips, target=ROUND_TRIPS.get(latency)))
    table.notes.append("requests: ours / the other's, as the gateway counted them")
    return table


def _measure(sandbox: Sandbox, size: Volume, options: Options, latency: int) -> dict[str, Any]:
    """Samples of each, taken in turn; who goes first changes from round to round."""
    say(f"cycle: {latency} ms ", end="")
    key = sandbox.service_role_key
    samples = {
        "command": lambda: command(sandbox, size),
        "cycle": lambda: stack.verify(sandbox, size).seconds,
        "theirs": lambda: seconds(lambda: sequential.run(sandbox.url, key, size)),
        "dry run": lambda: command(sandbox, size, "--dry-run"),
    }
    measured: dict[str, Any] = {name: [] for name in samples} | {"requests": {}}
    for number in range(options.pairs):
        order = list(samples) if number % 2 == 0 else list(reversed(samples))
        for name in order:
            sandbox.clear_requests()
            measured[name].append(samples[name]())
            measured["requests"][name] = len(sandbox.requests())
        say(".", end="")
    say("")
    return measured


def command(sandbox: Sandbox, size: Volume, *flags: str) -> float:
    """Seconds of one headless run as a process; of a dry run, those that it states itself.

    Raises:
        RuntimeError: It did not verify, or was not ready.
    """
    result: list[subprocess.CompletedProcess[str]] = []
    taken = seconds(
        lambda: result.append(
            subprocess.run(
                [sys.executable, "-m", "tui", "--headless", "--json", *flags],
                cwd=ROOT,
                env=stack.environment(sandbox, size),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT_SECONDS,
                check=False,
            )
        )
    )
    if result[0].returncode != 0:
        raise RuntimeError(f"it ended with {result[0].returncode}: {result[0].stderr[-500:]}")
    return float(json.loads(result[0].stdout)["total_seconds"]) if flags else taken
