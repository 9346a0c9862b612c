"""Type the README's command in a fresh directory, wait for the console, and leave it by its keys.

python -m tests.terminal.first_run COMMAND
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
INSTALL_S = 300.0
WAIT_S = 90.0


class Terminal:
    """A program in a pseudo-terminal of 120 x 40, and what it has written so far."""

    def __init__(self, command: str, directory: Path) -> None:
        self.text = ""
        self._pid, self._tty = pty.fork()
        if self._pid == 0:
            os.chdir(directory)
            os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40", LANG="C.UTF-8")
            os.execvp("bash", ["bash", "-c", f"stty cols 120 rows 40; {command}"])

    def wait_for(self, words: str, seconds: float) -> None:
        """Read until the words have appeared."""
        deadline = time.monotonic() + seconds
        while words not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text):
            if time.monotonic() > deadline:
                raise SystemExit(f"{words!r} did not appear within {seconds:.0f} s:\n{self.text}")
            self._read()

    def press(self, keys: str) -> None:
        """Type, having forgotten what was on the screen."""
        self.text = ""
        os.write(self._tty, keys.encode())

    def exit_code(self, seconds: float) -> int:
        """How it ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read()
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        raise SystemExit("the console did not end")

    def _read(self) -> None:
        if select.select([self._tty], [], [], 0.2)[0]:
            try:
                self.text += os.read(self._tty, 65_536).decode(errors="replace")
            except OSError:  # the other end is closed
                time.sleep(0.1)


def main(command: str) -> None:
    """Clone, run, walk to the verified run, leave."""
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "console"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        began = time.monotonic()
        terminal = Terminal(command, clone)
        terminal.wait_for("SANDBOX", INSTALL_S)
        terminal.wait_for("enter for the dry run", WAIT_S)
        ready = time.monotonic()
        terminal.press("d")
        terminal.wait_for("ready to write synthetic data", WAIT_S)
        terminal.press("r")
        terminal.wait_for("Write and verify", WAIT_S)
        terminal.press("\t")
        time.sleep(0.5)
        terminal.press("\r")
        terminal.wait_for("VERIFIED", WAIT_S)
        verified = time.monotonic()
        terminal.press("q")
        code = terminal.exit_code(WAIT_S)
        shutil.rmtree(clone / ".venv", ignore_errors=True)
    print(
        f"first run: console after {ready - began:.0f} s, installation included; "
        f"verified {verified - ready:.0f} s later; left with exit code {code}"
    )
    if code != 0:
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1])
