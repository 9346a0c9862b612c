"""From a run on a real project to its verdict: a slowed refresh is told in figures and words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from tests.verify.conftest import finish, open_session
from tui.evidence.archive import Archive
from tui.evidence.comparison import JUDGED_FROM
from tui.evidence.report import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.evidence.report import RunEvidence
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
    limit = {"HEATMAP_MAX_REGRESSION": "100"}
    async with open_session(sandbox, users=4, questions=5, **limit) as session:
        result = await finish(session.cycle(refresh_runs=JUDGED_FROM))
        evidence = Archive.of(session).evidence
        assert evidence is not None
        assert evidence.result.finished == result.finished
        return evidence


async def test_unchanged_runs_pass_and_a_slowed_one_fails(sandbox: Sandbox) -> None:
    """The refresh sleeps in all of them, longer than a busy machine hesitates."""
    with slowed(sandbox, 0.5):
        first = await verify(sandbox)
        assert [each.is_met for each in first.thresholds] == [None]
        for _ in range(2):
            same = await verify(sandbox)
            assert [each.is_met for each in same.thresholds] == [True], same.thresholds
            assert "`--max-regression 100`: **met**" in report(same)
    with slowed(sandbox, 2.0):
        slow = await verify(sandbox)
    assert [each.is_met for each in slow.thresholds] == [False]
    assert slow.entry is not None
    assert (slow.entry.outcome, slow.entry.exit_code) == ("failed", 1)
    assert slow.against is not None
    assert len(slow.against.runs) == 3
    assert slow.against.same_sql is False
    text = report(slow)
    assert text.startswith("# Heatmap verification: failed\n")
    assert "`--max-regression 100`: **broken**" in text
    assert "(other SQL): **slower: " in text
