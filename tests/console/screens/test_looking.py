"""The keys of the heatmap screen and of the evidence screen: each does what its help says."""

from __future__ import annotations

import csv
import html
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from tests.console.fakes import (
    FakeSession,
    dry_run_events,
    failing,
    make_app,
    make_settings,
    make_target,
    press,
    probes,
    sample,
    settle,
    text_of,
    until,
)
from tui.console.dialogs import TextDialog
from tui.console.screens.evidence import EvidenceScreen
from tui.console.screens.heatmap import HeatmapScreen
from tui.console.state import View
from tui.console.widgets.heatmap import HeatmapGrid, HeatmapLegend
from tui.evidence.report import report
from tui.heatmap.grid import (
    FADED,
    LEAST_CHOICES,
    ColumnAxis,
    Metric,
    Order,
    Origin,
    RowAxis,
    Scale,
    wilson_lower,
)
from tui.heatmap.palette import SHADES

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from tui.console.app import HeatmapApp
    from tui.verify.events import SampleTaken


UNICODE_MARK = SHADES.mark


async def look(pilot: Pilot[int], app: HeatmapApp) -> HeatmapScreen:
    await settle(pilot)
    await press(pilot, "h")
    assert isinstance(app.screen, HeatmapScreen)
    return app.screen


def grid_of(app: HeatmapApp) -> HeatmapGrid:
    return app.screen.query_one(HeatmapGrid)


def marked(count: int) -> SampleTaken:
    """A sample whose first `count` questions are synthetic."""
    taken = sample()
    known = sorted({row.question_id for row in taken.rows}, key=str)
    return replace(taken, synthetic=frozenset(known[:count]))


@pytest.mark.parametrize(
    ("key", "what", "members"),
    [
        ("a", "axis", RowAxis),
        ("x", "columns", ColumnAxis),
        ("m", "metric", Metric),
        ("s", "order", Order),
        ("c", "scale", Scale),
    ],
)
async def test_a_key_goes_round_what_there_is_to_choose_and_the_grid_follows(
    key: str, what: str, members: type[RowAxis]
) -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await look(pilot, app)
        first = getattr(screen.spec, what)
        seen = []
        for _ in members:
            await press(pilot, key)
            assert getattr(grid_of(app).grid.spec, what) is getattr(screen.spec, what)
            seen.append(getattr(screen.spec, what))
        assert set(seen) == set(members)
        assert getattr(screen.spec, what) is first


async def test_rows_follow_their_order_and_figures_their_metric() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await look(pilot, app)
        while screen.spec.order is not Order.LABEL:
            await press(pilot, "s")
        labels = [row.label for row in grid_of(app).grid.rows if "(no" not in row.label]
        assert labels == sorted(labels)
        assert len(labels) > 1
        while screen.spec.order is not Order.WORST:
            await press(pilot, "s")
        totals = [row.total for row in grid_of(app).grid.rows]
        proved = [wilson_lower(each.attempts - each.correct, each.attempts) for each in totals]
        assert proved == sorted(proved, reverse=True)
        assert "accuracy" in text_of(app)
        await press(pilot, "m")
        assert "attempts" in text_of(app).splitlines()[3]


async def test_n_fades_cells_of_few_attempts_and_the_legend_says_from_where() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await look(pilot, app)

        def faded() -> int:
            return sum(each >= FADED for row in grid_of(app).grid.rows for each in row.levels)

        counts = {screen.spec.least: faded()}
        for _ in LEAST_CHOICES:
            await press(pilot, "n")
            least = screen.spec.least
            counts[least] = faded()
            assert (f"under {least} attempts" in text_of(app)) is (least > 1)
        assert tuple(sorted(counts)) == LEAST_CHOICES
        assert [counts[least] for least in LEAST_CHOICES] == sorted(counts.values())
        assert counts[1] == 0 < counts[100]
        await press(pilot, "N")
        assert screen.spec.least == LEAST_CHOICES[LEAST_CHOICES.index(least) - 1]


