"""`kill -9` anywhere: the next start finds what is left, and one purge removes it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.sweeps.test_faults import TRIGGERS, execute
from tests.verify.conftest import contents, finish, open_session
from tui.verify.events import Outcome

if TYPE_CHECKING:
    import pytest

    from tui.sandbox import Sandbox

# Each is hit twice; how many there are depends on how batches grow.
LEAST_EVENTS = 30
SAMPLE = 5
# What else is wrong while a run is killed: nothing, the gateway, the project's own triggers.
TROUBLE = ("", "e522=0.1", *TRIGGERS)
VOLUME = {"users": 9, "questions": 24, "batch": 27}


def kill_a_run(sandbox: Sandbox, event: int, delay_s: float) -> int | None:
    """Events there were, when the run ended before it could be killed; else None."""
    victim = subprocess.run(
        [sys.executable, "-m", "tests.sweeps.victim", str(event), str(delay_s)],
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "SUPABASE_URL": sandbox.url,
            "SUPABASE_SERVICE_ROLE_KEY": sandbox.service_role_key,
            "HEATMAP_VERIFY_USERS": str(VOLUME["users"]),
            "HEATMAP_VERIFY_QUESTIONS": str(VOLUME["questions"]),
            "HEATMAP_VERIFY_BATCH": str(VOLUME["batch"]),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if victim.returncode == 0:
        return int(victim.stdout)
    assert victim.returncode == -9, victim.stderr
    return None


async def test_a_killed_run_is_found_and_removed(
    arena: Sandbox, full: bool, sample_seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(arena)
    events = kill_a_run(arena, 10_000, 0)
    assert events is not None
    assert events >= LEAST_EVENTS, "there must be boundaries enough to kill at"
    assert contents(arena) == before, "an undisturbed run leaves nothing"

    # At every event, and once between it and the next.
    rng = random.Random(sample_seed)
    points = [
        (event, delay_s)
        for event in range(1, events)
        for delay_s in (0.0, rng.uniform(0.001, 0.02))
    ]
    chosen = points if full else rng.sample(points, SAMPLE)
    tally: Counter[str] = Counter()
    for number, (event, delay_s) in enumerate(chosen):
        trouble = TROUBLE[number % len(TROUBLE)]
        make, take_back = TRIGGERS.get(trouble, ("", ""))
        execute(arena, make)
        arena.set_faults(trouble if "=" in trouble else None)
        try:
            ended = kill_a_run(arena, event, delay_s)
        finally:
            arena.set_faults(None)
            execute(arena, take_back)
        tally["ended before the kill"] += ended is not None
        async with open_session(arena) as session:
            left = contents(arena) != before
            journals = session.journals
            assert not left or journals or ended, f"event {event}: rows without a journal"
            tally["left rows" if left else "left nothing"] += 1
            tally["with a journal"] += bool(journals)
            purged = await finish(session.purge())
            assert purged.finished is not None
            assert purged.finished.outcome is Outcome.CLEAN, purged.finished
            assert session.journals == []
        where = f"event {event} + {delay_s * 1000:.0f} ms, {trouble or 'no trouble'}"
        assert contents(arena) == before, where
    with capsys.disabled():
        if full:
            print(
                f"\ncrash sweep: {len(chosen)} points at {events - 1} events, seed {sample_seed}, "
                f"{dict(tally)}, 0 rows left in all"
            )
    if full:
        assert tally["left rows"] > len(points) // 3, (
            "the sweep must have hit runs that were writing"
        )
