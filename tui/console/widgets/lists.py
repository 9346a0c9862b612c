"""Lists to browse: the probes of a dry run, and earlier runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.console.figures import ProbeGroup, milliseconds, probe_groups
from tui.console.widgets.text import table
from tui.evidence.comparison import Timing
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Resize

    from tui.console.theme import Glyphs
    from tui.evidence.history import Entry
    from tui.verify.events import ProbeResult
    from tui.verify.result import Result

PROBE_LOOKS: Final = {
    ProbeStatus.PASS: ("ok", "$ok"),
    ProbeStatus.WARN: ("warn", "$warn bold"),
    ProbeStatus.FAIL: ("bad", "$bad bold"),
    ProbeStatus.SKIP: ("skip", "$muted"),
    None: ("busy", "$focus"),
}
"""Sign and style of a probe's status; None is a probe still out."""
GROUP: Final = "group:"
# Cells of a line before the title, and between title and what was seen.
_MARK, _GAP = 10, 2

HEAD: Final = ("", "when (UTC)", "refresh", "spread", "change", "SQL", "outcome", "run")
FINGERPRINT: Final = 8


def status_mark(status: ProbeStatus | None, signs: Glyphs) -> Content:
    """Sign and word of a probe's status, six cells wide."""
    sign, style = PROBE_LOOKS[status]
    return Content.styled(f"{getattr(signs, sign)} {status.value if status else 'ask '}", style)


class Lines(OptionList, inherit_bindings=False):
    """Lines to choose one of; keys as in the rest of the console."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor_up", show=False, id="list.up", tooltip="The line above"),
        Binding("down,j", "cursor_down", show=False, id="list.down", tooltip="The line below"),
        Binding("g,home", "first", show=False, id="list.first", tooltip="The first line"),
        Binding("G,end", "last", show=False, id="list.last", tooltip="The last line"),
        Binding("pageup", "page_up", show=False, id="list.page-up", tooltip="A page up"),
        Binding("pagedown", "page_down", show=False, id="list.page-down", tooltip="A page down"),
    ]

    def __init__(self, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, markup=False, compact=True)

    @property
    def chosen_id(self) -> str:
        """The id of the line under the cursor, empty where there is none."""
        option = self.highlighted_option
        return (option.id or "") if option else ""


class ProbeList(Lines):
    """A line for each group, and for each probe of groups that are open.

    Open are those where something asks for attention, and those the operator opened.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "select", show=False, id="probes.fold", tooltip="Open or close a group"),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("probes")
        self._glyphs = glyphs
        self._groups: list[ProbeGroup] = []
        self._chosen_open: dict[str, bool] = {}
        self._drawn: dict[str, Content] = {}

    @property
    def chosen(self) -> str | None:
        """The id of the probe under the cursor, None where that is a group."""
        name = self.chosen_id
        return None if not name or name.startswith(GROUP) else name

    @property
    def chosen_group(self) -> ProbeGroup | None:
        """The group under the cursor, None where that is a probe."""
        return next((each for each in self._groups if GROUP + each.name == self.chosen_id), None)

    def choose(self, probe: str | None) -> None:
        """Put the cursor on a probe, where it is in the list."""
        if probe is not None and probe in self._drawn:
            self.highlighted = self.get_option_index(probe)

    def toggle(self, group: ProbeGroup) -> None:
        self._chosen_open[group.name] = not self._is_open(group)
        self._draw()

    def toggle_all(self) -> None:
        """Open all groups; where all are open, close those that are clean."""
        all_open = all(self._is_open(each) for each in self._groups)
        self._chosen_open = {} if all_open else {each.name: True for each in self._groups}
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
        if list(lines) == list(self._drawn):
            for name, line in lines.items():
                if line != self._drawn[name]:
                    self.replace_option_prompt(name, line)
        else:
            chosen = self.chosen_id
            self.set_options([Option(line, id=name) for name, line in lines.items()])
            if lines:
                self.highlighted = self.get_option_index(chosen) if chosen in lines else 0
        self._drawn = lines

    def _group_line(self, group: ProbeGroup) -> Content:
        signs = self._glyphs
        counts = [
            Content.styled(f"{getattr(signs, sign)} {count}{'' if status else ' to answer'}", style)
            for status, (sign, style) in PROBE_LOOKS.items()
            if (count := group.count(status))
        ]
        return Content.assemble(
            (f"{signs.opened if self._is_open(group) else signs.closed} ", "$muted"),
            (group.name.ljust(16), "bold"),
            Content("  ").join(counts),
        )

    def _line(self, probe: ProbeResult) -> Content:
        room = self.scrollable_content_region.width - _MARK - _GAP
        title = min(44, max(20, room // 2))
        seen = max(0, room - title)
        head = Content(probe.title).truncate(title, ellipsis=True)
        return Content.assemble(
            "  ",
            status_mark(probe.status, self._glyphs),
            "  ",
            head,
            " " * (title - cell_len(head.plain) + _GAP),
            Content.styled(probe.detail, "$muted").truncate(seen, ellipsis=True),
        )


def run_rows(
    entries: Sequence[Entry], baseline: str | None = None, marked: Sequence[str] = ()
) -> list[Content]:
    """The table, newest run first, its heading in front."""
    signs = {baseline: "B"} | {run_id: str(place) for place, run_id in enumerate(marked, start=1)}
    rows = []
    before: Timing | None = None
    for entry in entries:
        timing = Timing.of(entry.refresh_runs_ms)
        spread = timing.spread if timing else None
        was = before.median if before else 0.0
        change = (timing.median - was) / was if timing and was else None
        rows.append(
            (
                signs.get(entry.run_id, ""),
                entry.at.strftime("%Y-%m-%d %H:%M"),
                milliseconds(timing.median) if timing else "not timed",
                "" if spread is None else f"± {milliseconds(spread)}",
                "" if change is None else f"{change:+.0%}",
                (entry.fingerprint or "unknown")[:FINGERPRINT],
                entry.outcome,
                entry.run_id,
            )
        )
        before = timing
    styles = ("$focus bold", "", "bold", "$muted", "", "$muted", "", "$muted")
    return table([HEAD, *reversed(rows)], styles, head=True, right={2, 3, 4})


class RunList(Lines):
    """The runs to browse; two that are marked are compared."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "select", show=False, id="runs.mark", tooltip="Mark a run to compare"),
    ]

    def __init__(self) -> None:
        super().__init__("runs")
        self._entries: Sequence[Entry] = ()
        self._marked: list[str] = []

    def show_runs(self, entries: Sequence[Entry], baseline: str | None) -> None:
        """Show these runs, oldest first as the history has them."""
        self._entries = entries
        names = [each.run_id for each in reversed(entries)]
        self._marked = [each for each in self._marked if each in names]
        head, *lines = run_rows(entries, baseline, self._marked)
        chosen = self.highlighted
        options = [Option(line, id=name) for line, name in zip(lines, names, strict=True)]
        self.set_options([Option(head, disabled=True), *options])
        if options:
            self.highlighted = min(chosen or 1, len(options))

    @property
    def pair(self) -> list[Entry]:
        """The two runs that are marked, the earlier one first; empty for fewer."""
        pair = [each for each in self._entries if each.run_id in self._marked]
        return pair if len(pair) == 2 else []

    def mark(self) -> None:
        """Mark the run under the cursor, or unmark it; at most two are marked."""
        chosen = self.chosen_id
        if chosen in self._marked:
            self._marked.remove(chosen)
        elif chosen:
            self._marked = [*self._marked[-1:], chosen]
