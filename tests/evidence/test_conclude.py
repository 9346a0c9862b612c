"""Nothing that comes after a run outranks what the run found."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from tui.errors import ExitCode, OperatorError
from tui.evidence.conclude import record
from tui.verify.events import Notice, Outcome, RunFinished

if TYPE_CHECKING:
    from tui.verify.approval import LeaveToWrite
    from tui.verify.events import Event


class FullLog:
    def ended(self, _: RunFinished) -> None:
        raise OperatorError("the deployment log could not take the outcome", hint="make room")


@pytest.mark.parametrize(
    ("outcome", "code", "then", "then_code"),
    [
        (Outcome.VERIFIED, ExitCode.VERIFIED, Outcome.FAILED, ExitCode.FAILED),
        (Outcome.CLEAN, ExitCode.VERIFIED, Outcome.FAILED, ExitCode.FAILED),
        (Outcome.FAILED, ExitCode.FAILED, Outcome.FAILED, ExitCode.FAILED),
        (Outcome.INTERRUPTED, ExitCode.INTERRUPTED, Outcome.INTERRUPTED, ExitCode.INTERRUPTED),
        (Outcome.LEFTOVERS, ExitCode.LEFTOVERS, Outcome.LEFTOVERS, ExitCode.LEFTOVERS),
    ],
)
def test_a_log_that_is_full_makes_nothing_better(
    outcome: Outcome, code: ExitCode, then: Outcome, then_code: ExitCode
) -> None:
    events: list[Event] = []
    finished = RunFinished(outcome, code, "as it ended", "do this", 1.0)
    recorded = record(cast("LeaveToWrite", FullLog()), finished, events.append)
    assert (recorded.outcome, recorded.exit_code) == (then, then_code)
    assert recorded.message.startswith("as it ended")
    assert "could not take the outcome" in recorded.problems[-1]
    assert [type(event) for event in events] == [Notice]
    if code is not ExitCode.VERIFIED:
        assert (recorded.message, recorded.hint) == ("as it ended", "do this")
