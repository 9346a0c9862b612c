"""The way through by keys: enter goes on, one dialog at a time, nothing outlives its truth."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Static

from tests.console.fakes import (
    PRODUCTION,
    Clock,
    FakeSession,
    Held,
    make_app,
    press,
    settle,
    text_of,
    until,
)
from tests.console.test_navigation import held_cycle, start_held_run
from tui.console.app import HeatmapApp
from tui.console.dialogs import Dialog, Question, TextDialog
from tui.console.state import View
from tui.verify.events import Cancelling, Outcome, RunFinished

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.verify.session import ConnectStage, Session


def dialogs(app: HeatmapApp) -> int:
    return sum(isinstance(screen, Dialog) for screen in app.screen_stack)


async def test_enter_alone_goes_from_start_to_saved_evidence() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        for there in (View.DRY_RUN, View.REVIEW):
            assert "enter: " in text_of(app)
            await press(pilot, "enter")
            assert app.controller.view is there
        await pilot.press("enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        await settle(pilot)
        assert "VERIFIED" in text_of(app)
        await press(pilot, "enter")
        assert app.controller.view is View.EVIDENCE
        await press(pilot, "enter")
        assert "# Heatmap verification: verified" in app.clipboard
        assert "Saved it to" in " ".join(text_of(app).split())


async def test_a_second_r_starts_what_was_reviewed() -> None:
    session = FakeSession()
    app = make_app(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r")
        assert session.cycles_started == 0
        await press(pilot, "r")
        assert session.cycles_started == 1


@pytest.mark.parametrize(("key", "count"), [("ctrl+c", 1), ("p", 1), ("question_mark", 1)])
async def test_two_keys_in_one_read_open_one_dialog(key: str, count: int) -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        # Both are there before the console has taken either.
        app.simulate_key(key)
        app.simulate_key(key)
        await until(pilot, lambda: dialogs(app))
        await settle(pilot)
        assert dialogs(app) == count


async def test_a_tick_before_a_dialog_is_composed_paints_what_there_is() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await settle(pilot)
        app.controller.show_text("A title", "Some text")
        app.paint()
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        await settle(pilot)
        assert "Some text" in text_of(app)


async def test_a_tick_after_the_screens_are_gone_paints_nothing() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        screen = app.screen
        await screen.query("*").remove()
        app.state.changed()
        app._tick()
        screen.paint()  # type: ignore[attr-defined]


async def test_keys_pressed_while_connecting_take_effect_once_connected() -> None:
    gate = asyncio.Event()

    async def connect(_: Callable[[ConnectStage], None]) -> Session:
        await gate.wait()
        return FakeSession()  # type: ignore[return-value]

    app = HeatmapApp(connect, clock=Clock())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state.is_connecting)
        await pilot.press("enter")
        await until(pilot, lambda: "dry run follows" in text_of(app))
        gate.set()
        await until(pilot, lambda: app.state.is_ready)
        assert app.controller.view is View.DRY_RUN


async def test_what_was_said_goes_with_the_screen_and_one_thing_is_said_at_a_time() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "4", "3")
        assert len(app._notifications) == 1
        await press(pilot, "d")
        assert len(app._notifications) == 0


async def test_the_question_whether_to_leave_rows_closes_when_the_clean_up_ends() -> None:
    held, cleaning = Held(), Held()
    session = held_cycle(held)
    ended = RunFinished(Outcome.INTERRUPTED, "stopped", None, 1.0)
    session._after = [Cancelling("ctrl+c was pressed"), cleaning, ended]
    app = make_app(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await start_held_run(app, pilot, held)
        await pilot.press("ctrl+c")
        await cleaning.reached.wait()
        await pilot.press("ctrl+c")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert "heatmap-tui --purge --sandbox" in text_of(app)
        cleaning.go.set()
        await until(pilot, lambda: not app.state.is_writing)
        await until(pilot, lambda: not isinstance(app.screen, Question))
        assert app.is_running


async def test_production_is_ready_but_refused_and_says_how_to_go_on() -> None:
    app = make_app(FakeSession(PRODUCTION, is_sandbox=False))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "d")
        assert "ready, but writes are refused here" in text_of(app)
        assert "heatmap-tui --allow-prod" in text_of(app)
        assert "ready to write" not in text_of(app)
        await press(pilot, "enter", "enter", "r")
        assert app.controller.view is View.REVIEW
        await press(pilot, "r")
        assert "This is production: nothing is written here without --allow-prod." in text_of(app)
        assert app.state.run is None


async def test_a_terminal_that_is_too_small_says_so() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.resize_terminal(50, 12)
        await settle(pilot)
        assert "too small" in text_of(app)
        assert app.screen.query_one("#too-small", Static).display
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert "connected" in text_of(app)


@pytest.mark.parametrize("keys", [("d",), ("d", "r"), ("h",)], ids=["dry-run", "review", "heatmap"])
async def test_a_terminal_that_was_too_small_leaves_the_keys_where_they_were(
    keys: tuple[str, ...],
) -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, *keys)
        focused = app.focused
        assert focused is not None
        for size in ((50, 12), (40, 10), (80, 24)):
            await pilot.resize_terminal(*size)
            await settle(pilot)
        assert app.focused is focused


async def test_every_screen_shows_its_headless_command() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "dollar_sign")
        assert isinstance(app.screen, TextDialog)
        assert "heatmap-tui --dry-run --sandbox" in text_of(app)
        await press(pilot, "c")
        assert app.clipboard == "heatmap-tui --dry-run --sandbox"


async def test_leaving_prints_verdict_run_and_report(capsys: pytest.CaptureFixture[str]) -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r", "r")
        await until(pilot, lambda: app.state.report_path)
        await press(pilot, "q")
    printed = capsys.readouterr().err
    assert "heatmap-tui: verified: " in printed
    assert f"run {app.state.run.run_id}" in printed  # type: ignore[union-attr]
    assert str(app.state.report_path) in printed.replace("\n", "")


async def test_ctrl_c_in_front_of_a_question_asks_whether_to_leave_and_gives_it_back() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("p")
        await until(pilot, lambda: "Remove leftovers" in text_of(app))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Leave the console?" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Leave the console?" not in text_of(app))
        assert "Remove leftovers" in text_of(app)
        await press(pilot, "escape", "p")
        await until(pilot, lambda: "Remove leftovers" in text_of(app))
