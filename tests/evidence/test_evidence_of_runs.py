"""Every run of a session leaves evidence, whatever its mode and however it ended."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.verify.conftest import QUICK, finish, open_session
from tui.dry_run.runner import PROBES
from tui.evidence.archive import Archive
from tui.evidence.report import document_beside, report, save
from tui.guard.target import classify
from tui.redact import Secret
from tui.verify import journal
from tui.verify.dataset import Dataset
from tui.verify.events import Mode
from tui.verify.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tui.evidence.report import RunEvidence
    from tui.sandbox import Sandbox
    from tui.verify.session import Run

IDS = [probe.id for probe in PROBES]


@asynccontextmanager
async def session_with(
    sandbox: Sandbox, *, url: str | None = None, key: str | None = None, is_sandbox: bool = False
) -> AsyncIterator[Session]:
    """A session on the sandbox with another URL or key."""
    async with open_session(sandbox) as session:
        url, key = url or sandbox.url, key or sandbox.service_role_key
        other = Session(
            session.settings,
            classify(url, key, prod_hosts=session.settings.prod_hosts),
            key=Secret(key),
            archive=Archive.configured(session.settings, is_sandbox=is_sandbox),
            is_sandbox=is_sandbox,
            policy=replace(QUICK, attempts=1),
        )
        async with other:
            await other.ask_database()
            yield other


async def evidence_of(session: Session, run: Run) -> RunEvidence:
    """The evidence as it is when a run's end is told; it must be there by then."""
    seen: list[RunEvidence | None] = []
    await finish(run, lambda _: seen.append(Archive.of(session).evidence))
    assert seen[-1] is not None
    assert seen[-1].run_id == run.run_id
    for made in (report, lambda it: json.dumps(document_beside(it))):
        assert made(seen[-1])
    return seen[-1]


def probes_in(evidence: RunEvidence) -> list[str]:
    return list(evidence.result.probes)


def exit_code(evidence: RunEvidence) -> int:
    assert evidence.result.finished is not None
    return evidence.result.finished.exit_code


async def test_a_run_of_the_console_shows_the_probes_of_the_dry_run_before_it(
    sandbox: Sandbox,
) -> None:
    async with open_session(sandbox) as session:
        dry_run = await evidence_of(session, session.dry_run())
        cycle = await evidence_of(session, session.cycle())
    assert cycle.result.ready
    for evidence in (dry_run, cycle):
        assert probes_in(evidence) == IDS
        assert f"All {len(IDS)} probes" in report(evidence)
    assert report(dry_run).startswith("# Heatmap dry run: ready\n")
    text = report(cycle)
    assert text.startswith("# Heatmap verification: verified\n")
    headings = ["| **Project", "| **Volume", "| **Numbers", "| **Leftovers", "| **Stays"]
    below = ["## Refresh", "comparable run", "## Probes", "<summary>Versions", "SQL objects"]
    places = [text.index(each) for each in (*headings, *below)]
    assert places == sorted(places)


