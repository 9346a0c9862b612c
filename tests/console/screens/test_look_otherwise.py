"""Pictures of what is seen when things go otherwise, and of every dialog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from tests.console.fakes import (
    STAGING,
    Clock,
    FakeSession,
    cancelled_events,
    cycle_events,
    make_app,
    make_settings,
    make_target,
    press,
    settle,
    until,
)
from tests.console.screens.test_look import SIZES, drawn, same_terminal, walk
from tests.console.test_dialogs import records
from tests.console.test_environments import Files
from tui.console.app import HeatmapApp
from tui.console.dialogs import ChooseEnvironment, Question, TextDialog
from tui.errors import ConfigurationError
from tui.verify.events import (
    AuditFinished,
    CheckFinished,
    Notice,
    Outcome,
    RunFinished,
    Stage,
    StageProgress,
    Tally,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tests.console.screens.test_look import Compare
    from tui.verify.events import Event
    from tui.verify.session import ConnectStage, Session

__all__ = ["same_terminal"]


def ending(how: str) -> list[Event]:
    """A run that ends otherwise than verified."""
    target = make_target()
    events = [each for each in cycle_events(target) if not isinstance(each, RunFinished)]
    middle = next(
        place
        for place, event in enumerate(events)
        if isinstance(event, StageProgress) and event.stage is Stage.RESPONSES
    )
    if how == "interrupted":
        return [*events[: middle + 1], *cancelled_events(target)]
    if how == "failed":
        wrong = CheckFinished(1600, 1590, 6, 3, 1)
        return [
            *(wrong if isinstance(each, CheckFinished) else each for each in events),
            RunFinished(
                Outcome.FAILED,
                "10 of 1,600 rows of the view are wrong",
                "compare the view's definition with sql/analytics_heatmap.sql",
                2.9,
                (
                    "10 of 1,600 rows of the view are wrong",
                    "question 7, week of 2026-01-05: accuracy 0.40 expected, 0.50 found",
                    "question 9, week of 2026-01-12: the row is missing",
                ),
            ),
        ]
    audit = AuditFinished(Tally(50, 200, 5_000), view_restored=False, explanation="1,600 rows more")
    kept = [each for each in events if not isinstance(each, AuditFinished)]
    return [
        *kept[: middle + 1],
        *(Notice(f"request {number} was given up: 503", warning=True) for number in range(5)),
        audit,
        RunFinished(
            Outcome.LEFTOVERS,
            "left behind: 50 users, 200 questions, 5,000 responses",
            "run heatmap-tui --purge",
            4.2,
        ),
    ]


@pytest.mark.parametrize("how", ["failed", "interrupted", "leftovers"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_a_run_that_ended_otherwise(
    snap_compare: Compare, how: str, size: tuple[int, int]
) -> None:
    app = make_app(FakeSession(cycle=ending(how)))
    assert snap_compare(
        app, terminal_size=size, run_before=lambda pilot: walk(pilot, app, "run", None)
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_a_connection_that_failed(snap_compare: Compare, size: tuple[int, int]) -> None:
    async def connect(_: Callable[[ConnectStage], None]) -> Session:
        raise ConfigurationError(
            "SUPABASE_URL in .env.staging leads nowhere: abcdefghijklmnopqrst.supabase.co is no "
            "host that can be found",
            hint="compare it with the project's API settings",
        )

    app = HeatmapApp(connect, clock=Clock(), opening="opening .env.staging")
    assert snap_compare(app, terminal_size=size, run_before=settle)


DIALOGS = ["error", "purge", "chooser", "export", "leave", "rows"]


@pytest.mark.parametrize("which", DIALOGS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_a_dialog(snap_compare: Compare, which: str, size: tuple[int, int]) -> None:
    settings = make_settings(Path("/home/you/.local/state/heatmap-tui"))
    session = FakeSession(STAGING, is_sandbox=False, settings=settings)
    session.journals = records(8)
    app = make_app(session, environments=Files(".env", ".env.staging", ".env.production"))

    async def go(pilot: Pilot[int]) -> None:
        await settle(pilot)
        if which == "error":
            app.controller.show_error(
                ConfigurationError(
                    "the database refused the refresh: 42501 permission denied for function "
                    "analytics_refresh_heatmap",
                    hint="apply sql/analytics_heatmap.sql again; it grants what is needed",
                )
            )
        keys = {"purge": "p", "chooser": "o", "leave": "ctrl+c"}
        if which in keys:
            await pilot.press(keys[which])
        if which in {"export", "rows"}:
            await press(pilot, "h")
            await drawn(pilot, app)
            await pilot.press({"export": "w", "rows": "enter"}[which])
        kinds = (Question, TextDialog, ChooseEnvironment)
        await until(pilot, lambda: isinstance(app.screen, kinds))
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=go)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_the_evidence(snap_compare: Compare, size: tuple[int, int]) -> None:
    session = FakeSession()
    session.remember(180, 220, 205, 230)
    app = make_app(session)
    assert snap_compare(
        app, terminal_size=size, run_before=lambda pilot: walk(pilot, app, "evidence", None)
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture_of_the_first_run(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = make_app(FakeSession(), environments=Files())
    assert snap_compare(app, terminal_size=size, run_before=settle)
