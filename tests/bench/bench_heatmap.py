"""The heatmap: from a key to what it paints, and how long opening it holds the event loop.

Keys are pressed in the heatmap widget, alone on a screen of 200 x 60 with 2,000 x 104 cells, and in
an empty Textual application of that size which paints its whole screen anew for each key. Both
write to a driver that takes what a terminal would be sent.

The heatmap's own screen is then opened by its key with 100,000 rows, which it gets in pages of JSON
as they come from a project, beside a clock that ticks in the same event loop.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.drivers.headless_driver import HeadlessDriver

from tests.bench.figures import Line, Options, Table, Target, in_pairs, say
from tests.console.fakes import FakeSession, make_app, settle, until
from tests.heatmap.samples import many_rows
from tui.cli.commands import spare_what_is_loaded
from tui.console.widgets.heatmap import HeatmapGrid
from tui.heatmap.grid import GridSpec, RowAxis, build_grid
from tui.heatmap.palette import SHADES
from tui.heatmap.rows import AggregateRow
from tui.project import READER
from tui.verify.events import SampleTaken
from tui.verify.view import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual.widget import Widget

    from tui.heatmap.grid import Grid

SIZE: Final = (200, 60)
QUESTIONS: Final = 2_000
WEEKS: Final = 104
# 2,000 questions in 50 weeks: 100,000 rows.
OPENED_WEEKS: Final = 50
PRESSES: Final = 21
MILLISECONDS: Final = 1_000.0
# Longer than two of Textual's frames: nothing more comes of a key after this without any paint.
REST_SECONDS: Final = 0.05
# As `tui.verify.view` reads them.
PAGE: Final = 1_000
TICK_SECONDS: Final = 0.001
GIVE_UP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to move in the heatmap.

    Attributes:
        what: What it is called in the table.
        before: Keys that lead to where it starts.
        key: The key that is timed, over and over.
        turn: Presses after which `after` is pressed, untimed.
        after: Keys that lead to where nothing was shown before.
    """

    what: str
    before: tuple[str, ...]
    key: str
    turn: int = PRESSES
    after: tuple[str, ...] = ()


# To the last column that is shown, and one further.
ASIDE: Final = ("ctrl+pagedown",)
WAYS: Final = (
    Way("cursor moves", ("ctrl+home",), "down"),
    Way("scrolls one line", ("ctrl+home", "pagedown"), "down"),
    Way("page of new rows", ("ctrl+home",), "pagedown"),
    Way("scrolls sideways", ("ctrl+home", *ASIDE), "right", 10, ("pagedown", "home", *ASIDE)),
)  # fmt: skip


@dataclass(slots=True)
class Paints:
    """What was written, as it would have been to a terminal.

    Attributes:
        last: When a paint was last complete.
        worked: Processor seconds of the event loop's thread at that moment.
    """

    last: float = 0.0
    worked: float = 0.0


class Paper(HeadlessDriver):
    """A driver that is painted to like a terminal's."""

    paints: ClassVar[Paints] = Paints()

    @property
    def is_headless(self) -> bool:
        """Never, or nothing would be painted."""
        return False

    def write(self, data: str) -> None:
        """Note the moment."""
        if data:
            self.paints.worked = time.thread_time()
            self.paints.last = time.perf_counter()


