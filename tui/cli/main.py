"""The command's entry: answers `--version` before anything else is loaded.

Exit codes: 0 verified (or ready, or clean) - 1 verification failed - 2 bad usage or configuration -
3 refused by the production guard - 4 interrupted, cleaned up - 5 something is left behind -
6 the project cannot be reached.
"""

from __future__ import annotations

import os
import sys

from tui import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would take a tenth of the time that --version takes
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Command line without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given == ["--version"]:
        print(f"heatmap-tui {__version__}")
        return 0
    from tui.cli.commands import run

    return run(given, os.environ)
