"""Faults of every kind: a run ends verified and clean, or failed and clean, or says what is left.

Never a wrong "verified", a traceback, or a hang.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.mutations.rebuilt import new_view
from tests.sandbox.helpers import eventually
from tests.verify.conftest import contents, finish, open_session
from tui.errors import SandboxError
from tui.heatmap.rows import COLUMNS
from tui.sandbox.postgres import sql_dir
from tui.verify.events import Outcome, Stage, StageStarted
from tui.verify.result import document

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox
    from tui.verify.events import Event
    from tui.verify.result import Result

RUNS = 200
RUN_TIMEOUT_S = 120
OUTAGE_TIMEOUT_S = 30
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
    "e522=0.1",
    "e521=0.03,e523=0.03,e524=0.03,e525=0.03,e530=0.03,e544=0.03",
    "each stage",
    "deadlock",
    "soft-delete",
)
# Trouble that the project's own triggers make, with what takes it back.
TRIGGERS = {
    "deadlock": (
        """
        create function public.collide() returns trigger language plpgsql as $$
        begin
            if random() < 0.15 then
                raise exception 'deadlock detected' using errcode =
                    case when random() < 0.5 then '40P01' else '40001' end;
            end if;
            return null;
        end $$;
        create trigger collide after insert or delete on public.responses
            for each statement execute function public.collide();
        create trigger collide after insert or delete on public.questions
            for each statement execute function public.collide();
        """,
        "drop function public.collide cascade",
    ),
    "soft-delete": (
        """
        alter table public.responses add column deleted_at timestamptz;
        create function public.soft_delete() returns trigger language plpgsql as $$
        begin
            update public.responses set deleted_at = now() where id = old.id;
            return null;
        end $$;
        create trigger soft_delete before delete on public.responses
            for each row execute function public.soft_delete();
        """,
        "drop function public.soft_delete cascade; alter table public.responses drop deleted_at",
    ),
}


# What each bends in the view, so that it shows at any volume; whatever the network does, no run may
# call it right.
BENDS = {
    "attempts": "attempts + 1",
    "correct_attempts": "attempts - correct_attempts",
    "week_start": "week_start + 7",
    "lesion": "upper(lesion)",
    "accuracy_rate": "(1 - accuracy_rate)::numeric(3, 2)",
    "median_duration_ms": "median_duration_ms + 1",
}


def of_each_kind(full: bool, seed: int) -> list[int]:
    """Numbers of runs: all, or one of each kind of fault. The number is also the fault's seed."""
    rng = random.Random(seed)
    some = [rng.choice(range(kind, RUNS, len(KINDS))) for kind in range(len(KINDS))]
    return list(range(RUNS)) if full else some


