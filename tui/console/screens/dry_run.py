"""Step 2: the probes, the verdict, and each probe in full."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList

from tui.console.figures import ProbeGroup, duration, elapsed, milliseconds, restart_command
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.widgets.lists import PROBE_LOOKS, ProbeList, status_mark
from tui.console.widgets.text import Facts, Prose, bar
from tui.evidence.report import withheld
from tui.heatmap.formatting import clean_label, plural
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.console.state import State
    from tui.console.theme import Glyphs
    from tui.console.widgets.text import Pair
    from tui.verify.events import DryRunFinished, ProbeResult

REASONS_SHOWN: Final = 2
GAUGE: Final = 24


class DryRunScreen(ConsoleScreen):
    """The verdict first, then the probes in groups, then the chosen one in full."""

    VIEW: ClassVar[View] = View.DRY_RUN
    HELP_TEXT: ClassVar[str] = (
        "Step 2 of 4. The dry run asks the project what a run would rely on. It writes nothing."
        "\n\n"
        "pass  as it should be\n"
        "warn  worth a look; does not block a run\n"
        "fail  a run would fail or do harm; blocks\n"
        "skip  could not be asked; the detail says why\n\n"
        "Groups are open where something asks for attention: space opens and closes one, o all. "
        "Choose a probe with the up and down keys (or k and j) to see what was asked, what came "
        "back and what to do; tab goes to that text, and the same keys scroll it.\n\n"
        "a asks the chosen probe again, d all of them. c copies the chosen probe with what to do, "
        "y only the command or SQL that repairs it; where none is chosen, c copies the report."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "Go on", show=False, id="dry-run.next", tooltip="The next step"),
        Binding("o", "open_all", "Open all", id="dry-run.open", tooltip="Open or close all groups"),
        Binding(
            "a", "again", "Ask again", id="dry-run.again", tooltip="Ask the chosen probe again"
        ),
        Binding("c", "copy", "Copy", id="dry-run.copy", tooltip="Copy the probe, or the report"),
        Binding("y", "copy_fix", "Copy fix", id="dry-run.fix", tooltip="Copy what repairs it"),
        Binding("p", "app.purge", "Purge", id="dry-run.purge", tooltip="Remove leftovers"),
    ]

    _judged: DryRunFinished | None = None

    def body(self) -> Iterable[Widget]:
        yield Prose("verdict", classes="lead")
        with Horizontal(id="probe-frame"):
            yield ProbeList(self.glyphs)
            with VerticalScroll(id="detail-frame", can_focus=True):
                yield Facts("detail", classes="")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(ProbeList).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "copy":
            return True if self.state.dry_evidence is not None or self._probe else None
        if action == "copy_fix":
            return True if self._probe is not None and self._probe.hint else None
        if action == "again":
            return True if self._probe is not None and not self.state.is_busy else None
        return super().check_action(action, parameters)

    @property
    def _probe(self) -> ProbeResult | None:
        result = self.state.dry_run
        chosen = self.query_one(ProbeList).chosen if self._composed else None
        return result.probes.get(chosen) if result and chosen else None

    def paint_body(self) -> None:
        result = self.state.dry_run
        probes = self.query_one(ProbeList)
        probes.show(result)
        verdict = result.dry_run if result else None
        if verdict is not self._judged:
            self._judged = verdict
            if result is not None and verdict is not None and not verdict.ready:
                probes.choose(result.first_failure)
        self.query_one("#verdict", Prose).show(
            verdict_lines(self.state, self.glyphs, self.next_line())
        )
        self._paint_detail()

    @on(OptionList.OptionHighlighted)
    def _paint_detail(self) -> None:
        detail = self.query_one("#detail", Facts)
        probe, group = self._probe, self.query_one(ProbeList).chosen_group
        if probe is not None:
            detail.show(*probe_facts(probe, self.glyphs))
        elif group is not None:
            detail.show(*group_facts(group))
        else:
            detail.show(())
        self.refresh_bindings()

    @on(OptionList.OptionSelected)
    def _fold(self) -> None:
        group = self.query_one(ProbeList).chosen_group
        if group is not None:
            self.query_one(ProbeList).toggle(group)

    def action_open_all(self) -> None:
        self.query_one(ProbeList).toggle_all()

    def action_again(self) -> None:
        if self._probe is not None:
            ask = partial(self.state.probe, self._probe.id)
            self.controller.work("probe", ask)

    def action_copy(self) -> None:
        if self._probe is not None:
            self.controller.copy(withheld(probe_text(self._probe)), "the probe")
        elif self.state.dry_evidence is not None:
            self.controller.hand_out(copy=True)

    def action_copy_fix(self) -> None:
        if self._probe is not None and self._probe.hint:
            self.controller.copy(withheld(self._probe.hint), "what to do")


def verdict_lines(state: State, signs: Glyphs, next_line: Content) -> Content:
    """How the dry run stands, and what comes next."""
    result = state.dry_run
    if result is None:
        words = "Nothing was asked yet."
        if state.session is None:
            words = "The probes are asked as soon as the project is connected."
        return Content.assemble((words, "bold"), "  ", next_line)
    if result.finished is None:
        asked = len(result.probes)
        answered = sum(each.status is not None for each in result.probes.values())
        return Content.assemble(
            (f"{signs.busy} asking  ", "$focus bold"),
            bar(answered / asked if asked else 0.0, GAUGE, signs, "$focus"),
            f"  {answered} of {plural(asked, 'probe')}",
            (f"  {duration(elapsed(result, state.clock()))}", "$muted"),
        )
    verdict = result.dry_run
    if verdict is None:
        return Content.assemble(
            (f"{signs.bad} no verdict  ", "$bad bold"), result.finished.message, "\n", next_line
        )
    counts = Content(", ").join(
        Content.styled(f"{count} {status.value}", PROBE_LOOKS[status][1])
        for status in ProbeStatus
        if (count := verdict.counts.get(status, 0))
    )
    lines = []
    if verdict.ready and state.write_problem and state.session is not None:
        head = (f"{signs.warn} ready, but writes are refused here", "$warn bold")
        command = (restart_command(state.session), "bold")
        lines.append(Content.assemble("To write, restart with  ", command))
    elif verdict.ready:
        head = (f"{signs.done} {verdict.verdict}", "$ok bold")
    else:
        head = (f"{signs.bad} {verdict.verdict}", "$bad bold")
        shown, more = verdict.reasons[:REASONS_SHOWN], len(verdict.reasons) - REASONS_SHOWN
        lines += [Content(f"  {signs.bullet} {clean_label(reason)}") for reason in shown]
        if more > 0:
            lines.append(Content.styled(f"  {signs.bullet} and {more} more, below", "$muted"))
    return Content("\n").join([Content.assemble(head, "  ", counts), *lines, next_line])


def probe_facts(probe: ProbeResult, signs: Glyphs) -> tuple[list[Pair], Content]:
    """A probe in full: what was seen, what to do, what was asked."""
    head = Content.assemble(status_mark(probe.status, signs), "  ", (probe.title, "bold"))
    if probe.status is None:
        return [("Waiting", "for the answer")], head
    pairs: list[Pair] = [("Saw", probe.detail)]
    if probe.hint:
        pairs.append(("To do", Content.styled(probe.hint, "bold")))
    if probe.asked:
        pairs.append(("Asked", probe.asked))
    pairs.append(("Probe", f"{probe.id}, {milliseconds(probe.ms)}"))
    return pairs, head


def group_facts(group: ProbeGroup) -> tuple[list[Pair], Content]:
    """A group: how its probes came out."""
    counts = ", ".join(
        f"{count} {status.value}" for status in ProbeStatus if (count := group.count(status))
    )
    head = Content.assemble((group.name, "bold"), f"  {counts or 'asking'}")
    lines = [Content.assemble(f"{each.title}: ", (each.detail, "$muted")) for each in group.probes]
    return [("", line) for line in lines], head


def probe_text(probe: ProbeResult) -> str:
    """A probe as text to paste."""
    status = probe.status.value if probe.status else "asking"
    lines = [f"{status} {probe.id}: {probe.title}", f"Saw: {probe.detail}"]
    if probe.hint:
        lines.append(f"To do: {probe.hint}")
    if probe.asked:
        lines.append(f"Asked: {probe.asked}")
    return "\n".join(lines)
