"""Evidence: the report to paste, the runs on record, the deployment log."""

from __future__ import annotations

import asyncio
import html
import re
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, OptionList, Static

from tui.console.figures import runs_here
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.widgets.lists import RunList
from tui.console.widgets.text import Block, Prose
from tui.errors import OperatorError
from tui.evidence.archive import Archive
from tui.evidence.comparison import compare
from tui.evidence.report import comparison_line, report
from tui.heatmap.charts import Room, trend_chart
from tui.heatmap.formatting import plural
from tui.heatmap.grid import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from tui.evidence.deployment_log import LogCheck, Record
    from tui.evidence.history import Entry, History
    from tui.evidence.report import RunEvidence

RUNS_SHOWN: Final = 30
_FOLDED: Final = re.compile(r"<details><summary>(.*?)</summary>")


class EvidenceScreen(ConsoleScreen):
    """The report, the runs on record, the deployment log: one of them at a time."""

    VIEW: ClassVar[View] = View.EVIDENCE
    HELP_TEXT: ClassVar[str] = (
        "The evidence of the last run: verdict first, then the figures.\n\n"
        "c (or enter) copies it to the clipboard and saves it, saying where: terminals do not "
        "tell whether copying worked. s saves it alone. The JSON stands beside it. m shows the "
        "Markdown itself, o opens it in the pager.\n\n"
        "v shows the runs on record: how long the refresh took in those of this project and "
        "volume, each as a point, and all of them in a table. space marks two runs to compare. "
        "b marks the last run as the baseline: change the SQL, run again, and the report tells "
        "the difference from noise.\n\n"
        "l shows the deployment log, who wrote to production and why, and checks that no line of "
        "it was changed."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c,enter", "copy", "Copy", id="evidence.copy", tooltip="Copy and save it"),
        Binding("s", "save", "Save", id="evidence.save", tooltip="Save the evidence to a file"),
        Binding(
            "m", "page('source')", "Markdown", id="evidence.source", tooltip="The Markdown itself"
        ),
        Binding("o", "open", "Open", id="evidence.open", tooltip="Open it in the pager"),
        Binding(
            "v", "page('runs')", "Runs", id="evidence.runs", tooltip="Earlier runs and their trend"
        ),
        Binding("b", "baseline", "Baseline", id="evidence.baseline", tooltip="Mark as baseline"),
        Binding(
            "l",
            "page('log')",
            "Log",
            id="evidence.log",
            tooltip="Read and check the deployment log",
        ),
        Binding("k,up", "scroll(-1)", show=False, id="evidence.up", tooltip="Scroll up"),
        Binding("j,down", "scroll(1)", show=False, id="evidence.down", tooltip="Scroll down"),
        Binding("pageup", "scroll(-12)", show=False, id="evidence.page-up", tooltip="A page up"),
        Binding("pagedown", "scroll(12)", show=False, id="evidence.page-down", tooltip="A page"),
        Binding("g,home", "scroll(-9999)", show=False, id="evidence.first", tooltip="The top"),
        Binding("G,end", "scroll(9999)", show=False, id="evidence.last", tooltip="The end"),
    ]

    _painted: RunEvidence | None = None
    _shown_history: History | None = None

    def body(self) -> Iterable[Widget]:
        # What parses Markdown is part of no first paint.
        from textual.widgets import Markdown  # noqa: PLC0415

        yield Prose("evidence-lead", classes="lead")
        with ContentSwitcher(initial="report-page", id="evidence-switch"):
            with VerticalScroll(id="report-page", classes="page", can_focus=False):
                self._report = Markdown(id="report", open_links=False)
                yield self._report
            with VerticalScroll(id="source-page", classes="page", can_focus=False):
                yield Block("source")
            with Vertical(id="runs-page"):
                yield Static(id="trend", markup=False)
                yield RunList()
                yield Prose("compared", classes="facts")
            with VerticalScroll(id="log-page", classes="page", can_focus=False):
                yield Prose("log")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"copy", "save", "open"} or parameters == ("source",):
            return True if self.state.evidence is not None else None
        if action == "baseline":
            return True if self._entry() else None
        return super().check_action(action, parameters)

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._draw)

    def paint_body(self) -> None:
        evidence = self.state.evidence
        if evidence is not self._painted:
            self._painted = evidence
            text = self.text()
            self._report.update(as_rendered(text))
            self.query_one("#source", Block).show(in_ink(text))
            self.refresh_bindings()
        if self.state.history is not self._shown_history:
            self._shown_history = self.state.history
            self._show_runs()
        self.query_one("#evidence-lead", Prose).show(self._lead())

    def text(self) -> str:
        return report(self.state.evidence) if self.state.evidence else ""

    def _lead(self) -> Content:
        page = self.query_one(ContentSwitcher).current
        if page == "runs-page":
            count = len(self._entries())
            return Content.assemble(
                (f"Runs on record: {count:,}.  ", "bold"),
                ("space", "$focus bold"),
                ": mark two to compare  ",
                ("v", "$focus bold"),
                ": the report",
            )
        if page == "log-page":
            return Content.assemble(("Deployment log  ", "bold"), ("l", "$focus bold"), ": report")
        if self.state.evidence is None:
            return Content.assemble(
                ("There is no evidence before the first dry run.  ", "bold"),
                ("d", "$focus bold"),
                ": ask the probes",
            )
        path = self.state.report_path
        saved = "  saved; o opens it" if path else ""
        return Content.assemble(self.next_line(), (saved, "$muted"))

    def _entry(self) -> Entry | None:
        evidence = self.state.evidence
        entry = evidence.entry if evidence else None
        return entry if entry and entry.refresh_runs_ms else None

    def _entries(self) -> Sequence[Entry]:
        """The last runs of this project."""
        return runs_here(self.state)[-200:]

    def _baseline(self) -> Entry | None:
        history, entries = self.state.history, self._entries()
        entry = self._entry() or (entries[-1] if entries else None)
        return history.baseline(entry.series) if history and entry else None

    def _show_runs(self) -> None:
        marked = self._baseline()
        runs = self.query_one(RunList)
        runs.show_runs(self._entries(), marked.run_id if marked else None)
        words = Content("")
        if runs.pair:
            first, second = runs.pair
            line = comparison_line(compare(first.refresh_runs_ms, second.refresh_runs_ms))
            words = Content.assemble((f"{first.run_id} and {second.run_id}: ", "$muted"), line)
        self.query_one("#compared", Prose).show(words)
        self._draw()

    def _draw(self) -> None:
        """The trend: a point for each run of the last one's project and volume."""
        chart = self.query_one("#trend", Static)
        entries = self._entries()
        past = [
            each for each in entries if each.refresh_runs_ms and each.series == entries[-1].series
        ][-RUNS_SHOWN:]
        if len(past) < 2:
            chart.update("A trend needs two runs of this volume that timed a refresh.")
            return
        room = Room(*chart.content_size, colour=not self.app.no_color)
        if room.is_small:
            return
        marked = self._baseline()
        drawn = trend_chart(
            [(f"{each.at:%m-%d %H:%M}", median(each.refresh_runs_ms)) for each in past],
            Metric.MEDIAN,
            "refresh in ms, median of each run" + (", baseline as a line" if marked else ""),
            room,
            baseline=median(marked.refresh_runs_ms) if marked else None,
        )
        chart.update(drawn)

    def action_page(self, name: str) -> None:
        """Show a page, or the report again where that is shown already."""
        switch = self.query_one(ContentSwitcher)
        page = f"{name}-page"
        switch.current = "report-page" if switch.current == page else page
        if switch.current == "runs-page":
            self.query_one(RunList).focus()
            self.call_after_refresh(self._draw)
        else:
            self.set_focus(None)
        if switch.current == "log-page":
            self.controller.work("log", self._read_log, exclusive=True)
        self.paint()

    @on(OptionList.OptionSelected, "#runs")
    def _mark(self) -> None:
        self.query_one(RunList).mark()
        self._show_runs()

    def action_scroll(self, lines: int) -> None:
        page = self.query_one(ContentSwitcher).visible_content
        if page is not None:
            page.scroll_relative(y=lines, animate=False)

    async def _read_log(self) -> None:
        session = self.state.session
        if session is None:
            return
        archive = Archive.of(session)
        shown: Content | str
        try:
            vouching = await asyncio.to_thread(archive.anchors)
            checked = await asyncio.to_thread(archive.log.check, vouching)
            shown = log_lines(str(archive.log.path), checked)
        except OperatorError as error:
            shown = error.message
        self.query_one("#log", Prose).show(shown)

    def action_baseline(self) -> None:
        self.controller.work("baseline", self._mark_baseline)

    async def _mark_baseline(self) -> None:
        session, entry = self.state.session, self._entry()
        if session is None or entry is None:
            return
        history = Archive.of(session).history
        try:
            await asyncio.to_thread(history.mark_baseline, entry, at=datetime.now(UTC))
        except OperatorError as error:
            self.controller.show_error(error)
            return
        self.controller.tell(f"Run {entry.run_id} is the baseline now.", warning=False)
        await self.state.read_history()

    def action_open(self) -> None:
        self.controller.page(self.text())

    def action_copy(self) -> None:
        self.controller.hand_out(copy=True)

    def action_save(self) -> None:
        self.controller.hand_out(copy=False)


