"""The dry run: its probes, all asked at once, each with its own time.

Nothing here or below writes: requests are GET and HEAD, and functions are called by GET, which
PostgREST runs in a read-only transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from tui.dry_run import authentication, leftovers, limits, permissions, schema, target, volume
from tui.dry_run.facts import Facts, Preflight, UnansweredError
from tui.dry_run.probe import failed, skipped
from tui.project import Denied, ProjectError
from tui.redact import redact
from tui.verify.events import (
    DryRunFinished,
    Outcome,
    ProbeResult,
    ProbeStatus,
    RunFinished,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tui.dry_run.facts import DryRunContext
    from tui.dry_run.probe import Finding, Probe
    from tui.verify.events import Event
    from tui.verify.result import Result

# In the order of display, which puts causes before what follows from them.
PROBES: Final[tuple[Probe, ...]] = (
    *target.PROBES,
    *authentication.PROBES,
    *schema.PROBES,
    *permissions.PROBES,
    *limits.PROBES,
    *leftovers.PROBES,
    *volume.PROBES,
)
_BY_ID: Final = {probe.id: probe for probe in PROBES}
READY: Final = "ready to write synthetic data"
_LONGEST: Final = 400
# A hint may be SQL to paste, which is of no use when it is cut.
_LONGEST_HINT: Final = 2_000


def probe_of(probe_id: str) -> Probe:
    """The probe of this id."""
    return _BY_ID[probe_id]


async def run_probes(context: DryRunContext, emit: Callable[[Event], None]) -> DryRunFinished:
    """Ask every probe, and judge.

    `emit` is called with each probe as it starts, in the order of display, and as it finishes, and
    with the verdict at last. A probe's failure is part of the verdict and never raised.
    """
    async with aclosing(Facts(context)) as facts:
        facts.begin()
        answers = await _Asking(facts, emit).answers(PROBES)
        emit(facts.described())
    verdict = verdict_of(list(answers.values()))
    emit(verdict)
    return verdict


async def run_one(
    context: DryRunContext, probe_id: str, emit: Callable[[Event], None]
) -> ProbeResult:
    """Ask one probe again, and what it needs, with facts asked for anew.

    Raises:
        KeyError: There is no probe of this id.
    """
    wanted: set[str] = set()
    missing = {probe_id}
    while missing:
        wanted |= missing
        missing = {need for each in missing for need in probe_of(each).needs} - wanted

    def only(event: Event) -> None:
        if isinstance(event, ProbeResult) and event.id == probe_id:
            emit(event)

    async with aclosing(Facts(context)) as facts:
        answers = await _Asking(facts, only).answers(each for each in PROBES if each.id in wanted)
    return answers[probe_id]


def verdict_of(finished: Sequence[ProbeResult]) -> DryRunFinished:
    """What the probes' answers come to. Warnings do not block, failures do.

    So do answers that are lacking (a verdict is one of all probes), and skips of what a run cannot
    do without.
    """
    counts = Counter(each.status for each in finished)
    by_id = {each.id: each for each in finished}
    told = [(probe, by_id[probe.id]) for probe in PROBES if probe.id in by_id]
    failures = [each for _, each in told if each.status is ProbeStatus.FAIL]
    untold = [each for probe, each in told if probe.vital and each.status is ProbeStatus.SKIP]
    reasons = [f"{each.id}: {each.detail}" for each in failures or untold]
    lacking = len(PROBES) - len(told)
    verdict = READY
    if failures:
        verdict = f"not ready: {len(failures)} of {len(told)} probes failed"
    elif untold:
        verdict = f"not ready: {len(untold)} of {len(told)} probes could not tell"
    elif lacking:
        verdict = f"not ready: {lacking} of {len(PROBES)} probes were not asked"
        reasons = ["only a whole dry run says that a project is ready"]
    return DryRunFinished(
        ready=not reasons,
        counts={status: counts[status] for status in ProbeStatus},
        reasons=tuple(reasons),
        verdict=verdict,
        folded=Counter(each.cause for each in finished if each.cause is not None),
    )


def end_of(verdict: DryRunFinished, result: Result) -> RunFinished:
    """How a run ends that comes to the verdict and no further."""
    outcome = Outcome.READY if verdict.ready else Outcome.NOT_READY
    reachable = result.probes.get("target.reachable")
    if reachable is not None and reachable.status is ProbeStatus.FAIL:
        outcome = Outcome.UNREACHABLE
    return RunFinished(outcome, verdict.verdict, problems=verdict.reasons)


class _Asking:
    """Probes under way, by id; the answers of those that others need are shared."""

    def __init__(self, facts: Facts, emit: Callable[[Event], None]) -> None:
        self._facts = facts
        self._emit = emit
        self._begun: dict[str, asyncio.Task[ProbeResult]] = {}

    async def answers(self, probes: Iterable[Probe]) -> dict[str, ProbeResult]:
        """Ask probes; what one of them needs is among them."""
        async with asyncio.TaskGroup() as group:
            for probe in probes:
                self._emit(ProbeResult(probe.id, probe.group, probe.title))
                self._begun[probe.id] = group.create_task(self._run(probe))
        return {probe_id: task.result() for probe_id, task in self._begun.items()}

    async def _run(self, probe: Probe) -> ProbeResult:
        started = time.perf_counter()
        finding = await self._finding(probe)
        hint = finding.hint
        if hint is None and finding.cause is None and finding.status is not ProbeStatus.PASS:
            hint = probe.repair
        finished = ProbeResult(
            id=probe.id,
            group=probe.group,
            title=probe.title,
            status=finding.status,
            detail=_line(finding.detail, _LONGEST),
            hint=None if hint is None else _line(hint, _LONGEST_HINT),
            ms=(time.perf_counter() - started) * 1_000,
            asked=probe.asked,
            cause=finding.cause,
        )
        self._emit(finished)
        return finished

    async def _finding(self, probe: Probe) -> Finding:
        # What it needs decides what its answer is worth, and not, once the project has answered,
        # when it is asked: otherwise a dry run would be as long as its longest chain of needs.
        at_once = not probe.needs or await self._facts.answers()
        asking = asyncio.create_task(self._ask(probe)) if at_once else None
        try:
            cause = await self._cause(probe.needs)
            if cause is not None:
                return skipped(f"needs {cause}", cause=cause)
            finding = await (asking or self._ask(probe))
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.wait({asking})
        if finding.cause is None or finding.cause not in self._begun:
            return finding
        root = None if finding.cause == probe.id else await self._cause((finding.cause,))
        if root is None:
            return skipped(f"cannot tell: {finding.detail}")
        return skipped(finding.detail, cause=root)

    async def _cause(self, needs: Sequence[str]) -> str | None:
        """The probe that is to blame where one of these failed or was skipped."""
        for needed in needs:
            answer = await self._begun[needed]
            if answer.status in {ProbeStatus.FAIL, ProbeStatus.SKIP}:
                return answer.cause or needed
        return None

    async def _ask(self, probe: Probe) -> Finding:
        timeout_s = self._facts.context.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await probe.ask(self._facts)
        except UnansweredError as error:
            return skipped(error.reason, error.hint, cause=error.cause)
        except Denied as error:
            told = isinstance(await self._facts.preflight_reply(), Preflight)
            cause = "permissions.service_role" if told else "schema.tables"
            return skipped(error.message, cause=cause)
        except ProjectError as error:
            # A refusal that nobody has words for, a gateway's page, or no reply.
            return skipped(f"cannot tell: {error.message}", error.hint)
        except TimeoutError:
            return skipped(
                f"cannot tell: no answer within {timeout_s:g} s",
                "look at the project's status page, then ask again",
            )
        except Exception as error:  # noqa: BLE001 - one probe's defect must not hide the others
            kind = type(error).__name__
            return failed(
                f"internal error in the probe: {kind}: {error}", "report this as a defect"
            )


def _line(text: str, longest: int) -> str:
    """Server text as one line, not too long, without secrets."""
    printable = "".join(char if char.isprintable() else " " for char in redact(text))
    words = " ".join(printable.split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"
