"""Break the project one thing at a time: exactly the probes that should notice do.

And for each: no tuple is written anywhere, every request is on the list, the hint repairs it.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.mutations.bench import ALLOWED
from tests.mutations.catalogue import MUTATIONS, SERVERS, chosen
from tests.mutations.mutation import Repair
from tui.dry_run.runner import PROBES, READY, probe_of

if TYPE_CHECKING:
    from tests.mutations.bench import Bench, Run
    from tests.mutations.mutation import Mutation
    from tests.written import Written
    from tui.sandbox import SeenRequest


def test_an_intact_project_is_ready(bench: Bench) -> None:
    bench.requests()
    before = bench.writes(disconnect=False)
    run = bench.run(bench.setup)
    seen = bench.requests()
    after = bench.writes(disconnect=True)
    bench.sandbox.restart_postgrest()

    assert run.unlike(dict.fromkeys((probe.id for probe in PROBES), "pass")) == []
    assert run.verdict.verdict == READY
    check_write_free(before, after, seen)


def test_a_write_would_be_seen(bench: Bench) -> None:
    before = bench.writes(disconnect=False)
    asyncio.run(post_refresh(bench))
    after = bench.writes(disconnect=True)
    seen = bench.requests()
    bench.sandbox.restart_postgrest()

    assert all(before[measure] != after[measure] for measure in before)
    assert not ALLOWED.match(f"{seen[-1].method} {seen[-1].path}")


async def post_refresh(bench: Bench) -> None:
    async with httpx.AsyncClient(base_url=bench.sandbox.url) as client:
        key = bench.setup.service_key
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        path = "/rest/v1/rpc/analytics_refresh_heatmap"
        (await client.post(path, headers=headers)).raise_for_status()


def test_a_mutation_is_noticed_by_exactly_the_probes_it_concerns(
    bench: Bench, mutation: Mutation
) -> None:
    if bench.version < mutation.since:
        pytest.skip(f"PostgreSQL {bench.version} knows no such thing")
    setup = bench.mutate(mutation)
    bench.requests()
    before = None if mutation.database_down else bench.writes(disconnect=False)
    try:
        bench.sandbox.set_faults(mutation.faults)
        run = bench.run(setup)
        seen = bench.requests()
        after = None if mutation.database_down else bench.writes(disconnect=True)
    finally:
        bench.repair(mutation)

    check_verdict(mutation, run)
    check_write_free(before, after, seen)
    check_repair(bench, mutation, run)


def check_verdict(mutation: Mutation, run: Run) -> None:
    assert run.unlike(mutation.expected()) == []
    noticed = {id_ for id_, status in run.statuses.items() if status in {"fail", "warn"}}
    assert noticed == mutation.noticed
    failed = sorted(mutation.fails)
    if failed:
        assert sorted(reason.partition(":")[0] for reason in run.verdict.reasons) == failed
        expected = f"not ready: {len(failed)} of {len(PROBES)} probes failed"
        assert run.verdict.verdict == expected
    blocked = failed or [id_ for id_ in mutation.skips if probe_of(id_).vital]
    assert run.verdict.ready is not bool(blocked)
    if not mutation.skips_rest:
        assert sum(run.verdict.folded.values()) == mutation.follow
    assert all(run.hints(noticed | set(mutation.skips))), "a notice without a hint"
    assert not [f for f in run.finished.values() if "internal error" in f.detail]


def check_write_free(
    before: Written | None, after: Written | None, seen: list[SeenRequest]
) -> None:
    assert after == before, "rows were written"
    assert seen, "nothing was asked"
    strays = [f"{each.method} {each.path}" for each in seen]
    assert [stray for stray in strays if not ALLOWED.match(stray)] == []


def check_repair(bench: Bench, mutation: Mutation, run: Run) -> None:
    """The hints name the repair, and with it done, nothing is left to notice."""
    told = {id_ for id_, status in run.statuses.items() if status != "pass"}
    hints = "\n".join(run.hints(told))
    if mutation.noticed:
        files = [repair.value for repair in mutation.repairs if isinstance(repair, Repair)]
        for words in [mutation.hint] if mutation.hint else files:
            assert words in hints
    try:
        # Keys, settings, and a network that has recovered leave nothing to repair.
        if mutation.sql or mutation.database_down:
            repaired = bench.run(bench.setup)
            assert repaired.unlike(dict.fromkeys(repaired.finished, "pass")) == []
    finally:
        bench.take_back(mutation)


def test_six_seeds_in_a_row_cover_everything() -> None:
    every = {(server, mutation.name) for server in SERVERS for mutation in MUTATIONS}
    for start in (0, 739_577):
        runs = [chosen(configured(seed)) for seed in range(start, start + 6)]
        assert {(server, mutation.name) for run in runs for server, mutation in run} == every
        assert {len(run) for run in runs} <= {len(MUTATIONS) // 3, len(MUTATIONS) // 3 + 1}


def configured(seed: int) -> Any:
    options = {"--sample-seed": seed, "--all-mutations": False}
    return SimpleNamespace(getoption=lambda name, default=None: options.get(name, default))


def test_there_are_enough_mutations_and_every_probe_has_one() -> None:
    names = [mutation.name for mutation in MUTATIONS]
    assert len(set(names)) == len(names) >= 30
    noticed = set().union(*(mutation.noticed for mutation in MUTATIONS))
    # These look at this machine, or at a network that a sandbox on it cannot be.
    elsewhere = {"target.tls", "target.env_file", "target.versions"}
    # Or at replies that a sandbox does not give: see tests/dry_run/test_gateways.py.
    elsewhere |= {"authentication.wrong_key", "schema.requests"}
    assert {probe.id for probe in PROBES} - noticed == elsewhere
