"""The errors an operator can act on, and the exit code each stands for.

`str(error)` says what is wrong and where it came from, `hint` what to do next. Any other exception
that reaches the top is an internal error.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The process's exit codes. Scripts rely on these numbers."""

    VERIFIED = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INTERRUPTED = 4
    LEFTOVERS = 5
    UNREACHABLE = 6


class OperatorError(Exception):
    """An error shown to the operator: one line without secrets, and a hint."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        return str(self.args[0])


class ConfigurationError(OperatorError):
    """A flag, an environment variable or a file does not make sense."""

    exit_code = ExitCode.USAGE


class GuardRefused(OperatorError):
    """The production guard refused a write."""

    exit_code = ExitCode.REFUSED


class SandboxError(OperatorError):
    """The local sandbox could not be started or has died."""

    exit_code = ExitCode.UNREACHABLE


class Interrupted(OperatorError):
    """A signal came before there was anything to stop."""

    exit_code = ExitCode.INTERRUPTED