def as_rendered(markdown: str) -> str:
    """GitHub's Markdown as a terminal renders it: folded parts are open."""
    text = _FOLDED.sub(r"### \1", markdown).replace("</details>", "")
    # The widget shows entities of inline text, but not those of a table's cells.
    return "\n".join(
        html.unescape(line.replace("&#124;", "\\|")) if line.startswith("|") else line
        for line in text.splitlines()
    )


def in_ink(markdown: str) -> Content:
    """Markdown as it stands, with its headings brought out."""
    return Content("\n").join(_line_in_ink(line) for line in markdown.splitlines())


def _line_in_ink(line: str) -> Content:
    if line.startswith("#"):
        return Content.styled(line, "$focus bold")
    if line.startswith(("| ---", "<")):
        return Content.styled(line, "$muted")
    if line.startswith("|"):
        return Content.styled("|", "$muted").join(Content(cell) for cell in line.split("|"))
    return Content(line)


def log_lines(path: str, log: LogCheck) -> Content:
    """The deployment log in words: whether it is whole, then newest first."""
    if not log.records and not log.problems:
        return Content.assemble("No run has written to production from here.\n", (path, "$muted"))
    head = (
        Content.styled(f"{plural(len(log.problems), 'problem')}: the log was changed", "$bad bold")
        if log.problems
        else Content.styled(f"whole: {plural(len(log.records), 'record')}", "$ok bold")
    )
    problems = [Content.styled(f"  {each}", "$bad") for each in log.problems]
    remarks = [Content.styled(f"  {each}", "$muted") for each in log.remarks]
    entries = [_record_line(each) for each in reversed(log.records)]
    return Content("\n").join([head, *problems, *remarks, Content.styled(path, "$muted"), *entries])


def _record_line(record: Record) -> Content:
    why = f"\n  {record.justification}" if record.justification and not record.outcome else ""
    return Content.assemble(
        (f"\n{record.time[:19].replace('T', ' ')}", "$muted"),
        "  ",
        (record.event, "bold"),
        f"  {record.run_id}  {record.outcome or record.action}",
        why,
    )
