"""Step 4: the run while it goes on, and its result once it is over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content

from tui.console.figures import (
    GOOD,
    SERIOUS,
    STAGES,
    Tile,
    duration,
    elapsed,
    graph,
    like_before,
    onward,
    progress,
    rate,
    tiles,
    time_left,
    verdict_words,
)
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.widgets.text import Block, Fitted, Pane, Prose, bar
from tui.heatmap.formatting import clean_label, plural
from tui.verify.events import CLEAN_UP, Mode, Outcome
from tui.verify.result import StageState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from tui.console.state import State
    from tui.console.theme import Glyphs
    from tui.verify.result import Result, StageResult

NOTICES_SHOWN: Final = 3
SHOWN: Final = 50
"""Differences listed one by one."""
# Cells of a stage's name, count and time, and of the shortest bar.
NAME: Final = 18
COUNT: Final = 14
TIME: Final = 14
SHORTEST: Final = 10
TILES: Final = 4
# The sign and the style of a stage.
_STAGES: Final = {
    StageState.WAITING: ("locked", "$muted"),
    StageState.RUNNING: ("busy", "$focus bold"),
    StageState.DONE: ("done", "$ok"),
    StageState.FAILED: ("bad", "$bad bold"),
    StageState.NOT_RUN: ("skip", "$muted"),
}


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
            yield Horizontal(
                *(Block(f"tile-{number}", classes="tile") for number in range(TILES)), id="tiles"
            )
            yield Fitted("overall")
            yield Prose("notices", classes="facts")
            yield Prose("differences", classes="facts")
            yield Pane("Stages", Fitted("stages"), id="stages-pane")
            yield Pane("Rows a second", Fitted("rates"), id="rates-pane")

    def paint_body(self) -> None:
        result, now, signs = self.state.run, self.state.clock(), self.glyphs
        over = result is not None and result.finished is not None
        # Once it is over, the stages are worth the rows where these are few.
        no_room = over and self.has_class("-short")
        for name, shown in (
            ("band", over),
            ("tiles", over),
            ("lead", not over),
            ("overall", result is not None and not over),
            ("stages-pane", result is not None),
            ("rates-pane", result is not None and not no_room),
        ):
            self.query_one(f"#{name}").display = shown
        lead = self.query_one("#lead", Prose)
        if result is None:
            lead.show(Content.assemble("No run yet.  ", self.next_line()))
            return
        if over:
            self._paint_end(result)
        else:
            lead.show(headline(self.state, result, signs))
            self.query_one("#overall", Fitted).fit(partial(overall, result, now, signs))
        self.query_one("#stages", Fitted).fit(partial(waterfall, result, now, signs))
        end = result.began + result.finished.seconds if result.finished else now
        rates = self.query_one("#rates", Fitted)
        rates.fit(lambda width: rate_graph(self.state, end, signs, rates.size.height, width))
        for name, text in (
            ("differences", differences(result, signs)),
            ("notices", notices(result, signs)),
        ):
            block = self.query_one(f"#{name}", Prose)
            block.display = bool(text.plain)
            block.show(text)

    def _paint_end(self, result: Result) -> None:
        band = self.query_one("#band", Prose)
        outcome = result.finished.outcome if result.finished else None
        band.set_class(outcome in GOOD, "-good")
        band.set_class(outcome in SERIOUS, "-serious")
        _, words = onward(self.state, View.RUN)
        more = "   h: heatmap   r: another run" if result.mode is Mode.CYCLE else ""
        band.show(verdict_band(result, self.glyphs, words + more))
        shown = tiles(result, like_before(self.state))
        for number, block in enumerate(self.query(".tile").results(Block)):
            block.display = number < len(shown)
            if block.display:
                block.border_title = shown[number].title
                block.show(tile_text(shown[number], self.glyphs))


def headline(state: State, result: Result, signs: Glyphs) -> Content:
    """What the run is doing, since when, and how it is stopped."""
    if state.stop_asked:
        return Content.assemble(
            (f"{signs.warn} stop?  ", "$warn bold"),
            ("esc again", "bold"),
            " stops the writing and deletes what was written; wait a moment and the run goes on",
        )
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
        running = [each.what for each in result.stages.values() if each.state is StageState.RUNNING]
        word, about = f"{signs.busy} running", running[-1] if running else "starting"
        stop = "esc: stop and clean up"
    retrying = ""
    if retry := result.retry:
        retrying = (
            f"\n{signs.warn} retrying {retry.attempt} of {retry.attempts} in "
            f"{duration(retry.wait_s)}: {clean_label(retry.reason)} ({retry.what})"
        )
    return Content.assemble(
        (f"{word}  ", style), about, (f"  {signs.sep} {stop}", "$muted"), (retrying, "$warn")
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


def overall(result: Result, now: float, signs: Glyphs, width: int) -> Content:
    """How much of the run is done, its time so far and the time left."""
    fraction, left = progress(result, now)
    words = f"  {fraction:>4.0%}  {duration(elapsed(result, now))}  "
    if left is not None:
        words += f"about {time_left(left)} left"
    room = max(SHORTEST, width - max(cell_len(words), 34))
    return Content.assemble(bar(fraction, room, signs, "$focus"), (words, "$ink"))


def waterfall(result: Result, now: float, signs: Glyphs, width: int) -> Content:
    """A line for each stage: name, place in time, items and length."""
    room = max(SHORTEST, width - (2 + NAME + 1 + COUNT + 1 + TIME))
    spans = {
        stage: (line.began - result.began, line.elapsed(now) or 0.0)
        for stage, line in result.stages.items()
        if line.began is not None
    }
    whole = max((start + seconds for start, seconds in spans.values()), default=0.0) or 1.0
    lines = []
    for stage, line in result.stages.items():
        failed = line.state is StageState.FAILED
        stopped = failed and result.cancelling is not None and stage not in CLEAN_UP
        sign, style = ("warn", "$warn bold") if stopped else _STAGES[line.state]
        ink = "$muted" if line.state in {StageState.WAITING, StageState.NOT_RUN} else "$ink"
        time = _time(line, now, stopped=stopped).rjust(TIME)
        lines.append(
            Content.assemble(
                (f"{getattr(signs, sign)} ", style),
                (STAGES[stage][0].ljust(NAME + 1), ink),
                (
                    _place(*spans[stage], whole, room, signs) if stage in spans else " " * room,
                    "$focus" if line.state is StageState.RUNNING else style,
                ),
                (_count(line).rjust(COUNT), ink),
                " ",
                (time, "$muted" if line.state is StageState.DONE else style),
            )
        )
    return Content("\n").join(lines)


def _place(start: float, seconds: float, whole: float, room: int, signs: Glyphs) -> str:
    """Where a stage stands in the whole run; at least half a cell is seen."""
    scale = 2 * room / whole
    first = min(2 * room - 1, int(start * scale))
    last = min(2 * room, max(first + 1, round((start + seconds) * scale)))
    halves = [first <= half < last for half in range(2 * room)]
    cells = {
        (True, True): signs.bar_full,
        (True, False): signs.bar_half,
        (False, True): signs.bar_late,
        (False, False): " ",
    }
    return "".join(cells[pair] for pair in zip(halves[::2], halves[1::2], strict=True))


def _count(line: StageResult) -> str:
    if line.state in {StageState.WAITING, StageState.NOT_RUN}:
        return ""
    if line.state is StageState.DONE or line.total is None:
        return f"{line.done:,}" if line.done else ""
    return f"{line.done:,}/{line.total:,}"


def _time(line: StageResult, now: float, *, stopped: bool) -> str:
    took = duration(line.elapsed(now))
    return {
        StageState.WAITING: "waiting",
        StageState.NOT_RUN: "not run",
        StageState.RUNNING: f"for {took}",
        StageState.FAILED: f"{'stopped' if stopped else 'failed'} {took}",
        StageState.DONE: took,
    }[line.state]


def rate_graph(state: State, now: float, signs: Glyphs, height: int, width: int) -> Content:
    """Rows handled a second: over time, now, and at most."""
    rates = state.rates.per_second(now)
    volume = state.run.volume if state.run else None
    words = []
    if rates:
        if state.is_writing:
            words.append(f"{rate(rates[-1])} now")
        words.append(f"{rate(max(rates))} at most")
    if state.rates.batch and state.is_writing:
        words.append(f"last batch {state.rates.batch:,}")
    if volume is not None and state.is_writing:
        words.append(f"up to {volume.concurrency} in flight")
    if state.run is not None and state.run.retries:
        words.append(f"{state.run.retries} sent again")
    head = Content.styled(f" {signs.sep} ".join(words), "$muted").truncate(width, ellipsis=True)
    if not rates:
        return head
    bars = graph(_spread(rates, width), signs.levels, height=max(1, min(6, height - 1)))
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


def tile_text(tile: Tile, signs: Glyphs) -> Content:
    """One figure of a finished run, with its graph of earlier ones."""
    mark, style = "", "bold"
    if tile.good is not None:
        mark, style = (f"{signs.ok} ", "$ok bold") if tile.good else (f"{signs.bad} ", "$bad bold")
    past = f"  {graph(tile.past, signs.levels)[0]}" if len(tile.past) > 1 else ""
    return Content.assemble(
        (mark, style), (tile.value, style), (past, "$focus"), "\n", (tile.note, "$muted")
    )
