"""The installed program in a real terminal: tmux, real keys, captured screens."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
POLL_S = 0.05
SETTLE_S = 5.0
STILL = 6
EXIT_MARK = "exit-code-is:"


class Terminal:
    """One tmux server with one window that runs `python -m tui`, then tells its exit code.

    Args:
        arguments: Command line of the console.
        size: Columns and rows.
        environment: Variables besides the process's own.
        directory: Where the console is started; None for where the tests are.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        size: tuple[int, int] = (100, 30),
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        # Socket paths are limited to 107 bytes: the name is short and lives under /tmp.
        self._socket = f"/tmp/hm-{uuid.uuid4().hex[:10]}"
        program = shlex.join([sys.executable, "-m", "tui", *arguments])
        command = f'{program}; echo "{EXIT_MARK}$? "; sleep 300'
        # A size in the environment would outrank the terminal's own; test runners set one.
        inherited = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
        variables = {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            **(environment or {}),
        }
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", "-s", "console"),
            *("-x", str(size[0]), "-y", str(size[1])),
            *(() if directory is None else ("-c", str(directory))),
            command,
            environment=variables,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server", check=False)
        Path(self._socket).unlink(missing_ok=True)

    def screen(self) -> str:
        """What is on the screen now."""
        return self._tmux("capture-pane", "-p", "-t", "console")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._tmux("send-keys", "-t", "console", *keys)

    def step(self, *keys: str) -> None:
        """Press keys one by one, each once the screen shows what the one before did.

        A key typed while the focus is still moving goes where the focus was.
        """
        for key in keys:
            self.press(key)
            self._settle()

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._tmux("send-keys", "-l", "-t", "console", text)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size."""
        self._tmux("resize-window", "-t", "console", "-x", str(columns), "-y", str(rows))

    def wait_for(self, *words: str, seconds: float = DEADLINE_S) -> str:
        """Wait until all words are on the screen, and return it.

        Raises:
            AssertionError: They did not come; the message shows the screen.
        """
        deadline = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if all(word in screen for word in words):
                return screen
            if time.monotonic() > deadline:
                raise AssertionError(f"{words} did not appear in:\n{screen}")
            time.sleep(POLL_S)

    def wait_until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        """Wait until something holds of the screen's lines, and return them.

        Raises:
            AssertionError: It did not come to hold; the message shows the screen.
        """
        deadline = time.monotonic() + DEADLINE_S
        while not holds(lines := self.screen().split("\n")[:-1]):
            if time.monotonic() > deadline:
                raise AssertionError("it did not come to hold of:\n" + "\n".join(lines))
            time.sleep(POLL_S)
        return lines

    def wait_without(self, words: str) -> str:
        """Wait until the words have gone from the screen, and return it."""
        deadline = time.monotonic() + DEADLINE_S
        while words in (screen := self.screen()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{words!r} stayed on:\n{screen}")
            time.sleep(POLL_S)
        return screen

    def _settle(self) -> None:
        """Wait until the screen, colours included, has stood still for a moment."""
        same, before = 0, ""
        deadline = time.monotonic() + SETTLE_S
        while same < STILL and time.monotonic() < deadline:
            time.sleep(POLL_S)
            now = self._tmux("capture-pane", "-e", "-p", "-t", "console")
            same = same + 1 if now == before else 0
            before = now

    def exit_code(self) -> int:
        """Wait for the console to end, and return its exit code."""
        screen = self.wait_for(EXIT_MARK)
        found = re.findall(rf"{EXIT_MARK}(\d+)", screen)
        return int(found[-1])

    def console_pid(self) -> int:
        """The process id of the console."""
        shell = int(self._tmux("display-message", "-p", "-t", "console", "#{pane_pid}"))
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[0])

    def kill(self, number: signal.Signals) -> None:
        """Send the console a signal."""
        os.kill(self.console_pid(), number)

    def _tmux(
        self, *arguments: str, check: bool = True, environment: Mapping[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            check=check,
            capture_output=True,
            text=True,
            timeout=30,
            env=environment,
        )
        return done.stdout


HAS_TMUX = shutil.which("tmux") is not None
