"""Events folded into progress: rates, times left, stages that begin twice, ends."""

from __future__ import annotations

import pytest

from tests.console.fakes import cycle_events, dry_run_events, failing, make_target, probes
from tui.console.widgets.progress import DryRunProgress, RunProgress, StageState
from tui.errors import ExitCode
from tui.verify.events import (
    Cancelling,
    Mode,
    Outcome,
    ProbeFinished,
    ProbeStarted,
    Retrying,
    RunFinished,
    RunStarted,
    Stage,
    StageFinished,
    StageProgress,
    StageStarted,
)


def begun() -> RunProgress:
    progress = RunProgress(Mode.CYCLE, began=0.0)
    first = cycle_events(make_target())[0]
    assert isinstance(first, RunStarted)
    progress.apply(first, 0.0)
    return progress


def test_rate_and_time_left_follow_from_what_is_done() -> None:
    progress = begun()
    progress.apply(StageStarted(Stage.RESPONSES, 1_000, "responses"), 10.0)
    line = progress.lines[Stage.RESPONSES]
    assert line.rate(12.0) is None
    progress.apply(StageProgress(Stage.RESPONSES, 250, 1_000), 12.0)
    assert line.rate(12.0) == pytest.approx(125.0)
    assert line.time_left(12.0) == pytest.approx(6.0)
    assert line.fraction == pytest.approx(0.25)
    assert line.rate(10.1) is None, "too little time has passed to tell"


def test_an_unknown_or_zero_total_is_no_fraction_until_done() -> None:
    progress = begun()
    for total in (None, 0):
        progress.apply(StageStarted(Stage.AUDIT, total, "counting"), 1.0)
        line = progress.lines[Stage.AUDIT]
        assert line.fraction is None
        assert line.time_left(5.0) is None
        progress.apply(StageFinished(Stage.AUDIT, 0.5, 0), 1.5)
        assert line.fraction == 1.0


def test_a_stage_that_begins_again_starts_afresh() -> None:
    progress = begun()
    progress.apply(StageStarted(Stage.CLEANUP_USERS, 9, "users"), 1.0)
    progress.apply(StageFinished(Stage.CLEANUP_USERS, 1.0, 4, failed=True), 2.0)
    assert progress.lines[Stage.CLEANUP_USERS].state is StageState.FAILED
    progress.apply(StageStarted(Stage.CLEANUP_USERS, 5, "users"), 3.0)
    line = progress.lines[Stage.CLEANUP_USERS]
    assert (line.state, line.done, line.total, line.seconds) == (StageState.RUNNING, 0, 5, None)
    assert progress.cleaning_up


def test_a_retry_is_shown_until_something_gets_through_or_the_run_is_stopped() -> None:
    progress = begun()
    progress.apply(StageStarted(Stage.USERS, 9, "users"), 1.0)
    retry = Retrying("create user", 1, 5, 0.5, "503")
    for end in (StageProgress(Stage.USERS, 1, 9), Cancelling("esc")):
        progress.apply(retry, 1.0)
        assert progress.retry is retry
        progress.apply(end, 1.1)
        assert progress.retry is None
    assert progress.retries == 2


def test_the_end_leaves_no_stage_running_or_waiting() -> None:
    progress = begun()
    progress.apply(StageStarted(Stage.USERS, 9, "users"), 1.0)
    end = RunFinished(Outcome.FAILED, ExitCode.FAILED, "no", None, 1.0)
    progress.apply(end, 2.0)
    states = {line.state for line in progress.lines.values()}
    assert states == {StageState.FAILED, StageState.NOT_RUN}
    assert not progress.running


def test_a_dry_run_keeps_the_order_in_which_probes_were_named() -> None:
    broken = failing("schema.index", "gone", "apply the SQL")
    progress = DryRunProgress(began=0.0)
    events = dry_run_events(make_target(), probes(broken))
    started = [event for event in events if isinstance(event, ProbeStarted)]
    answers = [event for event in events if isinstance(event, ProbeFinished)]
    for event in [*started, *reversed(answers), *events[-2:]]:
        progress.apply(event)
    assert list(progress.probes) == [each.id for each in started]
    assert not progress.ready
    assert not progress.running


def test_the_first_failure_is_found_and_groups_keep_their_order() -> None:
    broken = failing("schema.index", "gone", "apply the SQL")
    progress = DryRunProgress(began=0.0)
    for event in dry_run_events(make_target(), probes(broken)):
        progress.apply(event)
    assert progress.first_failure() == "schema.index"
    assert list(progress.groups())[:3] == ["target", "authentication", "schema"]
