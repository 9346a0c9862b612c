"""What an operator may choose on the way: one probe again, five refreshes, what is saved."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.fakes import (
    FakeSession,
    dry_run_events,
    failing,
    make_app,
    make_settings,
    make_target,
    press,
    probes,
    purge_events,
    sample,
    settle,
    text_of,
    until,
)
from tui.console.dialogs import Question
from tui.console.figures import StepState, checklist
from tui.errors import ExitCode
from tui.verify.events import (
    DryRunFinished,
    Mode,
    Outcome,
    ProbeResult,
    RunFinished,
    RunStarted,
)

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = failing("schema.index", "the index is not there", "apply sql/analytics_heatmap.sql")
WHY = "40 responses to synthetic questions are none that a run wrote"


async def test_a_asks_the_chosen_probe_alone_and_judges_anew() -> None:
    target = make_target()
    good = dry_run_events(target, probes())
    session = FakeSession(dry_run=dry_run_events(target, probes(BROKEN)))
    session.again = [
        event
        for event in good
        if isinstance(event, DryRunFinished | RunFinished)
        or (isinstance(event, ProbeResult) and event.status and event.id == BROKEN.id)
    ]
    app = make_app(session)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d")
        assert "not ready" in text_of(app)
        await press(pilot, "a")
        assert session.asked_again == [BROKEN.id], "the first failure is chosen"
        assert "ready to write synthetic data" in text_of(app)
        assert checklist(app.state)[1].state is StepState.DONE
        assert app.state.dry_run is not None
        assert all(row.status for row in app.state.dry_run.probes.values())
        assert app.state.exit_code is ExitCode.VERIFIED


async def test_a_probe_that_breaks_off_leaves_no_verdict_standing() -> None:
    session, first = FakeSession(), probes()[0]
    session.again = [ProbeResult(first.id, first.group, first.title)]
    app = make_app(session)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "space", "down", "a")
        assert "broke off" in text_of(app)
        assert checklist(app.state)[2].state is StepState.LOCKED


async def test_f_times_the_refresh_five_times() -> None:
    session = FakeSession()
    app = make_app(session)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r")
        assert "(once; f: 5 times)" in text_of(app)
        await press(pilot, "f")
        assert "(5 times; f: once)" in text_of(app)
        await press(pilot, "f")
        assert "(once; f: 5 times)" in text_of(app)
        await press(pilot, "f", "enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        assert session.asked_for["refresh_runs"] == 5


async def test_as_configured_unless_chosen() -> None:
    session = FakeSession(settings=replace(make_settings(), refresh_runs=9))
    app = make_app(session)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r")
        assert "(9 times; f: once)" in text_of(app)
        await press(pilot, "f")
        assert "(once; f: 5 times)" in text_of(app)


@pytest.mark.parametrize("answer", ["keep", "remove"])
@pytest.mark.parametrize(
    ("found", "title", "asked"),
    [
        ({"unexplained": 40}, "more than the tag explains", {"unexplained": 40, "runs": ()}),
        (
            {"spared": ("20260102-abcdef01",)},
            "is under way elsewhere",
            {"unexplained": None, "runs": ("20260102-abcdef01",)},
        ),
    ],
    ids=["unexplained", "spared"],
)
async def test_what_a_purge_leaves_alone_is_asked_about(
    answer: str, found: dict[str, Any], title: str, asked: dict[str, object]
) -> None:
    target = make_target()
    started = RunStarted("r", Mode.PURGE, target, make_settings().volume)
    refused = RunFinished(Outcome.LEFTOVERS, WHY, "look at them", 0.1, (WHY,), **found)
    session = FakeSession()
    session.purges = [[started, refused], purge_events(target)]
    app = make_app(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await settle(pilot)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: title in text_of(app))
        assert session.asked_for == {"approval": None, "unexplained": None, "runs": ()}
        assert app.focused is not None
        assert app.focused.id == "answer-keep", "the safe choice is focused"
        await pilot.press(*([] if answer == "keep" else ["tab"]), "enter")
        if answer == "keep":
            await settle(pilot)
            assert len(session.purges) == 1
            assert app.state.exit_code is ExitCode.LEFTOVERS
        else:
            await until(pilot, lambda: not session.purges)
            await until(pilot, lambda: not app.state.is_writing)
            assert session.asked_for == {"approval": None, **asked}
            assert app.state.exit_code is ExitCode.VERIFIED


@pytest.mark.parametrize(("key", "endings"), [("r", ["csv", "json"]), ("p", ["svg"])])
async def test_rows_or_a_picture_are_saved_privately(
    tmp_path: Path, key: str, endings: list[str]
) -> None:
    app = make_app(FakeSession(settings=make_settings(tmp_path)))
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "h")
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press(key)
        await until(pilot, lambda: any("Saved" in each.message for each in app._notifications))
    saved = sorted((tmp_path / "exports").iterdir())
    assert [path.suffix for path in saved] == [f".{ending}" for ending in endings]
    for path in saved:
        assert re.fullmatch(r"heatmap_127\.0\.0\.1\S*_live_\d{8}T\d{6}Z", path.stem), path.name
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in saved)
    if key == "r":
        assert json.loads(saved[1].read_text())
    else:
        picture = saved[0].read_text()
        assert "<svg" in picture
        assert "Save" in picture
        assert "Picture:" not in picture, "the dialog is not in it"


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-01-02T03:04:05+00:00", "refreshed 2026-01-02 03:04 UTC"),
        (None, "when it was refreshed is not known"),
    ],
)
async def test_the_age_of_the_view_is_said(at: str | None, words: str) -> None:
    session = FakeSession()
    session.live = replace(sample(), refreshed_at=at)
    app = make_app(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "h")
        assert words in text_of(app)


async def test_a_truncated_read_is_never_taken_for_the_whole() -> None:
    session = FakeSession()
    session.live = replace(sample(), total=2_000)
    app = make_app(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "h")
        assert "64 of 2,000 rows read" in text_of(app)
