"""A finished run together with what it is compared with: what reports are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tui import __version__
from tui.evidence.comparison import Comparison, compare, not_comparable
from tui.evidence.entry import Entry, RunFacts, entry_of
from tui.evidence.history import why_not_comparable
from tui.evidence.thresholds import Threshold, judge_thresholds, violations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.evidence.history import History

CYCLE: Final = "cycle"
WRITING: Final = frozenset({CYCLE, "purge"})
"""Modes that may leave something behind."""

_GROUP: Final = 5
_FAILED: Final = 1


@dataclass(frozen=True, slots=True)
class Against:
    """A run, compared with an earlier one.

    Attributes:
        run_id: The earlier run.
        at: When it ended, UTC.
        same_sql: Whether the SQL objects were the same; None where that is not known.
        comparison: What came of it.
    """

    run_id: str
    at: datetime
    same_sql: bool | None
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """A finished run and its place among the others.

    Attributes:
        document: Its JSON document, after the thresholds: a broken one turns "verified" into
            "failed", exit code 1.
        facts: What the document does not hold.
        entry: The run as the history is to keep it; None where there was no run to keep.
        thresholds: Thresholds and what became of them.
        baseline: Against the marked baseline, or None where there is none.
        previous: Against the last verified comparable run, or None where there is none.
    """

    document: Mapping[str, Any]
    facts: RunFacts
    entry: Entry | None = None
    thresholds: tuple[Threshold, ...] = ()
    baseline: Against | None = None
    previous: Against | None = None


def gather(
    history: History,
    document: Mapping[str, Any],
    facts: RunFacts,
    *,
    max_refresh_ms: float | None = None,
    max_regression_percent: float | None = None,
) -> RunEvidence:
    """Judge a run's thresholds and compare it with earlier runs.

    Args:
        history: Earlier runs; this one may or may not be among them.
        document: The run's JSON document.
        facts: What else is to be known of it.
        max_refresh_ms: What the refresh may take, or None.
        max_regression_percent: How much slower than earlier runs it may be, or None.

    Returns:
        The evidence. Take exit code and outcome from its `document`, append its `entry`.
    """
    if not document.get("target"):
        return RunEvidence(document, facts)
    entry = entry_of(document, facts)
    if document["mode"] != CYCLE:
        return RunEvidence(document, facts, entry)
    thresholds = judge_thresholds(
        entry.refresh_runs_ms,
        [each.refresh_runs_ms for each in history.yardstick(entry)],
        max_refresh_ms=max_refresh_ms,
        max_regression_percent=max_regression_percent,
    )
    judged = _judged(document, thresholds)
    entry = entry_of(judged, facts)
    marked, previous = history.baseline(entry.series), history.previous(entry)
    return RunEvidence(
        judged,
        facts,
        entry,
        tuple(thresholds),
        _against(history, marked, entry),
        _against(history, previous, entry) if previous != marked else None,
    )


def without_run(document: Mapping[str, Any], *, hint: str | None = None) -> RunEvidence:
    """The evidence of what ended before a run began: refused, unreachable, badly configured.

    Args:
        document: The JSON document of the error.
        hint: What to do next, or None.
    """
    now = datetime.now(UTC)
    return RunEvidence(document, RunFacts(finished_at=now, tool_version=__version__, hint=hint))


def compare_runs(history: History, before: Entry, after: Entry) -> Comparison:
    """Compare the refreshes of two runs.

    Where the SQL changed in between, verified runs with the same SQL as either are taken together,
    up to five a side: several runs tell a smaller difference from noise than one.

    Args:
        history: Earlier runs.
        before: The earlier run.
        after: The later run.
    """
    reason = why_not_comparable(before, after)
    if reason is not None:
        return not_comparable(reason)
    if not before.refresh_runs_ms or not after.refresh_runs_ms:
        lacking = before if not before.refresh_runs_ms else after
        return not_comparable(f"run {lacking.run_id} timed no refresh")
    if _same_sql(before, after) is False:
        return compare(_alike(history, before), _alike(history, after))
    return compare([before.refresh_runs_ms], [after.refresh_runs_ms])


def _alike(history: History, entry: Entry) -> list[tuple[float, ...]]:
    alike = [
        each
        for each in history.comparable(entry)
        if each.verified and each.fingerprint == entry.fingerprint
    ]
    return [each.refresh_runs_ms for each in (*alike[-(_GROUP - 1) :], entry)]


def _against(history: History, before: Entry | None, after: Entry) -> Against | None:
    if before is None or before.run_id == after.run_id:
        return None
    comparison = compare_runs(history, before, after)
    return Against(before.run_id, before.at, _same_sql(before, after), comparison)


def _same_sql(one: Entry, other: Entry) -> bool | None:
    if one.fingerprint is None or other.fingerprint is None:
        return None
    return one.fingerprint == other.fingerprint


def _judged(document: Mapping[str, Any], thresholds: list[Threshold]) -> Mapping[str, Any]:
    broken = violations(thresholds)
    if not broken or document["exit_code"] != 0:
        return document
    message = "; ".join(f"{each.name} broken: {each.detail}" for each in broken)
    return {**document, "outcome": "failed", "exit_code": _FAILED, "message": message}
