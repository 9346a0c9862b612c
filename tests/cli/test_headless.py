"""What signals say and do of a headless run, and where it writes."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from tui.cli.headless import Interruptions, follow
from tui.cli.output import Console, report_error
from tui.errors import Interrupted
from tui.verify.events import Mode, Notice, Outcome, RunFinished, Stage, StageStarted
from tui.verify.result import Result

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tui.verify.events import Event

PURGE: Final = "heatmap-tui --purge --env-file .env.staging"
WRITING: Final = StageStarted(Stage.USERS, 9, "creating users")


@dataclass
class FakeRun:
    """A run that only remembers what it was told."""

    mode: Mode = Mode.CYCLE
    result: Result = field(default_factory=lambda: Result(Mode.CYCLE))
    told: list[str] = field(default_factory=list)

    def cancel(self, reason: str) -> None:
        self.told.append(f"cancel: {reason}")

    def abandon(self) -> None:
        self.told.append("abandon")


def interruptions_of(run: Any) -> tuple[Interruptions, io.StringIO]:
    shown = io.StringIO()
    interruptions = Interruptions(Console(io.StringIO(), shown))
    interruptions.attach(run, lambda: PURGE)
    return interruptions, shown


def send(interruptions: Interruptions, *names: str) -> None:
    for name in names:
        interruptions._signalled(name)


@pytest.mark.parametrize("mode", [Mode.CYCLE, Mode.PURGE])
async def test_a_run_that_writes_is_stopped_warned_of_and_left(mode: Mode) -> None:
    run = FakeRun(mode)
    interruptions, shown = interruptions_of(run)
    run.result.apply(WRITING)
    send(interruptions, "SIGINT", "SIGTERM", "SIGINT")
    assert run.told == ["cancel: interrupted (SIGINT)", "abandon"]
    first, second, *third = shown.getvalue().splitlines()
    assert first == "interrupted (SIGINT): stopping"
    assert ("leaves rows behind" if mode is Mode.CYCLE else "leaves the rest behind") in second
    assert third == ["leaving", f"remove what is left with: {PURGE}"]


@pytest.mark.parametrize("mode", list(Mode))
async def test_nothing_is_said_to_be_left_where_nothing_was_written(mode: Mode) -> None:
    run = FakeRun(mode)
    interruptions, shown = interruptions_of(run)
    send(interruptions, "SIGTERM", "SIGTERM", "SIGTERM")
    assert run.told == ["cancel: interrupted (SIGTERM)", "abandon"]
    assert shown.getvalue().splitlines() == [
        "interrupted (SIGTERM): stopping; nothing was written",
        "still stopping; nothing was written",
        "leaving; nothing was written",
    ]


async def test_a_run_that_is_over_is_not_stopped() -> None:
    run = FakeRun()
    interruptions, shown = interruptions_of(run)
    run.result.apply(RunFinished(Outcome.VERIFIED, "verified", None, 1.0))
    send(interruptions, "SIGINT", "SIGINT", "SIGINT")
    assert run.told == []
    assert set(shown.getvalue().splitlines()) == {"interrupted (SIGINT): the run is over, closing"}


async def test_before_there_is_a_run_a_signal_ends_the_waiting() -> None:
    began = asyncio.Event()

    async def connecting() -> str | None:
        with Interruptions(Console(io.StringIO(), io.StringIO())) as interruptions:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return interruptions.reason
        return None

    task = asyncio.create_task(connecting())
    await began.wait()
    os.kill(os.getpid(), 15)
    assert await asyncio.wait_for(task, 10) == "interrupted (SIGTERM)"


async def test_whatever_ends_the_following_waits_for_the_runs_clean_up() -> None:
    cleaned = asyncio.Event()

    class Run(FakeRun):
        async def events(self) -> AsyncGenerator[Event, None]:
            try:
                yield Notice("under way")
                yield Notice("still under way")
            finally:
                await asyncio.sleep(0)
                cleaned.set()

    class Broken(Console):
        def say(self, text: str) -> None:
            raise RuntimeError(text)

    run: Any = Run()
    with pytest.raises(RuntimeError, match="under way"):
        await follow(run, Broken(io.StringIO(), io.StringIO()))
    assert cleaned.is_set()


class Gone(io.StringIO):
    """A stream whose other end has gone away."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, text: str) -> int:
        raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
def test_a_stream_that_is_gone_stops_nothing(number: int) -> None:
    told = io.StringIO()
    Console(Gone(number), Gone(number)).say("x")
    Console(Gone(number), Gone(number)).document({"x": 1})
    console = Console(Gone(number), told)
    for _ in range(2):
        console.document({"x": 1})
    assert told.getvalue() == f"the result could not be written: {os.strerror(number)}\n"
    assert [console.verdict(code) for code in (0, 1, 5)] == [1, 1, 5]
    assert Console(io.StringIO(), told).verdict(0) == 0


def test_an_error_before_a_run_is_one_document_with_its_outcome(
    capfd: pytest.CaptureFixture[str],
) -> None:
    error = Interrupted("interrupted (SIGTERM); nothing was written")
    assert report_error(error, Console(), mode="purge", target=None, as_json=True) == 4
    out, err = capfd.readouterr()
    document = json.loads(out)
    assert (document["outcome"], document["exit_code"], document["mode"]) == (
        "interrupted",
        4,
        "purge",
    )
    assert "nothing was written" in err


def test_a_full_disk_costs_neither_the_narration_nor_the_exit_code(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "from tui.cli.output import Console\n"
        "console = Console()\n"
        "console.document({'x': 1})\n"
        "console.document({'x': 2})\n"
        "console.say('goes on')\n"
        "raise SystemExit(5)\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
            env={**os.environ, "PYTHONPATH": str(__file__).rpartition("/tests/")[0]},
        )
    assert done.returncode == 5, done.stderr
    assert done.stderr.splitlines() == [
        "the result could not be written: No space left on device",
        "goes on",
    ]
    del tmp_path
