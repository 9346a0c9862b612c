"""What people see: contrast, colour never alone, nothing cut, and a picture of every screen."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from textual.color import Color
from textual.widgets import Static

from tests.console.fakes import (
    PRODUCTION,
    STAGING,
    Clock,
    FakeSession,
    Held,
    cycle_events,
    dry_run_events,
    failing,
    make_app,
    make_target,
    press,
    probes,
    sample,
    settle,
    text_of,
    until,
)
from tests.heatmap.samples import contrast
from tui.console import theme
from tui.console.state import View
from tui.console.theme import ASCII, UNICODE
from tui.console.widgets.frame import KeyBar
from tui.console.widgets.heatmap import HeatmapCharts, HeatmapGrid
from tui.verify.events import (
    Retrying,
    Stage,
    StageProgress,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot
    from textual.theme import Theme

    from tui.console.app import HeatmapApp
    from tui.verify.events import SampleTaken

    Compare = Callable[..., bool]

REFRESHED = "2026-01-02T03:04:05+00:00"
SIZES = [(80, 24), (120, 40), (200, 60)]
BROKEN = failing(
    "schema.index", "analytics_heatmap_agg_idx is not there", "apply sql/analytics_heatmap.sql"
)

TEXT_PAIRS: Final = (
    *((text, ground) for text in ("ink", "muted") for ground in ("ground", "raised", "sunken")),
    *((text, ground) for text in ("ok", "warn", "bad", "focus") for ground in ("ground", "raised")),
    *((text, "cursor") for text in ("ink", "muted", "ok", "warn", "bad", "focus")),
    ("on-focus", "focus"),
    ("on-sandbox", "sandbox"),
    ("on-local", "local"),
    ("on-staging", "staging"),
    ("on-production", "production"),
    ("on-opening", "opening"),
)
"""Every (text, ground) pair of colour names that the style sheet puts on a screen."""


@pytest.fixture(autouse=True)
def same_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures depend on no machine: every test has the same terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


def rgb(colour: str) -> tuple[int, int, int]:
    return Color.parse(colour).rgb


@pytest.mark.parametrize("look", [theme.DARK, theme.LIGHT], ids=lambda look: look.name)
@pytest.mark.parametrize(("text", "ground"), TEXT_PAIRS)
def test_text_has_a_contrast_of_4_5_to_1(look: Theme, text: str, ground: str) -> None:
    """As the Web Content Accessibility Guidelines ask of text."""
    assert contrast(rgb(look.variables[text]), rgb(look.variables[ground])) >= 4.5


def test_every_picture_is_a_picture() -> None:
    kept = [*Path(__file__).parent.glob("__snapshots__/**/*.svg")]
    assert kept
    for picture in kept:
        assert "<svg" in picture.read_text(encoding="utf-8"), picture.name


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_sign_is_one_cell_and_states_differ(glyphs: object) -> None:
    signs = {name: getattr(glyphs, name) for name in glyphs.__slots__}  # type: ignore[attr-defined]
    assert all(len(sign) == 1 for sign in [*signs.values(), *glyphs.levels])  # type: ignore[attr-defined]
    assert len({signs[name] for name in ("ok", "warn", "bad", "skip", "busy")}) == 5
    if glyphs is ASCII:
        assert all(sign.isascii() for sign in signs.values())


def middle_of_a_run() -> tuple[FakeSession, Held]:
    """A run that is held in the middle of the responses while a request is sent again."""
    events = cycle_events(make_target())
    middle = next(
        place
        for place, event in enumerate(events)
        if isinstance(event, StageProgress) and event.stage is Stage.RESPONSES
    )
    held = Held()
    retry = Retrying("insert responses", 3, 5, 2.0, "503")
    return FakeSession(cycle=[*events[: middle + 1], retry, held]), held


async def walk(pilot: Pilot[int], app: HeatmapApp, where: str, held: Held | None) -> None:
    """Go to one of the screens in one of its main states, by keys."""
    await settle(pilot)
    keys = {
        "target": [],
        "dry-run": ["d"],
        "review": ["d", "r"],
        "run": ["d", "r"],
        "running": ["d", "r"],
        "heatmap": ["h"],
        "evidence": ["d", "r"],
        "help": ["d", "question_mark"],
        "break-glass": ["d", "r", "r"],
    }[where]
    await press(pilot, *keys)
    if where in {"run", "evidence", "running"}:
        await pilot.press("enter")
        if held is not None:
            await held.reached.wait()
            assert isinstance(app.state.clock, Clock)
            app.state.clock.now += 1.4
        else:
            await until(pilot, lambda: app.state.run and app.state.run.finished)
        await settle(pilot)
    if where == "evidence":
        await press(pilot, "e")
    if where == "heatmap":
        await drawn(pilot, app)
    await settle(pilot)


async def drawn(pilot: Pilot[int], app: HeatmapApp) -> None:
    """Wait until grid, detail and charts show the same cell."""
    grid = app.screen.query_one(HeatmapGrid)
    charts = app.screen.query_one(HeatmapCharts)
    trend = charts.query_one("#chart-trend", Static)
    await until(pilot, lambda: grid.grid.rows)
    await settle(pilot)
    # The detail line follows the cursor by a message of its own.
    await until(pilot, lambda: any(word in text_of(app) for word in (" attempt", ": no data")))
    await until(pilot, lambda: not charts.display or trend.content)
    await settle(pilot)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("where", ["target", "dry-run", "review", "run", "running", "heatmap"])
def test_picture(snap_compare: Compare, where: str, size: tuple[int, int]) -> None:
    session, held = middle_of_a_run() if where == "running" else (FakeSession(), None)
    app = make_app(session)
    assert snap_compare(
        app, terminal_size=size, run_before=lambda pilot: walk(pilot, app, where, held)
    )


@pytest.mark.parametrize(
    ("where", "look"),
    itertools.product(["dry-run", "run", "heatmap"], ["light", "ascii", "no-colour"]),
)
def test_picture_in_other_looks(
    snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, where: str, look: str
) -> None:
    options: dict[str, object] = {}
    if look == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    elif look == "ascii":
        options["ascii_only"] = True
    else:
        options["theme_name"] = theme.LIGHT_NAME
    app = make_app(FakeSession(), **options)
    assert snap_compare(
        app, terminal_size=(80, 24), run_before=lambda pilot: walk(pilot, app, where, None)
    )


@functools.cache
def rows(count: int) -> SampleTaken:
    """So many rows of the view, as they are read."""
    weeks = max(1, min(count, 100 if count > 10_000 else 8))
    return replace(sample(questions=count // weeks, weeks=weeks), refreshed_at=REFRESHED)


LOOKS = [
    *("80x24", "120x40", "200x60"),
    *(f"light-{width}x{height}" for width, height in SIZES),
    *(f"no-colour-{width}x{height}" for width, height in SIZES),
]


def dressed(look: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, tuple[int, int]]:
    """The theme and the size that a look is called by."""
    if look.startswith("no-colour"):
        monkeypatch.setenv("NO_COLOR", "1")
    width, height = look.rpartition("-")[2].split("x")
    name = theme.LIGHT_NAME if look.startswith("light") else theme.DARK_NAME
    return name, (int(width), int(height))


@pytest.mark.parametrize("count", [0, 1, 40, 1_600, 100_000])
@pytest.mark.parametrize("look", LOOKS)
def test_picture_of_so_many_rows(
    snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, count: int, look: str
) -> None:
    name, size = dressed(look, monkeypatch)
    session = FakeSession()
    session.live = rows(count)
    app = make_app(session, theme_name=name)

    async def go(pilot: Pilot[int]) -> None:
        await settle(pilot)
        await press(pilot, "h")
        if count:
            await drawn(pilot, app)

    assert snap_compare(app, terminal_size=size, run_before=go)


@pytest.mark.parametrize("look", LOOKS)
def test_picture_of_a_thousand_questions(
    snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    name, size = dressed(look, monkeypatch)
    session = FakeSession()
    session.live = rows(100_000)
    app = make_app(session, theme_name=name)

    async def go(pilot: Pilot[int]) -> None:
        await settle(pilot)
        await press(pilot, "h")
        await drawn(pilot, app)
        await press(pilot, "a", "a", "a")
        await until(pilot, lambda: len(app.screen.query_one(HeatmapGrid).grid.rows) >= 1_000)
        await press(pilot, "pagedown", "down")
        await drawn(pilot, app)

    assert snap_compare(app, terminal_size=size, run_before=go)


@pytest.mark.parametrize("name", [theme.DARK_NAME, theme.LIGHT_NAME])
def test_picture_in_sixteen_colours(
    snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TERM", "xterm-16color")
    monkeypatch.delenv("COLORTERM")
    app = make_app(FakeSession(), theme_name=name)
    assert app.console.color_system == "standard"

    async def go(pilot: Pilot[int]) -> None:
        await walk(pilot, app, "heatmap", None)

    assert snap_compare(app, terminal_size=(120, 40), run_before=go)


@pytest.mark.parametrize("where", ["target", "review", "break-glass", "help", "evidence"])
def test_picture_elsewhere(snap_compare: Compare, where: str) -> None:
    production = where in {"review", "break-glass"}
    session = FakeSession(PRODUCTION if production else STAGING, is_sandbox=False)
    app = make_app(session, allow_prod=True)
    assert snap_compare(
        app, terminal_size=(80, 24), run_before=lambda pilot: walk(pilot, app, where, None)
    )


def test_picture_of_a_dry_run_that_is_not_ready(snap_compare: Compare) -> None:
    app = make_app(FakeSession(dry_run=dry_run_events(make_target(), probes(BROKEN))))
    assert snap_compare(
        app, terminal_size=(80, 24), run_before=lambda pilot: walk(pilot, app, "dry-run", None)
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_shared_key_is_shown_whole_on_every_screen(size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await walk(pilot, app, "run", None)
        for view in View:
            app.action_go(view)
            await settle(pilot)
            bar = app.screen.query_one(KeyBar)
            assert bar.region.bottom == size[1]
            shown = "\n".join(text_of(app).splitlines()[bar.region.y :])
            for label in ("Target", "Dry run", "Run", "Heatmap", "Evidence", "Help", "Quit"):
                assert label in shown, f"{label} on {view}"
            assert "esc Back" in shown


@pytest.mark.parametrize("kind", ["sandbox", "staging", "production"])
async def test_word_and_glyph_carry_the_kind_of_target_without_colour(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    target = {"sandbox": None, "staging": STAGING, "production": PRODUCTION}[kind]
    app = make_app(FakeSession(target, is_sandbox=target is None))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        first = text_of(app).splitlines()[0]
        assert getattr(UNICODE, kind) in first
        assert kind.upper() in first


async def test_resizing_during_a_run_keeps_everything_on_the_screen() -> None:
    session, held = middle_of_a_run()
    app = make_app(session)
    async with app.run_test(size=(200, 60)) as pilot:
        await walk(pilot, app, "running", held)
        for width, height in ((80, 24), (120, 40), (80, 24)):
            await pilot.resize_terminal(width, height)
            await settle(pilot)
            screen = text_of(app)
            for words in ("SANDBOX", "4 Run", "retrying 3 of 5", "Audit what is left", "esc Stop"):
                assert words in screen, f"{words} at {width}x{height}"
            assert "/10,000" in screen
        app.state.cancel("the test is over")
        await until(pilot, lambda: not app.state.is_writing)
