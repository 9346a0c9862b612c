"""Events in words, one line each, for a log or a terminal without screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.verify.events import (
    AuditFinished,
    CanaryFinished,
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
    Retrying,
    RunFinished,
    RunStarted,
    SampleTaken,
    StageFinished,
    by_source,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARKS: Final = {
    ProbeStatus.PASS: "ok  ",
    ProbeStatus.WARN: "warn",
    ProbeStatus.FAIL: "FAIL",
    ProbeStatus.SKIP: "skip",
}
_TOLD_BEFORE: Final = {Outcome.NOT_READY, Outcome.UNREACHABLE}
_BEGINNINGS: Final = {
    Mode.DRY_RUN: "dry run (nothing is written)",
    Mode.CYCLE: "verification",
    Mode.PURGE: "purge of earlier runs",
    Mode.HEATMAP: "heatmap",
}


def narrate(event: Event) -> str | None:  # noqa: PLR0911, PLR0912 - a line for each kind of event
    """An event as one line or a few; None for those that only move a bar."""
    match event:
        case RunStarted():
            target = event.target
            return (
                f"{_BEGINNINGS[event.mode]} {event.run_id} on {target.identity} "
                f"[{target.kind.upper()}: {target.reason}]"
            )
        case ProjectDescribed() if event.fills:
            lines = [f"{table}.{columns}" for table, columns in by_source(event.fills)]
            return "\n".join(["  a run fills", *_indented(lines)])
        # What follows from another is counted under that one, with the verdict.
        case ProbeResult(status=ProbeStatus() as status, cause=None):
            line = f"  {_MARKS[status]} {event.id}: {event.detail}"
            return line + (f"\n         -> {event.hint}" if event.hint else "")
        case DryRunFinished():
            folded = [
                f"  {_MARKS[ProbeStatus.SKIP]} {count} more: {cause} comes first"
                for cause, count in event.folded.items()
            ]
            told = [event.verdict] if event.ready else ["because", *_indented(event.reasons)]
            return "\n".join([*folded, *told])
        case StageFinished():
            state = "failed" if event.failed else "done"
            note = f": {event.note}" if event.note else ""
            return f"  {event.stage}: {event.count:,} {state} in {event.seconds:.2f} s{note}"
        case RefreshTimed():
            server = "" if event.server_ms is None else f" (server {event.server_ms:,.0f} ms)"
            which = "final refresh" if event.final else f"refresh {event.number}"
            return f"  {which}: {event.ms:,.0f} ms{server}"
        case CanaryFinished():
            return f"  canary: {event}"
        case CheckFinished():
            first = f"  check: {event.matched:,} of {event.expected:,} aggregates are right"
            groups = [
                f"{each.count:,} differ in {each.kind}: {each.reason}; first {each.first}"
                if each.first.columns
                else f"{each.count:,} {each.kind}: {each.reason}; first {each.first}"
                for each in event.groups
            ]
            return "\n".join([first, *_indented(groups)])
        case SampleTaken():
            known = f", refreshed {event.refreshed_at}" if event.refreshed_at else ""
            remark = f", {event.remark}" if event.remark else ""
            return f"  heatmap: {len(event.rows):,} of {event.total:,} rows read{known}{remark}"
        case Retrying():
            return (
                f"  retrying {event.attempt} of {event.attempts} in {event.wait_s:.1f} s: "
                f"{event.reason} ({event.what})"
            )
        case Notice():
            return f"  {'warning: ' if event.warning else ''}{event.text}"
        case Cancelling():
            return f"  {event.reason}: cleaning up"
        case AuditFinished():
            return f"  left behind: {event.leftovers}; {event.explanation}"
        case RunFinished(outcome=Outcome.READY):
            return None
        case RunFinished():
            # Why a dry run is not ready was printed with its verdict.
            because = () if event.outcome in _TOLD_BEFORE else event.problems
            told = [f"  {each}" for each in because if each not in event.message]
            hint = [f"  -> {event.hint}"] if event.hint else []
            return "\n".join([event.message, *told, *hint])
        case _:
            return None


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
