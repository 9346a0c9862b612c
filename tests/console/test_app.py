"""The application itself: what a crash leaves, what it prints, how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.console.fakes import FakeSession, make_app, settle, text_of
from tui.redact import Secret, remember

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tui.console.app import HeatmapApp


class Boom(Exception):
    """A defect."""


async def run_and(app: HeatmapApp, action: Callable[[], None]) -> None:
    async with app.run_test() as pilot:
        await settle(pilot)
        app.call_later(action)
        await pilot.pause()


async def test_a_crash_leaves_a_redacted_report_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = Secret("sb_secret_abcdefghijklmnop").reveal()

    def crash() -> None:
        raise Boom(f"apikey: {secret}")

    session = FakeSession()
    app = make_app(session, state_dir=tmp_path)
    with pytest.raises(Boom):
        await run_and(app, crash)
    printed = capsys.readouterr()
    assert app.return_value == 1
    assert session.closed
    assert "Traceback" not in printed.err + printed.out
    assert "internal error" in printed.err + printed.out
    [report] = (tmp_path / "crashes").iterdir()
    text = report.read_text()
    assert "Boom" in text
    assert "Traceback" in text
    assert secret not in text
    assert report.stat().st_mode & 0o777 == 0o600


async def test_nothing_is_said_or_copied_with_a_secret_in_it() -> None:
    secret = "sb_secret_zyxwvutsrqponm"
    remember(secret)
    app = make_app()
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot)
        app.controller.tell(f"the key is {secret}")
        app.controller.copy(f"the key is {secret}", "it")
        await settle(pilot)
        assert all(secret not in each.message for each in app._notifications)
        assert secret not in app.clipboard


async def test_what_is_said_is_never_read_as_markup() -> None:
    app = make_app()
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot)
        app.controller.tell("[/foo] [bold]x[/bold]")
        await settle(pilot)
        assert "[/foo] [bold]x[/bold]" in text_of(app)
