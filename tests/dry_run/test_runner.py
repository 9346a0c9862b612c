"""The dry run as a whole: order, isolation, thrift, and that nothing of it reaches a table."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.dry_run.contexts import context_of
from tests.written import quiet, written
from tui.dry_run import runner
from tui.dry_run.probe import Finding, passed, warned
from tui.dry_run.runner import PROBES, READY, probe_of, run_one, run_probes, verdict_of
from tui.verify.events import DryRunFinished, ProbeResult, ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Database
    from tui.dry_run.facts import Facts
    from tui.dry_run.probe import Ask, Probe
    from tui.sandbox import Sandbox
    from tui.verify.events import Event

    Sabotage = Callable[[Ask], None]

VICTIM = "leftovers.users"


@pytest.fixture
def sabotage(monkeypatch: pytest.MonkeyPatch) -> Sabotage:
    """Replace what one probe does."""

    def replace_probe(ask: Ask) -> None:
        probes = [replace(probe, ask=ask) if probe.id == VICTIM else probe for probe in PROBES]
        monkeypatch.setattr(runner, "PROBES", probes)

    return replace_probe


async def all_of(sandbox: Sandbox, **changes: object) -> tuple[DryRunFinished, list[Event]]:
    events: list[Event] = []
    async with context_of(sandbox, **changes) as context:
        return await run_probes(context, events.append), events


def answers(events: list[Event]) -> dict[str, ProbeResult]:
    return {event.id: event for event in events if isinstance(event, ProbeResult) and event.status}


def others(events: list[Event]) -> set[str]:
    """Probes beside the replaced one that did not pass; latency is this machine's business."""
    found = {id_ for id_, each in answers(events).items() if each.status is not ProbeStatus.PASS}
    return found - {VICTIM, "target.latency"}


async def test_a_sound_project_is_ready_to_write_synthetic_data(sandbox: Sandbox) -> None:
    verdict, events = await all_of(sandbox)

    assert verdict.reasons == ()
    assert verdict.ready
    assert verdict.verdict == READY == "ready to write synthetic data"
    assert verdict.counts[ProbeStatus.FAIL] == verdict.counts[ProbeStatus.SKIP] == 0
    assert sum(verdict.counts.values()) == len(PROBES)
    assert events[-1] is verdict


async def test_probes_start_in_the_order_of_display_and_each_answers_once(
    sandbox: Sandbox,
) -> None:
    _, events = await all_of(sandbox)

    ids = [probe.id for probe in PROBES]
    assert [
        event.id for event in events if isinstance(event, ProbeResult) and event.status is None
    ] == ids
    finished = Counter(
        event.id for event in events if isinstance(event, ProbeResult) and event.status
    )
    assert finished == Counter(ids)
    assert all(answer.ms >= 0 and answer.asked for answer in answers(events).values())


