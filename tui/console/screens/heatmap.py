"""The heatmap screen: the sample of a run, or the live view."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input

from tui.console.figures import duration
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.theme import ASCII
from tui.console.widgets.heatmap import HeatmapCharts, HeatmapGrid, HeatmapLegend
from tui.console.widgets.text import Block
from tui.errors import ConfigurationError
from tui.files import save_text
from tui.heatmap.formatting import ascii_only, plural, when_refreshed
from tui.heatmap.grid import (
    LEAST_CHOICES,
    Grid,
    GridSpec,
    Origin,
    RowAxis,
    Scale,
    build_grid,
    row_filter,
)
from tui.heatmap.palette import ASCII_SHADES, SHADES
from tui.heatmap.plain_text import rows_as_text
from tui.heatmap.rows import write_rows
from tui.redact import redact_known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.guard.target import Target
    from tui.verify.events import SampleTaken

E = TypeVar("E", bound=StrEnum)

_FILTER_IN_NAME: Final = 40
REPAIR: Final = "make room on the disk, or let yourself write to that directory"

RECENT_S: Final = 60.0
"""Seconds for which rows count as just read."""


class HeatmapScreen(ConsoleScreen):
    """Headline, legend, grid, cell under the cursor; charts with room.

    Attributes:
        is_live: Whether they are the live view's rather than a run's sample.
    """

    VIEW: ClassVar[View] = View.HEATMAP
    HELP_TEXT: ClassVar[str] = (
        "Each cell sums the attempts of its group. Accuracy is correct / attempts over the sums, "
        "never a mean of rates. A median over several rows is weighted by attempts and marked as "
        "such.\n\n"
        "v   the live view, or the sample of the last run, read before its rows were deleted\n"
        "a   rows: lesion, topic, question, lesion and topic\n"
        "x   columns: weeks (Mondays, UTC) or topics\n"
        "m   metric: accuracy, attempts, median time\n"
        "s   order: worst first, by label, most attempts first\n"
        "c   colours: a fixed scale, the range there is, deviation from the mean\n"
        "n   cells of fewer attempts than so many are faded, off the scale's ends (N goes back)\n"
        "o   all answers, synthetic only, real only\n"
        "/   keep rows whose label holds every word typed\n\n"
        "Worst first is by what the wrong answers prove: the lower bound of their share at 95% "
        "(Wilson), so that 40 wrong of 50 come before 1 of 1.\n\n"
        "Arrows move, enter lists the rows behind a cell. No data is hatched; zero is a colour."
    )
    SPARE_KEYS = frozenset({"heatmap.least", "heatmap.origin"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "source", "Live", id="heatmap.source", tooltip="Live view or last run"),
        Binding("a", "next('axis')", "Rows", id="heatmap.axis", tooltip="What one row stands for"),
        Binding("x", "next('columns')", "Cols", id="heatmap.columns", tooltip="Weeks or topics"),
        Binding("m", "next('metric')", "Metric", id="heatmap.metric", tooltip="What a cell shows"),
        Binding(
            "s", "next('order')", "Sort", id="heatmap.order", tooltip="Worst first, label, attempts"
        ),
        Binding(
            "c", "next('scale')", "Scale", id="heatmap.scale", tooltip="What the colours stand for"
        ),
        Binding("n", "least(1)", "Fade", id="heatmap.least", tooltip="Fade cells of few attempts"),
        Binding("N", "least(-1)", "Fade less", show=False, id="heatmap.least-back"),
        Binding("o", "origin", "Whose", id="heatmap.origin", tooltip="All, synthetic or real"),
        Binding("slash", "filter", "Filter", id="heatmap.filter", tooltip="Keep matching rows"),
        Binding("w", "export", "Save", id="heatmap.export", tooltip="Save rows or a picture"),
    ]

    spec = GridSpec(axis=RowAxis.LESION_TOPIC)
    shown: SampleTaken | None = None
    is_live = True
    _offered: SampleTaken | None = None
    _building = False

    def body(self) -> Iterable[Widget]:
        shades = ASCII_SHADES if self.glyphs is ASCII else SHADES
        yield Block("heatmap-lead")
        yield HeatmapLegend(shades)
        with Horizontal(id="heatmap-frame"):
            with Vertical(id="heatmap-main"):
                yield HeatmapGrid(shades)
                yield Block("heatmap-empty")
            yield HeatmapCharts(self.controller.work, ascii_only=self.glyphs is ASCII)
        yield Block("heatmap-detail")
        yield Input(id="heatmap-filter", placeholder="words a row's label must hold", compact=True)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#heatmap-filter").display = False
        self.query_one(HeatmapLegend).display = False
        self.query_one(HeatmapGrid).focus()

    def on_screen_resume(self) -> None:
        state = self.state
        if state.sample is not self._offered:
            self._offered = state.sample
            self.is_live = state.sample is None
        super().on_screen_resume()
        if self.shown is None and state.read_problem is None:
            self.controller.read_live()

    def paint_body(self) -> None:
        wanted = self.state.live if self.is_live else self.state.sample
        if wanted is not self.shown:
            self._show(wanted)
        self.query_one("#heatmap-lead", Block).show(self._lead())

    def _lead(self) -> Content:
        signs, state = self.glyphs, self.state
        if self.is_live and state.read_problem is not None:
            return Content.assemble(
                (f"{signs.bad} not read  ", "$bad bold"),
                state.read_problem,
                ("\nPress v to read it again.", "$muted"),
            )
        if self.is_live and state.reading_since is not None:
            waited = duration(state.clock() - state.reading_since)
            return Content.assemble(
                (f"{signs.busy} reading the live view  ", "$focus bold"),
                (f"for {waited}", "$muted"),
            )
        if self.shown is None:
            return Content("")
        source = "live view" if self.is_live else "sample of the last run"
        read, total = len(self.shown.rows), self.shown.total
        whole = f"all {read:,} rows" if total > 1 else "its only row" if total else "no rows"
        count = (
            Content.styled(whole, "$muted")
            if read >= total
            else Content.styled(f"{signs.warn} {read:,} of {total:,} rows read", "$warn bold")
        )
        undated = self.query_one(HeatmapGrid).grid.describe_undated()
        line = f" {signs.sep} ".join([*self.spec.words, *([undated] if undated else [])])
        return Content.assemble(
            (source.capitalize(), "bold"),
            "  ",
            count,
            (f" {signs.sep} {self.shown.remark}" if self.shown.remark else "", "$warn"),
            (f" {signs.sep} {self._age()}", "$muted"),
            "\n",
            (ascii_only(line) if signs is ASCII else line, "$muted"),
        )

    def _age(self) -> str:
        """When the view was refreshed last, and when it was read."""
        if not self.is_live:
            return "refreshed by the run"
        refreshed = when_refreshed(self.shown.refreshed_at if self.shown else None)
        waited = self.state.clock() - self.state.live_read_at
        if waited < RECENT_S:
            return refreshed
        return f"{refreshed} {self.glyphs.sep} read {waited // 60:,.0f} min ago"

    # What is shown.

    def _show(self, sample: SampleTaken | None) -> None:
        self.shown = sample
        if sample is None:
            self._put(Grid(self.spec))
            return
        origin = self.spec.origin if sample.synthetic else Origin.ALL
        self.spec = replace(
            self.spec, synthetic=sample.synthetic, names=sample.names, origin=origin
        )
        self._rebuild()

    def _respec(self, spec: GridSpec) -> None:
        self.spec = spec
        self.paint()
        self._rebuild()

    def _rebuild(self) -> None:
        if not self._building:
            self._building = True
            self.controller.work("heatmap-grid", self._build)

    async def _build(self) -> None:
        """Build what is wanted, one grid at a time, until nothing else is."""
        try:
            while (sample := self.shown) is not None:
                spec = self.spec
                grid = await asyncio.to_thread(build_grid, sample.rows, spec)
                # Another project may have been opened, or a key pressed, meanwhile.
                if sample is self.shown and spec is self.spec:
                    self._put(grid)
                    return
        finally:
            self._building = False

    def _put(self, grid: Grid) -> None:
        self.query_one(HeatmapGrid).grid = grid
        legend = self.query_one(HeatmapLegend)
        legend.grid = grid
        legend.display = self.shown is not None
        self._show_emptiness(grid)
        self.query_one("#heatmap-lead", Block).show(self._lead())
        if self.focused is None:
            # It was hidden for want of rows, and could not hold the keys.
            self.query_one(HeatmapGrid).focus()

    def _show_emptiness(self, grid: Grid) -> None:
        empty = not grid.rows
        self.query_one(HeatmapGrid).display = not empty
        note = self.query_one("#heatmap-empty", Block)
        note.display = empty and self.shown is not None
        if not empty:
            return
        self.query_one("#heatmap-detail", Block).show("")
        self.query_one(HeatmapCharts).clear()
        if grid.rows_read and not grid.spec.filters:
            note.show("No row has a week that a calendar holds.")
        elif grid.rows_read:
            note.show(
                "No row matches. Press / to change the filter, o to change whose answers count."
            )
        else:
            note.show(
                "The view is empty: no published question has an answer yet, or the view was not "
                "refreshed since.\n\nTo do: in SQL run select analytics_refresh_heatmap(); then "
                "press v to read it again. Or press r for a run: it writes answers of its own, "
                "shows them here and removes them."
            )

    @on(HeatmapGrid.CellHighlighted)
    def _highlighted(self, event: HeatmapGrid.CellHighlighted) -> None:
        grid = event.grid
        # Another grid may have come meanwhile: it sends its own cell.
        if grid is not event.heatmap.grid or not grid.rows:
            return
        row, column = grid.rows[event.row], grid.columns[event.column]
        value = event.cell.value(grid.metric) if event.cell else None
        told = event.cell.describe() if event.cell else "no data"
        if value is not None and grid.mean is not None and grid.spec.scale is Scale.DEVIATION:
            told += f" · {grid.metric.difference(value - grid.mean)} from the mean"
        self.query_one("#heatmap-detail", Block).show(
            Content.assemble((row.label, "bold"), f", {column.label}: ", (told, "$ink"))
        )
        self.query_one(HeatmapLegend).value = value
        self.query_one(HeatmapCharts).follow(grid, event.row)

    @on(HeatmapGrid.CellSelected)
    def _selected(self, event: HeatmapGrid.CellSelected) -> None:
        if event.cell is not None:
            row, column = event.grid.rows[event.row], event.grid.columns[event.column]
            self.controller.show_text(f"{row.label}, {column.label}", rows_as_text(event.cell))

    # Keys.

    def action_source(self) -> None:
        self.is_live = not self.is_live or self.state.sample is None
        if self.is_live:
            self.controller.read_live()
        self.paint()

    def action_next(self, field: str) -> None:
        """Choose the next member of what an enumeration of the spec holds."""
        self._respec(replace(self.spec, **{field: _next(getattr(self.spec, field))}))

    def action_least(self, step: int) -> None:
        at = LEAST_CHOICES.index(self.spec.least)
        least = LEAST_CHOICES[(at + step) % len(LEAST_CHOICES)]
        self._respec(replace(self.spec, least=least))

    def action_origin(self) -> None:
        origin = _next(self.spec.origin)
        if origin is not Origin.ALL and not (self.shown and self.shown.synthetic):
            self.controller.tell("No synthetic rows here: these are real answers only.")
            return
        self._respec(replace(self.spec, origin=origin))

    def action_filter(self) -> None:
        field = self.query_one("#heatmap-filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#heatmap-filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self._respec(replace(self.spec, text=event.value))

    @on(Input.Submitted, "#heatmap-filter")
    def _filter_done(self) -> None:
        self.query_one("#heatmap-filter").display = False
        self.query_one(HeatmapGrid).focus()

    def leave_filter(self) -> bool:
        field = self.query_one("#heatmap-filter", Input)
        if not field.has_focus:
            return False
        field.value = ""
        self._filter_done()
        return True

    def action_export(self) -> None:
        self.controller.work("heatmap-export", self._export)

    async def _export(self) -> None:
        """Ask what to save, and save it in private files.

        Rows that the filters of the grid keep out are not saved.
        """
        sample, session = self.shown, self.state.session
        if sample is None or session is None:
            self.controller.tell("There is nothing to save yet: no rows were read.")
            return
        spec = self.query_one(HeatmapGrid).grid.spec
        folder = session.settings.state_dir / "exports"
        path = folder / export_name(session.target, sample, spec, live=self.is_live)
        filters = " and ".join(spec.filters)
        keep, rows = row_filter(spec), sample.rows
        if keep is not None:
            rows = await asyncio.to_thread(lambda: tuple(filter(keep, sample.rows)))
        read, total = len(sample.rows), sample.total
        which = plural(read, "row") if read >= total else f"{read:,} rows read, of {total:,},"
        if filters:
            which = f"{len(rows):,} of {which} {filters},"
        picture = f"this screen as a picture ({spec.metric.heading}, {spec.scale.heading})"
        answer = await self.controller.choose(
            "Save the heatmap",
            f"The {which} or {picture}.\n\nTo {folder}",
            [("rows", "Rows: CSV and JSON"), ("picture", "Picture: SVG"), ("close", "Close")],
            keys={"r": "rows", "p": "picture"},
        )
        try:
            if answer == "rows":
                await asyncio.to_thread(write_rows, path, rows)
                said = f"{plural(len(rows), 'row')} {filters}".rstrip()
                self.controller.tell(f"Saved {said} to {path}.csv and .json", warning=False)
            elif answer == "picture":
                title = " · ".join(["heatmap-tui", *spec.words])
                drawn = redact_known(self.app.export_screenshot(title=title))
                saved = await asyncio.to_thread(save_text, folder / f"{path.name}.svg", drawn)
                self.controller.tell(f"Saved the picture to {saved}", warning=False)
        except ConfigurationError as error:
            # Where to is not asked here.
            self.controller.show_error(ConfigurationError(error.message, hint=REPAIR))


def _next(member: E) -> E:
    members = list(type(member))
    return members[(members.index(member) + 1) % len(members)]


def export_name(target: Target, sample: SampleTaken, spec: GridSpec, *, live: bool) -> str:
    """What an export is called: whose rows, which, when, and what filters."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    parts = ["heatmap", target.identity, "live" if live else "run", now]
    if len(sample.rows) < sample.total:
        parts.append(f"first-{len(sample.rows)}-of-{sample.total}")
    parts += [each[:_FILTER_IN_NAME] for each in spec.filters]
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part).strip("-") for part in parts)
