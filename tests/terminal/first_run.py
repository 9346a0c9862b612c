"""Type the README's command in a fresh directory, wait for the console, and leave it by its keys.

python -m tests.terminal.first_run COMMAND
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.terminal import Terminal, TimedOut

ROOT = Path(__file__).parents[2]
SIZE = (120, 40)
INSTALL_S = 300.0
WAIT_S = 90.0


def walk(terminal: Terminal) -> tuple[float, float, int]:
    """Go from the start to a verified run, and leave.

    Returns:
        Seconds to the console, seconds from there to the verdict, and the exit code.

    Raises:
        TimedOut: Something did not appear in time.
    """
    terminal.wait_for_text("SANDBOX", INSTALL_S)
    ready = terminal.wait_for_text("dry run; it writes nothing", WAIT_S)
    # `enter` alone goes all the way.
    terminal.type("\r")
    terminal.wait_for_text("ready to write synthetic data", WAIT_S)
    terminal.type("\r")
    terminal.wait_for_text("Write and verify", WAIT_S)
    terminal.pause(0.5)
    terminal.type("\r")
    verified = terminal.wait_for_text("VERIFIED", WAIT_S)
    terminal.type("q")
    return ready - terminal.began, verified - ready, terminal.exit_code(WAIT_S)


def main(command: str) -> None:
    """Clone, run, walk to the verified run, leave."""
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "console"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        environment = {**os.environ, "LANG": "C.UTF-8"}
        with Terminal(["bash", "-c", command], environment, clone, SIZE) as terminal:
            try:
                console_s, verified_s, code = walk(terminal)
            except TimedOut as error:
                raise SystemExit(f"{error}; the terminal shows:\n{terminal.text()}") from error
    print(
        f"first run: console after {console_s:.0f} s, installation included; "
        f"verified {verified_s:.0f} s later; left with exit code {code}"
    )
    if code != 0:
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1])
