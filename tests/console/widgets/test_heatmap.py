from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.strip import Strip

from tests.heatmap.samples import many_rows, row
from tui.console.widgets.heatmap import HeatmapGrid, HeatmapLegend
from tui.console.widgets.heatmap_paint import lay_out
from tui.heatmap.grid import ColumnAxis, Grid, GridSpec, Metric, Order, RowAxis, Scale, build_grid
from tui.heatmap.palette import (
    ASCII_SHADES,
    NO_DATA_HATCH,
    SHADES,
    Depth,
    Glyphs,
    palette_for,
)

if TYPE_CHECKING:
    from textual.pilot import Pilot

ANSI = re.compile(r"\x1b\[[0-9;]*m")
MARKUP = "[bold red]knee[/] [/]"


COLOURS = {Depth.FULL: "truecolor", Depth.SIXTEEN: "standard", Depth.NONE: None}


class Harness(App[None]):
    CSS = "Screen { layout: vertical; } HeatmapGrid { height: 1fr; }"

    def __init__(self, grid: Grid, *, depth: Depth = Depth.FULL, glyphs: Glyphs = SHADES) -> None:
        super().__init__()
        self.terminal(COLOURS[depth])
        self._grid = grid
        self._glyphs = glyphs
        self.seen: list[HeatmapGrid.CellHighlighted] = []

    def terminal(self, colours: str | None) -> None:
        """Paint for a terminal with these colours."""
        self.console = Console(color_system=colours, force_terminal=True, file=io.StringIO())  # type: ignore[arg-type]

    def compose(self) -> ComposeResult:
        yield HeatmapGrid(self._glyphs)
        yield HeatmapLegend(self._glyphs)

    def on_mount(self) -> None:
        self.heatmap.grid = self.query_one(HeatmapLegend).grid = self._grid

    def on_heatmap_grid_cell_highlighted(self, event: HeatmapGrid.CellHighlighted) -> None:
        self.seen.append(event)

    def on_heatmap_grid_cell_selected(self, event: HeatmapGrid.CellSelected) -> None:
        self.seen.append(event)

    @property
    def heatmap(self) -> HeatmapGrid:
        return self.query_one(HeatmapGrid)


def lines(widget: HeatmapGrid) -> list[str]:
    return [widget.render_line(y).text for y in range(widget.size.height)]


def fill_at(widget: HeatmapGrid, x: int, y: int) -> tuple[int, int, int] | None:
    """The background that a cell was painted with, None where it is the widget's own."""
    at = 0
    for segment in widget.render_line(y):
        at += segment.cell_length
        if at > x:
            style = segment.style
            if style is None or style.bgcolor is None:
                return None
            if style.bgcolor == widget.rich_style.bgcolor:
                return None
            return tuple(style.bgcolor.get_truecolor())
    return None


def paints(*, dark: bool = True, depth: Depth = Depth.FULL):
    return palette_for(Scale.FIXED, dark=dark, depth=depth, glyphs=SHADES).paints


def layout_of(widget: HeatmapGrid):
    return lay_out(widget.grid, *widget.size)


def left_of_cells(widget: HeatmapGrid) -> int:
    return widget.virtual_size.width - len(widget.grid.columns) * cell_width(widget)


def first_figures(widget: HeatmapGrid) -> int:
    """The line with the figures of the first row."""
    layout = layout_of(widget)
    return layout.rows.start + (layout.rows.size - 1) // 2


def cell_width(widget: HeatmapGrid) -> int:
    return layout_of(widget).columns.size


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


WEEKS_8 = GridSpec(order=Order.LABEL)


def small() -> Grid:
    rows = [
        row(number, lesion=lesion, week=week, attempts=10, correct=correct)
        for number, lesion in enumerate(("cyst", "tear"), 1)
        for week, correct in ((0, 0), (1, 5), (3, 10))
    ]
    return build_grid(rows, WEEKS_8)


async def test_the_cursor_starts_on_the_newest_week_and_moves_by_keys():
    app = Harness(small())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        heatmap = app.heatmap
        heatmap.focus()
        assert heatmap.cursor == (0, 3)
        await press(pilot, "left", "down")
        assert heatmap.cursor == (1, 2)
        assert heatmap.cursor_cell is None
        await press(pilot, "home")
        assert heatmap.cursor == (1, 0)
        await press(pilot, "up", "up", "end")
        assert heatmap.cursor == (0, 3)
        await press(pilot, "ctrl+home")
        assert heatmap.cursor == (0, 0)
        await press(pilot, "ctrl+end")
        assert heatmap.cursor == (1, 3)
        await press(pilot, "pageup")
        assert heatmap.cursor == (0, 3)
        last = app.seen[-1]
        assert type(last) is HeatmapGrid.CellHighlighted
        assert (last.row, last.column, last.cell) == (0, 3, heatmap.grid.cell(0, 3))


