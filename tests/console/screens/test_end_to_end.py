"""The console on the real sandbox, by keys alone: from the start to the heatmap."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.console.fakes import settle, text_of, until
from tests.verify.conftest import contents, open_session
from tui.console.app import HeatmapApp
from tui.console.figures import why_locked
from tui.console.state import View
from tui.console.widgets.heatmap import HeatmapGrid
from tui.verify.session import ConnectStage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tui.sandbox import Sandbox
    from tui.verify.session import Session


@contextlib.asynccontextmanager
async def console(sandbox: Sandbox, **volume: int) -> AsyncIterator[HeatmapApp]:
    """The console on a real session, opened as the command line opens it."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(on_stage: Callable[[ConnectStage], None]) -> Session:
            on_stage(ConnectStage("asking the project what it is", None))
            session = await stack.enter_async_context(open_session(sandbox, **volume))
            on_stage(ConnectStage("asking the project what it is", 0.1))
            return session

        yield HeatmapApp(connect)


def once_written(app: HeatmapApp, act: Callable[[], object]) -> None:
    """Do something at the first event after a stage of the run has ended.

    Polling from outside may come too late: on a busy machine the whole run is over by then.
    """
    state, changed = app.state, app.state.changed

    def note_change() -> None:
        changed()
        if state.is_writing and state.run and any(each.done for each in state.run.stages.values()):
            state.changed = changed
            act()

    state.changed = note_change


async def test_from_start_to_heatmap_by_keys(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    async with console(sandbox) as app, app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.state.session)
        assert "waits" in (why_locked(app.state, View.RUN) or "")
        await pilot.press("enter")
        await until(pilot, lambda: app.state.dry_run and app.state.dry_run.ready)
        await settle(pilot)
        assert "ready to write synthetic data" in text_of(app)
        await pilot.press("r")
        await settle(pilot)
        assert app.controller.view is View.REVIEW
        assert "+180" in text_of(app)
        assert contents(sandbox) == before, "nothing may be written before the review"
        await pilot.press("enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        await settle(pilot)
        assert app.controller.view is View.RUN
        screen = text_of(app)
        assert "VERIFIED" in screen
        assert "160/160" in screen
        assert "✓ nothing" in screen
        await pilot.press("h")
        await until(pilot, lambda: app.screen.query_one(HeatmapGrid).grid.rows)
        await settle(pilot)
        assert app.controller.view is View.HEATMAP
        assert "Sample of the last run" in text_of(app)
        assert app.screen.query_one(HeatmapGrid).grid.rows_read == 160
        await pilot.press("v")
        await until(pilot, lambda: app.screen.query_one(HeatmapGrid).grid.rows_read > 160)
        assert "Live view" in text_of(app)
        await pilot.press("e")
        await settle(pilot)
        assert "Heatmap verification: verified" in text_of(app)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == 0
    assert contents(sandbox) == before


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_stopping_a_run_cleans_up(sandbox: Sandbox, key: str) -> None:
    before = contents(sandbox)
    async with (
        console(sandbox, users=20, questions=400, batch=100) as app,
        app.run_test(size=(80, 24)) as pilot,
    ):
        await until(pilot, lambda: app.state.session)
        await pilot.press("d")
        await until(pilot, lambda: app.state.dry_run and app.state.dry_run.ready)
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        once_written(app, lambda: [app.simulate_key(key) for _ in range(1 + (key == "escape"))])
        await pilot.press("enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        await settle(pilot)
        assert "INTERRUPTED" in text_of(app)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == 4
    assert contents(sandbox) == before


async def test_ending_the_console_in_the_middle_of_a_run_cleans_up(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    async with (
        console(sandbox, users=20, questions=400, batch=100) as app,
        app.run_test(size=(80, 24)) as pilot,
    ):
        await until(pilot, lambda: app.state.session)
        await pilot.press("d")
        await until(pilot, lambda: app.state.dry_run and app.state.dry_run.ready)
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        once_written(app, lambda: app.exit(9))
        await pilot.press("enter")
        await until(pilot, lambda: app._exit)
    assert app.return_value == 4
    assert contents(sandbox) == before
