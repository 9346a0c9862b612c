"""Step 4: the run while it goes on, and its result once it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content

from tui.console.figures import like_before, onward, tiles
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.widgets.run_board import (
    Overall,
    RateGraph,
    Tiles,
    Waterfall,
    verdict_band,
    verdict_class,
)
from tui.console.widgets.text import Prose
from tui.console.words import duration
from tui.heatmap.formatting import clean_label, plural
from tui.verify.events import Mode, Outcome
from tui.verify.result import StageState

if TYPE_CHECKING:
    from collections.abc import Iterable

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