async def test_the_legend_follows_the_cursor_and_a_deviation_is_told() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await look(pilot, app)
        legend = screen.query_one(HeatmapLegend)
        assert legend.region.y < grid_of(app).region.y, "the legend is under the header"
        while screen.spec.scale is not Scale.DEVIATION:
            await press(pilot, "c")
        seen = set()
        for key in ("ctrl+home", "right", "down", "end"):
            await press(pilot, key)
            cell = grid_of(app).cursor_cell
            if cell is None:
                continue
            assert legend.value == cell.value(Metric.ACCURACY)
            seen.add(legend.render().plain.index(UNICODE_MARK))
            assert grid_of(app).grid.mean is not None
            difference = Metric.ACCURACY.difference(legend.value - grid_of(app).grid.mean)
            assert f"{difference} from the mean" in " ".join(text_of(app).split())
        assert len(seen) > 1


async def test_weeks_that_no_calendar_holds_are_told_on_the_screen() -> None:
    session = FakeSession()
    first, *others = session.live.rows
    session.live = replace(session.live, rows=(replace(first, week_start="infinity"), *others))
    app = make_app(session)
    async with app.run_test(size=(200, 60)) as pilot:
        await look(pilot, app)
        assert "left out: 1 row of impossible weeks (infinity)" in text_of(app)
        assert len(grid_of(app).grid.rows) > 0
    session.live = replace(session.live, rows=(replace(first, week_start="infinity"),), total=1)
    app = make_app(session)
    async with app.run_test(size=(200, 60)) as pilot:
        await look(pilot, app)
        assert "left out: 1 row of impossible weeks (infinity)" in text_of(app)
        assert "No row" in text_of(app)


async def test_what_is_saved_is_what_is_shown_and_says_so(tmp_path: Path) -> None:
    session = FakeSession(settings=make_settings(tmp_path))
    app = make_app(session)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await look(pilot, app)
        await press(pilot, "slash", *"burn", "enter", "c")
        kept = grid_of(app).grid.rows_used
        assert 0 < kept < len(session.live.rows)
        await press(pilot, "w")
        await until(pilot, lambda: "Save the heatmap" in text_of(app))
        assert f"{kept} of {len(session.live.rows)} rows" in text_of(app)
        assert 'matching "burn"' in text_of(app)
        await press(pilot, "r")
        await until(pilot, lambda: [*(tmp_path / "exports").glob("*.json")])
        [path] = (tmp_path / "exports").glob("*.json")
        assert "matching-burn" in path.name
        saved = json.loads(path.read_text())
        assert len(saved) == kept
        assert all("burn" in f"{row['lesion']}" for row in saved)
        with path.with_suffix(".csv").open() as file:
            assert len(list(csv.DictReader(file))) == kept
        await press(pilot, "w")
        await until(pilot, lambda: "Save the heatmap" in text_of(app))
        await press(pilot, "p")
        await until(pilot, lambda: [*(tmp_path / "exports").glob("*.svg")])
        [picture] = (tmp_path / "exports").glob("*.svg")
        drawn = html.unescape(picture.read_text()).replace("\xa0", " ")
        for words in ('matching "burn"', screen.spec.scale.heading, "lesion × topic by week"):
            assert words in drawn
        assert "matching-burn" in picture.name


