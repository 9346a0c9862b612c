"""Step 4: the run while it goes on, and its result once it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from tui.console.figures import (
    GOOD,
    SERIOUS,
    STAGE_TITLES,
    Span,
    Tile,
    elapsed,
    like_before,
    onward,
    progress,
    spans,
    tiles,
    verdict_words,
)
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.theme import UNICODE, Glyphs
from tui.console.widgets.text import Block, Fitted, Prose, bar
from tui.console.words import duration, graph, rate, time_left
from tui.heatmap.formatting import clean_label, plural
from tui.verify.events import Mode, Outcome
from tui.verify.result import StageState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from textual.widget import Widget

    from tui.console.state import State
    from tui.console.theme import Glyphs
    from tui.evidence.history import Entry
    from tui.verify.result import Result


NOTICES_SHOWN: Final = 3
SHOWN: Final = 50
"""Differences listed one by one."""
BANDS: Final = ("-good", "-serious", "-doubtful")


class RunScreen(ConsoleScreen):
    """Progress, stages and rate while it runs; then the verdict and its figures."""

    VIEW: ClassVar[View] = View.RUN
    HELP_TEXT: ClassVar[str] = (
        "Step 4 of 4. Each line is a stage: where it stands in time, items handled, and how long "
        "it took or takes. Below it: rows handled a second, now and at most.\n\n"
        "esc stops the run; once something has been written it takes a second esc. ctrl+c stops "
        "at once. What was written is deleted again before the console lets go. You may look at "
        "other screens meanwhile, the run goes on. The up and down keys (or k and j) scroll what "
        "does not fit.\n\n"
        "When it is over: enter goes on to the evidence, h shows the heatmap it read, r reviews "
        "another run, p removes what was left."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "Go on", show=False, id="run.next", tooltip="The next step"),
        Binding("p", "app.purge", "Purge", id="run.purge", tooltip="Remove leftovers"),
        Binding("k,up", "scroll(-1)", show=False, id="run.up", tooltip="Scroll up"),
        Binding("j,down", "scroll(1)", show=False, id="run.down", tooltip="Scroll down"),
    ]

    def body(self) -> Iterable[Widget]:
        with VerticalScroll(classes="page", can_focus=False):
            yield Prose("band")
            yield Prose("lead", classes="lead")
            yield Tiles(self.glyphs)
            yield Overall(self.glyphs)
            yield Prose("notices", classes="facts")
            yield Prose("differences", classes="facts")
            with Vertical(classes="pane", id="stages-pane"):
                yield Waterfall(self.glyphs)
            with Vertical(classes="pane", id="rates-pane"):
                yield RateGraph(self.glyphs)

    def on_mount(self) -> None:
        self.query_one("#stages-pane").border_title = "Stages"
        self.query_one("#rates-pane").border_title = "Rows a second"
        super().on_mount()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "app.purge":
            return not self.state.is_writing
        return super().check_action(action, parameters)

    def paint_body(self) -> None:
        result, now = self.state.run, self.state.clock()
        if result is None:
            self.query_one("#lead", Prose).show(Content.assemble("No run yet.  ", self.next_line()))
        over = result is not None and result.finished is not None
        self.set_class(over, "-over")
        self.query_one("#band").display = over
        self.query_one("#lead").display = not over
        self.query_one("#overall").display = result is not None and not over
        self.query_one(Tiles).display = over
        self.query_one("#stages-pane").display = result is not None
        # Once it is over, the stages are worth the rows where these are few.
        no_room = over and self.has_class("-short")
        self.query_one("#rates-pane").display = result is not None and not no_room
        if result is None:
            return
        before = like_before(self.state.history, self.state.session)
        if over:
            self._paint_end(result, before)
        else:
            self.query_one("#lead", Prose).show(headline(self.state, result, self.glyphs))
            self.query_one(Overall).show_run(result, now)
        self.query_one(Waterfall).show_run(result, now)
        end = result.began + result.finished.seconds if result.finished else now
        self.query_one(RateGraph).show_run(self.state, end)
        for name, text in (
            ("differences", differences(result, self.glyphs)),
            ("notices", notices(result, self.glyphs)),
        ):
            block = self.query_one(f"#{name}", Prose)
            block.display = bool(text.plain)
            block.show(text)

    def _paint_end(self, result: Result, before: list[Entry]) -> None:
        band = self.query_one("#band", Prose)
        for name in BANDS:
            band.set_class(name == verdict_class(result), name)
        _, words = onward(self.state, View.RUN)
        more = "   h: heatmap   r: another run" if result.mode is Mode.CYCLE else ""
        band.show(verdict_band(result, self.glyphs, words + more))
        self.query_one(Tiles).show_tiles(tiles(result, before))


def headline(state: State, result: Result, signs: Glyphs) -> Content:
    """What the run is doing, since when, and how it is stopped."""
    if state.stop_asked:
        return Content.assemble(
            (f"{signs.warn} stop?  ", "$warn bold"),
            ("esc again", "bold"), " stops the writing and deletes what was written; "
            "wait a moment and the run goes on",
        )  # fmt: skip
    style = "$focus bold"
    if result.cancelling is not None:
        word, style = f"{signs.warn} stopped, cleaning up", "$warn bold"
        about, stop = result.cancelling, "ctrl+c: wait for the clean-up, or leave now"
    elif result.cleaning_up:
        word, about = f"{signs.busy} cleaning up", "deleting what it wrote"
        stop = "esc: stop"
    elif result.mode is Mode.PURGE:
        word, about, stop = f"{signs.busy} purging", "removing leftovers", "esc: stop"
    else:
        word, about = f"{signs.busy} running", _current(result)
        stop = "esc: stop and clean up"
    return Content.assemble(
        (f"{word}  ", style), about, (f"  {signs.sep} {stop}", "$muted"),
        "\n" if result.retry else "", _retry(result, signs),
    )  # fmt: skip


def _current(result: Result) -> str:
    running = [line for line in result.stages.values() if line.state is StageState.RUNNING]
    return running[-1].what if running else "starting"


def _retry(result: Result, signs: Glyphs) -> Content:
    retry = result.retry
    if retry is None:
        return Content("")
    return Content.styled(
        f"{signs.warn} retrying {retry.attempt} of {retry.attempts} in "
        f"{duration(retry.wait_s)}: {clean_label(retry.reason)} ({retry.what})",
        "$warn",
    )


def differences(result: Result, signs: Glyphs) -> Content:
    """What the comparison found wrong: by kind with a reason, then one by one."""
    check = result.check
    if check is None or check.right:
        return Content("")
    lines = [Content.styled(f"{check.wrong:,} of {check.expected:,} differ", "$bad bold")]
    lines += [
        Content.assemble(
            (f"{signs.bad} {each.count:,} ", "$bad"), (each.kind, "bold"), f"  {each.reason}"
        )
        for each in check.groups
    ]
    lines += [Content.styled(f"  {each}", "$muted") for each in check.differences[:SHOWN]]
    if len(check.differences) > SHOWN:
        more = len(check.differences) - SHOWN
        lines.append(Content.styled(f"  and {more:,} more", "$muted"))
    return Content("\n").join(lines)


def notices(result: Result, signs: Glyphs) -> Content:
    """What is worth knowing: the last of it while it runs, afterwards all."""
    finished = result.finished
    shown = result.notices if finished else result.notices[-NOTICES_SHOWN:]
    earlier = len(result.notices) - len(shown)
    lines = [
        Content.styled(f"{signs.warn} {notice.text}", "$warn")
        if notice.warning
        else Content.styled(f"{signs.bullet} {notice.text}", "$muted")
        for notice in shown
    ]
    if earlier:
        lines.insert(0, Content.styled(f"{plural(earlier, 'note')} before these", "$muted"))
    if finished and finished.outcome is not Outcome.VERIFIED:
        lines += [
            Content.styled(f"{signs.bullet} {problem}", "$ink")
            for problem in finished.problems
            if problem != finished.message
        ]
    return Content("\n").join(lines)


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
