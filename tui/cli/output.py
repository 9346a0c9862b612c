"""The headless twin: narration on stderr, result on stdout, signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Self, TextIO

from tui.errors import ExitCode
from tui.redact import redact, redact_known
from tui.signals import REASONS, listen
from tui.verify.events import Mode
from tui.verify.narration import narrate
from tui.verify.result import Result, document, result_of_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.errors import OperatorError
    from tui.verify.session import Run


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

    def stage(self, title: str, seconds: float | None, detail: str | None) -> None:
        """Narrate a step on the way to a project, once it is done."""
        if seconds is not None:
            self.say(f"  {title}" + (f": {detail}" if detail else "") + f" ({seconds:.2f} s)")

    def result(self, text: str) -> None:
        self.plain(redact_known(text))

    def document(self, document: dict[str, Any]) -> None:
        """Print the one JSON document of a run."""
        self.plain(
            json.dumps(_redacted(document), indent=2, ensure_ascii=not _knows_all(self._out))
        )

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


def _knows_all(stream: TextIO | None) -> bool:
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


async def follow(run: Run, console: Console) -> Result:
    """Do a run to its end, narrating; its clean-up is awaited whatever happens."""
    async with contextlib.aclosing(run.events()) as events:
        async for event in events:
            line = narrate(event)
            if line:
                console.say(line)
    return run.result


class Interruptions:
    """What signals do: the first stops, the second warns, the third leaves.

    Before there is a run, the first one cancels the task that made this. `reason` is what the first
    signal meant.
    """

    def __init__(self, console: Console) -> None:
        self.reason: str | None = None
        self._console = console
        self._task = asyncio.current_task()
        self._run: Run | None = None
        self._purge_command: Callable[[], str] = lambda: ""
        self._seen = 0

    def __enter__(self) -> Self:
        self._stop_listening = listen(self._signalled)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_listening()

    def attach(self, run: Run, purge_command: Callable[[], str]) -> None:
        """From here on signals stop this run."""
        self._run, self._purge_command = run, purge_command

    @property
    def _writing(self) -> bool:
        return self._run is not None and self._run.result.may_have_written

    def _signalled(self, name: str) -> None:
        self.reason = self.reason or REASONS[name]
        self._seen += 1
        if self._run is None:
            if self._task is not None:
                self._task.cancel()
        elif self._run.result.finished is not None:
            self._console.say(f"{REASONS[name]}: the run is over, closing")
        elif self._seen == 1:
            self._run.cancel(self.reason)
            self._console.say(f"{self.reason}: stopping{self._so_far()}")
        elif self._seen == 2:
            self._console.say(f"still {self._what()}")
        else:
            self._run.abandon()
            self._console.say(f"leaving{self._so_far()}")
            if self._writing:
                self._console.say(f"remove what is left with: {self._purge_command()}")

    def _so_far(self) -> str:
        return "" if self._writing else "; nothing was written"

    def _what(self) -> str:
        if self._run is None or not self._writing:
            return "stopping; nothing was written"
        if self._run.mode is Mode.PURGE:
            return "finishing what is under way; once more leaves the rest behind"
        return "cleaning up; once more leaves rows behind"


def report_error(error: OperatorError, console: Console, *, mode: Mode, as_json: bool) -> int:
    """Report an error that ended everything before a run; returns the exit code."""
    console.say(f"heatmap-tui: {error.message}")
    if error.hint:
        console.say(f"  -> {error.hint}")
    if as_json:
        console.document(document(result_of_error(error, mode)))
    return int(error.exit_code)
