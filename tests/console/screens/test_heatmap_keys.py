"""Keys on the heatmap's screen that arrive faster than the grid is built."""

from __future__ import annotations

from textual import events

from tests.console.fakes import FakeSession, make_app, settle, until
from tests.heatmap.samples import many_rows
from tui.console.screens.heatmap import HeatmapScreen
from tui.console.widgets.heatmap import HeatmapGrid
from tui.heatmap.grid import RowAxis
from tui.verify.events import SampleTaken


async def test_keys_that_arrive_together_find_the_grid_they_were_meant_for() -> None:
    session = FakeSession()
    rows = tuple(many_rows(300, 12))
    session.live = SampleTaken(rows, len(rows))
    app = make_app(session)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("h")
        screen = app.screen
        assert isinstance(screen, HeatmapScreen)
        grid = screen.query_one(HeatmapGrid)
        while screen.spec.axis is not RowAxis.QUESTION:
            await pilot.press("a")
        await until(pilot, lambda: len(grid.grid.rows) == 300)
        # The cell that the first key leads to is not in the grid that the second asks for.
        app.post_message(events.Key("ctrl+end", None))
        app.post_message(events.Key("enter", "\r"))
        app.post_message(events.Key("a", "a"))
        await until(pilot, lambda: 0 < len(grid.grid.rows) < 300)
        await pilot.pause()
        assert app.is_running
