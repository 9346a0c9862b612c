"""A run as one sees it: progress, stages, rate; then verdict and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from textual.containers import Horizontal
from textual.content import Content

from tui.console.figures import (
    GOOD,
    SERIOUS,
    STAGE_TITLES,
    Span,
    Tile,
    elapsed,
    progress,
    spans,
    verdict_words,
)
from tui.console.theme import UNICODE, Glyphs
from tui.console.widgets.text import Block, Fitted
from tui.console.words import duration, graph, rate, time_left
from tui.verify.result import StageState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.widget import Widget

    from tui.console.state import State
    from tui.verify.result import Result

NAME: Final = 18
COUNT: Final = 14
TIME: Final = 14
SHORTEST: Final = 10
TILES: Final = 4

_STYLES: Final = {
    StageState.WAITING: "$muted",
    StageState.RUNNING: "$focus bold",
    StageState.DONE: "$ok",
    StageState.FAILED: "$bad bold",
    StageState.NOT_RUN: "$muted",
}


def bar(fraction: float, width: int, signs: Glyphs, style: str) -> Content:
    """A bar of `width` cells, filled by half cells."""
    full, half = divmod(round(max(0.0, min(1.0, fraction)) * width * 2), 2)
    return Content.assemble(
        (signs.bar_full * full + signs.bar_half * half, style),
        (signs.bar_empty * (width - full - half), "$line"),
    )


class Overall(Fitted):
    """How much of the run is done, its time so far and the time left."""

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__("overall")
        self._glyphs = glyphs
        self._words = (0.0, "", "")

    def show_run(self, result: Result, now: float) -> None:
        fraction, left = progress(result, now)
        words = "" if left is None else f"about {time_left(left)} left"
        self._words = (fraction, duration(elapsed(result, now)), words)
        self.draw()

    def made_for(self, width: int) -> Content:
        fraction, spent, left = self._words
        words = f"  {fraction:>4.0%}  {spent}  {left}"
        room = max(SHORTEST, width - max(cell_len(words), 34))
        return Content.assemble(bar(fraction, room, self._glyphs, "$focus"), (words, "$ink"))


class Waterfall(Fitted):
    """A line for each stage: name, place in time, items and length."""

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__("stages")
        self._glyphs = glyphs
        self._spans: list[Span] = []
        self._whole = 1.0
        self._over = False

    def show_run(self, result: Result, now: float) -> None:
        self._spans = spans(result, now)
        self._over = result.finished is not None
        ends = [
            each.start + (each.seconds or 0.0) for each in self._spans if each.start is not None
        ]
        self._whole = max(ends, default=0.0) or 1.0
        self.draw()

    def made_for(self, width: int) -> Content:
        return Content("\n").join(self._line(each, width) for each in self._spans)

    def _line(self, span: Span, width: int) -> Content:
        stopped = span.stopped
        style = "$warn bold" if stopped else _STYLES[span.state]
        room = max(SHORTEST, width - (2 + NAME + 1 + COUNT + 1 + TIME))
        quiet = span.state in {StageState.WAITING, StageState.NOT_RUN}
        return Content.assemble(
            (f"{self._glyph(span)} ", style),
            (STAGE_TITLES[span.stage].ljust(NAME + 1), "$muted" if quiet else "$ink"),
            self._bar(span, room, "$focus" if span.state is StageState.RUNNING else style),
            (_count(span).rjust(COUNT), "$muted" if quiet else "$ink"), " ",
            (_time(span).rjust(TIME), style if not quiet and span.state is not StageState.DONE
             else "$muted"),
        )  # fmt: skip

    def _bar(self, span: Span, room: int, style: str) -> Content:
        """Where the stage stands in the run; at least half a cell is seen."""
        if span.start is None:
            return Content(" " * room)
        signs = self._glyphs
        scale = 2 * room / self._whole
        first = min(2 * room - 1, int(span.start * scale))
        last = min(2 * room, max(first + 1, round((span.start + (span.seconds or 0.0)) * scale)))
        cells = []
        for cell in range(room):
            left, right = first <= 2 * cell < last, first <= 2 * cell + 1 < last
            cells.append(
                signs.bar_full if left and right
                else signs.bar_half if left else signs.bar_late if right else " "
            )  # fmt: skip
        return Content.styled("".join(cells), style)

    def _glyph(self, span: Span) -> str:
        signs = self._glyphs
        if span.stopped:
            return signs.warn
        return {
            StageState.WAITING: signs.locked,
            StageState.RUNNING: signs.busy,
            StageState.DONE: signs.done,
            StageState.FAILED: signs.bad,
            StageState.NOT_RUN: signs.skip,
        }[span.state]


def _count(span: Span) -> str:
    if span.state in {StageState.WAITING, StageState.NOT_RUN}:
        return ""
    if span.state is StageState.DONE or span.total is None:
        return f"{span.done:,}" if span.done else ""
    return f"{span.done:,}/{span.total:,}"


def _time(span: Span) -> str:
    match span.state:
        case StageState.WAITING:
            return "waiting"
        case StageState.NOT_RUN:
            return "not run"
        case StageState.RUNNING:
            return f"for {duration(span.seconds)}"
        case StageState.FAILED:
            return f"{'stopped' if span.stopped else 'failed'} {duration(span.seconds)}"
        case StageState.DONE:
            return duration(span.seconds)


class RateGraph(Fitted):
    """Rows handled a second: over time, now, and at most."""

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__("rates")
        self._glyphs = glyphs
        self._rates: list[float] = []
        self._words = ""

    def show_run(self, state: State, now: float) -> None:
        self._rates = state.rates.per_second(now)
        volume = state.run.volume if state.run else None
        words = []
        if self._rates:
            if state.is_writing:
                words.append(f"{rate(self._rates[-1]) or '0/s'} now")
            words.append(f"{rate(max(self._rates))} at most")
        if state.rates.batch and state.is_writing:
            words.append(f"last batch {state.rates.batch:,}")
        if volume is not None and state.is_writing:
            words.append(f"up to {volume.concurrency} in flight")
        if state.run is not None and state.run.retries:
            words.append(f"{state.run.retries} sent again")
        self._words = f" {self._glyphs.sep} ".join(words)
        self.draw()

    def made_for(self, width: int) -> Content:
        lines = max(1, min(6, self.size.height - 1))
        head = Content.styled(self._words, "$muted").truncate(width, ellipsis=True)
        if not self._rates:
            return head
        shown = _spread(self._rates, width)
        bars = graph(shown, self._glyphs.levels, height=lines)
        return Content("\n").join([head, *(Content.styled(line, "$focus") for line in bars)])


def _spread(values: Sequence[float], width: int) -> list[float]:
    """The values over the whole width: repeated, or neighbours' mean."""
    step = len(values) / width
    groups = [
        values[int(place * step) : max(int(place * step) + 1, int((place + 1) * step))]
        for place in range(width)
    ]
    return [sum(group) / len(group) for group in groups]


