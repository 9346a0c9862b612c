"""Coming from one project to another: described in a form, or chosen among the files there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.widgets import Input, OptionList

from tests.console.fakes import (
    STAGING,
    FakeSession,
    failing,
    make_app,
    make_settings,
    press,
    probes,
    settle,
    text_of,
    until,
)
from tui.console.dialogs.base import TextDialog
from tui.console.dialogs.environments import ChooseEnvironment, Environments, NewEnvironment
from tui.console.widgets.places import View
from tui.console.widgets.tick import Tick
from tui.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.pilot import Pilot

    from tui.env_file import EnvironmentDraft
    from tui.verify.events import ProbeFinished

KEY = "sb_secret_" + "q" * 20
NOWHERE = Path("/nowhere")
"""Where the fake's files are said to be; nothing is ever written there."""


class Files:
    """Environment files that are nowhere, and one project behind all of them."""

    def __init__(self, *names: str, answers: Sequence[ProbeFinished] = ()) -> None:
        self.names = list(names)
        self.answers = answers
        self.drafts: list[EnvironmentDraft] = []
        self.written: list[str] = []
        self.opened: list[Path] = []
        settings = replace(make_settings(), env_file=NOWHERE / ".env.staging")
        self.session = FakeSession(STAGING, is_sandbox=False, settings=settings)

    def __call__(self) -> Environments:
        return Environments(
            files=lambda: [NOWHERE / name for name in self.names],
            open=self.open,  # type: ignore[arg-type]
            check=self.check,
            write=self.write,
            free_name=lambda: ".env",
        )

    async def open(self, path: Path, _: object) -> FakeSession:
        self.opened.append(path)
        return self.session

    async def check(self, draft: EnvironmentDraft) -> Sequence[ProbeFinished]:
        self.drafts.append(draft)
        return self.answers

    def write(self, draft: EnvironmentDraft, name: str) -> Path:
        del draft
        if name in self.names:
            raise ConfigurationError(f"{name} is there already", hint="take another name")
        self.written.append(name)
        return NOWHERE / name


async def fill(pilot: Pilot[int], *, key: str = KEY) -> None:
    """Open the form and fill it in, up to its last button."""
    await press(pilot, "n")
    screen = pilot.app.screen
    assert isinstance(screen, NewEnvironment)
    screen.query_one("#url", Input).value = "https://abcdefghijklmnopqrst.supabase.co"
    screen.query_one("#service-key", Input).value = key
    screen.query_one("#write").focus()
    await pilot.pause()


async def test_a_described_project_is_checked_written_and_opened() -> None:
    files, session = Files(answers=probes()[:2]), FakeSession()
    app = make_app(session, environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "n describes it" in text_of(app)
        await fill(pilot)
        assert KEY not in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: files.opened and app.desk.session is files.session)
        await settle(pilot)
        assert files.written == [".env"]
        assert files.drafts[0].service_key.reveal() == KEY
        assert not files.drafts[0].non_production, "only a tick declares it"
        assert session.closed
        assert app.view is View.TARGET
        assert "STAGING" in text_of(app)


async def test_a_tick_says_in_words_whether_it_is_on() -> None:
    files = Files(answers=probes()[:2])
    app = make_app(environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await fill(pilot)
        assert "[ ] no: it counts as production" in text_of(app)
        tick = app.screen.query_one("#non-production", Tick)
        tick.focus()
        await press(pilot, "space")
        assert "[x] yes: I declare" in text_of(app)
        app.screen.query_one("#write").focus()
        await pilot.press("enter")
        await until(pilot, lambda: files.drafts)
        assert files.drafts[0].non_production


async def test_a_defect_in_the_form_is_shown_and_the_form_lives_on() -> None:
    files = Files()

    async def check(_: object) -> Sequence[ProbeFinished]:
        raise RuntimeError("boom")

    files.check = check  # type: ignore[method-assign,assignment]
    app = make_app(environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await fill(pilot)
        form = app.screen
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        assert "RuntimeError: boom" in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is form)
        assert "nothing was written" in text_of(app)
        assert not form.query_one("#write").disabled


async def test_nothing_is_written_when_the_project_says_no() -> None:
    refused = failing("target.key", "the key is refused (401)", "copy it again")
    files = Files(answers=[next(each for each in probes(refused) if each.id == "target.key")])
    app = make_app(environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await fill(pilot)
        await press(pilot, "enter")
        await until(pilot, lambda: "the key is refused (401)" in text_of(app))
        assert "copy it again" in text_of(app)
        assert not files.written
        assert not files.opened


async def test_a_file_that_is_there_is_kept_and_said() -> None:
    files = Files(".env")
    app = make_app(environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await fill(pilot)
        await press(pilot, "enter")
        await until(pilot, lambda: ".env is there already" in text_of(app))
        assert not files.opened


async def test_without_a_key_nothing_is_asked() -> None:
    files = Files()
    app = make_app(environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await fill(pilot, key="")
        await press(pilot, "enter")
        assert "Give the project's URL" in text_of(app)
        assert not files.drafts


async def test_another_file_is_chosen_and_nothing_of_the_first_project_stays() -> None:
    files, session = Files(".env", ".env.staging"), FakeSession()
    app = make_app(session, environments=files)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "h", "t", "o")
        assert isinstance(app.screen, ChooseEnvironment)
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


async def test_the_keys_are_not_there_when_there_is_but_one_project() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "New .env" not in text_of(app)
        await press(pilot, "n", "o")
        assert app.view is View.TARGET
