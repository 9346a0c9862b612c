"""Step 2: the probes, the verdict, and for each probe what was asked, seen and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList

from tui.console.screens.base import ConsoleScreen
from tui.console.widgets.block import Block
from tui.console.widgets.facts import Facts
from tui.console.widgets.places import View
from tui.console.widgets.probe_list import STATUS_STYLES, ProbeList, status_mark
from tui.console.widgets.words import duration, milliseconds
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.verify.events import DryRunFinished
    from tui.verify.result import ProbeResult, Result

REASONS_SHOWN = 3


class DryRunScreen(ConsoleScreen):
    """The verdict first, then the probes in their order, then the chosen one in full."""

    VIEW: ClassVar[View] = View.DRY_RUN
    HELP_TEXT: ClassVar[str] = (
        "Step 2 of 4. The dry run asks the project what a run would rely on. It writes nothing."
        "\n\n"
        "pass  as it should be\n"
        "warn  worth a look; does not block a run\n"
        "fail  a run would fail or do harm; blocks\n"
        "skip  could not be asked; the detail says why\n\n"
        "Choose a probe with the up and down keys to see what was asked, what came back and what "
        "to do; where that is long, tab goes to it and the same keys scroll it. enter asks that "
        "probe again. d asks them all, from here."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="dry-run.copy", tooltip="Copy and save the report"),
        Binding("p", "app.purge", "Purge", id="dry-run.purge", tooltip="Remove leftovers"),
    ]

    _judged: DryRunFinished | None = None

    def body(self) -> Iterable[Widget]:
        """Verdict above, list and detail below."""
        yield Block("verdict", classes="lead")
        with Horizontal(id="probe-frame"):
            yield ProbeList(self.glyphs)
            with VerticalScroll(id="detail-frame", can_focus=True):
                yield Facts("detail", classes="")

    def on_mount(self) -> None:
        """The list takes the keys."""
        super().on_mount()
        self.query_one(ProbeList).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to copy before the verdict."""
        if action == "copy":
            return True if self.desk.dry_evidence is not None else None
        return super().check_action(action, parameters)

    def paint_body(self) -> None:
        """Verdict, lines and detail as they stand; a new verdict's first reason is chosen."""
        result = self.desk.dry_run
        verdict = result.dry_run if result else None
        if verdict is not self._judged:
            self._judged = verdict
            if result is not None and verdict is not None and not verdict.ready:
                self.query_one(ProbeList).show(result)
                self.query_one(ProbeList).choose(result.first_failure)
        self.query_one("#verdict", Block).show(self._verdict(result))
        self.query_one(ProbeList).show(result)
        self._paint_detail()

    @on(OptionList.OptionHighlighted)
    def _paint_detail(self) -> None:
        result = self.desk.dry_run
        chosen = self.query_one(ProbeList).chosen
        row = result.probes.get(chosen) if result and chosen else None
        self._show_detail(row)

    @on(OptionList.OptionSelected)
    def _ask_again(self) -> None:
        chosen = self.query_one(ProbeList).chosen
        if chosen:
            self.console_app.bench.ask_again(chosen)

    def action_copy(self) -> None:
        """Copy the report, and save it."""
        if self.desk.dry_evidence is not None:
            self.console_app.hand_out(self.desk.dry_evidence, copy=True)

    def _verdict(self, result: Result | None) -> Content:
        signs = self.glyphs
        if result is None:
            return Content.assemble(
                ("Nothing was asked yet. ", "bold"), ("Press d for the dry run.", "$muted")
            )
        verdict = result.dry_run
        if verdict is None:
            if result.finished is not None:
                return Content.assemble(
                    (f"{signs.bad} no verdict  ", "$bad bold"), result.finished.message
                )
            asked = len(result.probes)
            answered = sum(each.status is not None for each in result.probes.values())
            waited = duration(self.desk.clock() - result.began)
            return Content.assemble(
                (f"{signs.busy} asking  ", "$focus bold"),
                f"{answered} of {asked} probes have answered",
                (f"  for {waited}", "$muted"),
            )
        counts = Content(", ").join(
            Content.styled(f"{count} {status.value}", STATUS_STYLES[status] if count else "$muted")
            for status in ProbeStatus
            for count in (verdict.counts.get(status, 0),)
        )
        if verdict.ready:
            next_step = self.desk.write_problem or "Press r to review what a run would write."
            return Content.assemble(
                (f"{signs.done} {verdict.verdict}", "$ok bold"), "  ", counts, "\n",
                (next_step, "$muted"),
            )  # fmt: skip
        reasons = list(verdict.reasons[:REASONS_SHOWN])
        more = len(verdict.reasons) - len(reasons)
        lines = [Content.assemble((f"{signs.bad} {verdict.verdict}", "$bad bold"), "  ", counts)]
        lines += [Content(f"  {signs.bullet} {' '.join(reason.split())}") for reason in reasons]
        if more:
            lines.append(Content.styled(f"  {signs.bullet} and {more} more, below", "$muted"))
        return Content("\n").join(lines)

    def _show_detail(self, row: ProbeResult | None) -> None:
        detail = self.query_one("#detail", Facts)
        if row is None:
            detail.show_pairs(())
            return
        head = Content.assemble(status_mark(row.status, self.glyphs), "  ", (row.title, "bold"))
        if row.status is None:
            detail.show_pairs([("Waiting", "for the answer")], head=head)
            return
        pairs: list[tuple[str, str | Content]] = [("Saw", row.detail)]
        if row.hint:
            pairs.append(("To do", Content.styled(row.hint, "bold")))
        if row.asked:
            pairs.append(("Asked", row.asked))
        pairs.append(("Probe", f"{row.id}, {milliseconds(row.ms)}"))
        detail.show_pairs(pairs, head=head)
