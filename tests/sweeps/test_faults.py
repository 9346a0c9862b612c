"""Faults of every kind: a run ends verified and clean, or failed and clean, or says what is left.

Never a wrong "verified", a traceback, or a hang.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.verify.conftest import contents, finish, open_session
from tui.verify.events import Outcome, Stage, StageStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox
    from tui.verify.events import Event
    from tui.verify.result import Result

RUNS = 200
SAMPLE = 8
RUN_TIMEOUT_S = 120
# One kind of fault alone, then mixtures; rates are per request.
KINDS = (
    "e503=0.1",
    "e429=0.05",
    "lost=0.1",
    "reset=0.05",
    "truncate=0.05",
    "html=0.05",
    "slow=0.02",
    "latency=10,jitter=20,e503=0.05,lost=0.05",
    "e503=0.1,e429=0.03,lost=0.1,reset=0.05,truncate=0.05,html=0.05",
    "e503=0.45",
    "lost=0.4,reset=0.2",
    "restart",
    "database",
    "url_limit=8192,lost=0.05",
)


async def test_no_fault_strands_rows_or_makes_a_wrong_verdict(
    arena: Sandbox, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(arena)
    tally: Counter[str] = Counter()
    rng = random.Random(7)
    numbers = range(RUNS) if full else rng.sample(range(RUNS), SAMPLE)
    for number in numbers:
        kind = KINDS[number % len(KINDS)]
        result = await asyncio.wait_for(_run(arena, kind, number), RUN_TIMEOUT_S)
        assert result.finished is not None
        outcome = result.finished.outcome
        tally[f"{kind}: {outcome}"] += 1
        where = f"run {number} under {kind}: {result.finished}"
        if outcome is Outcome.LEFTOVERS:
            async with open_session(arena) as session:
                purged = await finish(session.purge())
                assert purged.finished is not None
                assert purged.finished.outcome is Outcome.CLEAN, where
        else:
            assert outcome in {
                Outcome.VERIFIED,
                Outcome.INTERRUPTED,
                Outcome.FAILED,
                Outcome.UNREACHABLE,
            }, where
        if outcome is Outcome.VERIFIED:
            assert result.check is not None
            assert result.check.right, where
        assert contents(arena) == before, where
    if full:
        with capsys.disabled():
            print(f"\nfault sweep: {len(numbers)} runs, 0 rows left in all")
            for line, count in sorted(tally.items()):
                print(f"  {count:>3}  {line}")


async def _run(arena: Sandbox, kind: str, seed: int) -> Result:
    watch = _breaker(arena, kind)
    if "=" in kind:
        await asyncio.to_thread(arena.set_faults, f"seed={seed},{kind}")
    try:
        async with open_session(arena, users=9, questions=16, batch=24) as session:
            return await finish(session.cycle(), watch)
    finally:
        await asyncio.to_thread(arena.set_faults, None)
        if kind == "database":
            await asyncio.to_thread(arena.start_database)


def _breaker(arena: Sandbox, kind: str) -> Callable[[Event], None]:
    """Restart PostgREST, or stop the database for a moment, once responses are being written."""

    def watch(event: Event) -> None:
        if not (isinstance(event, StageStarted) and event.stage is Stage.RESPONSES):
            return
        if kind == "restart":
            threading.Thread(target=arena.restart_postgrest).start()
        elif kind == "database":
            threading.Thread(target=_interrupt_database, args=(arena,)).start()

    return watch


def _interrupt_database(arena: Sandbox) -> None:
    arena.stop_database()
    arena.start_database()


async def test_lost_replies_do_not_fail_a_run(arena: Sandbox, full: bool) -> None:
    before = contents(arena)
    for seed in range(20 if full else 3):
        arena.set_faults(f"seed={seed},lost=0.1")
        async with open_session(arena, users=10, questions=40, batch=40) as session:
            result = await finish(session.cycle())
        arena.set_faults(None)
        assert result.finished is not None
        assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert contents(arena) == before


@pytest.mark.parametrize(("users", "questions"), [(50, 2_000), (500, 200)])
async def test_large_volumes_fit_the_url_limit(
    arena: Sandbox, full: bool, users: int, questions: int
) -> None:
    before = contents(arena)
    arena.set_faults("url_limit=8192")
    if not full:
        users //= 10
    async with open_session(arena, users=users, questions=questions, batch=1_000) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert result.document()["rows"]["responses"] == users * questions
    assert contents(arena) == before
