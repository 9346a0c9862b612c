"""Finished runs, as the verification would hand them over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tui.evidence.history import Entry, entry_of
from tui.guard.target import Target, TargetKind, classify
from tui.settings import Volume
from tui.verify.events import (
    AuditFinished,
    CheckFinished,
    DryRunFinished,
    Event,
    Mode,
    Outcome,
    ProbeResult,
    ProbeStatus,
    ProjectDescribed,
    RefreshTimed,
    RunFinished,
    RunStarted,
    ServerVersions,
    Stage,
    StageFinished,
    Tally,
)
from tui.verify.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGAN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REF = "abcdefghijklmnopqrst"
RUN = "20260302-0a1b2c3d"
VOLUME = Volume()
SERVERS = ServerVersions("15.7", "12.0.2", "2.151.0")
DESCRIBED = ProjectDescribed(SERVERS, "0123456789abcdef0123456789abcdef")
TIMES = (120.0, 98.0, 97.0, 99.5, 96.0)
RIGHT = CheckFinished(expected=1600, matched=1600, mismatched=0, missing=0, unexpected=0)
CLEAN = AuditFinished(Tally(), view_restored=True)

# Six refreshes each of 14 unchanged runs, 50 users x 200 questions, one after the other on a
# two-core machine that was busy with other work.
MEASURED: tuple[tuple[float, ...], ...] = (
    (127.841, 133.011, 87.641, 78.72, 101.24, 115.134),
    (112.642, 55.916, 102.383, 109.484, 104.05, 87.213),
    (168.51, 113.767, 113.963, 113.446, 118.38, 120.702),
    (108.913, 64.281, 94.862, 97.601, 83.75, 91.796),
    (81.935, 111.681, 58.489, 68.278, 48.728, 52.367),
    (67.499, 63.888, 67.644, 59.789, 62.574, 63.007),
    (81.816, 94.108, 65.79, 86.871, 69.383, 94.833),
    (141.149, 131.905, 135.858, 115.884, 128.311, 131.58),
    (125.664, 104.05, 87.989, 79.668, 116.034, 68.356),
    (110.275, 90.997, 86.893, 84.062, 92.02, 105.21),
    (93.552, 106.966, 102.244, 109.636, 91.539, 93.474),
    (110.703, 90.397, 97.314, 153.016, 114.428, 292.421),
    (158.185, 95.227, 96.524, 113.562, 103.013, 130.747),
    (65.69, 68.516, 62.826, 73.367, 79.548, 182.125),
)


def target(kind: TargetKind = TargetKind.STAGING, ref: str = REF) -> Target:
    """A hosted project."""
    found = classify(
        f"https://{ref}.supabase.co", "sb_secret_abcdefghijklmnop", non_prod_hosts=(ref,)
    )
    return replace(found, kind=kind)


def probe(
    name: str, status: str = "pass", detail: str = "fine", hint: str | None = None
) -> ProbeResult:
    """An answer of a probe."""
    group = name.partition(".")[0]
    return ProbeResult(name, group, name, ProbeStatus(status), detail, hint, 1.25)


PROBES = (
    probe("authentication.key"),
    probe("limits.max_rows", "warn", "1,000 rows a page", "nothing to do: the console pages"),
    probe("permissions.anon", "skip", "no anon key is configured"),
)


def ended(
    outcome: Outcome = Outcome.VERIFIED,
    message: str = "verified: all 1,600 aggregates are right, nothing is left behind",
    hint: str | None = None,
    seconds: float = 3.2,
    problems: tuple[str, ...] = (),
) -> RunFinished:
    """How a run ended; a verified one unless said otherwise."""
    return RunFinished(outcome, message, hint, seconds, problems)


def going(
    run_id: str = RUN,
    *,
    mode: Mode = Mode.CYCLE,
    at: Target | None = None,
    volume: Volume = VOLUME,
    described: ProjectDescribed | None = DESCRIBED,
    probes: Sequence[ProbeResult] = PROBES,
    times: Sequence[float] = TIMES,
    check: CheckFinished | None = RIGHT,
    audit: AuditFinished | None = CLEAN,
    stages: Sequence[tuple[Stage, float, int]] | None = None,
) -> Result:
    """A run that is about to end; a cycle that found all right unless said otherwise."""
    if stages is None:
        stages = [
            (Stage.USERS, 0.41, volume.users),
            (Stage.QUESTIONS, 0.2, volume.questions),
            (Stage.RESPONSES, 0.93, volume.responses),
            (Stage.REFRESH, 0.5, len(times)),
        ]
    ready = not any(each.status is ProbeStatus.FAIL for each in probes)
    events: list[Event | None] = [
        RunStarted(run_id, mode, at or target(), volume),
        *probes,
        DryRunFinished(ready, {}, (), "ready") if probes else None,
        described,
        *(StageFinished(*each) for each in stages),
        *(RefreshTimed(ms, ms * 0.9, number) for number, ms in enumerate(times, start=1)),
        RefreshTimed(81.0, 74.0, 1, final=True) if audit is not None and times else None,
        check,
        audit,
    ]
    result = Result(mode, clock=lambda: 0.0)
    for event in events:
        if event is not None:
            result.apply(event)
    return result


def empty(mode: Mode, **changes: Any) -> Result:
    """A run that wrote nothing and looked at nothing."""
    return going(
        **{"mode": mode, "times": (), "check": None, "audit": None, "stages": ()} | changes
    )


def entry(
    number: int, times: Sequence[float] = (100.0,), end: RunFinished | None = None, **changes: Any
) -> Entry:
    """The `number`th run in a history."""
    result = going(f"20260302-{number:08x}", times=times, **changes).ended(end or ended())
    assert result.target is not None
    at = BEGAN + timedelta(minutes=number)
    made = entry_of(result, at=at, place=result.target.place)
    assert made is not None
    return made
