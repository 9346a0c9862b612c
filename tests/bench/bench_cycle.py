"""The whole cycle, all checks on, against a sequential client that checks nothing.

Both are timed from before their first connection to after their last reply. Latency is added to
every request by the sandbox's gateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import sequential, stack
from tests.bench.figures import Line, Options, Table, Target, in_pairs, say, seconds

if TYPE_CHECKING:
    from tui.sandbox import Sandbox

TARGETS = {0: Target(0.65), 40: Target(0.15), 150: Target(0.10)}


def run(options: Options) -> Table:
    """Measure at each latency, and at the large volume without any."""
    table = Table("Whole cycle with all checks / sequential client without any")
    with stack.running() as sandbox:
        small = 100 if options.quick else 10_000
        stack.verify(sandbox, stack.volume(100))
        for latency in options.latencies:
            table.lines.append(_compare(sandbox, options, small, latency, kind=False))
        if not options.quick:
            table.lines.append(_compare(sandbox, options, options.largest, 0, kind=False))
        middle = options.latencies[0] if options.quick else 40
        table.lines.append(_compare(sandbox, options, small, middle, kind=True))
    table.notes += [
        "requests: ours / the other's, as the gateway counted them",
        "kinder client: responses cascade away with their questions, instead of by ids",
    ]
    return table


def _compare(
    sandbox: Sandbox, options: Options, responses: int, latency: int, *, kind: bool
) -> Line:
    size = stack.volume(responses)
    what = f"{responses:,} responses, {latency} ms" + (", kinder client" if kind else "")
    say(f"cycle: {what} ", end="")
    counts = [0, 0]
    sandbox.set_faults(f"latency={latency}" if latency else None)

    def ours() -> float:
        measured = stack.verify(sandbox, size)
        counts[0] = measured.requests
        return measured.seconds

    def theirs() -> float:
        sandbox.clear_requests()
        taken = seconds(
            lambda: sequential.run(sandbox.url, sandbox.service_role_key, size, kind=kind)
        )
        counts[1] = len(sandbox.requests())
        return taken

    mine, other = in_pairs(options.pairs, ours, theirs)
    sandbox.set_faults(None)
    judged = not kind and not options.quick and responses == 10_000
    target = TARGETS.get(latency) if judged else None
    note = f"requests {counts[0]:,} / {counts[1]:,}"
    return Line(what, "s", mine, other, target, note)
