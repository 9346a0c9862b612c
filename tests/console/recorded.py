"""Events recorded of a real run, see `record.py`; targets and rows to replay them with."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tui.dry_run.runner import READY, end_of
from tui.guard.api_key import KeyFacts, KeyKind
from tui.guard.target import Target, TargetKind
from tui.heatmap.rows import AggregateRow
from tui.settings import Volume
from tui.verify.events import (
    AuditFinished,
    Cancelling,
    CheckFinished,
    DryRunFinished,
    Event,
    Mode,
    Notice,
    Outcome,
    ProbeResult,
    ProbeStatus,
    ProjectDescribed,
    RefreshTimed,
    RunFinished,
    RunStarted,
    SampleTaken,
    ServerVersions,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
    Tally,
)
from tui.verify.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path(__file__).with_name("recorded.json")
DRY_RUN_ID = "20260102t030400-fedcba"
RUN_ID = "20260102t030405-abcdef"
FINISHED = datetime(2026, 1, 2, 3, 4, 8, tzinfo=UTC)
VERSIONS = ServerVersions(postgres="18.4", postgrest="14.1", auth="2.180.0")
FINGERPRINT = "0123456789abcdef0123456789abcdef"
VOLUME = Volume()
STAGES = tuple(Stage)


def make_target(
    kind: TargetKind = TargetKind.LOCAL,
    *,
    host: str = "127.0.0.1",
    port: int = 54321,
    ref: str | None = None,
    reason: str = "started by this console on this machine",
) -> Target:
    scheme = "http" if host == "127.0.0.1" else "https"
    return Target(
        url=f"{scheme}://{host}" + (f":{port}" if port != 443 else ""),
        host=host,
        port=port,
        ref=ref,
        kind=kind,
        reason=reason,
        key=KeyFacts(KeyKind.LEGACY_JWT, role="service_role", ref=ref),
        asked_database=True,
    )


STAGING = make_target(
    TargetKind.STAGING,
    host="abcdefghijklmnopqrst.supabase.co",
    port=443,
    ref="abcdefghijklmnopqrst",
    reason="host abcdefghijklmnopqrst.supabase.co is declared in HEATMAP_VERIFY_NON_PROD_HOSTS",
)
PRODUCTION = make_target(
    TargetKind.PRODUCTION,
    host="zyxwvutsrqponmlkjihg.supabase.co",
    port=443,
    ref="zyxwvutsrqponmlkjihg",
    reason="unknown remote host: production until declared in HEATMAP_VERIFY_NON_PROD_HOSTS",
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When what follows it came, in seconds since the run began."""

    at: float


Script = list[Event | Moment]


def _event(content: dict[str, Any], target: Target, run_id: str) -> Event:
    """An event as it was recorded, of another target and by another name."""
    rest = {key: value for key, value in content.items() if key != "type"}
    match content["type"]:
        case "RunStarted":
            stages = tuple(map(Stage, rest["stages"]))
            return RunStarted(run_id, Mode(rest["mode"]), target, VOLUME, stages)
        case "ProbeResult":
            status = rest["status"] and ProbeStatus(rest["status"])
            return ProbeResult(**{**rest, "status": status})
        case "DryRunFinished":
            counts = {ProbeStatus(name): count for name, count in rest["counts"].items()}
            return DryRunFinished(rest["ready"], counts, tuple(rest["reasons"]), rest["verdict"])
        case "StageStarted":
            return StageStarted(**{**rest, "stage": Stage(rest["stage"])})
        case "StageProgress":
            return StageProgress(**{**rest, "stage": Stage(rest["stage"])})
        case "StageFinished":
            return StageFinished(**{**rest, "stage": Stage(rest["stage"])})
        case "RefreshTimed":
            return RefreshTimed(**rest)
        case "CheckFinished":
            return CheckFinished(**{key: value for key, value in rest.items() if value != []})
        case "SampleTaken":
            return sample()
        case "AuditFinished":
            left = {key: value for key, value in rest["leftovers"].items() if key != "type"}
            return AuditFinished(**{**rest, "leftovers": Tally(**left)})
        case "ProjectDescribed":
            return ProjectDescribed(VERSIONS, FINGERPRINT)
        case "Notice":
            return Notice(**rest)
        case "RunFinished":
            return RunFinished(
                Outcome(rest["outcome"]), rest["message"], rest["hint"], rest["seconds"],
                tuple(rest["problems"]),
            )  # fmt: skip
        case other:
            raise ValueError(f"no event is called {other}")


