"""What comes after a run: nothing of it outranks what the run found, none of it stops the loop."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.evidence.samples import BEGAN, MEASURED, TIMES, empty, ended, entry, going, target
from tui import files
from tui.errors import ExitCode, GuardRefused
from tui.evidence.archive import Archive
from tui.evidence.comparison import Limits
from tui.evidence.deployment_log import Announcement, DeploymentLog
from tui.evidence.report import report
from tui.guard.break_glass import Moment, grant
from tui.guard.target import TargetKind, declared_by_database
from tui.verify.events import Mode, Notice, Outcome, RunFinished

if TYPE_CHECKING:
    from pathlib import Path

    from tui.evidence.history import Entry
    from tui.verify.events import Event
    from tui.verify.result import Result

PRODUCTION = declared_by_database(target(TargetKind.PRODUCTION), None)
REASON = "Restoring the index after incident 4711, staging cannot reproduce it"
PLANNED = {"users": 50, "questions": 200, "responses": 10_000}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return made(tmp_path)


def made(state: Path, limits: Limits = Limits()) -> Archive:  # noqa: B008 - frozen
    return Archive(state, DeploymentLog(state / "log.jsonl"), limits, now=lambda: BEGAN)


async def announce(archive: Archive, result: Result) -> Announcement:
    approval = grant(
        PRODUCTION,
        confirmation=PRODUCTION.identity,
        justification=REASON,
        dry_run_ready=True,
        now=Moment.now(),
    )
    return await archive.announce(result, PRODUCTION, approval, PLANNED, lambda _: None)


async def conclude(
    archive: Archive, result: Result, finished: RunFinished, intent: Announcement | None = None
) -> tuple[RunFinished, list[Event]]:
    events: list[Event] = []
    return await archive.conclude(result, finished, intent, events.append), events


def past(archive: Archive, *runs: Entry) -> None:
    for each in runs:
        archive.history.append(each)


@pytest.mark.parametrize(
    ("outcome", "then"),
    [
        (Outcome.VERIFIED, Outcome.FAILED),
        (Outcome.CLEAN, Outcome.FAILED),
        (Outcome.FAILED, Outcome.FAILED),
        (Outcome.INTERRUPTED, Outcome.INTERRUPTED),
        (Outcome.LEFTOVERS, Outcome.LEFTOVERS),
    ],
)
async def test_a_log_that_cannot_take_the_outcome_makes_nothing_better(
    archive: Archive, outcome: Outcome, then: Outcome
) -> None:
    result = going(at=PRODUCTION)
    intent = await announce(archive, result)
    archive.log.path.unlink()
    archive.log.path.mkdir()
    finished = RunFinished(outcome, "as it ended", "do this", 1.0)
    recorded, events = await conclude(archive, result, finished, intent)
    assert recorded.outcome is then
    assert recorded.message.startswith("as it ended")
    assert "could not be recorded" in recorded.problems[-1]
    assert [type(event) for event in events] == [Notice]
    if outcome.exit_code is not ExitCode.VERIFIED:
        assert (recorded.message, recorded.hint) == ("as it ended", "do this")
    assert archive.evidence is not None
    assert archive.evidence.result.finished == recorded


async def test_the_log_says_what_the_thresholds_made_of_the_run(tmp_path: Path) -> None:
    archive = made(tmp_path, Limits(max_refresh_ms=1))
    result = going(at=PRODUCTION)
    intent = await announce(archive, result)
    recorded, _ = await conclude(archive, result, ended(), intent)
    assert (recorded.outcome, recorded.exit_code) == (Outcome.FAILED, ExitCode.FAILED)
    assert recorded.message.startswith("the numbers are right, but max-refresh-ms broken: ")
    opened, closed = archive.log.read()
    assert (opened.justification, opened.planned) == (REASON, PLANNED)
    assert (closed.outcome, closed.detail) == ("failed", recorded.message)
    assert closed.final == {
        "users_written": 50,
        "questions_written": 200,
        "responses_written": 10_000,
        "users_left": 0,
        "questions_left": 0,
        "responses_left": 0,
    }
    assert archive.evidence is not None
    assert archive.evidence.justification_recorded is True
    assert not archive.history.read().entries[-1].verified


async def test_a_broken_threshold_keeps_a_worse_end(tmp_path: Path) -> None:
    archive = made(tmp_path, Limits(max_refresh_ms=1))
    worse = ended(Outcome.LEFTOVERS, "left behind")
    assert (await conclude(archive, going(), worse))[0] == worse
    assert archive.evidence is not None
    assert [each.is_met for each in archive.evidence.thresholds] == [False]


async def test_a_slow_run_fails_and_is_not_the_new_normal(tmp_path: Path) -> None:
    archive = made(tmp_path, Limits(max_regression_percent=50))
    past(archive, *(entry(n, times) for n, times in enumerate(MEASURED[:5])))
    for number in range(8):
        slow = going(f"slow-{number}", times=[ms * 3 for ms in TIMES])
        recorded, _ = await conclude(archive, slow, ended())
        assert recorded.exit_code is ExitCode.FAILED, number
    fine, _ = await conclude(archive, going("fine"), ended())
    assert fine.exit_code is ExitCode.VERIFIED


@pytest.mark.parametrize("times", [[282.0], [282.0] * 4])
async def test_too_few_refreshes_break_no_threshold(tmp_path: Path, times: list[float]) -> None:
    archive = made(tmp_path, Limits(max_regression_percent=50))
    past(archive, *(entry(n, each) for n, each in enumerate(MEASURED[:5])))
    recorded, _ = await conclude(archive, going(times=times), ended())
    assert recorded.exit_code is ExitCode.VERIFIED
    assert archive.evidence is not None
    assert "max-regression 50`: **not judged**" in report(archive.evidence)


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.CYCLE, Mode.PURGE])
async def test_every_run_that_began_is_in_the_history(archive: Archive, mode: Mode) -> None:
    await conclude(archive, empty(mode), ended(Outcome.READY))
    (kept,) = archive.history.read().entries
    assert (kept.mode, kept.outcome, kept.verified) == (str(mode), "ready", False)


async def test_a_log_that_the_history_contradicts_refuses_the_run(archive: Archive) -> None:
    result = going(at=PRODUCTION)
    await conclude(archive, result, ended(), await announce(archive, result))
    lines = archive.log.path.read_bytes().splitlines(keepends=True)
    for harm in (lines[:1], []):
        archive.log.path.write_bytes(b"".join(harm))
        with pytest.raises(GuardRefused, match="cut off or rewritten"):
            await announce(archive, going("another", at=PRODUCTION))
    archive.log.path.write_bytes(b"".join(lines))
    await announce(archive, going("another", at=PRODUCTION))


async def test_a_history_that_others_hold_is_waited_for_beside_the_loop_and_told(
    archive: Archive,
) -> None:
    past(archive, entry(1))
    events: list[Event] = []
    gaps = []
    with files.locked(archive.history.path):
        work = asyncio.create_task(archive.conclude(going(), ended(), None, events.append))
        while not events:
            before = time.monotonic()
            await asyncio.sleep(0)
            gaps.append(time.monotonic() - before)
        assert not work.done()
    assert (await work).exit_code is ExitCode.VERIFIED
    assert len(gaps) > 1, "the loop went on"
    assert isinstance(events[0], Notice)
    assert events[0].text.startswith(f"waiting for {archive.history.path}: ")
    assert len(archive.history.read().entries) == 2


async def test_a_history_that_cannot_be_written_is_a_warning(archive: Archive) -> None:
    archive.history.path.mkdir(parents=True)
    recorded, events = await conclude(archive, going(), ended())
    assert recorded == ended()
    (notice,) = events
    assert isinstance(notice, Notice)
    assert notice.warning
    assert "could not be added to the history" in notice.text


async def test_a_defect_here_does_not_hide_the_verdict(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(archive, "_keep", broken)
    recorded, events = await conclude(archive, going(), ended())
    assert recorded == ended()
    (notice,) = events
    assert isinstance(notice, Notice)
    assert "an internal error kept the run's evidence from being made" in notice.text
    (crash,) = (archive.history.path.parent / "crashes").iterdir()
    assert str(crash) in notice.text


def test_a_log_that_could_not_be_written_refuses_before_anything_begins(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    archive = Archive(tmp_path, DeploymentLog(tmp_path / "fifo"), Limits())
    with pytest.raises(GuardRefused, match="not a plain file"):
        archive.require_log()
