"""Every run of a sitting leaves evidence, whatever its mode and however it ended."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.verify.conftest import QUICK, finish, open_session
from tui.dry_run.registry import PROBES
from tui.evidence.report import document_beside, report
from tui.guard.target import classify
from tui.redact import Secret
from tui.verify import journal
from tui.verify.dataset import Dataset
from tui.verify.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tui.evidence.gathered import RunEvidence
    from tui.sandbox import Sandbox
    from tui.verify.session import Run

IDS = [probe.id for probe in PROBES]


@asynccontextmanager
async def sitting(
    sandbox: Sandbox, *, url: str | None = None, key: str | None = None, is_sandbox: bool = False
) -> AsyncIterator[Session]:
    """A session on the sandbox with another URL or key."""
    async with open_session(sandbox) as session:
        url, key = url or sandbox.url, key or sandbox.service_role_key
        other = Session(
            session.settings,
            classify(url, key, prod_hosts=session.settings.prod_hosts),
            key=Secret(key),
            is_sandbox=is_sandbox,
            policy=replace(QUICK, attempts=1),
        )
        async with other:
            await other.ask_database()
            yield other


async def evidence_of(session: Session, run: Run) -> RunEvidence:
    """The evidence as it is when a run's end is told; it must be there by then."""
    seen: list[RunEvidence | None] = []
    await finish(run, lambda event: seen.append(session.evidence))
    assert seen[-1] is not None
    assert seen[-1].document["run_id"] == run.run_id
    for made in (report, lambda it: json.dumps(document_beside(it))):
        assert made(seen[-1])
    return seen[-1]


async def test_a_run_of_the_console_shows_the_probes_of_the_dry_run_before_it(
    sandbox: Sandbox,
) -> None:
    async with open_session(sandbox) as session:
        dry_run = await evidence_of(session, session.dry_run())
        cycle = await evidence_of(session, session.cycle())
    assert cycle.document["ready"] is True
    for evidence in (dry_run, cycle):
        assert [each["id"] for each in evidence.document["probes"]] == IDS
        assert f"All {len(IDS)} probes" in report(evidence)
    assert report(dry_run).startswith("# Heatmap dry run: ready\n")
    text = report(cycle)
    assert text.startswith("# Heatmap verification: verified\n")
    headings = ["| Target", "| Volume", "| Check", "| Left behind", "## Refresh", "comparable run"]
    places = [text.index(each) for each in (*headings, "## Probes", "## Versions", "log head")]
    assert places == sorted(places)


async def test_a_probe_asked_again_is_in_the_evidence_beside_the_others(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        await finish(session.dry_run())
        again = await evidence_of(session, session.ask_again(IDS[3]))
    assert again.document["mode"] == "dry-run"
    assert [each["id"] for each in again.document["probes"]] == IDS


async def test_a_dry_run_that_is_not_ready_says_why(sandbox: Sandbox) -> None:
    async with sitting(sandbox, key=sandbox.anon_key) as session:
        failed = await evidence_of(session, session.dry_run())
    text = report(failed)
    assert text.startswith("# Heatmap dry run: not ready\n")
    assert "- **fail** `target.key`" in text
    assert failed.document["exit_code"] == 1


async def test_a_run_that_was_refused_says_so(sandbox: Sandbox) -> None:
    async with open_session(sandbox, HEATMAP_VERIFY_PROD_HOSTS="127.0.0.1") as session:
        refused = await evidence_of(session, session.cycle())
    text = report(refused)
    assert text.startswith("# Heatmap verification: refused\n")
    assert "**production**" in text
    assert "| Left behind | nothing: it did not write |" in text
    assert "| Justification | not recorded |" in text
    assert "## Refresh" not in text


async def test_a_project_that_cannot_be_reached_leaves_evidence(sandbox: Sandbox) -> None:
    async with sitting(sandbox, url="http://127.0.0.1:9") as session:
        unreachable = await evidence_of(session, session.cycle(with_dry_run=True))
    assert report(unreachable).startswith("# Heatmap verification: unreachable\n")
    assert unreachable.document["exit_code"] == 6


async def test_a_purge_leaves_evidence_of_its_own(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        await finish(session.dry_run())
        purged = await evidence_of(session, session.purge())
    text = report(purged)
    assert text.startswith("# Heatmap purge: clean\n")
    assert "| Left behind | 0" not in text
    assert "## Probes" not in text, "the dry run counted what the purge has removed"


async def test_an_interrupted_run_leaves_evidence(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        run = session.cycle()
        run.cancel("interrupted by the test")
        stopped = await evidence_of(session, run)
    assert stopped.document["exit_code"] == 4
    assert "interrupted by the test" in report(stopped)


async def test_the_head_in_the_report_is_that_of_the_finished_log(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        entry = session.deployment_log.open_intent(
            session.target, run_id="other", action="cycle", planned={}
        )
        evidence = await evidence_of(session, session.cycle())
        session.deployment_log.close(entry, outcome="verified")
        last = session.deployment_log.read()[-1].hash
        assert session.keeper.sealed(evidence).facts.log_head == last
        assert evidence.facts.log_head != last


async def test_two_stacks_on_one_machine_are_not_compared(
    sandbox: Sandbox,
) -> None:
    async with open_session(sandbox) as session:
        first = await evidence_of(session, session.cycle())
        assert session.keeper.pace(session.target) is not None
        elsewhere = classify("http://127.0.0.1:54321", sandbox.service_role_key)
        assert session.keeper.pace(elsewhere) is None
    assert first.entry is not None
    assert first.entry.series.identity == f"127.0.0.1:{session.target.port}"
    async with sitting(sandbox, is_sandbox=True) as own:
        assert own.keeper.pace(own.target) is None
        second = await evidence_of(own, own.cycle())
        third = await evidence_of(own, own.cycle())
    assert (second.previous, second.baseline) == (None, None)
    assert second.entry is not None
    assert second.entry.series.identity == "sandbox"
    assert third.previous is not None
    assert third.previous.run_id == second.entry.run_id
    assert "| Target | `sandbox`, **local** |" in report(third)


async def test_a_journal_of_another_stack_on_this_machine_is_not_ours(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        for number, port in ((1, session.target.port + 1), (2, session.target.port)):
            dataset = Dataset(f"20260302-{number:08x}", users=1, questions=1)
            target = replace(session.target, port=port)
            kept = journal.of_run(session.settings.state_dir / "runs", dataset, target)
            kept.open()
            kept.leave()
        assert [each.run_id for each in session.journals] == ["20260302-00000002"]


async def test_lines_of_the_history_that_cannot_be_read_are_told(sandbox: Sandbox) -> None:
    told: list[str] = []
    async with open_session(sandbox) as session:
        session.keeper.history.path.parent.mkdir(parents=True, exist_ok=True)
        session.keeper.history.path.write_text('{"torn\n{"schema": 99}\n')
        await finish(session.cycle(), lambda event: told.append(str(getattr(event, "text", ""))))
    assert any("2 lines of the history" in each for each in told)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://127.0.0.1:54321", "127.0.0.1:54321"),
        ("http://[::1]:54321", "[::1]:54321"),
        ("http://localhost", "localhost:80"),
        ("https://abcdefghijklmnopqrst.supabase.co", "abcdefghijklmnopqrst"),
        ("https://stage.example.org", "stage.example.org"),
    ],
)
def test_a_place_tells_stacks_on_one_machine_apart(url: str, place: str) -> None:
    assert classify(url, "sb_secret_abcdefghijklmnop").place == place