@functools.cache
def _recording() -> dict[str, list[tuple[float, dict[str, Any]]]]:
    """What `record.py` has kept."""
    runs: dict[str, list[tuple[float, dict[str, Any]]]] = json.loads(FILE.read_bytes())
    return runs


def _replay(name: str, target: Target, run_id: str) -> Script:
    script: Script = []
    for at, content in _recording()[name]:
        script += [Moment(at), _event(content, target, run_id)]
    return script


def probes(*changed: ProbeResult) -> list[ProbeResult]:
    """The answers that were recorded, in the order of display, but for the changed ones."""
    said = _replay("dry_run", make_target(), DRY_RUN_ID)
    order = [each.id for each in said if isinstance(each, ProbeResult) and each.status is None]
    answers = {each.id: each for each in said if isinstance(each, ProbeResult) and each.status}
    answers |= {each.id: each for each in changed}
    return [answers[name] for name in order]


def failing(identity: str, detail: str, hint: str) -> ProbeResult:
    """The probe `identity` with a failure."""
    was = next(each for each in probes() if each.id == identity)
    return replace(was, status=ProbeStatus.FAIL, detail=detail, hint=hint)


def dry_run_events(target: Target, answers: Sequence[ProbeResult]) -> Script:
    """A dry run with these answers; it is ready unless one of them has failed."""
    failed = [f"{each.id}: {each.detail}" for each in answers if each.status is ProbeStatus.FAIL]
    verdict = DryRunFinished(
        not failed,
        {status: sum(each.status is status for each in answers) for status in ProbeStatus},
        tuple(failed),
        f"not ready: {len(failed)} of {len(answers)} probes failed" if failed else READY,
    )
    result = Result(Mode.DRY_RUN)
    for each in answers:
        result.apply(each)
    return [
        RunStarted(DRY_RUN_ID, Mode.DRY_RUN, target, VOLUME),
        *(ProbeResult(each.id, each.group, each.title) for each in answers),
        *answers,
        verdict,
        replace(end_of(verdict, result), seconds=0.42),
    ]


def sample(questions: int = 8, weeks: int = 8) -> SampleTaken:
    """A small heatmap, uneven and the same every time."""
    lesions = ("fracture", "sprain", "burn", None)
    rows = []
    for number in range(questions):
        for week in range(weeks):
            attempts = 3 + (number * 7 + week * 5) % 11
            correct = (attempts * ((number * 3 + week) % 10)) // 10
            rows.append(
                AggregateRow(
                    UUID(int=number + 1),
                    lesions[number % 4],
                    ("wrist", "ankle", None)[number % 3],
                    date.fromordinal(date(2025, 11, 3).toordinal() + 7 * week).isoformat(),
                    attempts,
                    correct,
                    round(Decimal(correct) / attempts, 2),
                    Decimal(1000 + 100 * number + week),
                )
            )
    names = {row.question_id: f"{row.topic or 'other'}-{row.question_id.int:04d}" for row in rows}
    return SampleTaken(tuple(rows), len(rows), names=names)


def stage_events(stage: Stage) -> Script:
    """What the recorded cycle says of one stage."""
    return [
        each
        for each in cycle_events(make_target())
        if isinstance(each, StageStarted | StageProgress | StageFinished) and each.stage is stage
    ]


def cycle_events(target: Target) -> Script:
    """The recorded run; it is verified."""
    return _replay("cycle", target, RUN_ID)


def purge_events(target: Target) -> Script:
    """The recorded purge."""
    return _replay("purge", target, RUN_ID)


def cancelled_events(target: Target) -> Script:
    """What follows once a run was asked to stop: the recorded clean-up, and the end of a stop."""
    del target
    return [
        Cancelling("esc was pressed"),
        *stage_events(Stage.CLEANUP_RESPONSES),
        *stage_events(Stage.CLEANUP_QUESTIONS),
        *stage_events(Stage.CLEANUP_USERS),
        AuditFinished(Tally(), view_restored=True),
        Notice("stopped after 5,000 responses"),
        RunFinished(Outcome.INTERRUPTED, "stopped; everything was removed", None, 1.4),
    ]