async def test_every_figure_is_where_its_cell_is():
    app = Harness(small())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        heatmap = app.heatmap
        heatmap.move_cursor(1, 2)
        await pilot.pause()
        shown = lines(heatmap)
        assert shown[0].split() == ["2", "lesions", "Dec", "2025"]
        assert shown[1].split() == ["all", "1", "8", "15", "22"]
        assert shown[2].split() == ["all", "50%", "0%", "50%", "100%"]
        cells = [" 0%", " 50%", NO_DATA_HATCH * 9, "100%"]
        line = shown[first_figures(heatmap)]
        assert line.split()[:2] == ["cyst", "50%"]
        for place, cell in enumerate(cells):
            at = left_of_cells(heatmap) + place * cell_width(heatmap)
            assert cell in line[at : at + cell_width(heatmap)]
        assert next(line for line in shown if line.strip().startswith("tear")).split() == [
            "tear", "50%", "0%", "50%", "▐", "▌", "100%",
        ]  # fmt: skip


async def test_no_data_is_unpainted_and_zero_is_painted_darkest():
    app = Harness(small())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        heatmap, width = app.heatmap, cell_width(app.heatmap)
        left = left_of_cells(heatmap)
        fills = [fill_at(heatmap, left + place * width, 3) for place in range(4)]
        assert fills == [
            paints()[0].fill,
            paints()[32].fill,
            None,
            paints()[-1].fill,
        ]


async def test_zero_is_told_by_a_figure_even_in_the_narrowest_cells():
    rows = [row(week=week, attempts=8, correct=week % 2) for week in range(60)]
    app = Harness(build_grid(rows, GridSpec()))
    async with app.run_test(size=(60, 10)) as pilot:
        await pilot.pause()
        heatmap = app.heatmap
        assert cell_width(heatmap) == 2
        left = left_of_cells(heatmap)
        assert "".join(line[left:] for line in lines(heatmap)[2:]).count("0") >= 10


async def test_the_theme_decides_the_palette():
    app = Harness(small())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        heatmap = app.heatmap
        for theme, dark in (("textual-light", False), ("textual-dark", True)):
            app.theme = theme
            await pilot.pause()
            fill = fill_at(heatmap, left_of_cells(heatmap), 3)
            assert fill == paints(dark=dark)[0].fill


async def test_sixteen_colours_use_only_those():
    app = Harness(small(), depth=Depth.SIXTEEN)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        allowed = {paint.fill for paint in paints(depth=Depth.SIXTEEN)}
        fills = {fill_at(app.heatmap, x, 3) for x in range(80)}
        assert len(fills - {None}) == 3
        assert fills - {None} <= allowed


@pytest.mark.parametrize("size", [(80, 24), (30, 8)])
async def test_without_colour_glyphs_and_figures_tell_values(size):
    app = Harness(small(), depth=Depth.NONE)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        heatmap = app.heatmap
        heatmap.move_cursor(1, 0)
        await pilot.pause()
        line = next(line for line in lines(heatmap) if "cyst" in line)
        cells = line[left_of_cells(heatmap) :]
        width = cell_width(heatmap)
        zero, half, none, full = (cells[at : at + width] for at in range(0, 4 * width, width))
        assert "░" in zero
        assert "0" in zero
        assert "▓" in half
        assert none.strip() == "·"
        assert "█" in full
        if size == (80, 24):
            assert "50%" in half
            assert "100%" in full
        assert {fill_at(heatmap, x, 3) for x in range(size[0])} == {None}


