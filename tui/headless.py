"""The headless twin: narration on stderr, the result on stdout, the outcome as exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

from tui.errors import ExitCode, OperatorError
from tui.redact import redact
from tui.verify.narrate import narrate
from tui.verify.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.verify.session import Run

_SIGNALS: Final = {
    signal.SIGINT: "interrupted (SIGINT)",
    signal.SIGTERM: "interrupted (SIGTERM)",
    signal.SIGHUP: "the terminal was closed (SIGHUP)",
}


class Console:
    """Where a headless run writes; everything passes the redaction.

    Args:
        out: For the result alone.
        err: For narration and errors.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    def say(self, text: str) -> None:
        """Narrate. A reader that has gone away does not stop a run that must clean up."""
        with contextlib.suppress(BrokenPipeError):
            print(redact(text), file=self._err, flush=True)

    def result(self, text: str) -> None:
        """Print the result, or a part of it."""
        with contextlib.suppress(BrokenPipeError):
            print(redact(text), file=self._out, flush=True)

    def document(self, document: dict[str, Any]) -> None:
        """Print the one JSON document of a run."""
        text = json.dumps(_redacted(document), indent=2, ensure_ascii=False)
        with contextlib.suppress(BrokenPipeError):
            print(text, file=self._out, flush=True)


def _redacted(value: Any) -> Any:
    """The document with every text in it redacted on its own, so that it stays JSON."""
    match value:
        case dict():
            return {key: _redacted(each) for key, each in value.items()}
        case list():
            return [_redacted(each) for each in value]
        case str():
            return redact(value)
        case _:
            return value


async def follow(run: Run, console: Console) -> Result:
    """Do a run to its end, narrating; signals cancel it.

    Returns:
        The result, whose `finished` is set.
    """
    result = Result()
    with _signals_cancel(run, console):
        async for event in run.events():
            result.apply(event)
            line = narrate(event)
            if line:
                console.say(line)
    return result


@contextlib.contextmanager
def _signals_cancel(run: Run, console: Console) -> Iterator[None]:
    """First signal cancels, second warns, third leaves."""
    loop = asyncio.get_running_loop()
    seen = 0

    def handle(reason: str) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            run.cancel(reason)
            console.say(f"{reason}: stopping")
        elif seen == 2:
            console.say("still cleaning up; once more leaves rows behind")
        else:
            run.abandon()
            console.say("leaving; remove what is left with: heatmap-tui --purge")

    for number, reason in _SIGNALS.items():
        loop.add_signal_handler(number, handle, reason)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def report_error(error: OperatorError, console: Console, *, mode: str, as_json: bool) -> int:
    """Tell an error that ended everything before a run could begin; returns the exit code."""
    console.say(f"heatmap-tui: {error.message}")
    if error.hint:
        console.say(f"  -> {error.hint}")
    if as_json:
        console.document(_empty_document(error, mode))
    return int(error.exit_code)


def _empty_document(error: OperatorError, mode: str) -> dict[str, Any]:
    """The contract's keys with nothing in them, and what was wrong."""
    outcomes = {
        ExitCode.USAGE: "unusable",
        ExitCode.REFUSED: "refused",
        ExitCode.UNREACHABLE: "unreachable",
    }
    return {
        "schema": 1,
        "mode": mode,
        "run_id": None,
        "outcome": outcomes.get(error.exit_code, "failed"),
        "exit_code": int(error.exit_code),
        "message": error.message,
        "target": None,
        "settings": None,
        "probes": [],
        "ready": False,
        "stages": [],
        "rows": {"users": 0, "questions": 0, "responses": 0},
        "refresh_ms": None,
        "refresh_runs_ms": [],
        "final_refresh_ms": None,
        "check": {"expected": 0, "matched": 0, "mismatched": 0, "missing": 0, "unexpected": 0},
        "leftovers": {"users": None, "questions": None, "responses": None},
        "view_restored": None,
        "total_seconds": 0.0,
    }
