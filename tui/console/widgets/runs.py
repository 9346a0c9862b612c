"""Earlier runs in a table; two of them can be compared."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.console.widgets.text import table
from tui.console.words import milliseconds
from tui.evidence.comparison import Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.content import Content

    from tui.evidence.history import Entry

HEAD: Final = ("", "when (UTC)", "refresh", "spread", "change", "SQL", "outcome", "run")
FINGERPRINT: Final = 8


def run_rows(
    entries: Sequence[Entry], baseline: str | None = None, marked: Sequence[str] = ()
) -> list[Content]:
    """The table, newest run first, its heading in front."""
    rows = [HEAD]
    newest_first = list(enumerate(entries))[::-1]
    for place, entry in newest_first:
        before = entries[place - 1] if place else None
        timing = Timing.of(entry.refresh_runs_ms)
        sign = "B" if entry.run_id == baseline else ""
        sign = str(list(marked).index(entry.run_id) + 1) if entry.run_id in marked else sign
        rows.append(
            (
                sign,
                entry.at.strftime("%Y-%m-%d %H:%M"),
                milliseconds(timing.median if timing else None, unknown="not timed"),
                ""
                if timing is None or timing.spread is None
                else f"± {milliseconds(timing.spread)}",
                _change(before, entry),
                (entry.fingerprint or "unknown")[:FINGERPRINT],
                entry.outcome,
                entry.run_id,
            )
        )
    styles = ("$focus bold", "", "bold", "$muted", "", "$muted", "", "$muted")
    return table(rows, styles, head=True, right={2, 3, 4})


def _change(before: Entry | None, entry: Entry) -> str:
    if before is None or not before.refresh_runs_ms or not entry.refresh_runs_ms:
        return ""
    was = median(before.refresh_runs_ms)
    return f"{(median(entry.refresh_runs_ms) - was) / was:+.0%}" if was else ""


class RunList(OptionList, inherit_bindings=False):
    """The runs to browse; space marks one to be compared."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor_up", show=False, id="runs.up", tooltip="The run above"),
        Binding("down,j", "cursor_down", show=False, id="runs.down", tooltip="The run below"),
        Binding("g,home", "first", show=False, id="runs.first", tooltip="The newest run"),
        Binding("G,end", "last", show=False, id="runs.last", tooltip="The oldest run"),
        Binding("pageup", "page_up", show=False, id="runs.page-up", tooltip="A page up"),
        Binding("pagedown", "page_down", show=False, id="runs.page-down", tooltip="A page down"),
        Binding("space", "select", show=False, id="runs.mark", tooltip="Mark a run to compare"),
    ]

    def __init__(self) -> None:
        super().__init__(id="runs", markup=False, compact=True)
        self._entries: list[Entry] = []
        self.marked: list[str] = []

    def show_runs(self, entries: Sequence[Entry], baseline: str | None) -> None:
        """Show these runs, oldest first as the history has them."""
        known = {each.run_id for each in entries}
        self.marked = [each for each in self.marked if each in known]
        self._entries = list(entries)
        head, *lines = run_rows(entries, baseline, self.marked)
        chosen = self.highlighted
        names = [each.run_id for each in entries][::-1]
        options = [Option(line, id=name) for line, name in zip(lines, names, strict=True)]
        self.set_options([Option(head, disabled=True), *options])
        if options:
            self.highlighted = min(chosen or 1, len(options))

    @property
    def chosen(self) -> Entry | None:
        option = self.highlighted_option
        name = option.id if option else None
        return next((each for each in self._entries if each.run_id == name), None)

    @property
    def pair(self) -> tuple[Entry, Entry] | None:
        """The two runs that are marked, the earlier one first."""
        pair = [each for each in self._entries if each.run_id in self.marked]
        return (pair[0], pair[1]) if len(pair) == 2 else None

    def mark(self) -> None:
        """Mark the run under the cursor, or unmark it; at most two are marked."""
        entry = self.chosen
        if entry is None:
            return
        if entry.run_id in self.marked:
            self.marked.remove(entry.run_id)
        else:
            self.marked = [*self.marked[-1:], entry.run_id]