def verdict_band(result: Result, signs: Glyphs, next_line: str) -> Content:
    """The verdict as rows: its word and message, what to do, what comes next."""
    finished = result.finished
    if finished is None:
        return Content("")
    glyph = signs.done if finished.outcome in GOOD else signs.bad
    if finished.outcome not in GOOD | SERIOUS:
        glyph = signs.warn
    lines = [
        Content.assemble(
            (f"{glyph} {finished.outcome.value.upper()}", "bold"),
            f"   {duration(finished.seconds)}   {result.run_id or ''}",
        ),
        Content(f"  {verdict_words(result)}"),
    ]
    if finished.hint:
        lines.append(Content(f"  {finished.hint}"))
    if next_line:
        lines.append(Content.assemble(("  enter", "bold"), f": {next_line}"))
    return Content("\n").join(lines)


def verdict_class(result: Result) -> str:
    """The style class of the verdict's band."""
    outcome = result.finished.outcome if result.finished else None
    if outcome in GOOD:
        return "-good"
    return "-serious" if outcome in SERIOUS else "-doubtful"


class Tiles(Horizontal):
    """The figures of a finished run, side by side."""

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(id="tiles")
        self._glyphs = glyphs

    def compose(self) -> Iterator[Widget]:
        for number in range(TILES):
            yield Block(f"tile-{number}", classes="tile")

    def show_tiles(self, tiles: Sequence[Tile]) -> None:
        for number, block in enumerate(self.query(Block)):
            block.display = number < len(tiles)
            if number < len(tiles):
                block.border_title = tiles[number].title
                block.show(self._tile(tiles[number]))

    def _tile(self, tile: Tile) -> Content:
        signs = self._glyphs
        mark, style = "", "bold"
        if tile.good is not None:
            mark, style = (signs.ok, "$ok bold") if tile.good else (signs.bad, "$bad bold")
        past = ""
        if len(tile.past) > 1:
            past = graph(tile.past, signs.levels)[0]
        return Content.assemble(
            (f"{mark} " if mark else "", style), (tile.value, style),
            ("  " + past if past else "", "$focus"), "\n", (tile.note, "$muted"),
        )  # fmt: skip
