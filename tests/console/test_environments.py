"""Coming from one project to another: chosen among the environment files there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from textual.widgets import OptionList

from tests.console.fakes import (
    STAGING,
    FakeSession,
    make_app,
    make_settings,
    press,
    settle,
    text_of,
    until,
)
from tui.console.dialogs import ChooseEnvironment, environment_rows
from tui.console.state import View
from tui.evidence.history import History
from tui.guard.target import Environment

NOWHERE = Path("/nowhere")
"""Where the fake's files are said to be; nothing is ever written there."""


class Files:
    """Environment files that are nowhere, and one project behind all of them."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.opened: list[Path] = []
        settings = replace(make_settings(), env_file=NOWHERE / ".env.staging")
        self.session = FakeSession(STAGING, is_sandbox=False, settings=settings)

    def files(self) -> list[Environment]:
        return [Environment(NOWHERE / name, STAGING) for name in self.names]

    async def open(self, path: Path, _: object) -> FakeSession:
        self.opened.append(path)
        return self.session


async def test_another_file_is_chosen_and_its_project_opened() -> None:
    files, session = Files(".env", ".env.staging"), FakeSession()
    app = make_app(session, environments=files)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "t", "o")
        assert isinstance(app.screen, ChooseEnvironment)
        assert isinstance(app.focused, OptionList)
        for words in (".env.staging", STAGING.host, "staging", "no run yet"):
            assert words in text_of(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.state.session is files.session)
        await settle(pilot)
        assert files.opened == [NOWHERE / ".env.staging"]
        assert session.closed
        assert app.controller.view is View.TARGET
        assert app.state.dry_run is None, "what was shown of the first project is gone"


async def test_the_file_in_use_is_marked_and_not_opened_again() -> None:
    files = Files(".env", ".env.staging")
    app = make_app(files.session, environments=files)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert "* .env.staging" in text_of(app), "the files stand on the first screen too"
        await press(pilot, "o")
        await pilot.press("enter")
        await until(pilot, lambda: app.controller.view is View.TARGET)
        assert files.opened == []


async def test_a_console_of_one_project_does_not_offer_others() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        assert "Other project" not in text_of(app)
        app.controller.choose_project()
        await settle(pilot)
        [said] = app._notifications
        assert "started for one project" in said.message


async def test_without_files_it_says_how_one_is_made() -> None:
    app = make_app(FakeSession(), environments=Files())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "o")
        assert "cp .env.example .env" in text_of(app)


def test_a_line_says_how_it_went_last_or_why_it_cannot_be_opened() -> None:
    session = FakeSession(STAGING, is_sandbox=False)
    session.remember(200)
    entry = session.archive.history.read().entries[-1]
    last = replace(entry, outcome="failed", at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC))
    broken = Environment(NOWHERE / ".env.old", None, "SUPABASE_URL is not set")
    good = Environment(NOWHERE / ".env", STAGING)
    lines = environment_rows([good, broken], good.path, History((entry, last)))
    assert lines[0].plain.split()[:2] == ["*", ".env"]
    assert "failed" in lines[0].plain
    assert "2026-03-04 05:06" in lines[0].plain
    assert "SUPABASE_URL is not set" in lines[1].plain
