"""Coming from one project to another: chosen among the environment files there are."""

from __future__ import annotations

from dataclasses import replace
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
from tui.console.dialogs.environments import ChooseEnvironment, Environments
from tui.console.widgets.places import View
from tui.guard.environments import Environment

NOWHERE = Path("/nowhere")
"""Where the fake's files are said to be; nothing is ever written there."""


class Files:
    """Environment files that are nowhere, and one project behind all of them."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.opened: list[Path] = []
        settings = replace(make_settings(), env_file=NOWHERE / ".env.staging")
        self.session = FakeSession(STAGING, is_sandbox=False, settings=settings)

    def __call__(self) -> Environments:
        return Environments(
            files=lambda: [Environment(NOWHERE / name, STAGING) for name in self.names],
            open=self.open,  # type: ignore[arg-type]
        )

    async def open(self, path: Path, _: object) -> FakeSession:
        self.opened.append(path)
        return self.session


async def test_another_file_is_chosen_and_nothing_of_the_first_project_stays() -> None:
    files, session = Files(".env", ".env.staging"), FakeSession()
    app = make_app(session, environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "h", "t", "o")
        assert isinstance(app.screen, ChooseEnvironment)
        assert f".env.staging  staging     {STAGING.host}" in text_of(app)
        await press(pilot, "down", "enter")
        await until(pilot, lambda: app.desk.session is files.session)
        await settle(pilot)
        assert [path.name for path in files.opened] == [".env.staging"]
        assert session.closed
        assert app.desk.dry_run is None
        files.session.live = replace(files.session.live, rows=(), total=0)
        await press(pilot, "h")
        await until(pilot, lambda: "The view is empty" in text_of(app))
        await press(pilot, "t", "o")
        chosen = app.screen.query_one(OptionList)
        assert chosen.highlighted == 1
        assert "(in use)" in text_of(app)
        await press(pilot, "enter")
        assert len(files.opened) == 1, "the file in use is not opened again"


async def test_the_key_is_not_there_when_there_is_but_one_project() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "o")
        assert app.view is View.TARGET
