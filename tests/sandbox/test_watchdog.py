"""Where the kernel sends no signal at a parent's death, the watchdog does its work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tui
from tests.sandbox.helpers import eventually

SUPERVISOR = """
import os, signal, subprocess, sys
from pathlib import Path
from tui.sandbox.processes import Watchdog
directory = Path(sys.argv[1])
dog = Watchdog(directory)
child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
spared = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)
dog.add(child.pid)
dog.add(spared.pid)
dog.forget(spared.pid)
print(child.pid, spared.pid, dog.pid, flush=True)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
dog.close()
"""


def run(directory: Path, how: str) -> tuple[int, int, int]:
    result = subprocess.run(
        [sys.executable, "-c", SUPERVISOR, str(directory), how],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=Path(tui.__file__).resolve().parent.parent,
    )
    child, spared, dog = map(int, result.stdout.split())
    return child, spared, dog


def runs(pid: int) -> bool:
    seen = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(seen.stdout.strip()) and not seen.stdout.startswith("Z")


def end(*pids: int) -> None:
    for pid in pids:
        subprocess.run(["kill", str(pid)], check=False, stderr=subprocess.DEVNULL)


def test_a_killed_supervisor_is_cleaned_up_after(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "file").touch()
    child, spared, dog = run(directory, "killed")
    try:
        assert eventually(lambda: not directory.exists())
        assert eventually(lambda: not runs(child))
        assert eventually(lambda: not runs(dog))
        assert runs(spared)
    finally:
        end(child, spared)


def test_it_ends_those_that_ignore_the_polite_signal(tmp_path: Path) -> None:
    import signal

    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        test_a_killed_supervisor_is_cleaned_up_after(tmp_path)
    finally:
        signal.signal(signal.SIGQUIT, before)


def test_after_a_farewell_nothing_is_touched(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    child, spared, dog = run(directory, "in order")
    try:
        assert not runs(dog)
        assert runs(child)
        assert directory.exists()
    finally:
        end(child, spared)
