"""Documents and facts of runs, as the verification would hand them over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tui.evidence.entry import RunFacts, ServerVersions, entry_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.evidence.entry import Entry

BEGAN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

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


def probe(name: str, status: str = "pass", detail: str = "fine", hint: str | None = None) -> Any:
    return {"id": name, "status": status, "detail": detail, "hint": hint, "ms": 1.25}


def document(run_id: Any = "20260302-0a1b2c3d", **changes: Any) -> dict[str, Any]:
    """A verified cycle."""
    return {
        "schema": 1,
        "mode": "cycle",
        "run_id": run_id,
        "outcome": "verified",
        "exit_code": 0,
        "message": "verified: all 1,600 aggregates are right, nothing is left behind",
        "target": {
            "host": "abcdefghijklmnopqrst.supabase.co",
            "ref": "abcdefghijklmnopqrst",
            "kind": "staging",
            "reason": "HEATMAP_VERIFY_NON_PROD_HOSTS names it",
        },
        "settings": {"users": 50, "questions": 200, "batch": 500, "concurrency": 8},
        "probes": [
            probe("auth.service_key"),
            probe("limits.rows", "warn", "1,000 rows a page", "nothing to do: the console pages"),
            probe("permissions.anon", "skip", "no anon key is configured"),
        ],
        "ready": True,
        "stages": [
            {"name": "users", "seconds": 0.41, "count": 50},
            {"name": "responses", "seconds": 0.93, "count": 10_000},
            {"name": "refresh", "seconds": 0.5, "count": 5},
        ],
        "rows": {"users": 50, "questions": 200, "responses": 10_000},
        "refresh_ms": 98.0,
        "refresh_runs_ms": [120.0, 98.0, 97.0, 99.5, 96.0],
        "final_refresh_ms": 81.0,
        "check": {
            "expected": 1600,
            "matched": 1600,
            "mismatched": 0,
            "missing": 0,
            "unexpected": 0,
        },
        "leftovers": {"users": 0, "questions": 0, "responses": 0},
        "view_restored": True,
        "total_seconds": 3.2,
        **changes,
    }


def facts(number: int = 0, **changes: Any) -> RunFacts:
    """Facts of the run that ended `number` minutes after the first."""
    known: dict[str, Any] = {
        "finished_at": BEGAN + timedelta(minutes=number),
        "tool_version": "0.1.0",
        "versions": ServerVersions("15.7", "12.0.2", "2.151.0"),
        "fingerprint": "0123456789abcdef0123456789abcdef",
        "log_head": "ab" * 32,
        "server_ms": (112.0, 90.5, 89.0, 91.0, 88.0),
        "final_server_ms": 74.0,
        **changes,
    }
    return RunFacts(**known)


def entry(number: int, times: Sequence[float] = (100.0,), **changes: Any) -> Entry:
    """The `number`th run in a history."""
    about = {name: changes.pop(name) for name in ("versions", "fingerprint") if name in changes}
    shown = document(f"20260302-{number:08x}", refresh_runs_ms=list(times), **changes)
    return entry_of(shown, facts(number, server_ms=(), **about))