async def test_facts_are_asked_for_once(start_private_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = start_private_sandbox()
    sandbox.clear_requests()

    await all_of(sandbox)

    seen = Counter((each.method, each.path) for each in sandbox.requests())
    repeated = {request for request, times in seen.items() if times > 1}
    # Latency is measured three times; what anon and a wrong key may not do is asked of both.
    health = ("GET", "/auth/v1/health")
    assert seen[health] == 3
    assert all("analytics" in path or path.startswith("/auth") for _, path in repeated)
    assert max(seen[request] for request in repeated - {health}) == 2
    assert seen.total() <= 40


async def test_nothing_is_written(start_private_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = start_private_sandbox()
    quiet(sandbox)
    before = written(sandbox, disconnect=False)
    await all_of(sandbox)
    after = written(sandbox, disconnect=False)
    assert after["next transaction"] == before["next transaction"]

    # The measure itself must be able to tell.
    with psycopg.connect(sandbox.db_url) as connection:
        connection.execute("create table pg_temp.something (n int)")
    told = written(sandbox, disconnect=False)
    assert told["next transaction"] != before["next transaction"]


async def test_a_crashing_probe_fails_alone(sandbox: Sandbox, sabotage: Sabotage) -> None:
    async def crash(_: Facts) -> Finding:
        raise RuntimeError("no such\nluck with eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl")

    sabotage(crash)
    verdict, events = await all_of(sandbox)

    answer = answers(events)[VICTIM]
    assert answer.status is ProbeStatus.FAIL
    assert (
        answer.detail == "internal error in the probe: RuntimeError: no such luck with [redacted]"
    )
    assert answer.hint
    assert verdict.verdict == f"not ready: 1 of {len(PROBES)} probes failed"
    assert verdict.reasons == (f"{VICTIM}: {answer.detail}",)
    assert others(events) == set()


async def test_a_hanging_probe_is_given_up_alone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: Facts) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def answer_at_once(_: Facts) -> Finding:
        return passed("fine")

    # Neither needs another or waits for a reply: so little time is enough on any machine.
    hanging = replace(probe_of("target.key"), ask=hang)
    quick = replace(probe_of("target.expiry"), ask=answer_at_once)
    monkeypatch.setattr(runner, "PROBES", [hanging, quick])
    _, events = await all_of(sandbox, timeout_s=0.05)

    given_up = answers(events)[hanging.id]
    assert given_up.status is ProbeStatus.SKIP
    assert given_up.detail == "cannot tell: no answer within 0.05 s"
    assert answers(events)[quick.id].status is ProbeStatus.PASS


async def test_one_that_runs_out_of_time_leaves_shared_facts_to_the_others(
    sandbox: Sandbox, sabotage: Sabotage
) -> None:
    async def hurry(facts: Facts) -> Finding:
        async with asyncio.timeout(1e-6):
            return await probe_of("schema.populated").ask(facts)

    sabotage(hurry)
    _, events = await all_of(sandbox)

    assert answers(events)[VICTIM].status is ProbeStatus.SKIP
    assert answers(events)["schema.index"].status is ProbeStatus.PASS


async def test_a_warning_does_not_block(sandbox: Sandbox, sabotage: Sabotage) -> None:
    async def warn(_: Facts) -> Finding:
        return warned("something to look at")

    sabotage(warn)
    verdict, events = await all_of(sandbox)

    assert verdict.ready
    assert verdict.verdict == READY
    # How long a request waits is this machine's business.
    warned_of = {id_ for id_, each in answers(events).items() if each.status is ProbeStatus.WARN}
    assert warned_of - {"target.latency"} == {VICTIM}
    assert answers(events)[VICTIM].hint == probe_of(VICTIM).repair


async def test_server_text_comes_as_one_printable_line(
    sandbox: Sandbox, sabotage: Sabotage
) -> None:
    async def shout(_: Facts) -> Finding:
        return passed("a\x1b[31m\r\nb\u202e" + "c" * 1_000)

    sabotage(shout)
    _, events = await all_of(sandbox)

    detail = answers(events)[VICTIM].detail
    assert detail.startswith("a [31m b c")
    assert detail.isprintable()
    assert len(detail) == 400


async def test_cancelling_leaves_no_task_behind(sandbox: Sandbox, sabotage: Sabotage) -> None:
    reached = asyncio.Event()

    async def hang(_: Facts) -> Finding:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    sabotage(hang)
    before = asyncio.all_tasks()
    async with context_of(sandbox) as context:
        running = asyncio.create_task(run_probes(context, lambda _: None))
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert asyncio.all_tasks() == before


async def test_one_probe_can_be_asked_again(sandbox: Sandbox, database: Database) -> None:
    events: list[Event] = []
    async with context_of(sandbox) as context:
        try:
            database.execute("alter table public.responses disable row level security")
            broken = await run_one(context, "permissions.lint_0013", events.append)
        finally:
            database.execute("alter table public.responses enable row level security")
        mended = await run_one(context, "permissions.lint_0013", events.append)

    assert broken.status is ProbeStatus.FAIL
    assert mended.status is ProbeStatus.PASS
    assert [isinstance(event, ProbeResult) and event.status is not None for event in events] == [
        False,
        True,
    ] * 2


async def test_asking_for_no_known_probe_is_an_error(sandbox: Sandbox) -> None:
    async with context_of(sandbox) as context:
        with pytest.raises(KeyError):
            await run_one(context, "target.nonsense", lambda _: None)


async def test_no_event_shows_a_key(sandbox: Sandbox) -> None:
    _, events = await all_of(sandbox)

    shown = repr(events)
    for key in (sandbox.service_role_key, sandbox.anon_key):
        assert key not in shown
        assert key.rpartition(".")[2] not in shown


def test_reasons_come_causes_first_and_failures_block() -> None:
    answered = [
        _answer(PROBES[n], status) for n, status in ((40, "fail"), (0, "fail"), (3, "warn"))
    ]

    verdict = verdict_of(answered)

    assert not verdict.ready
    assert [reason.partition(":")[0] for reason in verdict.reasons] == [PROBES[0].id, PROBES[40].id]
    assert verdict.verdict == "not ready: 2 of 3 probes failed"


def _answer(probe: Probe, status: str) -> ProbeResult:
    verdict = ProbeStatus(status)
    return ProbeResult(probe.id, probe.group, probe.title, verdict, "seen", None, 1.0)


def test_the_probes_are_well_formed() -> None:
    ids = [probe.id for probe in PROBES]
    assert len(set(ids)) == len(ids)
    order = [probe.group for probe in PROBES]
    groups = tuple(dict.fromkeys(order))
    assert sorted(order, key=groups.index) == order, "groups must not be interleaved"
    assert groups == (
        "target",
        "authentication",
        "schema",
        "permissions",
        "limits",
        "leftovers",
        "volume",
    )
    for probe in PROBES:
        assert probe.severity in {ProbeStatus.FAIL, ProbeStatus.WARN}
        texts = (probe.title, probe.asked, probe.fails_when, probe.repair)
        assert all(text and text.isprintable() and not text.endswith(".") for text in texts)
        # A title has to fit beside a status and a time at 80 columns.
        assert len(probe.title) <= 50, probe.id
