"""What the command prints: narration on stderr, the result on stdout."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from tui.errors import ExitCode
from tui.redact import redact, redact_known
from tui.verify.result import document, result_of_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.errors import OperatorError
    from tui.guard.target import Target
    from tui.verify.events import Mode
    from tui.verify.session import ConnectStage


class Console:
    """Where a headless run writes; everything but `plain` is redacted.

    A reader that has gone away or a terminal that was closed stops nothing: a run has to clean up.
    `lost` says why a result could not be written.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        # Streams that the shell closed are None.
        self._out: TextIO | None = out or sys.stdout
        self._err: TextIO | None = err or sys.stderr
        self.lost: str | None = None

    def say(self, text: str) -> None:
        """Narrate."""
        _write(redact(text), self._err)

    def stage(self, stage: ConnectStage) -> None:
        """Narrate a step on the way to a project, once it is done."""
        if stage.seconds is not None:
            detail = f": {stage.detail}" if stage.detail else ""
            self.say(f"  {stage.title}{detail} ({stage.seconds:.2f} s)")

    def result(self, text: str) -> None:
        self.plain(redact_known(text))

    def document(self, document: dict[str, Any]) -> None:
        """Print the one JSON document of a run."""
        self.plain(json.dumps(_redacted(document), indent=2, ensure_ascii=not knows_all(self._out)))

    def plain(self, text: str) -> None:
        """Print a result that is meant to hold what elsewhere is secret."""
        problem = _write(text, self._out)
        if problem is not None and self.lost is None:
            self.lost = problem.strerror or type(problem).__name__
            self.say(f"the result could not be written: {self.lost}")

    def verdict(self, code: int) -> int:
        """The exit code: a result that could not be written is no success."""
        return code if code or self.lost is None else int(ExitCode.FAILED)


def _write(text: str, stream: TextIO | None) -> OSError | None:
    if stream is None:
        return OSError(errno.EBADF, "the stream is closed")
    encoding = _encoding(stream)
    try:
        # What the terminal cannot show is spelled out, rather than end the run.
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError as problem:
        # What is left in its buffer would fail again at exit, and cost the exit code.
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        return problem
    return None


def _encoding(stream: TextIO | None) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def knows_all(stream: TextIO | None) -> bool:
    """Whether every character can be written to it."""
    return _encoding(stream).lower().replace("-", "") == "utf8"


def _redacted(value: Any, mask: Callable[[str], str] = redact) -> Any:
    """The document with each text in it redacted, so that it stays JSON."""
    match value:
        case dict():
            return {
                key: _redacted(each, redact_known if key == "heatmap" else mask)
                for key, each in value.items()
            }
        case list():
            return [_redacted(each, mask) for each in value]
        case str():
            return mask(value)
        case _:
            return value


def report_error(
    error: OperatorError, console: Console, *, mode: Mode, target: Target | None, as_json: bool
) -> int:
    """Report an error that ended everything before a run; returns the exit code."""
    console.say(f"heatmap-tui: {error.message}")
    if error.hint:
        console.say(f"  -> {error.hint}")
    if as_json:
        console.document(document(result_of_error(error, mode, target)))
    return int(error.exit_code)