async def test_a_probe_asked_again_is_in_the_evidence_beside_the_others(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        await finish(session.dry_run())
        again = await evidence_of(session, session.ask_again(IDS[3]))
    assert again.result.mode is Mode.DRY_RUN
    assert probes_in(again) == IDS


async def test_a_dry_run_that_is_not_ready_says_why(sandbox: Sandbox) -> None:
    async with session_with(sandbox, key=sandbox.anon_key) as session:
        failed = await evidence_of(session, session.dry_run())
    text = report(failed)
    assert text.startswith("# Heatmap dry run: not ready\n")
    assert "- **fail** `target.key`" in text
    assert exit_code(failed) == 1


async def test_a_run_that_was_refused_says_so(sandbox: Sandbox) -> None:
    async with open_session(sandbox, HEATMAP_VERIFY_PROD_HOSTS="127.0.0.1") as session:
        refused = await evidence_of(session, session.cycle())
    text = report(refused)
    assert text.startswith("# Heatmap verification: refused\n")
    assert "**production**" in text
    assert "| **Leftovers** | nothing: it did not write |" in text
    assert "| **Justification** | **not** in the deployment log |" in text
    assert "## Refresh" not in text


async def test_a_project_that_cannot_be_reached_leaves_evidence(sandbox: Sandbox) -> None:
    async with session_with(sandbox, url="http://127.0.0.1:9") as session:
        unreachable = await evidence_of(session, session.cycle(with_dry_run=True))
    assert report(unreachable).startswith("# Heatmap verification: unreachable\n")
    assert exit_code(unreachable) == 6


async def test_a_purge_leaves_evidence_of_its_own(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        await finish(session.dry_run())
        purged = await evidence_of(session, session.purge())
    text = report(purged)
    assert text.startswith("# Heatmap purge: clean\n")
    assert "| **Leftovers** | nothing; " in text
    assert "## Probes" not in text, "the dry run counted what the purge has removed"


async def test_an_interrupted_run_leaves_evidence(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        run = session.cycle()
        run.cancel("interrupted by the test")
        stopped = await evidence_of(session, run)
    assert exit_code(stopped) == 4
    assert "**Interrupted by the test; nothing was written.**" in report(stopped)


async def test_history_and_report_hold_the_last_hash_of_the_log(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        archive = Archive.of(session)
        archive.log.open_intent(session.target, run_id="other", action="cycle", planned={})
        evidence = await evidence_of(session, session.cycle())
        last = archive.log.read()[-1].hash
        assert evidence.log_head == last
        (entry,) = archive.history.read().entries
        assert (entry.log, entry.log_head) == (str(archive.log.path), last)
        save(archive.reports / "one.md", evidence)
        where = [each.where for each in archive.anchors() if each.hash == last]
        assert len(where) == 2
        archive.log.path.write_bytes(b"")
        assert len(archive.log.check(archive.anchors()).problems) == 2


async def test_the_report_says_which_sql_was_there_at_this_run(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        await finish(session.dry_run())
        first = await evidence_of(session, session.cycle())
        with commented(sandbox):
            # Since the session and its dry run looked at the database.
            second = await evidence_of(session, session.cycle())
    assert first.result.described is not None
    assert second.result.described is not None
    assert first.result.described.fingerprint
    assert first.result.described.fingerprint != second.result.described.fingerprint
    assert first.result.described.versions.auth
    assert "(other SQL)" in report(second)


@contextmanager
def commented(sandbox: Sandbox) -> Iterator[None]:
    """The reader function with a comment in it."""
    which = "select pg_get_functiondef('public.analytics_refresh_heatmap()'::regprocedure)"
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        row = connection.execute(which).fetchone()
        assert row is not None
        definition = str(row[0])
        connection.execute(definition.replace("\nbegin\n", "\nbegin -- changed\n"))
        try:
            yield
        finally:
            connection.execute(definition)


async def test_two_stacks_on_one_machine_are_not_compared(
    sandbox: Sandbox,
) -> None:
    async with open_session(sandbox) as session:
        first = await evidence_of(session, session.cycle())
        assert await session.archive.pace(session.target) is not None
        elsewhere = classify("http://127.0.0.1:54321", sandbox.service_role_key)
        assert await session.archive.pace(elsewhere) is None
    assert first.entry is not None
    assert first.entry.series.identity == f"127.0.0.1:{session.target.port}"
    async with session_with(sandbox, is_sandbox=True) as own:
        assert await own.archive.pace(own.target) is None
        second = await evidence_of(own, own.cycle())
        third = await evidence_of(own, own.cycle())
    assert second.against is None
    assert second.entry is not None
    assert second.entry.series.identity == "sandbox"
    assert third.against is not None
    assert third.against.runs == (second.entry,)
    assert "| **Project** | `sandbox`, **local**: " in report(third)


async def test_a_journal_of_another_stack_on_this_machine_is_not_ours(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        for number, port in ((1, session.target.port + 1), (2, session.target.port)):
            dataset = Dataset(f"20260302-{number:08x}", users=1, questions=1)
            target = replace(session.target, port=port)
            kept = journal.of_run(session.settings.state_dir / "runs", dataset, target)
            kept.open()
            kept.release()
        assert [each.run_id for each in session.journals] == ["20260302-00000002"]


async def test_lines_of_the_history_that_cannot_be_read_are_told(sandbox: Sandbox) -> None:
    told: list[str] = []
    async with open_session(sandbox) as session:
        path = Archive.of(session).history.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"torn\n{"schema": 99}\n')
        await finish(session.cycle(), lambda event: told.append(str(getattr(event, "text", ""))))
    assert any("2 lines of the history" in each for each in told)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://127.0.0.1:54321", "127.0.0.1:54321"),
        ("http://[::1]:54321", "[::1]:54321"),
        ("http://localhost", "localhost"),
        ("https://abcdefghijklmnopqrst.supabase.co", "abcdefghijklmnopqrst"),
        ("https://stage.example.org", "stage.example.org"),
    ],
)
def test_a_place_tells_stacks_on_one_machine_apart(url: str, place: str) -> None:
    assert classify(url, "sb_secret_abcdefghijklmnop").place == place
