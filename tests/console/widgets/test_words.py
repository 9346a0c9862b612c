"""Figures in words, names beside values, and the words of a verdict."""

from __future__ import annotations

import pytest
from textual.content import Content

from tests.console.recorded import PRODUCTION, STAGING, make_target
from tui.console.widgets.banner import banner_for
from tui.console.widgets.figures import figures, verdict
from tui.console.widgets.glyphs import ASCII, UNICODE
from tui.console.widgets.words import columns, duration, milliseconds, plural, rate
from tui.errors import ExitCode
from tui.verify.events import AuditFinished, Mode, Outcome, RunFinished, Tally
from tui.verify.result import Result


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.0854, "85 ms"),
        (4.24, "4.2 s"),
        (59.94, "59.9 s"),
        (185, "3 min 05 s"),
        (3_900, "1 h 05 min"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words
    assert milliseconds(None if seconds is None else seconds * 1000) == words


@pytest.mark.parametrize(
    ("per_second", "words"),
    [(None, ""), (3.14159, "3.1/s"), (950.4, "950/s"), (1_250, "1,250/s"), (12_400, "12.4k/s")],
)
def test_rates(per_second: float | None, words: str) -> None:
    assert rate(per_second) == words


def test_plurals() -> None:
    assert [plural(number, "row") for number in (0, 1, 2, 1_000)] == [
        *("0 rows", "1 row", "2 rows"),
        "1,000 rows",
    ]


def test_values_that_are_too_long_go_on_below_where_they_began() -> None:
    table = columns([("Key", "one two three"), ("Longer", "[/x] as text")], 15)
    assert [line.rstrip() for line in table.plain.split("\n")] == [
        "Key     one two",
        "        three",
        "Longer  [/x] as",
        "        text",
    ]
    assert all(Content(line).cell_length <= 15 for line in table.plain.split("\n"))


@pytest.mark.parametrize(
    ("outcome", "sign"),
    [
        (Outcome.VERIFIED, UNICODE.done),
        (Outcome.CLEAN, UNICODE.done),
        (Outcome.INTERRUPTED, UNICODE.warn),
        (Outcome.REFUSED, UNICODE.warn),
        (Outcome.FAILED, UNICODE.bad),
        (Outcome.LEFTOVERS, UNICODE.bad),
        (Outcome.UNREACHABLE, UNICODE.bad),
    ],
)
def test_a_verdict_is_a_sign_a_word_and_a_sentence(outcome: Outcome, sign: str) -> None:
    result = Result(Mode.CYCLE)
    ended = RunFinished(outcome, ExitCode.FAILED, f"{outcome.value}: so it went", "do this", 1.0)
    result.apply(ended)
    first, second = verdict(result, UNICODE).plain.split("\n")
    assert first == f"{sign} {outcome.value.upper()}  so it went", "its word stands there once"
    assert second == "To do: do this"
    assert verdict(result, ASCII).plain.isascii()


@pytest.mark.parametrize(
    ("left", "words"),
    [(Tally(), "nothing"), (Tally(1, 2, 3), "1 user, 2 questions, 3 responses")],
)
def test_what_is_left_is_told_in_figures(left: Tally, words: str) -> None:
    result = Result(Mode.PURGE)
    result.apply(AuditFinished(left, view_restored=None))
    [(name, value)] = figures(result, UNICODE)
    assert name == "Left behind"
    assert str(value).endswith(words if not left.total else str(left))


def test_the_banner_names_place_kind_and_reason() -> None:
    local = banner_for(make_target(), is_sandbox=False, opening="")
    assert (local.kind, local.where) == ("local", "127.0.0.1:54321")
    assert banner_for(make_target(), is_sandbox=True, opening="").kind == "sandbox"
    assert banner_for(PRODUCTION, is_sandbox=True, opening="").kind == "production"
    assert banner_for(STAGING, is_sandbox=False, opening="").reason == STAGING.reason
    assert banner_for(None, is_sandbox=False, opening="x").kind == "opening"
    assert banner_for(None, is_sandbox=False, opening="x", failed=True).kind == "not connected"
