"""Break-glass and purge: what must be typed, what is refused, which choice is the safe one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input, Static

from tests.console.fakes import PRODUCTION, FakeSession, make_app, press, settle, text_of, until
from tui.console.dialogs import BreakGlass, Question
from tui.console.state import View
from tui.guard import break_glass
from tui.verify.events import Mode

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.console.app import HeatmapApp

GOOD_REASON = "Refresh regressed after the release; measuring before the rollback tonight"


class Production(FakeSession):
    """A production project whose `grant` is the real one."""

    def __init__(self, *, ready: bool = True) -> None:
        super().__init__(PRODUCTION, is_sandbox=False)
        self.approvals: list[break_glass.Approval | None] = []
        self._ready = ready

    def grant(
        self, *, confirmation: str, justification: str, ticket: str | None = None
    ) -> break_glass.Approval:
        return break_glass.grant(
            self.target,
            confirmation=confirmation,
            justification=justification,
            ticket=ticket,
            dry_run_ready=self._ready,
            now=break_glass.Moment.now(),
        )

    def cycle(self, **options: object) -> object:  # type: ignore[override]
        self.approvals.append(options.get("approval"))  # type: ignore[arg-type]
        return super().cycle()


async def open_break_glass(app: HeatmapApp, pilot: Pilot[int]) -> BreakGlass:
    await settle(pilot)
    await press(pilot, "d", "r")
    await pilot.press("r")
    await until(pilot, lambda: isinstance(app.screen, BreakGlass))
    await settle(pilot)
    assert isinstance(app.screen, BreakGlass)
    return app.screen


async def test_break_glass_opens_in_its_first_field_and_enter_alone_starts_nothing() -> None:
    session = Production()
    app = make_app(session, allow_prod=True)
    async with app.run_test() as pilot:
        await open_break_glass(app, pilot)
        assert app.focused is not None
        assert app.focused.id == "confirmation"
        await press(pilot, "enter", "enter", "enter")
        assert app.focused.id == "close"
        await press(pilot, "enter")
        assert app.controller.view is View.REVIEW
    assert session.cycles_started == 0


@pytest.mark.parametrize(
    ("name", "reason", "told"),
    [
        ("zyxwvutsrqponmlkjih", GOOD_REASON, "something else"),
        ("", GOOD_REASON, "nothing was typed"),
        ("zyxwvutsrqponmlkjihg", "too short", "justification"),
        ("zyxwvutsrqponmlkjihg", "test test test test test test", "justification"),
    ],
)
async def test_break_glass_refuses_and_says_which_condition(
    name: str, reason: str, told: str
) -> None:
    session = Production()
    app = make_app(session, allow_prod=True)
    async with app.run_test() as pilot:
        dialog = await open_break_glass(app, pilot)
        dialog.query_one("#confirmation", Input).value = name
        dialog.query_one("#justification", Input).value = reason
        await pilot.click("#grant")
        await settle(pilot)
        assert app.screen is dialog
        assert app.screen.query_one("#grant").region.bottom <= app.size.height, "nothing is cut"
        assert told in str(dialog.query_one("#refusal", Static).render())
        assert app.focused is not None
        wrong = "justification" if told == "justification" else "confirmation"
        assert app.focused.id == wrong, "the field that is wrong takes the keys"
    assert session.cycles_started == 0


async def test_break_glass_by_keys_starts_one_run_with_an_approval() -> None:
    session = Production()
    app = make_app(session, allow_prod=True)
    async with app.run_test() as pilot:
        await open_break_glass(app, pilot)
        await pilot.press(*"zyxwvutsrqponmlkjihg", "enter")
        await pilot.press(*["space" if char == " " else char for char in "because q r p d t h e"])
        assert app.screen.query_one("#justification", Input).value == "because q r p d t h e"
        app.screen.query_one("#justification", Input).value = GOOD_REASON
        await pilot.press("enter", "enter", "right", "enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
    assert len(session.approvals) == 1
    approval = session.approvals[0]
    assert approval is not None
    assert approval.justification == GOOD_REASON


async def test_break_glass_without_a_ready_dry_run_is_refused() -> None:
    session = Production(ready=False)
    app = make_app(session, allow_prod=True)
    async with app.run_test() as pilot:
        dialog = await open_break_glass(app, pilot)
        dialog.query_one("#confirmation", Input).value = "zyxwvutsrqponmlkjihg"
        dialog.query_one("#justification", Input).value = GOOD_REASON
        await pilot.click("#grant")
        await settle(pilot)
        assert "no dry run was ready" in str(dialog.query_one("#refusal", Static).render())
    assert session.cycles_started == 0


async def test_purge_asks_first_and_keeps_by_default() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await settle(pilot)
        for keys, purged in ((("enter",), False), (("tab", "enter"), True)):
            await pilot.press("p")
            await until(pilot, lambda: isinstance(app.screen, Question))
            assert app.focused is not None
            assert app.focused.id == "answer-keep"
            await pilot.press(*keys)
            await until(pilot, lambda: not isinstance(app.screen, Question))
            await settle(pilot)
            assert (app.state.run is not None) is purged
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        assert app.state.run is not None
        assert app.state.run.mode is Mode.PURGE


async def test_purge_on_production_without_leave_is_refused() -> None:
    app = make_app(Production())
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "p")
        assert "--allow-prod" in text_of(app)
    assert app.state.run is None
