"""Recorded events, targets and rows that the fake session replays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from tui.errors import ExitCode
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
    ProbeFinished,
    ProbeStarted,
    ProbeStatus,
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

if TYPE_CHECKING:
    from collections.abc import Sequence

DRY_RUN_ID = "20260102t030400-fedcba"
RUN_ID = "20260102t030405-abcdef"
FINISHED = datetime(2026, 1, 2, 3, 4, 8, tzinfo=UTC)
VERSIONS = ServerVersions(postgres="18.4", postgrest="14.1", auth="2.180.0")
FINGERPRINT = "0123456789abcdef0123456789abcdef"
VOLUME = Volume()
STAGES = tuple(Stage)
COUNTS = {
    Stage.USERS: 50,
    Stage.QUESTIONS: 200,
    Stage.RESPONSES: 10_000,
    Stage.REFRESH: 1,
    Stage.CHECK: 1_600,
    Stage.SAMPLE: 2_080,
    Stage.CLEANUP_RESPONSES: 10_000,
    Stage.CLEANUP_QUESTIONS: 200,
    Stage.FINAL_REFRESH: 1,
    Stage.CLEANUP_USERS: 50,
    Stage.AUDIT: 0,
}


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


def probes(*changed: ProbeFinished) -> list[ProbeFinished]:
    """A dry run's answers, all as they should be but for the changed ones."""
    table = [
        ("target.reachable", "The project answers", "200 in 12 ms", 12.0),
        ("target.key", "The key is a service-role key of this project", "role service_role", 0.2),
        ("authentication.admin", "The admin API lists users", "60 users", 9.0),
        ("authentication.wrong-key", "A wrong key is refused", "401", 4.0),
        ("schema.tables", "Tables and their required columns are there", "3 tables", 18.0),
        ("schema.view", "The view has its eight columns", "8 of 8", 18.0),
        ("schema.index", "The unique index is valid", "analytics_heatmap_agg_idx", 21.0),
        ("schema.reader", "analytics_heatmap_admin() answers", "480 rows", 31.0),
        ("permissions.anon-view", "Anonymous callers cannot read the view", "42501", 6.0),
        ("permissions.anon-refresh", "Anonymous callers cannot refresh", "42501", 6.0),
        ("permissions.refresh", "We may refresh the view", "25006: allowed", 8.0),
        ("limits.max-rows", "Reads are paged at the server's row limit", "1,000 rows", 14.0),
        ("limits.timeout", "The refresh fits the statement timeout", "0.2 s of 8 s", 3.0),
        ("leftovers.leftovers", "Nothing is left of earlier runs", "0 rows", 11.0),
        ("volume.planned", "The planned volume is bearable", "10,000 responses on 4,812", 5.0),
    ]
    answers = [
        ProbeFinished(
            identity,
            identity.split(".")[0],
            title,
            ProbeStatus.PASS,
            detail,
            None,
            ms,
            asked="GET /rest/v1/analytics_heatmap_agg?limit=1",
        )
        for identity, title, detail, ms in table
    ]
    by_id = {each.id: each for each in changed}
    return [by_id.get(each.id, each) for each in answers]


def failing(identity: str, detail: str, hint: str) -> ProbeFinished:
    """The probe `identity` with a failure."""
    was = next(each for each in probes() if each.id == identity)
    return replace(was, status=ProbeStatus.FAIL, detail=detail, hint=hint)


def dry_run_events(target: Target, answers: Sequence[ProbeFinished]) -> list[Event]:
    counts = {status: sum(each.status is status for each in answers) for status in ProbeStatus}
    failed = [each for each in answers if each.status is ProbeStatus.FAIL]
    verdict = (
        f"not ready: {len(failed)} of {len(answers)} probes failed"
        if failed
        else "ready to write synthetic data"
    )
    return [
        RunStarted(DRY_RUN_ID, Mode.DRY_RUN, target, VOLUME),
        *(ProbeStarted(each.id, each.group, each.title) for each in answers),
        *answers,
        DryRunFinished(not failed, counts, tuple(each.detail for each in failed), verdict),
        RunFinished(
            Outcome.NOT_READY if failed else Outcome.READY,
            ExitCode.FAILED if failed else ExitCode.VERIFIED,
            verdict,
            None,
            0.42,
        ),
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


def stage_events(stage: Stage, *, steps: int = 2, seconds: float = 0.25) -> list[Event]:
    count = COUNTS[stage]
    return [
        StageStarted(stage, count, f"{stage.value}: working"),
        *(StageProgress(stage, count * (step + 1) // steps, count) for step in range(steps)),
        StageFinished(stage, seconds, count),
    ]


def cycle_events(target: Target) -> list[Event]:
    """A run that is verified."""
    events: list[Event] = [RunStarted(RUN_ID, Mode.CYCLE, target, VOLUME, STAGES)]
    for stage in STAGES:
        events += stage_events(stage)
        if stage is Stage.REFRESH:
            events.append(RefreshTimed(212.4, 190.0, 1))
        elif stage is Stage.CHECK:
            events.append(CheckFinished(1600, 1600, 0, 0, 0))
        elif stage is Stage.SAMPLE:
            events.append(sample())
        elif stage is Stage.FINAL_REFRESH:
            events.append(RefreshTimed(98.0, 80.0, 1, final=True))
    return [
        *events,
        AuditFinished(Tally(), view_restored=True, explanation="as before"),
        RunFinished(
            Outcome.VERIFIED, ExitCode.VERIFIED, "verified: all numbers are right", None, 2.9
        ),
    ]


def purge_events(target: Target) -> list[Event]:
    """A purge that found something and removed it."""
    stages = tuple(stage for stage in STAGES if stage.value.startswith(("cleanup", "final", "aud")))
    events: list[Event] = [RunStarted(RUN_ID, Mode.PURGE, target, VOLUME, stages)]
    for stage in stages:
        events += stage_events(stage)
    return [
        *events,
        AuditFinished(Tally(), view_restored=None),
        RunFinished(Outcome.CLEAN, ExitCode.VERIFIED, "clean: nothing is left", None, 1.1),
    ]


def cancelled_events(target: Target) -> list[Event]:
    """What follows once a run was asked to stop."""
    del target
    return [
        Cancelling("esc was pressed"),
        *stage_events(Stage.CLEANUP_RESPONSES),
        *stage_events(Stage.CLEANUP_QUESTIONS),
        *stage_events(Stage.CLEANUP_USERS),
        AuditFinished(Tally(), view_restored=True),
        Notice("stopped after 5,000 responses"),
        RunFinished(
            Outcome.INTERRUPTED, ExitCode.INTERRUPTED, "stopped; everything was removed", None, 1.4
        ),
    ]
