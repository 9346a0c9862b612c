"""Step 4: the run while it goes on, and its result once it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.content import Content

from tui.console.screens.base import ConsoleScreen
from tui.console.widgets.block import Block
from tui.console.widgets.facts import Facts
from tui.console.widgets.figures import figures, verdict
from tui.console.widgets.places import View
from tui.console.widgets.stage_board import StageBoard
from tui.console.widgets.words import duration, plural
from tui.verify.events import Mode, Outcome
from tui.verify.result import StageState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.verify.result import Result

NOTICES_SHOWN = 3


class RunScreen(ConsoleScreen):
    """While it runs: one line per stage. Afterwards: the verdict first, then the figures."""

    VIEW: ClassVar[View] = View.RUN
    HELP_TEXT: ClassVar[str] = (
        "Step 4 of 4. Each line is a stage: its progress, items handled, items a second, and the "
        "time left or taken.\n\n"
        "esc or ctrl+c stops the writing; what was written is deleted again before the console "
        "lets go. You may look at other screens meanwhile, the run goes on. The up and down keys "
        "scroll what does not fit.\n\n"
        "When it is over: h shows the heatmap it read, e the evidence to paste into a pull "
        "request, r reviews another run."
    )

    def body(self) -> Iterable[Widget]:
        """Verdict or headline, figures, stages, notices."""
        with VerticalScroll(classes="page", can_focus=True):
            yield Block("lead", classes="lead")
            yield Facts("figures")
            yield StageBoard(self.glyphs)
            yield Block("notices", classes="facts")

    def paint_body(self) -> None:
        """Everything that is known of the run."""
        result = self.desk.run
        if result is None:
            self.query_one("#lead", Block).show("No run yet.")
            return
        over = result.finished is not None
        self.set_class(over, "-over")
        self.query_one("#lead", Block).show(
            verdict(result, self.glyphs) if over else self._headline(result)
        )
        table = self.query_one(Facts)
        table.display = over
        table.show_pairs(figures(result, self.glyphs) if over else ())
        self.query_one(StageBoard).show_run(result, self.desk.clock())
        self.query_one("#notices", Block).show(self._notices(result))

    def _headline(self, result: Result) -> Content:
        signs = self.glyphs
        elapsed = duration(self.desk.clock() - result.began)
        stop = "esc stops and cleans up"
        if result.cancelling is not None:
            word, style = f"{signs.warn} cleaning up", "$warn bold"
            about = f"stopped: {result.cancelling}"
            stop = "ctrl+c again to choose"
        elif result.mode is Mode.PURGE:
            word, style, about = f"{signs.busy} purging", "$focus bold", "removing leftovers"
        elif result.cleaning_up:
            word, style, about = (
                f"{signs.busy} cleaning up",
                "$focus bold",
                "deleting what it wrote",
            )
        else:
            word, style, about = f"{signs.busy} running", "$focus bold", self._current(result)
        return Content.assemble(
            (f"{word}  ", style), about, (f"  for {elapsed} {signs.sep} {stop}", "$muted"),
            "\n", self._retry(result),
        )  # fmt: skip

    def _current(self, result: Result) -> str:
        running = [line for line in result.stages.values() if line.state is StageState.RUNNING]
        return running[-1].what if running else "starting"

    def _retry(self, result: Result) -> Content:
        retry = result.retry
        if retry is None:
            return Content("")
        return Content.styled(
            f"{self.glyphs.warn} retrying {retry.attempt} of {retry.attempts} in "
            f"{duration(retry.wait_s)}: {' '.join(retry.reason.split())} ({retry.what})",
            "$warn",
        )

    def _notices(self, result: Result) -> Content:
        # While it runs the last ones are news; afterwards there is room for all of them.
        shown = result.notices if result.finished else result.notices[-NOTICES_SHOWN:]
        earlier = len(result.notices) - len(shown)
        lines = [
            Content.styled(f"{self.glyphs.warn} {notice.text}", "$warn")
            if notice.warning
            else Content.styled(f"{self.glyphs.bullet} {notice.text}", "$muted")
            for notice in shown
        ]
        if earlier:
            lines.insert(0, Content.styled(f"{plural(earlier, 'note')} before these", "$muted"))
        if result.finished and result.finished.outcome is not Outcome.VERIFIED:
            lines += [
                Content.styled(f"{self.glyphs.bullet} {problem}", "$ink")
                for problem in result.finished.problems
                if problem != result.finished.message
            ]
        return Content("\n").join(lines)
