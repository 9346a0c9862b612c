"""From a run on a real project to its verdict: a slowed refresh is told in figures and words."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import platformdirs
import psycopg

from tests.verify.conftest import finish, open_session
from tui.evidence.history import HistoryFile
from tui.evidence.report import report
from tui.evidence.thresholds import RUNS_TO_JUDGE, Judged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.evidence.gathered import RunEvidence
    from tui.sandbox import Sandbox

DEFINITION = "select pg_get_functiondef('public.analytics_refresh_heatmap()'::regprocedure)"


@contextmanager
def slowed(sandbox: Sandbox, seconds: float) -> Iterator[None]:
    """The refresh function with a sleep in it."""
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        row = connection.execute(DEFINITION).fetchone()
        assert row is not None
        definition = str(row[0])
        head, begin, body = definition.partition("\nbegin\n")
        assert begin
        connection.execute(f"{head}{begin}  perform pg_catalog.pg_sleep({seconds});\n{body}")
        try:
            yield
        finally:
            connection.execute(definition)


async def verify(sandbox: Sandbox) -> RunEvidence:
    """One verification at a small volume, judged against those before it, and put on record."""
    limit = {"HEATMAP_MAX_REGRESSION": "50"}
    async with open_session(sandbox, users=8, questions=10, **limit) as session:
        result = await finish(session.cycle(refresh_runs=RUNS_TO_JUDGE))
        assert session.evidence is not None
        assert result.finished is not None
        assert session.evidence.document["exit_code"] == result.finished.exit_code
        return session.evidence


def history_of(evidence: RunEvidence) -> HistoryFile:
    """The history of this test's own state directory."""
    assert evidence.entry is not None
    return HistoryFile(platformdirs.user_state_path("heatmap-tui") / "history.jsonl")


async def test_ten_unchanged_runs_in_a_row_pass_and_a_slowed_one_fails(sandbox: Sandbox) -> None:
    first = await verify(sandbox)
    assert first.thresholds[0].judged is Judged.NOT_JUDGED
    history = history_of(first)
    history.mark_baseline(first.entry, at=datetime.now(UTC))  # type: ignore[arg-type]
    for _ in range(10):
        same = await verify(sandbox)
        assert same.thresholds[0].judged is Judged.MET, same.thresholds[0].detail
        assert (same.document["outcome"], same.document["exit_code"]) == ("verified", 0)
        assert "max-regression 50: **met**" in report(same)
    with slowed(sandbox, 0.2):
        slow = await verify(sandbox)
    assert slow.thresholds[0].judged is Judged.BROKEN
    assert (slow.document["outcome"], slow.document["exit_code"]) == ("failed", 1)
    assert slow.baseline is not None
    assert slow.baseline.same_sql is False
    text = report(slow)
    assert text.startswith("# Heatmap verification: failed\n")
    assert "max-regression 50: **broken**" in text
    assert f"baseline `{first.entry.run_id}`" in text  # type: ignore[union-attr]
    assert "(other SQL): **slower:" in text
    assert "comparable runs; limit +50%" in text
    counted = history.read().yardstick(slow.entry)  # type: ignore[arg-type]
    assert len(counted) == 11
    assert slow.entry not in counted, "a slow run must not become the new normal"
