"""Lists to browse: the probes of a dry run, and earlier runs."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.console.figures import ProbeGroup, probe_groups
from tui.console.theme import UNICODE, Glyphs
from tui.console.widgets.text import table
from tui.console.words import milliseconds
from tui.evidence.comparison import Timing
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Resize

    from tui.evidence.history import Entry
    from tui.verify.result import ProbeResult, Result


STATUS_STYLES: Final = {
    ProbeStatus.PASS: "$ok",
    ProbeStatus.WARN: "$warn bold",
    ProbeStatus.FAIL: "$bad bold",
    ProbeStatus.SKIP: "$muted",
}
GROUP: Final = "group:"
# Cells of a line before the title, and between title and what was seen.
_MARK, _GAP = 10, 2


def status_glyph(status: ProbeStatus | None, signs: Glyphs) -> str:
    """The sign of a probe's status; None is a probe still out."""
    if status is None:
        return signs.busy
    return {
        ProbeStatus.PASS: signs.ok,
        ProbeStatus.WARN: signs.warn,
        ProbeStatus.FAIL: signs.bad,
        ProbeStatus.SKIP: signs.skip,
    }[status]


def status_mark(status: ProbeStatus | None, signs: Glyphs) -> Content:
    """Sign and word of a probe's status, six cells wide."""
    word, style = ("ask ", "$focus") if status is None else (status.value, STATUS_STYLES[status])
    return Content.styled(f"{status_glyph(status, signs)} {word}", style)


class ProbeList(OptionList, inherit_bindings=False):
    """A line for each group, and for each probe of open groups."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor_up", show=False, id="probes.up", tooltip="The line above"),
        Binding("down,j", "cursor_down", show=False, id="probes.down", tooltip="The line below"),
        Binding("g,home", "first", show=False, id="probes.first", tooltip="The first line"),
        Binding("G,end", "last", show=False, id="probes.last", tooltip="The last line"),
        Binding("pageup", "page_up", show=False, id="probes.page-up", tooltip="A page up"),
        Binding("pagedown", "page_down", show=False, id="probes.page-down", tooltip="A page down"),
        Binding("space", "select", show=False, id="probes.fold", tooltip="Open or close a group"),
    ]

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(id="probes", markup=False, compact=True)
        self._glyphs = glyphs
        self._groups: list[ProbeGroup] = []
        self._chosen_open: dict[str, bool] = {}
        self._drawn: dict[str, Content] = {}

    @property
    def chosen(self) -> str | None:
        """The id of the probe under the cursor, None where that is a group."""
        option = self.highlighted_option
        if option is None or option.id is None or option.id.startswith(GROUP):
            return None
        return option.id

    @property
    def chosen_group(self) -> ProbeGroup | None:
        """The group under the cursor, None where that is a probe."""
        option = self.highlighted_option
        name = (option.id or "") if option else ""
        return next((each for each in self._groups if GROUP + each.name == name), None)

    @property
    def all_open(self) -> bool:
        """Whether every group shows its probes."""
        return all(self._is_open(each) for each in self._groups)

    def choose(self, probe: str | None) -> None:
        """Put the cursor on a probe, where it is in the list."""
        if probe is not None and probe in self._drawn:
            self.highlighted = self.get_option_index(probe)

    def toggle(self, group: ProbeGroup) -> None:
        self._chosen_open[group.name] = not self._is_open(group)
        self._draw()

    def toggle_all(self) -> None:
        """Open all groups; where all are open, close those that are clean."""
        self._chosen_open = {} if self.all_open else {each.name: True for each in self._groups}
        self._draw()

    def show(self, result: Result | None) -> None:
        """Show how the probes stand, without moving any line that is there."""
        self._groups = probe_groups(result)
        self._draw()

    def on_resize(self, _: Resize) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Make the lines for the room there is now, and keep the cursor in sight."""
        self._draw()
        self.scroll_to_highlight()

    def _is_open(self, group: ProbeGroup) -> bool:
        return self._chosen_open.get(group.name, not group.is_clean)

    def _draw(self) -> None:
        lines: dict[str, Content] = {}
        for group in self._groups:
            lines[GROUP + group.name] = self._group_line(group)
            if self._is_open(group):
                lines |= {each.id: self._line(each) for each in group.probes}
        if list(lines) != list(self._drawn):
            self._rebuild(lines)
        else:
            for name, line in lines.items():
                if line != self._drawn[name]:
                    self.replace_option_prompt(name, line)
        self._drawn = lines

    def _rebuild(self, lines: dict[str, Content]) -> None:
        option = self.highlighted_option
        chosen = option.id if option else None
        self.set_options([Option(line, id=name) for name, line in lines.items()])
        if chosen is not None and chosen in lines:
            self.highlighted = self.get_option_index(chosen)
        elif lines:
            self.highlighted = 0

    def _group_line(self, group: ProbeGroup) -> Content:
        signs = self._glyphs
        fold = signs.opened if self._is_open(group) else signs.closed
        counts = [
            Content.styled(f"{status_glyph(status, signs)} {count}", STATUS_STYLES[status])
            for status in ProbeStatus
            if (count := group.count(status))
        ]
        if waiting := group.count(None):
            counts.append(Content.styled(f"{signs.busy} {waiting} to answer", "$focus"))
        return Content.assemble(
            (f"{fold} ", "$muted"), (group.name.ljust(16), "bold"), Content("  ").join(counts)
        )

    def _line(self, probe: ProbeResult) -> Content:
        room = self.scrollable_content_region.width - _MARK - _GAP
        title = min(44, max(20, room // 2))
        seen = max(0, room - title)
        head = Content(probe.title).truncate(title, ellipsis=True)
        return Content.assemble(
            "  ", status_mark(probe.status, self._glyphs), "  ",
            head, " " * (title - cell_len(head.plain) + _GAP),
            Content.styled(probe.detail, "$muted").truncate(seen, ellipsis=True),
        )  # fmt: skip


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
