"""The exact command line that removes what is left on this project. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tui.settings import ENVIRONMENT_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.guard.target import Target
    from tui.settings import Settings

_PURGE: Final = ("heatmap-tui", "--purge")
# Where nobody has given a reason yet: the guard refuses this one, so it has to be replaced.
_REASON_TO_GIVE: Final = '"..."'


@dataclass(frozen=True, slots=True)
class PurgeCommand:
    """How to purge one project from the command line.

    Attributes:
        env_file: The environment file to name, or None where the default one is in use.
        is_sandbox: The project is the sandbox.
        identity: What break-glass has to name, on production; else None.
        justification: The reason given for break-glass, or None where none is known.
        ticket: The ticket given with it, or None.
    """

    env_file: Path | None = None
    is_sandbox: bool = False
    identity: str | None = None
    justification: str | None = None
    ticket: str | None = None

    @classmethod
    def on(
        cls,
        settings: Settings,
        target: Target,
        *,
        is_sandbox: bool,
        justification: str | None = None,
        ticket: str | None = None,
    ) -> Self:
        """The command for the project that these settings lead to."""
        env_file = settings.env_file
        if is_sandbox or (env_file is not None and _is_default(env_file)):
            env_file = None
        return cls(
            env_file,
            is_sandbox,
            target.identity if target.is_production else None,
            justification,
            ticket,
        )

    def line(self, *, unexplained: int | None = None, runs: Sequence[str] = ()) -> str:
        """The command line, quoted for a POSIX shell.

        Args:
            unexplained: Accept that the tag does not explain so many responses.
            runs: Runs to remove although they may be under way elsewhere.
        """
        words = list(_PURGE)
        if self.is_sandbox:
            words.append("--sandbox")
        if self.env_file is not None:
            words += ["--env-file", str(self.env_file)]
        if self.identity is not None:
            words += ["--allow-prod", "--confirm", self.identity]
        if unexplained is not None:
            words += ["--purge-unexplained", str(unexplained)]
        for run in runs:
            words += ["--purge-run", run]
        if self.ticket is not None:
            words += ["--ticket", self.ticket]
        line = shlex.join(words)
        if self.identity is None:
            return line
        reason = _REASON_TO_GIVE if self.justification is None else shlex.quote(self.justification)
        return f"{line} --justification {reason}"


def _is_default(path: Path) -> bool:
    return path.absolute() == Path.cwd() / ENVIRONMENT_FILE
