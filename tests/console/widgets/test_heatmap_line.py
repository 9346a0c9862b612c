"""Lines that are put together from parts: what the terminal gets is what Textual would send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tests.console.widgets.test_heatmap_grid import Harness, press
from tests.heatmap.samples import many_rows
from tui.console.widgets.heatmap_layout import HEADER_HEIGHT
from tui.console.widgets.heatmap_line import Line, Pen
from tui.console.widgets.heatmap_paint import CellPainter
from tui.heatmap.axes import GridSpec, RowAxis
from tui.heatmap.grid import build_grid

if TYPE_CHECKING:
    from textual.pilot import Pilot

SEGMENTS = [
    Segment("plain"),
    Segment("none", Style()),
    Segment("bold 橈骨", Style(bold=True)),
    Segment("  ", Style(color=Color.from_rgb(250, 10, 20), bgcolor=Color.from_rgb(1, 2, 3))),
]


@pytest.mark.parametrize("colours", [None, "standard", "256", "truecolor"])
def test_a_line_is_sent_as_textual_would_send_it(colours: str | None) -> None:
    console = Console(color_system=colours, force_terminal=True)  # type: ignore[arg-type]
    parts = [Pen(console).draw(segment) for segment in SEGMENTS]
    # Styles remember the first terminal they were drawn for: the comparison has its own.
    theirs = Strip([Segment(text, style and style.copy()) for text, style, _ in SEGMENTS])
    line = Line(parts, theirs.cell_length)
    assert line.render(console) == theirs.render(console)
    assert line.cell_length == theirs.cell_length
    assert line == theirs
    assert [piece.text for piece in line.divide([3, line.cell_length])] == [
        piece.text for piece in theirs.divide([3, theirs.cell_length])
    ]


async def at_rest(pilot: Pilot[None], drawn: list[object]) -> None:
    """Until nothing more is drawn ahead."""
    count = -1
    while count != len(drawn):
        count = len(drawn)
        await pilot.pause(0.1)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The keys of the rows that were drawn, in their order."""
    rows: list[object] = []
    draw = CellPainter.row

    def noted(self: CellPainter, row, *arguments, **options):
        rows.append(row.key)
        return draw(self, row, *arguments, **options)

    monkeypatch.setattr(CellPainter, "row", noted)
    return rows


@pytest.mark.parametrize(("first", "further"), [("pagedown", "pagedown"), ("end", "pageup")])
async def test_the_page_that_comes_next_is_drawn_before_it_is_asked_for(
    drawn: list[object], first: str, further: str
) -> None:
    app = Harness(build_grid(many_rows(400, 12), GridSpec(axis=RowAxis.QUESTION)))
    async with app.run_test(size=(80, 24)) as pilot:
        heatmap = app.heatmap
        heatmap.focus()
        await press(pilot, f"ctrl+{first}" if first == "end" else first)
        await press(pilot, further)
        await at_rest(pilot, drawn)
        page = heatmap.scrollable_content_region.height - HEADER_HEIGHT
        assert page > 10
        drawn.clear()
        before = heatmap.cursor
        await press(pilot, further)
        assert heatmap.cursor != before
        heatmap.render_lines(heatmap.size.region)
        first_shown = heatmap.scroll_offset.y
        shown = {row.key for row in heatmap.grid.rows[first_shown : first_shown + page]}
        # The row of the cursor alone is new; what was drawn further on was drawn ahead again.
        assert shown & set(drawn) == {heatmap.grid.rows[heatmap.cursor[0]].key}


async def test_with_another_grid_nothing_of_the_first_is_left(drawn: list[object]) -> None:
    spec = GridSpec(axis=RowAxis.LESION)
    app = Harness(build_grid(many_rows(400, 12), GridSpec(axis=RowAxis.QUESTION)))
    async with app.run_test(size=(80, 24)) as pilot:
        app.heatmap.focus()
        await press(pilot, "pagedown", "pagedown")
        await at_rest(pilot, drawn)
        app.heatmap.grid = build_grid(many_rows(40, 12), spec)
        await at_rest(pilot, drawn)
        await press(pilot, "pagedown", "pageup")
        text = "\n".join(s.text for s in app.heatmap.render_lines(app.heatmap.size.region))
        labels = {row.label for row in app.heatmap.grid.rows}
        assert len(labels) > 3
        assert all(label in text for label in labels)