async def test_no_color_in_the_environment_is_obeyed(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = Harness(small())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert any("░" in line for line in lines(app.heatmap))


async def test_ascii_glyphs_keep_the_grid_to_ascii():
    rows = [*many_rows(30, 5, sparse=0.3), row(99, lesion="Läsion 腕", topic="x" * 90)]
    for columns in ColumnAxis:
        spec = GridSpec(RowAxis.LESION_TOPIC, columns, metric=Metric.MEDIAN)
        await assert_ascii(build_grid(rows, spec))


async def assert_ascii(grid):
    app = Harness(grid, depth=Depth.NONE, glyphs=ASCII_SHADES)
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.pause()
        assert all(line.isascii() for line in lines(app.heatmap))
        assert any("[" in line and "]" in line for line in lines(app.heatmap))
        assert str(app.query_one(HeatmapLegend).render()).isascii()


async def test_the_cursor_never_hides_part_of_a_figure():
    rows = [row(week=week, attempts=8, correct=8) for week in range(12)]
    app = Harness(build_grid(rows, GridSpec()))
    for width in range(30, 130, 7):
        async with app.run_test(size=(width, 8)) as pilot:
            await pilot.pause()
            line = next(line for line in lines(app.heatmap) if "▐" in line)
            inside = line[line.index("▐") + 1 : line.index("▌")].strip()
            assert inside in {"", "100", "100%"}
        app = Harness(build_grid(rows, GridSpec()))


async def test_clicks_move_the_cursor_and_then_select():
    app = Harness(small())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        heatmap, width = app.heatmap, cell_width(app.heatmap)
        at = (left_of_cells(heatmap) + width + 1, 3)
        await pilot.click(HeatmapGrid, offset=at)
        await pilot.pause()
        assert heatmap.cursor == (0, 1)
        assert not any(isinstance(event, HeatmapGrid.CellSelected) for event in app.seen)
        await pilot.click(HeatmapGrid, offset=at)
        await pilot.pause()
        chosen = [event for event in app.seen if isinstance(event, HeatmapGrid.CellSelected)]
        assert [(event.row, event.column, event.cell) for event in chosen] == [
            (0, 1, heatmap.grid.cell(0, 1))
        ]
        await pilot.click(HeatmapGrid, offset=(0, 0))
        await pilot.pause()
        assert heatmap.cursor == (0, 1)
        await pilot.click(HeatmapGrid, offset=(left_of_cells(heatmap) + 3 * width, 3))
        await pilot.pause()
        assert heatmap.cursor == (0, 3)


async def test_enter_selects_the_rows_behind_the_cell():
    app = Harness(small())
    async with app.run_test(size=(80, 24)) as pilot:
        app.heatmap.focus()
        await press(pilot, "enter")
        event = app.seen[-1]
        assert isinstance(event, HeatmapGrid.CellSelected)
        assert [each.attempts for each in event.cell.rows] == [10]


async def test_the_cell_under_the_mouse_is_marked():
    app = Harness(small())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        left = left_of_cells(app.heatmap)
        await pilot.hover(HeatmapGrid, offset=(left + 1, 3))
        await pilot.hover(HeatmapGrid, offset=(left + 2, 3))
        await pilot.pause()
        assert lines(app.heatmap)[3].count("▐") == 2


async def test_an_empty_grid_shows_nothing_and_bears_every_key():
    app = Harness(build_grid([], GridSpec()))
    async with app.run_test(size=(80, 24)) as pilot:
        app.heatmap.focus()
        await press(pilot, "up", "down", "left", "right", "home", "end", "pagedown", "enter")
        await pilot.click(HeatmapGrid, offset=(40, 5))
        await pilot.pause()
        assert app.heatmap.cursor == (0, 0)
        assert app.seen == []
        assert {line.strip() for line in lines(app.heatmap)} == {""}
        assert "no values" in str(app.query_one(HeatmapLegend).render())


async def test_one_cell():
    app = Harness(build_grid([row(correct=3)], GridSpec()))
    async with app.run_test(size=(80, 24)) as pilot:
        app.heatmap.focus()
        await press(pilot, "down", "right", "pagedown", "ctrl+end", "enter")
        assert app.heatmap.cursor == (0, 0)
        assert any("75%" in line for line in lines(app.heatmap))


async def test_two_thousand_questions_and_two_years_scroll_under_frozen_headers():
    rows = [
        row(question, week=week, attempts=100, correct=(question * 7 + week) % 101)
        for question in range(1, 2001)
        for week in range(0, 104, 3)
    ]
    grid = build_grid([*rows, row(1, week=103)], GridSpec(RowAxis.QUESTION, order=Order.LABEL))
    assert (len(grid.rows), len(grid.columns)) == (2000, 104)
    app = Harness(grid)
    async with app.run_test(size=(120, 40)) as pilot:
        heatmap = app.heatmap
        heatmap.focus()
        await press(pilot, "ctrl+home")
        for keys, cursor in (
            (("pagedown",) * 5, None),
            (("ctrl+end",), (1999, 103)),
            (("ctrl+home",), (0, 0)),
            (("ctrl+pagedown",), None),
        ):
            await press(pilot, *keys)
            if cursor:
                assert heatmap.cursor == cursor
            shown = lines(heatmap)
            assert shown[0].startswith("2,000 questions")
            marked = [line for line in shown if "▐▌" in line]
            assert len(marked) == 1
            assert marked[0].startswith(heatmap.grid.rows[heatmap.cursor[0]].label)
            bold = [s.text.strip() for s in heatmap.render_line(1) if s.style and s.style.bold]
            assert bold == [str(heatmap.grid.columns[heatmap.cursor[1]].week.day)]
            first = heatmap._layout.columns.first(heatmap.scroll_offset.x) + 1
            assert f"weeks {first}-" in shown[1]


async def test_the_wheel_scrolls_and_leaves_the_cursor():
    grid = build_grid(many_rows(200, 4), GridSpec(RowAxis.QUESTION, order=Order.LABEL))
    app = Harness(grid)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        before = lines(app.heatmap)[3]
        app.heatmap.scroll_to(0, 9, animate=False)
        await pilot.pause()
        after = lines(app.heatmap)
        assert after[3] != before
        assert after[3].startswith(grid.rows[9].label)
        assert app.heatmap.cursor[0] == 0


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (80, 24), (120, 40), (200, 60)])
@pytest.mark.parametrize("columns", list(ColumnAxis))
@pytest.mark.parametrize("count", [1, 12, 90])
async def test_every_line_ends_where_the_scroll_bar_begins(size, columns, count):
    rows = many_rows(count, min(count, 30), sparse=0.2)
    rows.append(row(9999, lesion=f"{MARKUP} 橈骨\x1b[2J" * 3, topic="長い 名前 " * 5))
    grid = build_grid(rows, GridSpec(RowAxis.LESION_TOPIC, columns, order=Order.LABEL))
    app = Harness(grid)
    async with app.run_test(size=size) as pilot:
        heatmap = app.heatmap
        for position in ((0, 0), (10_000, 10_000)):
            heatmap.move_cursor(*position)
            await pilot.pause()
            strips = [heatmap.render_line(y) for y in range(heatmap.size.height)]
            assert {strip.cell_length for strip in strips} == {heatmap.size.width}
            # What the terminal gets is as wide as what Textual is told.
            drawn = {cell_len(ANSI.sub("", strip.render(app.console))) for strip in strips}
            assert drawn == {heatmap.size.width}
            assert "\x1b" not in "".join(strip.text for strip in strips)


