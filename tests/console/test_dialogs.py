"""Dialogs and what is said in passing: nothing is cut, nothing piles up, no key is silent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from textual.screen import Screen

from tests.console.fakes import (
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
from tests.console.test_environments import Files
from tests.console.test_navigation import held_cycle, start_held_run
from tui.console.app import HeatmapApp
from tui.console.dialogs import Question
from tui.console.screens.heatmap import HeatmapScreen
from tui.console.state import View
from tui.errors import ConfigurationError
from tui.heatmap.grid import Metric
from tui.verify.events import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.verify.session import ConnectStage, Session

TEXTUALS_OWN = [
    binding
    for bindings in Screen._merge_bindings().key_to_bindings.values()
    for binding in bindings
]
SIZES = [(80, 24), (120, 40), (200, 60)]


def records(count: int) -> list[object]:
    return [
        SimpleNamespace(
            run_id=f"20260102-abcdef{number:02d}",
            started_at="2026-01-02T03:04:05+00:00",
            stage="responses",
            users=50,
            questions=200,
            responses=10_000,
        )
        for number in range(count)
    ]


def words_of(app: HeatmapApp) -> set[str]:
    return set(text_of(app).split())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_word_of_the_purge_question_can_be_read(size: tuple[int, int]) -> None:
    session = FakeSession()
    session.journals = records(8)
    app = make_app(session)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await settle(pilot)
        seen = words_of(app)
        assert {"Keep", "Remove"} <= seen
        for _ in range(20):
            await pilot.press("down")
            seen |= words_of(app)
        for number in range(5):
            assert f"20260102-abcdef{number:02d}," in seen
        assert "and 3 more runs" in " ".join(text_of(app).split())
        assert app.focused is not None
        assert app.focused.id == "answer-keep"


async def test_every_word_about_a_probe_can_be_read_by_keys() -> None:
    hint = " ".join(f"word{number}" for number in range(90))
    broken = failing("schema.index", "seen " * 60, hint)
    app = make_app(FakeSession(dry_run=dry_run_events(make_target(), probes(broken))))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "tab")
        seen = words_of(app)
        for _ in range(40):
            await pilot.press("down")
            seen |= words_of(app)
        assert {f"word{number}" for number in range(90)} <= seen


async def test_every_word_of_the_review_can_be_read_by_keys() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r")
        await pilot.resize_terminal(80, 16)
        await settle(pilot)
        seen = words_of(app)
        for _ in range(20):
            await pilot.press("down")
            seen |= words_of(app)
        assert {"auth.users,", "Meanwhile", "heatmap-verification-<run>-<n>,"} <= seen
        assert app.focused is not None
        assert app.focused.id == "begin"


async def test_notices_that_make_way_are_counted_and_come_back_at_the_end() -> None:
    events = cycle_events(make_target())
    notices = [Notice(f"warning number {number}", warning=True) for number in range(7)]
    held = Held()
    app = make_app(FakeSession(cycle=[*events[:3], *notices, held, *events[3:]]))
    async with app.run_test(size=(120, 40)) as pilot:
        await start_held_run(app, pilot, held)
        assert "warning number 6" in text_of(app)
        assert "4 notes before these" in text_of(app)
        held.go.set()
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        await settle(pilot)
        assert all(f"warning number {number}" in text_of(app) for number in range(7))


@pytest.mark.parametrize("key", ["ctrl+q", "q"])
async def test_asking_to_leave_twice_asks_once(key: str) -> None:
    held = Held()
    app = make_app(held_cycle(held))
    async with app.run_test(size=(80, 24)) as pilot:
        await start_held_run(app, pilot, held)
        for _ in range(3):
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert sum(isinstance(screen, Question) for screen in app.screen_stack) == 1
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Question))
        assert app.state.is_writing
        held.go.set()
        await until(pilot, lambda: not app.state.is_writing)


async def test_stop_does_not_ask_to_leave_when_nothing_is_under_way() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        stop = next(each for each in app.get_system_commands(app.screen) if each.title == "Stop")
        await stop.callback()
        await settle(pilot)
        assert not isinstance(app.screen, Question)
        assert "Nothing is under way" in text_of(app)


async def test_keys_that_cannot_do_anything_say_why() -> None:
    async def connect(_: Callable[[ConnectStage], None]) -> Session:
        raise ConfigurationError("no such host")

    app = HeatmapApp(connect)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        assert app.controller.dims("app.purge")
        await press(pilot, "p")
        assert "none is connected" in text_of(app)


async def test_saving_before_anything_was_read_says_so() -> None:
    session, held = FakeSession(), Held()

    async def slow() -> object:
        held.reached.set()
        await held.go.wait()
        return session.live

    session.read_heatmap = slow  # type: ignore[assignment,method-assign]
    app = make_app(session)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.state.session)
        await pilot.press("h")
        await held.reached.wait()
        await pilot.press("w")
        await until(pilot, lambda: "nothing to save yet" in text_of(app))
        held.go.set()
        await until(pilot, lambda: app.state.live is not None)


async def test_another_project_during_a_run_is_refused_in_one_sentence() -> None:
    held = Held()
    app = make_app(held_cycle(held), environments=Files(".env"))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await start_held_run(app, pilot, held)
        before = len(app._notifications)
        app.controller.choose_project()
        await settle(pilot)
        assert len(app._notifications) - before == 1
        held.go.set()
        await until(pilot, lambda: not app.state.is_writing)


async def test_every_key_of_every_screen_is_in_the_command_palette() -> None:
    app = make_app(FakeSession(), environments=Files(".env"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r", "enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        for view in View:
            app.action_go(view)
            await settle(pilot)
            offered = {each.title: each.help for each in app.get_system_commands(app.screen)}
            for active in app.screen.active_bindings.values():
                binding = active.binding
                local = active.node is not app and not binding.action.startswith("app.")
                if binding.show and active.enabled and local:
                    assert binding.tooltip in offered, f"{binding} on {view}"
            assert {"Target", "Dry run", "Heatmap", "Help", "Quit"} <= set(offered)


async def test_a_command_of_the_palette_does_what_its_key_does() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "h")
        await press(pilot, "ctrl+p")
        await pilot.press(*"cell", "space", *"shows")
        await until(pilot, lambda: "Key m on this screen" in text_of(app))
        await until(pilot, lambda: "Key a on this screen" not in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.controller.view is View.HEATMAP)
        await settle(pilot)
        assert isinstance(app.screen, HeatmapScreen)
        assert app.screen.spec.metric is Metric.ATTEMPTS


async def test_the_palette_is_named_in_the_help() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "question_mark")
        assert "ctrl+p" in text_of(app)


async def test_every_binding_of_screens_and_dialogs_has_an_id_and_a_word() -> None:
    session = FakeSession()
    session.journals = records(1)
    app = make_app(session, environments=Files(".env", ".env.staging"))
    ids: dict[str, str] = {}

    def check() -> None:
        for _, binding, _, _ in app.screen.active_bindings.values():
            owner = binding.id or ""
            if not owner:
                # Textual's own, such as the cursor keys of an input.
                continue
            assert ids.setdefault(owner, binding.action) == binding.action, owner
            assert binding.tooltip or binding.description, binding

    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "r", "enter")
        await until(pilot, lambda: app.state.run and app.state.run.finished)
        for view in View:
            app.action_go(view)
            await settle(pilot)
            check()
            for active in app.screen.active_bindings.values():
                if active.binding.show:
                    assert active.binding.id, active.binding
                    assert active.binding.tooltip, active.binding
        for view, key in (
            (View.TARGET, "p"),
            (View.TARGET, "o"),
            (View.TARGET, "question_mark"),
            (View.HEATMAP, "w"),
            (View.HEATMAP, "ctrl+c"),
        ):
            app.action_go(view)
            await settle(pilot)
            screen = app.screen
            await pilot.press(key)
            await until(pilot, lambda screen=screen: app.screen is not screen)  # type: ignore[misc]
            for active in app.screen.active_bindings.values():
                if active.node is app.screen and active.binding not in TEXTUALS_OWN:
                    assert active.binding.id, f"{active.binding} in {app.screen}"
            check()
            await pilot.press("escape")
            await until(pilot, lambda screen=screen: app.screen is screen)  # type: ignore[misc]
    assert len(ids) > 40