class Empty(App[None]):
    """Nothing at all, painted anew for each key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("down", "paint", show=False)]

    def action_paint(self) -> None:
        """Paint the whole screen."""
        self.screen.refresh()


class Shown(App[None]):
    """The heatmap and nothing else."""

    def __init__(self, grid: Grid) -> None:
        super().__init__(driver_class=Paper)
        self._shown = grid

    def compose(self) -> Iterable[Widget]:
        """The heatmap."""
        yield HeatmapGrid(SHADES)

    def on_mount(self) -> None:
        """Show the grid."""
        self.query_one(HeatmapGrid).grid = self._shown


@dataclass(slots=True)
class Pressed:
    """Milliseconds from each key to its last paint.

    Attributes:
        waited: As one who looks at the screen waits.
        worked: Of the processor.
    """

    waited: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)


def run(options: Options) -> Table:
    """Press the keys in applications of their own for each pair; then open the screen."""
    table = Table("The heatmap at 200 x 60: from key to paint / an empty screen painted whole")
    presses, scale = (2, 8) if options.quick else (PRESSES, 1)
    grid = build_grid(_rows(QUESTIONS // scale, WEEKS), GridSpec(axis=RowAxis.QUESTION))
    # What is there is spared, as by the console when it is connected.
    gc.freeze()
    target = None if options.quick else Target(2.0)
    for way in WAYS:
        say(f"heatmap: {way.what} ", end="")
        ours, theirs = _side_by_side(options.pairs, grid, way, presses)
        for name, what in (("waited", way.what), ("worked", f"{way.what}, processor time")):
            table.lines.append(
                Line(what, "ms", _medians(ours, name), _medians(theirs, name), target)
            )
    table.notes.append("a sample is the median of one application's presses")
    del grid
    rows = _documents(QUESTIONS // scale, OPENED_WEEKS)
    pages = [json.dumps(rows[at : at + PAGE]).encode() for at in range(0, len(rows), PAGE)]
    count = len(rows)
    del rows
    gc.unfreeze()
    say("heatmap: opens ", end="")
    opened: list[Opened] = []
    small: list[Opened] = []
    in_pairs(
        options.pairs,
        _noted(opened, lambda: asyncio.run(_open(pages))),
        _noted(small, lambda: asyncio.run(_open([json.dumps([]).encode()], rows=0))),
    )
    # The most of it is Textual's for any new screen of this size: compared with one without rows.
    target = None if options.quick else Target(1.5)
    what = f"opening with {count:,} rows / none: event loop held at most"
    for name, how in (("held", what), ("worked", f"{what}, processor time")):
        with_rows, without = ([getattr(each, name) for each in one] for one in (opened, small))
        table.lines.append(Line(how, "ms", with_rows, without, target))
    table.lines.append(Line("until the grid is there", "ms", [each.took for each in opened]))
    return table


def _medians(applications: list[Pressed], name: str) -> list[float]:
    return [statistics.median(getattr(each, name)) for each in applications]


def _side_by_side(
    pairs: int, grid: Grid, way: Way, presses: int
) -> tuple[list[Pressed], list[Pressed]]:
    ours: list[Pressed] = []
    theirs: list[Pressed] = []
    in_pairs(
        pairs,
        _kept(ours, lambda: _press(Shown(grid), way, presses)),
        _kept(theirs, lambda: _press(Empty(driver_class=Paper), WAYS[0], presses)),
    )
    return ours, theirs


def _kept(into: list[Pressed], sample: Callable[[], Pressed]) -> Callable[[], float]:
    def take() -> float:
        into.append(sample())
        return statistics.median(into[-1].waited)

    return take


def _noted(into: list[Opened], sample: Callable[[], Opened]) -> Callable[[], float]:
    def take() -> float:
        into.append(sample())
        return into[-1].held

    return take


def _rows(questions: int, weeks: int) -> list[AggregateRow]:
    """Rows as they are read from the answer of a project."""
    return [AggregateRow.from_json(each) for each in _documents(questions, weeks)]


def _documents(questions: int, weeks: int) -> list[dict[str, object]]:
    return [
        {
            "question_id": str(row.question_id),
            "lesion": row.lesion,
            "topic": row.topic,
            "week_start": row.week_start,
            "attempts": row.attempts,
            "correct_attempts": row.correct_attempts,
            "accuracy_rate": str(row.accuracy_rate),
            "median_duration_ms": str(row.median_duration_ms),
        }
        for row in many_rows(questions, weeks)
    ]


class PagedSession(FakeSession):
    """A session whose project answers at once, page by page, as `tui.verify.view` reads it.

    Args:
        pages: What the project answers.
    """

    def __init__(self, pages: list[bytes]) -> None:
        super().__init__()
        self._pages = pages

    async def read_heatmap(self) -> SampleTaken:
        """Read all pages."""
        rows: list[AggregateRow] = []
        for page in self._pages:
            await asyncio.sleep(0)
            rows += [row_of(row, READER) for row in json.loads(page)]
        return SampleTaken(tuple(rows), len(rows))


def _press(app: App[None], way: Way, presses: int) -> Pressed:
    return asyncio.run(asyncio.wait_for(_pressing(app, way, presses), GIVE_UP_SECONDS))


async def _pressing(app: App[None], way: Way, presses: int) -> Pressed:
    pressed = Pressed()
    running = asyncio.create_task(app.run_async(size=SIZE, mouse=False))
    try:
        Paper.paints.last = 0.0
        while not Paper.paints.last and not running.done():  # noqa: ASYNC110 - a driver's write
            await asyncio.sleep(TICK_SECONDS)
        await _rest()
        if isinstance(app, Shown):
            await _all(app, way.before)
        # The first press warms what is kept for good: it is not counted.
        await _one(app, way.key)
        for number in range(1, presses + 1):
            waited, worked = await _one(app, way.key)
            pressed.waited.append(waited * MILLISECONDS)
            pressed.worked.append(worked * MILLISECONDS)
            if number % way.turn == 0 and number < presses:
                await _all(app, way.after)
    finally:
        app.exit()
        await running
    return pressed


async def _all(app: App[None], keys: Iterable[str]) -> None:
    for key in keys:
        await _one(app, key)


async def _one(app: App[None], key: str) -> tuple[float, float]:
    """Press one key; seconds to its last paint, and of the processor until then."""
    began, worked = time.perf_counter(), time.thread_time()
    app.post_message(events.Key(key, None))
    while Paper.paints.last < began:
        await asyncio.sleep(TICK_SECONDS)
        if time.perf_counter() - began > GIVE_UP_SECONDS:
            raise RuntimeError(f"the key {key} painted nothing")
    await _rest()
    return Paper.paints.last - began, Paper.paints.worked - worked


async def _rest() -> None:
    """Until nothing was painted for a while."""
    while True:
        last = Paper.paints.last
        await asyncio.sleep(REST_SECONDS)
        if last == Paper.paints.last:
            return


@dataclass(slots=True)
class Opened:
    """Milliseconds.

    Attributes:
        held: The longest between two ticks of a clock in the event loop.
        worked: The most processor time of its thread between two ticks.
        took: From the key until the grid is in the widget and painted.
    """

    held: float = 0.0
    worked: float = 0.0
    took: float = 0.0


async def _open(pages: list[bytes], *, rows: int = 1) -> Opened:
    """Open the heatmap's screen of the real console on a project that answers `pages`.

    Args:
        pages: What the project answers.
        rows: Grid rows to wait for, if any.
    """
    app = make_app(PagedSession(pages))
    opened = Opened()
    gc.collect()
    # As the console does when it is connected.
    spare_what_is_loaded()
    async with asyncio.timeout(GIVE_UP_SECONDS), app.run_test(size=SIZE) as pilot:
        # What the console does for itself when it starts is not what is measured.
        await settle(pilot)
        ticking = asyncio.create_task(_tick(opened))
        began = time.perf_counter()
        await pilot.press("h")
        await until(
            pilot,
            lambda: any(
                len(each.grid.rows) >= rows and getattr(app.screen, "shown", None)
                for each in app.screen.query(HeatmapGrid)
            ),
        )
        await pilot.pause()
        opened.took = (time.perf_counter() - began) * MILLISECONDS
        # The charts follow a moment later.
        await pilot.pause(0.5)
        ticking.cancel()
    return opened


async def _tick(into: Opened) -> None:
    while True:
        began, worked = time.perf_counter(), time.thread_time()
        await asyncio.sleep(TICK_SECONDS)
        into.held = max(into.held, (time.perf_counter() - began) * MILLISECONDS)
        into.worked = max(into.worked, (time.thread_time() - worked) * MILLISECONDS)