async def test_no_fault_strands_rows(
    arena: Sandbox, full: bool, sample_seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(arena)
    tally: Counter[str] = Counter()
    numbers = of_each_kind(full, sample_seed)
    for number in numbers:
        outcome = await _run_and_clean_up(arena, number, before)
        tally[f"{KINDS[number % len(KINDS)]}: {outcome}"] += 1
    if full:
        with capsys.disabled():
            print(f"\nfault sweep: {len(numbers)} runs, 0 rows left in all")
            for line, count in sorted(tally.items()):
                print(f"  {count:>3}  {line}")


async def test_no_fault_makes_a_wrong_view_look_right(
    arena: Sandbox, full: bool, sample_seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(sample_seed)
    bends = list(BENDS) if full else rng.sample(list(BENDS), 2)
    tally: Counter[str] = Counter()
    for column in bends:
        bend(arena, column)
        before = contents(arena)
        for number in rng.sample(range(RUNS), 5 if full else 2):
            outcome = await _run_and_clean_up(arena, number, before)
            assert outcome is not Outcome.VERIFIED, f"{column}, run {number}"
            tally[outcome.value] += 1
    assert tally[Outcome.FAILED.value], "some run must have come as far as the check"
    if full:
        with capsys.disabled():
            print(f"\nwrong views: {dict(tally)}, none verified")


def bend(arena: Sandbox, column: str) -> None:
    """Make one column of the view wrong, over the definition that is shipped."""
    with psycopg.connect(arena.db_url, autocommit=True) as connection:
        script = (sql_dir() / "analytics_heatmap.sql").read_text()
        # Applied anew, it takes back the bend before.
        connection.execute("set role postgres")
        connection.execute(script.encode())
        connection.execute("reset role")
        columns = ", ".join(
            f"{BENDS[name]} as {name}" if name == column else name for name in COLUMNS
        )
        connection.execute(new_view(columns).encode())
        connection.execute("select analytics_refresh_heatmap()")
    arena.restart_postgrest()


async def _run_and_clean_up(arena: Sandbox, number: int, before: dict[str, Any]) -> Outcome:
    """One run under the number's fault, and a purge where it left something; all must be as before.

    Returns:
        How the run ended.
    """
    kind = KINDS[number % len(KINDS)]
    make, take_back = TRIGGERS.get(kind, ("", ""))
    execute(arena, make)
    try:
        result = await asyncio.wait_for(_run(arena, kind, number), RUN_TIMEOUT_S)
    finally:
        execute(arena, take_back)
    assert result.finished is not None
    outcome = result.finished.outcome
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
    assert contents(arena) == before, where
    return outcome


def execute(arena: Sandbox, script: str) -> None:
    with psycopg.connect(arena.db_url, autocommit=True) as connection:
        connection.execute(script.encode())


async def _run(arena: Sandbox, kind: str, seed: int) -> Result:
    breaker = Breaker(arena, kind)
    if "=" in kind:
        await asyncio.to_thread(arena.set_faults, f"seed={seed},{kind}")
    try:
        async with open_session(arena, users=9, questions=16, batch=24) as session:
            return await finish(session.cycle(), breaker.watch)
    finally:
        await asyncio.to_thread(arena.set_faults, None)
        await asyncio.to_thread(breaker.join)


class Breaker:
    """Restarts PostgREST, or stops the database for a while, once responses are being written."""

    def __init__(self, arena: Sandbox, kind: str) -> None:
        self._arena = arena
        self._kind = kind
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def watch(self, event: Event) -> None:
        if isinstance(event, StageStarted) and self._kind == "each stage":
            self._arena.set_faults("e522=1,times=2")
        elif isinstance(event, StageStarted) and event.stage is Stage.RESPONSES:
            if self._kind == "restart":
                self._begin(self._arena.restart_postgrest)
            elif self._kind == "database":
                # The run waits here: when it goes on, the database is away.
                self._arena.clear_requests()
                self._arena.stop_database()
                self._begin(self._end_the_outage)

    def _begin(self, work: Callable[[], None]) -> None:
        def tell() -> None:
            try:
                work()
            except (AssertionError, SandboxError) as error:
                self._failure = error

        self._thread = threading.Thread(target=tell)
        self._thread.start()

    def _end_the_outage(self) -> None:
        seen = eventually(self._is_seen, OUTAGE_TIMEOUT_S)
        self._arena.start_database()
        assert seen, "the run never met the database that was away"

    def _is_seen(self) -> bool:
        return any(seen.status >= 500 for seen in self._arena.requests())

    def join(self) -> None:
        """Wait until what was broken works again; raise what went wrong with it."""
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure


async def test_lost_replies_do_not_fail_a_run(
    arena: Sandbox, full: bool, sample_seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(arena)
    for seed in range(sample_seed, sample_seed + (20 if full else 3)):
        arena.set_faults(f"seed={seed},lost=0.1")
        async with open_session(arena, users=10, questions=40, batch=40) as session:
            result = await finish(session.cycle())
        arena.set_faults(None)
        assert result.finished is not None
        assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert contents(arena) == before
    if full:
        with capsys.disabled():
            print("\nlost replies: 20 of 20 verified")


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
    assert document(result)["rows"]["responses"] == users * questions
    assert contents(arena) == before