@pytest.mark.parametrize(("where", "key"), [("heatmap.beside", "h"), ("export_name", "w")])
async def test_a_defect_beside_the_screens_is_shown_and_the_console_lives_on(
    monkeypatch: pytest.MonkeyPatch, where: str, key: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no such thing")

    home = "tui.console.screens.heatmap" if key == "w" else "tui.console.widgets"
    monkeypatch.setattr(f"{home}.{where}", broken)
    app = make_app(FakeSession())
    async with app.run_test(size=(200, 60)) as pilot:
        await settle(pilot)
        if key == "w":
            await look(pilot, app)
        await pilot.press(key)
        await until(pilot, lambda: "Internal error" in text_of(app))
        await press(pilot, "escape")
        assert grid_of(app).has_focus


async def test_whose_answers_count_goes_round_and_never_locks_out() -> None:
    session = FakeSession()
    session.live = sample()
    app = make_app(session)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        app.state.sample = marked(3)
        screen = await look(pilot, app)
        assert not screen.is_live
        await press(pilot, "o")
        assert screen.spec.origin is Origin.SYNTHETIC
        assert grid_of(app).grid.rows_used == 3 * 8
        await press(pilot, "o")
        assert screen.spec.origin is Origin.REAL
        assert grid_of(app).grid.rows_used == 5 * 8
        await press(pilot, "v")
        assert screen.is_live
        assert screen.spec.origin is Origin.ALL, "all rows of the live view are real"
        assert grid_of(app).grid.rows
        await press(pilot, "o")
        assert screen.spec.origin is Origin.ALL
        assert "No synthetic rows here" in text_of(app)
        screen.spec = replace(screen.spec, origin=Origin.REAL)
        await press(pilot, "o")
        assert screen.spec.origin is Origin.ALL, "the way back is always open"


async def test_typing_filters_and_esc_gives_it_up() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await look(pilot, app)
        everything = len(grid_of(app).grid.rows)
        await press(pilot, "slash")
        field = screen.query_one("#heatmap-filter", Input)
        assert field.has_focus
        await pilot.press(*"burn")
        await settle(pilot)
        kept = grid_of(app).grid.rows
        assert 0 < len(kept) < everything
        assert all("burn" in row.label for row in kept)
        await press(pilot, "enter")
        assert grid_of(app).has_focus
        assert not field.display
        assert '"burn"' in text_of(app), "a filter is always said"
        await press(pilot, "slash", *"zzz")
        assert "No row matches" in text_of(app)
        assert not grid_of(app).display
        await press(pilot, "escape")
        assert app.controller.view is View.HEATMAP
        assert len(grid_of(app).grid.rows) == everything
        assert grid_of(app).has_focus


async def test_enter_lists_the_rows_behind_the_cell() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        await look(pilot, app)
        await press(pilot, "ctrl+home", "right", "down")
        heatmap = grid_of(app)
        row, column = heatmap.cursor
        cell = heatmap.cursor_cell
        assert cell is not None
        label = heatmap.grid.rows[row].label
        await press(pilot, "enter")
        assert isinstance(app.screen, TextDialog)
        shown = text_of(app)
        assert label in shown
        assert heatmap.grid.columns[column].label in shown
        for each in cell.rows:
            assert str(each.question_id)[:8] in shown
            assert each.week_start in shown
            assert f"{each.correct_attempts}/{each.attempts}" in shown
        await press(pilot, "escape")
        assert heatmap.has_focus


async def test_v_goes_from_the_live_view_to_the_last_run_and_back() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await look(pilot, app)
        await press(pilot, "v")
        assert screen.is_live, "there is no run to look at"
        app.state.sample = marked(8)
        await press(pilot, "v")
        assert "Sample of the last run" in text_of(app)
        await press(pilot, "v")
        assert "Live view" in text_of(app)


# Evidence.


async def prove(pilot: Pilot[int], app: HeatmapApp) -> EvidenceScreen:
    """A run, and its evidence."""
    await settle(pilot)
    await press(pilot, "d", "r")
    await pilot.press("enter")
    await until(pilot, lambda: app.state.run and app.state.run.finished)
    await press(pilot, "e")
    assert isinstance(app.screen, EvidenceScreen)
    return app.screen


async def test_what_is_shown_is_the_report_and_m_shows_its_markdown() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 200)) as pilot:
        screen = await prove(pilot, app)
        assert app.state.evidence is not None
        assert screen.text() == report(app.state.evidence)
        await until(pilot, lambda: "Heatmap verification: verified" in text_of(app))
        assert "# Heatmap" not in text_of(app), "rendered"
        await press(pilot, "m")
        shown = text_of(app)
        assert "# Heatmap verification: verified" in shown
        assert f"{len(probes())} passed" in shown
        assert "analytics_heatmap_agg_idx" in shown
        await press(pilot, "m")
        assert "# Heatmap" not in text_of(app)


@pytest.mark.parametrize(("key", "copied"), [("c", True), ("s", False)])
async def test_the_evidence_is_saved_copied_and_said_where(
    tmp_path: Path, key: str, copied: bool
) -> None:
    app = make_app(FakeSession(settings=make_settings(tmp_path)))
    async with app.run_test(size=(200, 60), notifications=True) as pilot:
        screen = await prove(pilot, app)
        await press(pilot, key)
        [markdown] = (tmp_path / "reports").glob("*.md")
        assert markdown.read_text() == screen.text()
        assert markdown.stat().st_mode & 0o777 == 0o600
        beside = json.loads(markdown.with_suffix(".json").read_text())
        assert beside["outcome"] == "verified"
        assert beside["probes"], "the dry run before it is part of it"
        assert any(str(markdown) in each.message for each in app._notifications)
        assert (app.clipboard == screen.text()) is copied


