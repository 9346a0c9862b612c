"""The errors an operator can act on, and the exit code each stands for.

Everything the console says when it stops is one of these: what is wrong and where it came from in
`str(error)`, what to do next in `hint`. Any other exception that reaches the top is a defect.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process tells the shell. Scripts rely on these numbers."""

    VERIFIED = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INTERRUPTED = 4
    LEFTOVERS = 5
    UNREACHABLE = 6


class OperatorError(Exception):
    """Base of everything an operator is told.

    Args:
        message: One line: what is wrong and where the bad value came from. Never holds a secret.
        hint: One line: what to do next, or None where the message says it already.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """The one-line statement without the hint."""
        return str(self.args[0])


class ConfigurationError(OperatorError):
    """A flag, an environment variable or a file does not make sense."""

    exit_code = ExitCode.USAGE


class GuardRefused(OperatorError):
    """The production guard did not permit a write."""

    exit_code = ExitCode.REFUSED


class SandboxError(OperatorError):
    """The local sandbox could not be started or has died."""

    exit_code = ExitCode.UNREACHABLE


class Interrupted(OperatorError):
    """A signal came before there was anything to stop."""

    exit_code = ExitCode.INTERRUPTED
