"""The command on a pseudo-terminal: its controlling one, which can be typed on and hung up."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    import signal

ROOT: Final = Path(__file__).parents[1]
PATIENCE_S: Final = 60.0


class OnTerminal:
    """`heatmap-tui` with a terminal at both ends; a context manager.

    Args:
        arguments: The command line.
        environment: Variables beside those of the process.

    Attributes:
        text: All that it has written so far.
    """

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.text = ""
        self._main, inner = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tui", *arguments],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TERM": "xterm-256color",
                **environment,
            },
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            # Hanging up is told to whom it is the controlling terminal of. No thread runs yet
            # that could hold a lock which this needs.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._main >= 0:
            os.close(self._main)

    def wait_for(self, *words: str) -> str:
        """Read until any of the words has appeared; returns which."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            for each in words:
                if each in self.text:
                    return each
            assert time.monotonic() < deadline, f"none of {words} in:\n{self.text}"
            assert self._read(), f"it ended without {words}:\n{self.text}"

    def type(self, line: str) -> None:
        """Type a line, and enter."""
        os.write(self._main, f"{line}\n".encode())

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._main, key)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def hang_up(self) -> None:
        """Close the terminal, as when its window is closed."""
        os.close(self._main)
        self._main = -1

    def exit_code(self) -> int:
        """Read to the end; how it ended."""
        deadline = time.monotonic() + PATIENCE_S
        while self._main >= 0 and self._read():
            assert time.monotonic() < deadline, f"it does not end:\n{self.text}"
        return self._process.wait(PATIENCE_S)

    def _read(self) -> bool:
        """Take what is there within a moment; False once nobody can write any more."""
        if not select.select([self._main], [], [], 0.2)[0]:
            return True
        try:
            read = os.read(self._main, 65_536)
        except OSError:  # the other end is closed
            return False
        self.text += read.decode(errors="replace").replace("\r\n", "\n")
        return bool(read)