async def test_labels_are_never_read_as_markup():
    app = Harness(build_grid([row(lesion=MARKUP, topic="[/x]")], GridSpec()))
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.pause()
        assert any(MARKUP in line for line in lines(app.heatmap))
        app.heatmap.grid = build_grid([row(topic=MARKUP)], GridSpec(columns=ColumnAxis.TOPIC))
        await pilot.pause()
        assert "[bold" in "".join(lines(app.heatmap)[:2])


async def test_a_new_grid_keeps_the_cursor_on_its_row_and_week():
    rows = many_rows(40, 6)
    app = Harness(build_grid(rows, GridSpec(order=Order.LABEL)))
    async with app.run_test(size=(80, 24)) as pilot:
        heatmap = app.heatmap
        heatmap.move_cursor(4, 2)
        key, week = heatmap.grid.rows[4].key, heatmap.grid.columns[2].week
        only = [each for each in rows if each.lesion == key or each.attempts % 2]
        heatmap.grid = build_grid(only, GridSpec(order=Order.LABEL, metric=Metric.MEDIAN))
        await pilot.pause()
        row_now, column_now = heatmap.cursor
        assert heatmap.grid.rows[row_now].key == key
        assert heatmap.grid.columns[column_now].week == week
        heatmap.grid = build_grid(rows, GridSpec(order=Order.WORST))
        await pilot.pause()
        assert heatmap.cursor[0] == 0
        assert heatmap.grid.columns[heatmap.cursor[1]].week == week


async def test_a_smaller_grid_pulls_the_cursor_back():
    app = Harness(build_grid(many_rows(50, 20), GridSpec(RowAxis.QUESTION)))
    async with app.run_test(size=(80, 24)) as pilot:
        app.heatmap.focus()
        await press(pilot, "ctrl+end")
        app.heatmap.grid = build_grid([row(77)], GridSpec(RowAxis.QUESTION, order=Order.LABEL))
        await pilot.pause()
        assert app.heatmap.cursor == (0, 0)
        assert app.heatmap.scroll_offset == (0, 0)
        assert any("50%" in line for line in lines(app.heatmap))


