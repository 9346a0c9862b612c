"""A program in a terminal of its own: what it paints and when, and keys pressed in it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from fcntl import ioctl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Done = Callable[[bytes], bool]

ROWS, COLUMNS = 24, 80
WAIT_SECONDS = 60.0
STOP_SECONDS = 10.0
# What is not a cell on the screen: control sequences (CSI, OSC, DCS and the like) and controls.
CONTROL = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x1f]"
)
ALTERNATE_SCREEN = b"\x1b[?1049h"


class TimedOut(Exception):
    """The program did not paint in time what was waited for."""


class Terminal:
    """A pseudo-terminal with one program in it. Use as a context manager; leaving ends the program.

    Args:
        command: Program and arguments.
        environment: Its environment; TERM and COLORTERM are set here.
        directory: Where it runs.
        size: Columns and rows.

    Attributes:
        began: When it was started, on the clock of `time.perf_counter`.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        size: tuple[int, int] = (COLUMNS, ROWS),
    ) -> None:
        self._main, inner = pty.openpty()
        columns, rows = size
        self._cells = columns * rows
        ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._seen = b""
        self._ended = False
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=directory,
            env={**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(inner)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
                self._drain_until_gone()
        self._process.wait()
        os.close(self._main)

    def _drain_until_gone(self) -> None:
        """Keep reading, so that a program with much to say is not held by a full terminal."""
        deadline = time.perf_counter() + STOP_SECONDS
        while self._process.poll() is None and time.perf_counter() < deadline:
            self._take_in_or_wait()

    def _take_in_or_wait(self) -> None:
        if not self._ended:
            self._read(0.05)
        else:
            self._wait_briefly()

    def _wait_briefly(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.05)

    def first_frame(self, marker: bytes = b"") -> float:
        """Wait until every cell was painted once, and return the seconds since the start.

        Args:
            marker: Text that must be among them.
        """

        def is_whole(seen: bytes) -> bool:
            _, entered, frame = seen.partition(ALTERNATE_SCREEN)
            return bool(entered) and cells(frame) >= self._cells and marker in frame

        return self._wait(is_whole, f"a first frame with {marker!r}") - self.began

    def cpu_seconds(self) -> float | None:
        """Processor time of the program so far, all its threads, or None where nobody counts it."""
        counters = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        spent = [int(counter.read_text().split()[0]) for counter in counters]
        return sum(spent) / 1e9 if spent else None

    def press(self, key: str, marker: bytes) -> float:
        """Press a key and return the seconds until a text was painted that was not there before."""
        self._settle()
        self._seen = b""
        pressed = time.perf_counter()
        os.write(self._main, key.encode())
        return self.wait_for(marker) - pressed

    def wait_for(self, marker: bytes, seconds: float = WAIT_SECONDS) -> float:
        """Wait until a text was painted; returns when, on the clock of `time.perf_counter`."""
        return self._wait(lambda seen: marker in seen, repr(marker), seconds)

    def wait_for_text(self, words: str, seconds: float = WAIT_SECONDS) -> float:
        """Do what `wait_for` does, whatever control sequences stand between the characters."""
        return self._wait(lambda _: words in self.text(), repr(words), seconds)

    def type(self, keys: str) -> None:
        """Type, having forgotten what was painted so far."""
        self._settle()
        self._seen = b""
        os.write(self._main, keys.encode())

    def text(self) -> str:
        """What was painted since the last key, without control sequences."""
        return CONTROL.sub(b"", self._seen).decode("utf-8", "replace")

    def exit_code(self, seconds: float = WAIT_SECONDS) -> int:
        """Wait until the program has ended, and return how.

        Raises:
            TimedOut: It has not ended in time.
        """
        deadline = time.perf_counter() + seconds
        while self._process.poll() is None:
            if time.perf_counter() > deadline:
                raise TimedOut(f"the program did not end within {seconds:.0f} s")
            self._take_in_or_wait()
        return self._process.returncode

    def pause(self, seconds: float) -> None:
        """Let the program go on for a while."""
        deadline = time.perf_counter() + seconds
        while not self._ended and (left := deadline - time.perf_counter()) > 0:
            self._read(left)

    def _settle(self) -> None:
        while self._read(0.0):
            pass

    def _wait(self, done: Done, what: str, seconds: float = WAIT_SECONDS) -> float:
        deadline = time.perf_counter() + seconds
        while not done(self._seen):
            left = deadline - time.perf_counter()
            if self._ended:
                raise TimedOut(f"the program ended before {what} was painted")
            if left <= 0:
                raise TimedOut(f"{what} was not painted within {seconds:.0f} s")
            self._read(left)
        return time.perf_counter()

    def _read(self, seconds: float) -> bool:
        """Take in what has been painted; whether there was something."""
        if not select.select([self._main], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self._main, 1 << 16)
        except OSError:
            # Linux reports the end of a pseudo-terminal as EIO.
            chunk = b""
        self._ended = not chunk
        self._seen += chunk
        return bool(chunk)


def cells(output: bytes) -> int:
    """How many cells an output has painted."""
    return len(CONTROL.sub(b"", output).decode("utf-8", "ignore"))
