"""What to paste into a pull request: the last run's report, and how fast the refresh has been."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.console.screens.base import ConsoleScreen
from tui.console.widgets.block import Block
from tui.console.widgets.places import View
from tui.errors import OperatorError
from tui.evidence import report as records
from tui.evidence.archive import Archive
from tui.heatmap.charts import LEAST_HEIGHT, LEAST_WIDTH, refresh_chart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.evidence.history import Entry
    from tui.evidence.report import RunEvidence

RUNS_SHOWN = 30


class EvidenceScreen(ConsoleScreen):
    """The report as it would be pasted; the refresh times of earlier runs beside or behind it."""

    VIEW: ClassVar[View] = View.EVIDENCE
    HELP_TEXT: ClassVar[str] = (
        "The evidence of the last run: verdict first, then the figures.\n\n"
        "c copies it to the clipboard and saves it, saying where: terminals do not tell whether "
        "copying worked. s saves it alone. The JSON stands beside it.\n\n"
        "v shows how long the refresh took in earlier runs of this target and volume. b marks the "
        "last run as the baseline: change the SQL, run again, and the report tells the difference "
        "from noise."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="evidence.copy", tooltip="Copy and save the evidence"),
        Binding("s", "save", "Save", id="evidence.save", tooltip="Save the evidence to a file"),
        Binding(
            "v",
            "trend",
            "Trend",
            id="evidence.trend",
            tooltip="Show the refresh times of earlier runs",
        ),
        Binding(
            "b",
            "baseline",
            "Baseline",
            id="evidence.baseline",
            tooltip="Make this run the baseline for later ones",
        ),
    ]

    _past: tuple[Entry, ...] = ()
    _baseline_ms: float | None = None
    _painted: RunEvidence | None = None

    def body(self) -> Iterable[Widget]:
        """The text, and the chart."""
        with Horizontal(id="evidence-frame"):
            with VerticalScroll(classes="page", can_focus=True):
                yield Block("report")
            yield Static(id="trend", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A baseline needs a run that was kept."""
        if action == "baseline":
            return True if self._entry() else None
        return super().check_action(action, parameters)

    def on_screen_resume(self) -> None:
        """Read what earlier runs took."""
        super().on_screen_resume()
        self._read_history()

    def on_resize(self) -> None:
        """Draw the chart for the new size."""
        super().on_resize()
        self.call_after_refresh(self._draw)

    def paint_body(self) -> None:
        """The report of what there is; made once, painted often."""
        if self.desk.evidence is not self._painted:
            self._painted = self.desk.evidence
            self.query_one("#report", Block).show(_in_ink(self.text()))

    def text(self) -> str:
        """The report as plain text."""
        evidence = self.desk.evidence
        return records.report(evidence) if evidence else ""

    def _entry(self) -> Entry | None:
        evidence = self.desk.evidence
        return (
            evidence.entry
            if evidence and evidence.entry and evidence.entry.refresh_runs_ms
            else None
        )

    @work(group="history", exclusive=True, exit_on_error=False)
    async def _read_history(self) -> None:
        session, entry = self.desk.session, self._entry()
        self._past, self._baseline_ms = (), None
        if session is None or entry is None:
            self._draw()
            return
        try:
            history = await asyncio.to_thread(Archive.of(session).history.read)
        except OperatorError as error:
            self.console_app.tell(error.message)
            return
        if session is not self.desk.session:
            return
        self._past = tuple(history.timed(entry.series)[-RUNS_SHOWN:])
        marked = history.baseline(entry.series)
        self._baseline_ms = marked.refresh_runs_ms[0] if marked else None
        self._draw()

    def _draw(self) -> None:
        chart = self.query_one("#trend", Static)
        if not self._past:
            chart.update("No earlier run of this target and volume timed a refresh.")
            return
        width, height = chart.content_size.width, min(18, chart.content_size.height)
        if not chart.display or width < LEAST_WIDTH or height < LEAST_HEIGHT:
            return
        drawn = refresh_chart(
            [each.refresh_runs_ms[0] for each in self._past],
            labels=[each.at.strftime("%m-%d %H:%M") for each in self._past],
            title="first refresh of each run",
            width=width,
            height=height,
            baseline=self._baseline_ms,
            colour=not self.app.no_color,
        )
        chart.update(drawn)

    def action_trend(self) -> None:
        """Show the trend, or the report again, where there is room for one of them only."""
        self.toggle_class("-trend")
        self.call_after_refresh(self._draw)

    @work(group="baseline", exit_on_error=False)
    async def action_baseline(self) -> None:
        """Mark the last run as what later ones are compared with."""
        session, entry = self.desk.session, self._entry()
        if session is None or entry is None:
            return
        history = Archive.of(session).history
        try:
            await asyncio.to_thread(history.mark_baseline, entry, at=datetime.now(UTC))
        except OperatorError as error:
            self.console_app.show_error(error)
            return
        self.console_app.tell(f"Run {entry.run_id} is the baseline now.", warning=False)
        self._read_history()

    def action_copy(self) -> None:
        """Copy the report, and save it: no terminal tells whether copying worked."""
        self._hand_out(copy=True)

    def action_save(self) -> None:
        """Save the report, its JSON beside it."""
        self._hand_out(copy=False)

    def _hand_out(self, *, copy: bool) -> None:
        if self.desk.evidence is not None:
            self.console_app.hand_out(self.desk.evidence, copy=copy)


def _in_ink(markdown: str) -> Content:
    """Markdown as it stands, its headings brought out and its scaffolding held back."""
    return Content("\n").join(_line_in_ink(line) for line in markdown.splitlines())


def _line_in_ink(line: str) -> Content:
    if line.startswith("#"):
        return Content.styled(line, "$focus bold")
    if line.startswith(("| ---", "<")):
        return Content.styled(line, "$muted")
    if line.startswith("|"):
        return Content.styled("|", "$muted").join(Content(cell) for cell in line.split("|"))
    return Content(line)
