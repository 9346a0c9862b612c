"""From a run on a real project to its verdict: a slowed refresh is told in figures and words."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from tests.verify.conftest import finish, open_session
from tui.records.entry import RunFacts, ServerVersions
from tui.records.evidence import RunEvidence, gather
from tui.records.history import HistoryFile
from tui.records.report import report
from tui.records.thresholds import Judged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def preflight(sandbox: Sandbox) -> Any:
    """What the preflight function says, as the service role hears it."""
    with psycopg.connect(sandbox.db_url) as connection:
        connection.execute("set local role service_role")
        claims = "select set_config('request.jwt.claims', '{\"role\": \"service_role\"}', true)"
        connection.execute(claims)
        row = connection.execute("select public.analytics_heatmap_preflight()").fetchone()
        assert row is not None
        return row[0]


async def run(sandbox: Sandbox, history: HistoryFile) -> RunEvidence:
    """One verification, judged and put on record."""
    known = preflight(sandbox)
    async with open_session(sandbox, users=8, questions=10) as session:
        result = await finish(session.cycle(refresh_runs=2))
    facts = RunFacts(
        finished_at=datetime.now(UTC),
        tool_version="0",
        versions=ServerVersions(postgres=known["server"]["version"]),
        fingerprint=known["fingerprints"]["all"],
        server_ms=tuple(each.server_ms for each in result.refreshes if not each.final),
    )
    evidence = gather(history.read(), result.document(), facts, max_regression_percent=50)
    assert evidence.entry is not None
    history.append(evidence.entry)
    return evidence


async def test_a_slowed_refresh_fails_and_the_report_shows_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    history = HistoryFile(tmp_path / "history.jsonl")
    first = await run(sandbox, history)
    assert first.document["outcome"] == "verified"
    assert first.entry is not None
    assert first.thresholds[0].judged is Judged.NOT_JUDGED
    history.mark_baseline(first.entry, at=datetime.now(UTC))
    with slowed(sandbox, 1.0):
        slow = await run(sandbox, history)
    assert slow.thresholds[0].judged is Judged.BROKEN
    assert (slow.document["outcome"], slow.document["exit_code"]) == ("failed", 1)
    assert slow.baseline is not None
    assert slow.baseline.same_sql is False
    text = report(slow)
    assert "# Heatmap verification: failed" in text
    assert "max-regression 50: **broken**" in text
    assert f"`{first.entry.run_id}`" in text
    assert "(other SQL): **slower:" in text
    assert history.read().yardstick(slow.entry or first.entry) == [first.entry]
