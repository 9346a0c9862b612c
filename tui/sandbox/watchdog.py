"""Ends a run's processes when the supervisor dies, where the kernel cannot.

For systems without PR_SET_PDEATHSIG. The supervisor holds the write end of a pipe to this small
process and names its children over it. End of file without a farewell means that the supervisor was
killed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO


class Watchdog:
    """The supervisor's side of the process that outlives it to clean up."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__)), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def add(self, pid: int) -> None:
        """Have a process killed when we die."""
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        """Leave a process alone: its id may be given to another."""
        self._tell(f"-{pid}")

    def close(self) -> None:
        """Say farewell: everything was stopped in order."""
        self._tell("bye")
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for above
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for above
        with contextlib.suppress(OSError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def watch(lines: IO[str], directory: Path) -> None:
    """Follow the supervisor's lines to their end, then end what it left."""
    pids: list[int] = []
    for line in lines:
        word = line.strip()
        if word == "bye":
            return
        if word.startswith("+"):
            pids.append(int(word[1:]))
        elif word.startswith("-"):
            pids.remove(int(word[1:]))
    # SIGQUIT is PostgreSQL's immediate shutdown; PostgREST dies of it as well. A program that a
    # script started in the background may have been made to ignore it, and its children with it.
    for number, patience_s in ((signal.SIGQUIT, 1.0), (signal.SIGKILL, 0.0)):
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        time.sleep(patience_s)
    for _ in range(50):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(sys.stdin, Path(sys.argv[1]))