async def test_a_probe_is_copied_with_its_fix_or_the_fix_alone() -> None:
    nasty = failing("schema.view", "@everyone <details> a@b.de", "apply sql/analytics_heatmap.sql")
    app = make_app(FakeSession(dry_run=dry_run_events(make_target(), probes(nasty))))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "d", "c")
        assert "fail schema.view" in app.clipboard, "the first failure is chosen"
        assert "To do: apply sql" in app.clipboard
        assert "a@b.de" not in app.clipboard
        await press(pilot, "y")
        assert app.clipboard == "apply sql/analytics_heatmap.sql"


async def test_the_dry_run_is_handed_out_from_its_own_screen(tmp_path: Path) -> None:
    app = make_app(FakeSession(settings=make_settings(tmp_path)))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "d", "c")
        assert "# Heatmap dry run: ready" in app.clipboard
        [markdown] = (tmp_path / "reports").glob("*.md")
        assert markdown.read_text() == app.clipboard


async def test_evidence_that_cannot_be_saved_is_said_and_copied_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "reports").write_text("in the way")
    app = make_app(FakeSession(settings=make_settings(tmp_path)))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await prove(pilot, app)
        await press(pilot, "c")
        assert isinstance(app.screen, TextDialog)
        assert "Cannot write" in text_of(app)
        assert app.clipboard == screen.text()


async def test_v_shows_the_runs_and_two_of_them_can_be_compared() -> None:
    session = FakeSession()
    session.remember(180, 220, 260)
    app = make_app(session)
    async with app.run_test(size=(120, 40)) as pilot:
        await prove(pilot, app)
        await press(pilot, "v")
        await until(pilot, lambda: "median of each run" in text_of(app))
        assert "Runs on record: 4" in text_of(app)
        assert "+22%" in text_of(app), "each against the one before it"
        await press(pilot, "j", "space", "down", "space")
        assert "20260101t010000-abcdef and 20260101t020000-abcdef: " in text_of(app)
        await press(pilot, "v")
        assert "Heatmap verification" in text_of(app)


async def test_a_baseline_is_marked_kept_and_drawn() -> None:
    session = FakeSession()
    session.remember(180)
    app = make_app(session)
    async with app.run_test(size=(200, 60), notifications=True) as pilot:
        await prove(pilot, app)
        await press(pilot, "b")
        await until(pilot, lambda: "is the baseline now" in text_of(app))
        assert app.state.evidence is not None
        assert app.state.evidence.entry is not None
        kept = session.archive.history.read().baseline(app.state.evidence.entry.series)
        assert kept is not None
        assert kept.run_id == app.state.evidence.entry.run_id
        await press(pilot, "v")
        await until(pilot, lambda: "baseline as a line" in text_of(app))


async def test_the_deployment_log_is_read_and_checked() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "e", "l")
        await until(pilot, lambda: "No run has written to production" in text_of(app))


async def test_there_is_no_baseline_without_a_timed_run() -> None:
    app = make_app(FakeSession())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "d", "e")
        assert isinstance(app.screen, EvidenceScreen)
        active = {each.binding.id: each for each in app.screen.active_bindings.values()}
        assert not active["evidence.baseline"].enabled
        assert active["evidence.copy"].enabled


@pytest.mark.parametrize(("rows", "shown"), [(40, True), (24, False)])
async def test_the_first_screen_shows_the_last_runs_where_there_is_room(
    rows: int, shown: bool
) -> None:
    session = FakeSession()
    session.remember(*range(201, 213))
    app = make_app(session)
    async with app.run_test(size=(120, rows)) as pilot:
        await settle(pilot)
        text = text_of(app)
        assert ("Runs of this project" in text) is shown
        # The last eight, newest first.
        assert [f"{ms} ms" in text for ms in (212, 205, 204)] == [shown, shown, False]
