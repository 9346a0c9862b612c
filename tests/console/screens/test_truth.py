"""What stands on a screen is true now: of this project, of this run, at this time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Static

from tests.console.fakes import (
    PRODUCTION,
    Clock,
    FakeSession,
    Held,
    cycle_events,
    make_app,
    make_target,
    press,
    sample,
    settle,
    text_of,
    until,
)
from tests.console.test_environments import Files
from tui.console.app import HeatmapApp
from tui.console.dialogs import TextDialog
from tui.console.figures import StepState, checklist
from tui.console.screens.evidence import EvidenceScreen
from tui.console.screens.heatmap import HeatmapScreen
from tui.console.state import View
from tui.console.widgets.frame import Banner
from tui.console.widgets.heatmap import HeatmapGrid, HeatmapLegend
from tui.errors import ExitCode
from tui.project import ProjectError
from tui.verify.events import Stage, StageStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tui.verify.events import SampleTaken
    from tui.verify.session import ConnectStage, Session

TO_RUN = ("d", "r", "enter")


async def run_through(pilot: Pilot[int], app: HeatmapApp) -> None:
    await press(pilot, *TO_RUN)
    await until(
        pilot, lambda: app.state.run and app.state.run.finished and not app.state.is_writing
    )
    await settle(pilot)


def wait(app: HeatmapApp, seconds: float) -> None:
    assert isinstance(app.state.clock, Clock)
    app.state.clock.now += seconds


@pytest.mark.parametrize("left", [False, True])
async def test_a_run_that_a_defect_ended_is_over_and_has_failed(left: bool) -> None:
    events = cycle_events(make_target())
    session = FakeSession(cycle=[*events[:5], ValueError("boom")])
    app = make_app(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r")
        if left:
            session.journals = [type("Record", (), {"run_id": session.cycle().run_id})()]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        await settle(pilot)
        await press(pilot, "escape")
        wait(app, 600)
        await settle(pilot)
        screen = text_of(app)
        assert "broke off" in screen
        assert "running" not in screen
        assert "10 min" not in screen, "nothing is under way, and nothing is waited for"
        assert checklist(app.state)[3].state is StepState.PROBLEM
        await press(pilot, "q")
    assert app.return_value == (ExitCode.LEFTOVERS if left else ExitCode.FAILED)


async def test_a_defect_while_connecting_is_told_and_can_be_tried_again() -> None:
    tries = 0

    async def connect(_: Callable[[ConnectStage], None]) -> Session:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError("boom")
        return FakeSession()  # type: ignore[return-value]

    app = HeatmapApp(connect, clock=Clock())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        await press(pilot, "escape")
        assert "not connected" in text_of(app)
        assert "RuntimeError" in text_of(app)
        assert app.state.exit_code is ExitCode.FAILED
        await press(pilot, "ctrl+r")
        assert app.state.session is not None


async def test_another_project_has_none_of_the_first_ones_cells_even_when_it_cannot_be_read() -> (
    None
):
    files = Files(".env", ".env.staging")

    async def refuse() -> SampleTaken:
        raise ProjectError("the reader is missing", hint="apply the SQL")

    files.session.read_heatmap = refuse  # type: ignore[method-assign]
    app = make_app(FakeSession(), environments=files)
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        await press(pilot, "h")
        await until(pilot, lambda: "attempts" in text_of(app))
        await press(pilot, "t", "o", "down", "enter")
        await until(pilot, lambda: app.state.session is files.session)
        await press(pilot, "h")
        screen = text_of(app)
        assert "STAGING" in screen
        assert "not read  the reader is missing apply the SQL" in screen
        assert "Press v to read it again" in screen
        heatmap = app.screen.query_one(HeatmapGrid)
        assert not heatmap.grid.rows
        assert not heatmap.display
        assert not app.screen.query_one(HeatmapLegend).display
        for words in ("fracture", "attempts", "no data"):
            assert words not in screen
        files.session.read_heatmap = FakeSession().read_heatmap  # type: ignore[method-assign]
        await press(pilot, "v")
        await until(pilot, lambda: "fracture" in text_of(app))
        assert app.focused is heatmap, "the keys are the grid's again"


async def test_what_is_read_of_a_project_that_was_left_is_not_shown() -> None:
    files, session, gate = Files(".env.staging"), FakeSession(), asyncio.Event()

    async def slow() -> SampleTaken:
        await gate.wait()
        return sample(questions=3)

    session.read_heatmap = slow  # type: ignore[method-assign]
    app = make_app(session, environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state.session)
        await pilot.press("h")
        await until(pilot, lambda: app.state.reading_since is not None)
        # Keys refuse to leave a project that is busy; a slow one may still be overtaken.
        await app.state.close()
        app.state.session = files.session  # type: ignore[assignment]
        gate.set()
        await settle(pilot)
        assert app.state.live is None
        assert app.state.read_problem is None


async def test_the_sample_of_a_new_run_goes_before_what_was_looked_at() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "h")
        assert "Live view" in text_of(app)
        await run_through(pilot, app)
        await press(pilot, "h")
        assert "Sample of the last run" in text_of(app)
        await press(pilot, "v")
        assert "Live view" in text_of(app)
        await press(pilot, "t", "h")
        assert "Live view" in text_of(app), "as it was left"


async def test_the_sample_is_there_to_look_at_while_the_run_cleans_up() -> None:
    events = cycle_events(make_target())
    cleaning = next(
        place
        for place, event in enumerate(events)
        if isinstance(event, StageStarted) and event.stage is Stage.CLEANUP_RESPONSES
    )
    held = Held()
    app = make_app(FakeSession(cycle=[*events[:cleaning], held, *events[cleaning:]]))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r")
        await pilot.press("enter")
        await held.reached.wait()
        await press(pilot, "h")
        assert "Sample of the last run" in text_of(app)
        assert app.state.is_writing
        held.go.set()
        await until(pilot, lambda: not app.state.is_writing)


async def test_rows_that_were_read_a_while_ago_say_so() -> None:
    session = FakeSession()
    session.live = replace(sample(), refreshed_at="2026-01-02T03:04:05+00:00")
    app = make_app(session)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "h")
        assert " ago" not in text_of(app)
        wait(app, 12 * 60)
        await settle(pilot)
        assert "read 12 min ago" in text_of(app)
        await press(pilot, "v")
        assert " ago" not in text_of(app)


async def test_waiting_for_the_live_view_says_since_when_and_is_done_once() -> None:
    session, gate, reads = FakeSession(), asyncio.Event(), 0

    async def slow() -> SampleTaken:
        nonlocal reads
        reads += 1
        await gate.wait()
        return session.live

    session.read_heatmap = slow  # type: ignore[method-assign]
    app = make_app(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state.session)
        await pilot.press("h")
        await until(pilot, lambda: "reading the live view" in text_of(app))
        wait(app, 42)
        # Not painted by hand: the console has to know that time goes by.
        assert app.state.is_busy
        await until(pilot, lambda: "for 42.0 s" in text_of(app))
        await pilot.press("v")
        await pilot.pause()
        assert reads == 1
        assert "for 42.0 s" in text_of(app)
        gate.set()
        await until(pilot, lambda: "Live view" in text_of(app))


async def test_a_defect_while_reading_is_told_once_and_does_not_come_back_by_itself() -> None:
    session, reads = FakeSession(), 0

    async def broken() -> SampleTaken:
        nonlocal reads
        reads += 1
        raise RuntimeError("boom")

    session.read_heatmap = broken  # type: ignore[method-assign]
    app = make_app(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("h")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        await press(pilot, "escape")
        assert app.controller.view is View.HEATMAP
        assert "internal error: RuntimeError" in text_of(app)
        assert reads == 1


async def test_the_trend_of_one_project_does_not_stay_for_the_next() -> None:
    files, session = Files(".env.staging"), FakeSession()
    app = make_app(session, environments=files)
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        session.remember(210, 220, 215)
        await run_through(pilot, app)
        await press(pilot, "e")
        screen = app.screen
        assert isinstance(screen, EvidenceScreen)
        trend = screen.query_one("#trend", Static)
        await press(pilot, "v")
        await until(pilot, lambda: "median of each run" in str(trend.content))
        assert "20260101t000000-abcdef" in text_of(app), "the runs stand in a table below it"
        await press(pilot, "t", "o", "enter")
        await until(pilot, lambda: app.state.session is files.session)
        await press(pilot, "d", "e")
        await until(pilot, lambda: "median of each run" not in str(trend.content))
        assert "20260101t000000-abcdef" not in text_of(app)


async def test_the_banner_of_a_dialog_follows_the_project() -> None:
    gate = asyncio.Event()

    async def connect(_: Callable[[ConnectStage], None]) -> Session:
        await gate.wait()
        return FakeSession(is_sandbox=True)  # type: ignore[return-value]

    app = HeatmapApp(connect, clock=Clock())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.controller.view is View.TARGET)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        assert app.screen.query_one(Banner).text.kind == "opening"
        gate.set()
        await until(pilot, lambda: app.screen.query_one(Banner).text.kind == "sandbox")
        session = app.state.session
        assert session is not None
        # The database may yet declare what it is.
        session.target = PRODUCTION
        app.paint()
        await pilot.pause()
        assert app.screen.query_one(Banner).has_class("-production")


async def test_heatmap_and_help_are_left_to_the_step_they_were_opened_from() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "escape")
        assert app.controller.view is View.TARGET
        await press(pilot, "d", "t", "escape")
        assert app.controller.view is View.TARGET, "back never goes forward"
        await press(pilot, "d", "r", "h", "escape")
        assert app.controller.view is View.REVIEW
        await press(pilot, "escape", "escape", "escape")
        assert app.controller.view is View.TARGET
        await press(pilot, "r", "enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        await press(pilot, "t", "escape")
        assert app.controller.view is View.TARGET
        await press(pilot, "r", "h", "e", "escape")
        assert app.controller.view is View.RUN
        assert isinstance(app.screen, HeatmapScreen) is False