@pytest.mark.parametrize("width", [20, 40, 80, 160])
@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("depth", list(Depth))
async def test_the_legend_fits_and_tells_scale_and_no_data(width, metric, depth):
    grid = build_grid(many_rows(20, 5), GridSpec(metric=metric))
    app = Harness(grid, depth=depth)
    async with app.run_test(size=(width, 24)) as pilot:
        await pilot.pause()
        legend = app.query_one(HeatmapLegend)
        text = legend.render()
        assert legend.size.height == 1
        if width >= 80:
            assert text.cell_len <= width
            assert "no data" in text.plain
            assert metric.heading in text.plain
            low = {Metric.ACCURACY: "0% ", Metric.ATTEMPTS: "0 ", Metric.MEDIAN: "0ms "}[metric]
            assert low in text.plain


async def test_the_crosshair_marks_the_row_and_the_column_of_the_cursor():
    rows = [
        row(n, lesion=f"kind {n}", week=week, attempts=9, correct=5)
        for n in range(12)
        for week in range(8)
    ]
    for depth in Depth:
        app = Harness(build_grid(rows, GridSpec(order=Order.LABEL)), depth=depth)
        async with app.run_test(size=(100, 24)) as pilot:
            heatmap = app.heatmap
            heatmap.move_cursor(4, 3)
            await pilot.pause()
            layout = layout_of(heatmap)
            at = layout.columns.start + 3 * layout.columns.size
            column = slice(at, at + layout.columns.size)
            edges = SHADES.cross[0] if depth is not Depth.NONE else SHADES.cross[1]
            for place, line in enumerate(lines(heatmap)[layout.rows.start :][:12]):
                assert (edges in line[column]) is (place != 4)
                assert edges not in line[: at - 1] + line[at + layout.columns.size + 1 :]
            strip = heatmap.render_line(layout.rows.start + 4)
            lined = [s for s in strip if s.style and s.style.underline]
            assert sum(s.cell_length for s in lined) == 8 * layout.columns.size
            other = heatmap.render_line(layout.rows.start + 5)
            assert not any(s.style and s.style.underline for s in other)


def pairs():
    tags = [("basal cell carcinoma", "dermoscopy"), ("basal cell carcinoma", "histology")]
    tags += [("nevus", "histology"), ("nevus", "surgical margins")]
    rows = [
        row(n, lesion=lesion, topic=topic, week=week, attempts=9, correct=5)
        for n, (lesion, topic) in enumerate(tags)
        for week in range(8)
    ]
    return build_grid(rows, GridSpec(RowAxis.LESION_TOPIC, order=Order.LABEL))


async def test_lesion_and_topic_are_columns_and_repeats_are_dimmed():
    app = Harness(pairs())
    async with app.run_test(size=(120, 10)) as pilot:
        await pilot.pause()
        heatmap = app.heatmap
        heatmap.move_cursor(0, 0)
        await pilot.pause()
        layout = layout_of(heatmap)
        assert layout.label_widths == (20, 16), "labels take the free width"
        styles = []
        for place in range(4):
            strip = heatmap.render_line(layout.rows.start + place * layout.rows.size)
            first, second = list(strip)[:2]
            styles.append((first.style, second.style))
            assert first.text.strip() == heatmap.grid.rows[place].labels[0]
            assert second.text.strip() == heatmap.grid.rows[place].labels[1]
        whole, dimmed = styles[1][1], styles[1][0]
        assert whole != dimmed
        assert styles[2] == (whole, dimmed), "histology is as in the row above"
        assert styles[3] == (dimmed, whole)


@pytest.mark.parametrize("width", range(30, 200, 7))
def test_labels_never_take_the_room_of_figures(width):
    layout = lay_out(pairs(), width, 20)
    assert sum(layout.label_widths) <= 20 + 16
    if width >= 100:
        assert layout.label_widths == (20, 16)
    if width >= 70:
        assert layout.columns.size >= 5
        assert layout.columns.shown == 8


