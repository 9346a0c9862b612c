"""One document, whatever ended a run."""

from __future__ import annotations

import pytest

from tests.dry_run.contexts import OPAQUE
from tui.errors import ConfigurationError, ExitCode, GuardRefused, OperatorError
from tui.guard.target import classify
from tui.settings import Volume
from tui.verify.events import Mode, Outcome, RunFinished, RunStarted
from tui.verify.narration import narrate
from tui.verify.result import Result, document, outcome_of, result_of_error

TARGET = classify("http://127.0.0.1:54321", OPAQUE)


def finished(mode: Mode, *problems: str) -> Result:
    result = Result(mode)
    result.apply(RunStarted("20260131-9f3c21aa", mode, TARGET, Volume()))
    result.apply(RunFinished(Outcome.FAILED, "as it ended", "do this", 1.0, problems))
    return result


@pytest.mark.parametrize("mode", list(Mode))
def test_what_nobody_counted_is_not_said_to_be_nothing(mode: Mode) -> None:
    left = document(finished(mode))["leftovers"]
    assert left == {"users": None, "questions": None, "responses": None}


def test_problems_are_in_the_document_and_in_words() -> None:
    result = finished(Mode.PURGE, "as it ended", "permission denied (42501)")
    assert document(result)["problems"] == ["as it ended", "permission denied (42501)"]
    assert result.finished is not None
    # What the message says already is not said twice.
    assert narrate(result.finished) == ("as it ended\n  permission denied (42501)\n  -> do this")


def test_reasons_told_with_the_verdict_are_not_told_again() -> None:
    end = RunFinished(Outcome.NOT_READY, "not ready", None, 1.0, ("a: b",))
    assert narrate(end) == "not ready"


def test_an_error_before_a_run_has_the_same_keys() -> None:
    keys = list(document(finished(Mode.CYCLE)))
    for error in (ConfigurationError("x"), GuardRefused("y"), OperatorError("z")):
        told = document(result_of_error(error, Mode.CYCLE))
        assert list(told) == keys
        assert told["exit_code"] == int(error.exit_code)
        assert told["outcome"] == str(outcome_of(error.exit_code))


@pytest.mark.parametrize("code", [code for code in ExitCode if code is not ExitCode.VERIFIED])
def test_every_exit_code_has_an_outcome_of_its_own(code: ExitCode) -> None:
    others = {outcome_of(each) for each in ExitCode if each not in {code, ExitCode.VERIFIED}}
    assert outcome_of(code) not in others


def test_each_outcome_has_its_exit_code() -> None:
    assert {str(each): int(each.exit_code) for each in Outcome} == {
        "verified": 0,
        "ready": 0,
        "clean": 0,
        "read": 0,
        "failed": 1,
        "not-ready": 1,
        "unusable": 2,
        "refused": 3,
        "interrupted": 4,
        "leftovers": 5,
        "unreachable": 6,
    }
