"""Moving about: the same keys everywhere, steps in order, nothing started twice, safe leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.geometry import Size
from textual.widgets import Button

from tests.console.fakes import (
    PRODUCTION,
    STAGING,
    FakeSession,
    Held,
    cycle_events,
    dry_run_events,
    failing,
    make_app,
    make_target,
    press,
    probes,
    settle,
    text_of,
    until,
)
from tui.console.app import HeatmapApp
from tui.console.dialogs import BreakGlass, Question, TextDialog
from tui.console.figures import StepState, checklist, why_locked
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.widgets.frame import Banner, Rail
from tui.console.widgets.lists import ProbeList
from tui.errors import ConfigurationError, ExitCode
from tui.verify.events import Cancelling, Outcome, Stage, StageProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tui.verify.session import ConnectStage, Session

TO_REVIEW = ("d", "r")
TO_RUN = ("d", "r", "enter")


def states(app: HeatmapApp) -> list[StepState]:
    return [step.state for step in checklist(app.state)]


def held_cycle(held: Held) -> FakeSession:
    """A session whose run stops in the middle of the responses."""
    events = cycle_events(make_target())
    middle = next(
        place
        for place, event in enumerate(events)
        if isinstance(event, StageProgress) and event.stage is Stage.RESPONSES
    )
    return FakeSession(cycle=[*events[: middle + 1], held, *events[middle + 1 :]])


async def start_held_run(app: HeatmapApp, pilot: Pilot[int], held: Held) -> None:
    await settle(pilot)
    await press(pilot, *TO_REVIEW)
    await pilot.press("enter")
    await held.reached.wait()
    await settle(pilot)
    assert app.controller.view is View.RUN


async def test_steps_unlock_one_after_the_other() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await settle(pilot)
        assert states(app) == [
            StepState.DONE,
            StepState.NOW,
            StepState.LOCKED,
            StepState.LOCKED,
        ]
        await press(pilot, "d")
        assert states(app) == [
            StepState.DONE,
            StepState.DONE,
            StepState.NOW,
            StepState.LOCKED,
        ]
        await press(pilot, "r", "enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        assert states(app) == [StepState.DONE] * 4


@pytest.mark.parametrize("key", ["3", "4", "r", "right"])
async def test_a_locked_place_says_why_and_is_not_entered(key: str) -> None:
    app = make_app()
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot)
        if key == "right":
            await press(pilot, "d", "t", "right")
            assert app.controller.view is View.DRY_RUN
            await press(pilot, "right")
            assert app.controller.view is View.REVIEW
            await press(pilot, "4")
            assert app.controller.view is View.REVIEW
        else:
            await press(pilot, key)
            assert app.controller.view is View.TARGET
        assert "is locked" in text_of(app)


async def test_a_dry_run_that_is_not_ready_locks_the_review() -> None:
    broken = failing("schema.index", "the index is gone", "apply sql/analytics_heatmap.sql")
    app = make_app(FakeSession(dry_run=dry_run_events(make_target(), probes(broken))))
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "d")
        assert "the index is gone" in text_of(app)
        await press(pilot, "3")
        assert app.controller.view is View.DRY_RUN
        assert f"not ready: 1 of {len(probes())} probes failed" in (
            why_locked(app.state, View.REVIEW) or ""
        )
        await press(pilot, "q")
    assert app.return_value == ExitCode.FAILED


async def test_production_without_leave_is_locked_and_with_it_asks() -> None:
    for allow, locked in ((False, True), (True, False)):
        app = make_app(FakeSession(PRODUCTION, is_sandbox=False), allow_prod=allow)
        async with app.run_test() as pilot:
            await settle(pilot)
            await press(pilot, "d", "enter")
            assert app.controller.view is View.REVIEW
            assert app.screen.query_one("#begin", Button).disabled is locked
            await press(pilot, "r")
            assert isinstance(app.screen, BreakGlass) is not locked


@pytest.mark.parametrize("view", list(View))
async def test_the_banner_is_on_every_screen_and_dialog(view: View) -> None:
    app = make_app(FakeSession(STAGING, is_sandbox=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, *TO_RUN)
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        app.action_go(view)
        await settle(pilot)
        assert app.controller.view is view
        for key in ("", "question_mark"):
            if key:
                await press(pilot, key)
                assert isinstance(app.screen, TextDialog)
            banner = app.screen.query_one(Banner)
            assert banner.region.y == 0
            assert banner.region.width == app.size.width
            first = text_of(app).splitlines()[0]
            assert "STAGING" in first
            assert "abcdefghijklmnopqrst" in first
            assert "is declared in HEATMAP_VERIFY" in first


async def test_the_same_keys_work_on_every_screen() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, *TO_RUN)
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        ways = {"t": View.TARGET, "h": View.HEATMAP, "e": View.EVIDENCE, "d": View.DRY_RUN}
        for start in View:
            for key, there in ways.items():
                app.action_go(start)
                await settle(pilot)
                await press(pilot, key)
                assert app.controller.view is there, f"{key} on {start}"


async def test_a_second_run_is_not_started_beside_the_first() -> None:
    held = Held()
    session = held_cycle(held)
    app = make_app(session)
    async with app.run_test(notifications=True) as pilot:
        await start_held_run(app, pilot, held)
        app.controller.start_cycle()
        await settle(pilot)
        assert session.cycles_started == 1
        assert "under way already" in text_of(app)
        await press(pilot, "t", "d")
        assert app.state.dry_run is not None
        assert app.state.dry_run.ready, "a dry run beside a run would be judged by its rows"
        held.go.set()
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        assert app.state.run is not None
        assert app.state.run.finished is not None
        assert app.state.run.finished.outcome is Outcome.VERIFIED


async def test_a_run_goes_on_behind_other_screens_and_dialogs() -> None:
    held = Held()
    app = make_app(held_cycle(held))
    async with app.run_test() as pilot:
        await start_held_run(app, pilot, held)
        await press(pilot, "h", "question_mark")
        held.go.set()
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        await press(pilot, "escape", "r")
        assert "VERIFIED" in text_of(app)


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_a_key_stops_the_run_and_cleans_up(key: str) -> None:
    held = Held()
    app = make_app(held_cycle(held))
    async with app.run_test() as pilot:
        await start_held_run(app, pilot, held)
        if key == "escape":
            await press(pilot, key)
            assert "esc again" in text_of(app), "something has been written"
            assert not app.state.is_cancelling
        await pilot.press(key)
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        await settle(pilot)
        assert "INTERRUPTED" in text_of(app)
        await press(pilot, "q")
    assert app.return_value == ExitCode.INTERRUPTED


async def test_ctrl_c_twice_asks_and_thrice_leaves() -> None:
    held, cleaning = Held(), Held()
    session = held_cycle(held)
    session._after = [Cancelling("ctrl+c was pressed"), cleaning]
    app = make_app(session)
    async with app.run_test() as pilot:
        await start_held_run(app, pilot, held)
        await pilot.press("ctrl+c")
        await cleaning.reached.wait()
        await settle(pilot)
        assert "cleaning up" in text_of(app)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert app.focused is not None
        assert app.focused.id == "answer-wait", "the safe choice is focused"
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.is_running)
    assert app.return_value == ExitCode.LEFTOVERS


async def test_q_during_a_run_asks_and_keeps_it_running_by_default() -> None:
    held = Held()
    app = make_app(held_cycle(held))
    async with app.run_test() as pilot:
        await start_held_run(app, pilot, held)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Question))
        assert app.is_running
        assert app.state.is_writing
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: not app.is_running)
    assert app.return_value == ExitCode.INTERRUPTED


async def test_ctrl_c_when_idle_asks_with_stay_focused() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert app.focused is not None
        assert app.focused.id == "answer-stay"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ConsoleScreen))
        assert app.is_running


async def test_the_session_is_closed_on_leaving() -> None:
    session = FakeSession()
    app = make_app(session)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, "q")
    assert session.closed


async def test_on_production_the_safe_button_is_focused_every_time() -> None:
    session = FakeSession(PRODUCTION, is_sandbox=False)
    app = make_app(session, allow_prod=True)
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, *TO_REVIEW, "right", "d", "3")
        assert app.focused is not None
        assert app.focused.id == "back"
        await press(pilot, "enter")
        assert app.controller.view is View.DRY_RUN
        assert session.cycles_started == 0


async def test_a_failed_connection_is_told_and_can_be_tried_again() -> None:
    tries = 0

    async def connect(_: Callable[[ConnectStage], None]) -> Session:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConfigurationError("SUPABASE_URL is [/nonsense]", hint="repair .env")
        return FakeSession()  # type: ignore[return-value]

    app = HeatmapApp(connect)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert "SUPABASE_URL is [/nonsense]" in text_of(app)
        assert "repair .env" in text_of(app)
        assert app.state.exit_code is ExitCode.USAGE
        await press(pilot, "ctrl+r")
        assert app.state.session is not None


async def test_a_defect_in_a_run_is_shown_as_text_and_the_console_lives_on() -> None:
    events = cycle_events(make_target())
    app = make_app(FakeSession(cycle=[events[0], ValueError("[/oops] eyJhbGciOiJIUzI1NiJ9.e30.x")]))
    async with app.run_test() as pilot:
        await settle(pilot)
        await press(pilot, *TO_REVIEW)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        await settle(pilot)
        screen = text_of(app)
        assert "ValueError: [/oops]" in screen
        assert "eyJ" not in screen
        await press(pilot, "escape", "t")
        assert app.controller.view is View.TARGET


async def test_server_text_is_never_read_as_markup() -> None:
    nasty = failing("schema.view", "[/foo] [bold]x[/]", "[red]do[/red] [this")
    app = make_app(FakeSession(dry_run=dry_run_events(make_target(), probes(nasty))))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d")
        assert "[/foo] [bold]x[/]" in text_of(app)
        while app.screen.query_one(ProbeList).chosen != "schema.view":
            await press(pilot, "down")
        assert "[red]do[/red] [this" in text_of(app)


async def test_the_checklist_has_the_width_of_the_terminal_before_it_is_laid_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        # As wide as it is until the screen has its style classes.
        monkeypatch.setattr(Rail, "size", Size(38, 20))
        await press(pilot, "d")
        assert f"2 Dry run {len(probes())}/{len(probes())} 0.4 s" in text_of(app)


async def test_clicks_on_the_key_bar_and_the_checklist_work() -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.click("#rail-dry-run")
        await settle(pilot)
        assert app.controller.view is View.DRY_RUN
        row = text_of(app).splitlines()[-1]
        await pilot.click(offset=(row.index("Target"), app.size.height - 1))
        await settle(pilot)
        assert app.controller.view is View.TARGET