@pytest.mark.parametrize("glyphs", [SHADES, ASCII_SHADES])
async def test_a_sparkline_shows_each_rows_course(glyphs):
    rows = [
        row(n, lesion=lesion, week=week, attempts=10, correct=correct)
        for n, (lesion, course) in enumerate({"up": (1, 5, 9, 9), "level": (4, 4, 4, 4)}.items())
        for week, correct in zip((0, 1, 2, 4), course, strict=True)
    ]
    app = Harness(build_grid(rows, GridSpec(order=Order.LABEL)), glyphs=glyphs)
    async with app.run_test(size=(100, 10)) as pilot:
        await pilot.pause()
        layout = layout_of(app.heatmap)
        assert layout.spark_width == 5
        low, middle, high = glyphs.spark[0], glyphs.spark[len(glyphs.spark) // 2], glyphs.spark[-1]
        shown = "\n".join(
            line[: layout.columns.start] for line in lines(app.heatmap)[layout.rows.start :]
        )
        assert f" {low}{middle}{high} {high} " in shown
        assert f" {low * 3} {low} " in shown


async def test_a_faded_cell_has_a_chip_of_its_colour_and_no_fill():
    rows = [row(1, week=0, attempts=9, correct=9), row(1, week=1, attempts=2, correct=2)]
    for depth in Depth:
        app = Harness(build_grid(rows, GridSpec(least=5)), depth=depth)
        async with app.run_test(size=(80, 24)) as pilot:
            heatmap = app.heatmap
            heatmap.move_cursor(0, 0)
            await pilot.pause()
            at = left_of_cells(heatmap) + cell_width(heatmap)
            y = first_figures(heatmap)
            cell = lines(heatmap)[y][at : at + cell_width(heatmap)]
            assert "100%" in cell
            if depth is Depth.NONE:
                assert cell.startswith(":")
                continue
            assert fill_at(heatmap, at, y) is None
            chip = [s for s in heatmap.render_line(y) if s.text == "▌" and s.style][-1]
            assert tuple(chip.style.color.get_truecolor()) == paints(depth=depth)[-1].fill


async def test_the_scroll_bar_shows_where_and_takes_clicks():
    grid = build_grid(many_rows(200, 4), GridSpec(RowAxis.QUESTION, order=Order.LABEL))
    for glyphs in (SHADES, ASCII_SHADES):
        app = Harness(grid, glyphs=glyphs)
        async with app.run_test(size=(80, 24)) as pilot:
            heatmap = app.heatmap
            await pilot.pause()

            def thumb(heatmap: HeatmapGrid = heatmap, sign: str = glyphs.thumb) -> list[int]:
                return [y for y, line in enumerate(lines(heatmap)) if line.endswith(sign)]

            assert thumb()[0] == layout_of(heatmap).rows.start
            heatmap.focus()
            await press(pilot, "ctrl+end")
            assert thumb()[-1] == heatmap.size.height - 1
            await pilot.click(HeatmapGrid, offset=(heatmap.size.width - 1, 13))
            await pilot.pause()
            assert 60 < heatmap.scroll_offset.y < 130
            assert 9 < thumb()[0] < 16
    short = Harness(small())
    async with short.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert layout_of(short.heatmap).thumb(0) == range(0)


@pytest.mark.parametrize("colours", [None, "standard", "256", "truecolor"])
async def test_a_line_is_sent_as_textual_would_send_it(colours: str | None) -> None:
    app = Harness(pairs())
    app.terminal(colours)
    async with app.run_test(size=(100, 24)) as pilot:
        app.heatmap.move_cursor(1, 3)
        await pilot.pause()
        for y in range(app.heatmap.size.height):
            line = app.heatmap.render_line(y)
            assert line.text.strip() == "" or "\x1b[" in line.render(app.console) or not colours
            # Styles remember the first terminal they were drawn for: the comparison has its own.
            theirs = Strip([Segment(text, style and style.copy()) for text, style, _ in line])
            assert line.render(app.console) == theirs.render(app.console)
            assert line.cell_length == theirs.cell_length


async def test_with_another_grid_nothing_of_the_first_is_left() -> None:
    app = Harness(build_grid(many_rows(400, 12), GridSpec(axis=RowAxis.QUESTION)))
    async with app.run_test(size=(80, 24)) as pilot:
        app.heatmap.focus()
        await press(pilot, "pagedown", "pagedown")
        app.heatmap.grid = build_grid(many_rows(40, 12), GridSpec(axis=RowAxis.TOPIC))
        await pilot.pause()
        await press(pilot, "pagedown", "pageup")
        text = "\n".join(s.text for s in app.heatmap.render_lines(app.heatmap.size.region))
        labels = {row.label for row in app.heatmap.grid.rows}
        assert len(labels) > 3
        assert all(label in text for label in labels)
