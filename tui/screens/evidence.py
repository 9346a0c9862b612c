"""What to paste into a pull request: the last run's report, and how fast the refresh has been."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from tui.errors import OperatorError
from tui.heatmap.charts import LEAST_HEIGHT, LEAST_WIDTH, refresh_chart
from tui.records import report as records
from tui.screens.base import ConsoleScreen
from tui.screens.report import report
from tui.widgets.block import Block
from tui.widgets.places import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.records.entry import Entry
    from tui.records.evidence import RunEvidence

RUNS_SHOWN = 30


class EvidenceScreen(ConsoleScreen):
    """The report as it would be pasted; the refresh times of earlier runs beside or behind it."""

    VIEW: ClassVar[View] = View.EVIDENCE
    HELP_TEXT: ClassVar[str] = (
        "The evidence of the last run: verdict first, then the figures.\n\n"
        "c copies it to the clipboard. Terminals do not tell whether that worked: s also saves it "
        "to a file and says where.\n\n"
        "v shows how long the refresh took in earlier runs of this target and volume. b marks the "
        "last run as the baseline: change the SQL, run again, and the report tells the difference "
        "from noise."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="evidence.copy", tooltip="Copy the evidence as text"),
        Binding("s", "save", "Save", id="evidence.save", tooltip="Save the evidence to a file"),
        Binding("v", "trend", "Trend", id="evidence.trend", tooltip="Refresh times of all runs"),
        Binding("b", "baseline", "Baseline", id="evidence.baseline", tooltip="Compare with this"),
    ]

    _past: tuple[Entry, ...] = ()
    _baseline_ms: float | None = None

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
        """The report of what there is."""
        self.query_one("#report", Block).show(self.text())

    def text(self) -> str:
        """The report as plain text."""
        evidence = self._evidence()
        if evidence is not None:
            return records.report(evidence)
        desk = self.desk
        result = desk.run_result or desk.dry_result
        return report(result, dry_run=desk.dry_result) if result else ""

    def _evidence(self) -> RunEvidence | None:
        """The evidence that was kept of the run on show, None where none was."""
        session, result = self.desk.session, self.desk.run_result
        evidence = session.evidence if session else None
        if evidence is None or result is None or result.started is None:
            return None
        return evidence if evidence.document["run_id"] == result.started.run_id else None

    def _entry(self) -> Entry | None:
        evidence = self._evidence()
        return evidence.entry if evidence else None

    @work(group="history", exclusive=True, exit_on_error=False)
    async def _read_history(self) -> None:
        session, entry = self.desk.session, self._entry()
        if session is None or entry is None:
            return
        try:
            history = await asyncio.to_thread(session.keeper.history.read)
        except OperatorError as error:
            self.console_app.tell(error.message)
            return
        self._past = tuple(history.timed(entry.series)[-RUNS_SHOWN:])
        marked = history.baseline(entry.series)
        self._baseline_ms = marked.refresh_runs_ms[0] if marked else None
        self._draw()

    def _draw(self) -> None:
        chart = self.query_one("#trend", Static)
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
        chart.update(Text.from_ansi(drawn))

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
        history = session.keeper.history
        try:
            await asyncio.to_thread(history.mark_baseline, entry, at=datetime.now(UTC))
        except OperatorError as error:
            self.console_app.show_error(error)
            return
        self.console_app.tell(f"Run {entry.run_id} is the baseline now.", warning=False)
        self._read_history()

    def action_copy(self) -> None:
        """Copy the report."""
        self.console_app.copy(self.text(), "the evidence")

    def action_save(self) -> None:
        """Save the report, and where there is more its JSON beside it."""
        session, evidence = self.desk.session, self._evidence()
        result = self.desk.run_result or self.desk.dry_result
        if session is None or result is None or result.started is None:
            return
        name = f"{result.started.run_id}.md"
        if evidence is None:
            self.console_app.save(self.text(), name, "the evidence")
            return
        try:
            path, _ = records.save(session.settings.state_dir / "reports" / name, evidence)
        except OperatorError as error:
            self.console_app.show_error(error)
            return
        self.console_app.tell(f"Saved the evidence to {path}, its JSON beside it", warning=False)
