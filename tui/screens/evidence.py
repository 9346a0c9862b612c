"""What to paste into a pull request: the last run, or dry run, as text to copy and save."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from tui.screens.base import ConsoleScreen
from tui.screens.report import report
from tui.widgets.block import Block
from tui.widgets.steps import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget


class EvidenceScreen(ConsoleScreen):
    """The report as it would be pasted."""

    VIEW: ClassVar[View] = View.EVIDENCE
    HELP_TEXT: ClassVar[str] = (
        "The evidence of the last run: verdict first, then the figures.\n\n"
        "c copies it to the clipboard. Terminals do not tell whether that worked: s also saves it "
        "to a file and says where."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="evidence.copy", tooltip="Copy the evidence as text"),
        Binding("s", "save", "Save", id="evidence.save", tooltip="Save the evidence to a file"),
    ]

    def body(self) -> Iterable[Widget]:
        """The text."""
        with VerticalScroll(classes="page", can_focus=True):
            yield Block("report")

    def paint_body(self) -> None:
        """The report of what there is."""
        self.query_one("#report", Block).show(self.text())

    def text(self) -> str:
        """The report as plain text."""
        desk = self.desk
        result = desk.run_result or desk.dry_result
        return report(result, dry_run=desk.dry_result) if result else ""

    def action_copy(self) -> None:
        """Copy the report."""
        self.console_app.copy(self.text(), "the evidence")

    def action_save(self) -> None:
        """Save the report."""
        result = self.desk.run_result or self.desk.dry_result
        if result is not None and result.started is not None:
            self.console_app.save(self.text(), f"{result.started.run_id}.md", "the evidence")
