"""Events folded into a result: rates, times left, stages that begin twice, ends."""

from __future__ import annotations

import pytest

from tests.console.recorded import dry_run_events, failing, probes
from tests.dry_run.contexts import OPAQUE
from tui.guard.target import classify
from tui.settings import Volume
from tui.verify.events import (
    Cancelling,
    Event,
    Mode,
    Outcome,
    ProbeResult,
    Retrying,
    RunFinished,
    RunStarted,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
)
from tui.verify.result import Result, StageState, document

TARGET = classify("http://127.0.0.1:54321", OPAQUE)


class Clocked(Result):
    """A result on a clock that is set for each event."""

    def __init__(self, mode: Mode) -> None:
        self.now = 0.0
        super().__init__(mode, lambda: self.now)

    def at(self, now: float, event: Event) -> None:
        self.now = now
        self.apply(event)


def begun() -> Clocked:
    result = Clocked(Mode.CYCLE)
    result.at(0.0, RunStarted("20260131-9f3c21aa", Mode.CYCLE, TARGET, Volume(), tuple(Stage)))
    return result


def test_what_is_done_of_a_stage_is_a_fraction_of_its_total() -> None:
    result = begun()
    result.at(10.0, StageStarted(Stage.RESPONSES, 1_000, "responses"))
    result.at(12.0, StageProgress(Stage.RESPONSES, 250, 1_000))
    line = result.stages[Stage.RESPONSES]
    assert line.fraction == pytest.approx(0.25)
    assert line.elapsed(12.5) == pytest.approx(2.5)


def test_an_unknown_or_zero_total_is_no_fraction_until_done() -> None:
    result = begun()
    for total in (None, 0):
        result.at(1.0, StageStarted(Stage.AUDIT, total, "counting"))
        line = result.stages[Stage.AUDIT]
        assert line.fraction is None
        result.at(1.5, StageFinished(Stage.AUDIT, 0.5, 0))
        assert line.fraction == 1.0


def test_a_stage_that_begins_again_starts_afresh() -> None:
    result = begun()
    result.at(1.0, StageStarted(Stage.CLEANUP_USERS, 9, "users"))
    result.at(2.0, StageFinished(Stage.CLEANUP_USERS, 1.0, 4, failed=True))
    assert result.stages[Stage.CLEANUP_USERS].state is StageState.FAILED
    result.at(3.0, StageStarted(Stage.CLEANUP_USERS, 5, "users"))
    line = result.stages[Stage.CLEANUP_USERS]
    assert (line.state, line.done, line.total, line.seconds) == (StageState.RUNNING, 0, 5, None)
    assert result.cleaning_up


def test_a_retry_is_shown_until_something_gets_through_or_the_run_is_stopped() -> None:
    result = begun()
    result.at(1.0, StageStarted(Stage.USERS, 9, "users"))
    retry = Retrying("create user", 1, 5, 0.5, "503")
    for end in (StageProgress(Stage.USERS, 1, 9), Cancelling("esc")):
        result.at(1.0, retry)
        assert result.retry is retry
        result.at(1.1, end)
        assert result.retry is None
    assert result.retries == 2


def test_the_end_leaves_no_stage_running_or_waiting() -> None:
    result = begun()
    result.at(1.0, StageStarted(Stage.USERS, 9, "users"))
    end = RunFinished(Outcome.FAILED, "no", None, 1.0)
    result.at(2.0, end)
    states = {line.state for line in result.stages.values()}
    assert states == {StageState.FAILED, StageState.NOT_RUN}
    assert not result.running


def test_a_dry_run_keeps_the_order_in_which_probes_were_named() -> None:
    broken = failing("schema.index", "gone", "apply the SQL")
    result = Result(Mode.DRY_RUN)
    events = dry_run_events(TARGET, probes(broken))
    started = [event for event in events if isinstance(event, ProbeResult) and event.status is None]
    answers = [event for event in events if isinstance(event, ProbeResult) and event.status]
    for event in [*started, *reversed(answers), *events[-2:]]:
        result.apply(event)
    assert list(result.probes) == [each.id for each in started]
    assert not result.ready
    assert not result.running


def test_the_first_failure_is_found_and_groups_keep_their_order() -> None:
    broken = failing("schema.index", "gone", "apply the SQL")
    result = Result(Mode.DRY_RUN)
    for event in dry_run_events(TARGET, probes(broken)):
        result.apply(event)
    assert result.first_failure == "schema.index"
    assert list(result.groups())[:3] == ["target", "authentication", "schema"]


def test_a_probe_asked_again_opens_the_verdict_until_it_has_answered() -> None:
    result = Result(Mode.DRY_RUN)
    events = dry_run_events(TARGET, probes())
    for event in events:
        result.apply(event)
    assert result.ready
    again = next(each for each in events if isinstance(each, ProbeResult) and each.status is None)
    result.apply(again)
    assert result.running
    assert not result.ready
    assert result.probes[again.id].status is None
    assert next(iter(result.probes)) == again.id, "it keeps its place"


def test_a_copy_that_has_ended_leaves_the_run_as_it_goes_on() -> None:
    result = begun()
    end = RunFinished(Outcome.FAILED, "no", None, 1.0)
    assert document(result.ended(end))["exit_code"] == 1
    assert result.running
    assert {line.state for line in result.stages.values()} == {StageState.WAITING}
