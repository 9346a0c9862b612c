"""The lines between the console and the supervisor: one JSON object each.

To the supervisor, on its stdin: first the options, then requests `{"id", "do", "with"}`. End of
file means that the console is gone. From it, on its stdout: `{"stage"}` for progress, `{"ready"}`
or `{"failed"}` once, then `{"id", "result"}` or `{"id", "failed"}` for each request, and
`{"died"}`, at any time, when a program has ended that nobody stopped.
"""

from __future__ import annotations

import json
from typing import Any

from tui.errors import ConfigurationError, OperatorError, SandboxError


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the message on a line.

    Raises:
        ValueError: The line is not a JSON object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one kind of bad line
    return message


def failure(error: OperatorError) -> dict[str, Any]:
    """Return an error as plain values."""
    kind = "configuration" if isinstance(error, ConfigurationError) else "sandbox"
    return {"kind": kind, "message": error.message, "hint": error.hint}


def to_error(values: dict[str, Any]) -> OperatorError:
    """Rebuild the error that `failure` described."""
    kind = ConfigurationError if values.get("kind") == "configuration" else SandboxError
    return kind(str(values.get("message")), hint=values.get("hint"))
