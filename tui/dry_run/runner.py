"""The dry run: every probe asked at once, each with its own time, none able to hide another.

Nothing here or below writes: requests are GET and HEAD, and functions are called by GET, which
PostgREST runs in a read-only transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tui.dry_run.facts import Facts, UnansweredError
from tui.dry_run.probe import failed, skipped
from tui.dry_run.registry import PROBES, probe_of
from tui.errors import ExitCode
from tui.project import ProjectError
from tui.redact import redact
from tui.verify.events import (
    DryRunFinished,
    Outcome,
    ProbeFinished,
    ProbeStarted,
    ProbeStatus,
    RunFinished,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tui.dry_run.facts import DryRunContext
    from tui.dry_run.probe import Finding, Probe
    from tui.verify.events import Event
    from tui.verify.result import ProbeResult, Result

# The probe without which no other says anything about the project.
_REACHABLE: Final = "target.reachable"
READY: Final = "ready to write synthetic data"
_LONGEST: Final = 400


async def run_probes(context: DryRunContext, emit: Callable[[Event], None]) -> DryRunFinished:
    """Ask every probe, and judge.

    Args:
        context: What the dry run is about.
        emit: Told of each probe as it starts, in the order of display, and as it finishes, and of
            the verdict at last. It must not raise.

    Returns:
        The verdict. A probe's failure, of whatever kind, is part of it and never raised.
    """
    facts = Facts(context)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run(probe, facts, emit)) for probe in PROBES]
        emit(facts.described())
    finally:
        await facts.aclose()
    verdict = verdict_of([task.result() for task in tasks])
    emit(verdict)
    return verdict


async def run_one(
    context: DryRunContext, probe_id: str, emit: Callable[[Event], None]
) -> ProbeFinished:
    """Ask one probe again, with facts asked for anew.

    Raises:
        KeyError: There is no probe of this id.
    """
    probe = probe_of(probe_id)
    facts = Facts(context)
    try:
        return await _run(probe, facts, emit)
    finally:
        await facts.aclose()


def verdict_of(finished: Sequence[ProbeFinished | ProbeResult]) -> DryRunFinished:
    """What the probes' answers come to. Warnings and skips do not block; failures do.

    So do answers that are lacking: a verdict is one of all probes.

    Args:
        finished: At most one answer a probe, in any order.
    """
    counts = Counter(each.status for each in finished)
    order = {probe.id: place for place, probe in enumerate(PROBES)}
    # The order of display puts causes before what follows from them.
    failures = sorted(
        (each for each in finished if each.status is ProbeStatus.FAIL),
        key=lambda each: order.get(each.id, len(order)),
    )
    reasons = [f"{each.id}: {each.detail}" for each in failures]
    lacking = order.keys() - {each.id for each in finished}
    verdict = READY
    if failures:
        verdict = f"not ready: {len(failures)} of {len(finished)} probes failed"
    elif lacking:
        verdict = f"not ready: {len(lacking)} of {len(PROBES)} probes were not asked"
        reasons.append("only a whole dry run says that a project is ready")
    return DryRunFinished(
        ready=not reasons,
        counts={status: counts[status] for status in ProbeStatus},
        reasons=tuple(reasons),
        verdict=verdict,
    )


def end_of(verdict: DryRunFinished, result: Result, seconds: float) -> RunFinished:
    """How a run ends that comes to the verdict and no further.

    Args:
        verdict: What the probes' answers came to.
        result: The run, with those answers.
        seconds: What it took.
    """
    if verdict.ready:
        return RunFinished(Outcome.READY, ExitCode.VERIFIED, verdict.verdict, None, seconds)
    outcome, code = Outcome.NOT_READY, ExitCode.FAILED
    reachable = result.probes.get(_REACHABLE)
    if reachable is not None and reachable.status is ProbeStatus.FAIL:
        outcome, code = Outcome.UNREACHABLE, ExitCode.UNREACHABLE
    return RunFinished(outcome, code, verdict.verdict, None, seconds, verdict.reasons)


async def _run(probe: Probe, facts: Facts, emit: Callable[[Event], None]) -> ProbeFinished:
    emit(ProbeStarted(id=probe.id, group=probe.group, title=probe.title))
    started = time.perf_counter()
    finding = await _ask(probe, facts)
    hint = finding.hint
    if hint is None and finding.status is not ProbeStatus.PASS:
        hint = probe.repair
    finished = ProbeFinished(
        id=probe.id,
        group=probe.group,
        title=probe.title,
        status=finding.status,
        detail=_line(finding.detail),
        hint=None if hint is None else _line(hint),
        ms=(time.perf_counter() - started) * 1_000,
        asked=probe.asked,
    )
    emit(finished)
    return finished


async def _ask(probe: Probe, facts: Facts) -> Finding:
    timeout_s = probe.timeout_s or facts.context.timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            return await probe.ask(facts)
    except UnansweredError as error:
        return skipped(error.reason, error.hint)
    except ProjectError as error:
        return failed(error.message, error.hint)
    except TimeoutError:
        return failed(
            f"no answer within {timeout_s:g} s", "look at the project's status page, then ask again"
        )
    except Exception as error:  # noqa: BLE001 - one probe's defect must not hide the others
        kind = type(error).__name__
        return failed(f"the probe itself failed: {kind}: {error}", "report this as a defect")


def _line(text: str) -> str:
    """Server text as one line of bearable length, without control characters or secrets."""
    printable = "".join(char if char.isprintable() else " " for char in redact(text))
    words = " ".join(printable.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
