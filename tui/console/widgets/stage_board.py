"""One line per stage of a run: name, bar, count, rate, time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.content import Content

from tui.console.widgets.block import Block
from tui.console.widgets.glyphs import UNICODE, Glyphs
from tui.console.widgets.words import duration, rate
from tui.verify.events import Stage
from tui.verify.result import StageResult, StageState

if TYPE_CHECKING:
    from textual.events import Resize

    from tui.verify.result import Result

NAME_WIDTH: Final = 18
COUNT_WIDTH: Final = 15
RATE_WIDTH: Final = 9
TIME_WIDTH: Final = 17
SHORTEST_BAR: Final = 8
LONGEST_BAR: Final = 48

STAGE_TITLES: Final = {
    Stage.USERS: "Write users",
    Stage.QUESTIONS: "Write questions",
    Stage.RESPONSES: "Write responses",
    Stage.REFRESH: "Refresh the view",
    Stage.CHECK: "Check the numbers",
    Stage.SAMPLE: "Read the heatmap",
    Stage.CLEANUP_RESPONSES: "Delete responses",
    Stage.CLEANUP_QUESTIONS: "Delete questions",
    Stage.FINAL_REFRESH: "Refresh again",
    Stage.CLEANUP_USERS: "Delete users",
    Stage.AUDIT: "Audit what is left",
}
"""Each stage's name as an operator reads it."""

_STYLES: Final = {
    StageState.WAITING: "$muted",
    StageState.RUNNING: "$focus bold",
    StageState.DONE: "$ok",
    StageState.FAILED: "$bad bold",
    StageState.NOT_RUN: "$muted",
}


def bar(fraction: float | None, width: int, glyphs: Glyphs, style: str) -> Content:
    """A bar of `width` cells, filled by half cells; empty where the fraction is not known."""
    halves = round((fraction or 0.0) * width * 2)
    full, half = divmod(halves, 2)
    empty = width - full - half
    return Content.assemble(
        (glyphs.bar_full * full + glyphs.bar_half * half, style),
        (glyphs.bar_empty * empty, "$line"),
    )


class StageBoard(Block):
    """All stages of a run, in the order they begin."""

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__("stages")
        self._glyphs = glyphs
        self._result: Result | None = None
        self._now = 0.0

    def show_run(self, result: Result, now: float) -> None:
        """Show how far the run has come at `now` on the console's clock."""
        self._result, self._now = result, now
        self._draw()

    def on_resize(self, _: Resize) -> None:
        """Fit the bars to the new width."""
        # A change of height asked for while the screen is being laid out would be lost.
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        width = self.content_size.width
        if self._result is None or not width:
            return
        lines = [self._line(line, width) for line in self._result.stages.values()]
        self.show(Content("\n").join(lines))

    def _line(self, line: StageResult, width: int) -> Content:
        style = _STYLES[line.state]
        room = width - (2 + NAME_WIDTH + 1 + COUNT_WIDTH + RATE_WIDTH + TIME_WIDTH)
        length = max(SHORTEST_BAR, min(LONGEST_BAR, room))
        quiet = line.state in {StageState.WAITING, StageState.NOT_RUN}
        return Content.assemble(
            (f"{self._glyph(line.state)} ", style),
            (STAGE_TITLES[line.stage].ljust(NAME_WIDTH + 1), "$muted" if quiet else "$ink"),
            bar(line.fraction, length, self._glyphs, "$focus" if line.state is StageState.RUNNING
                else style),
            (self._count(line).rjust(COUNT_WIDTH), "$ink" if not quiet else "$muted"),
            (rate(line.rate(self._now) if line.total != 1 else None).rjust(RATE_WIDTH), "$muted"),
            (f"   {self._time(line)}", style if line.state is not StageState.DONE else "$muted"),
        )  # fmt: skip

    def _glyph(self, state: StageState) -> str:
        signs = self._glyphs
        return {
            StageState.WAITING: signs.locked,
            StageState.RUNNING: signs.busy,
            StageState.DONE: signs.done,
            StageState.FAILED: signs.bad,
            StageState.NOT_RUN: signs.skip,
        }[state]

    @staticmethod
    def _count(line: StageResult) -> str:
        if line.state in {StageState.WAITING, StageState.NOT_RUN}:
            return ""
        if line.state is StageState.DONE or line.total is None:
            return f"{line.done:,}" if line.done else ""
        return f"{line.done:,}/{line.total:,}"

    def _time(self, line: StageResult) -> str:
        match line.state:
            case StageState.WAITING:
                return "waiting"
            case StageState.NOT_RUN:
                return "not run"
            case StageState.DONE:
                return f"done {duration(line.seconds)}"
            case StageState.FAILED:
                return f"failed {duration(line.seconds)}"
            case StageState.RUNNING:
                left = line.time_left(self._now)
                if left is not None and line.done:
                    return f"{duration(left)} left"
                return f"for {duration(line.elapsed(self._now))}"
