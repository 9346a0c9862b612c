"""The probes of a dry run under their headings, each with glyph, word and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.console.widgets.glyphs import UNICODE, Glyphs
from tui.console.widgets.words import milliseconds
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from tui.verify.result import ProbeResult, Result

STATUS_STYLES: Final = {
    ProbeStatus.PASS: "$ok",
    ProbeStatus.WARN: "$warn bold",
    ProbeStatus.FAIL: "$bad bold",
    ProbeStatus.SKIP: "$muted",
}


def status_mark(status: ProbeStatus | None, glyphs: Glyphs) -> Content:
    """Glyph and word of a probe's status, six cells wide; None is a probe still out."""
    if status is None:
        return Content.assemble((f"{glyphs.busy} ask ", "$focus"))
    glyph = {
        ProbeStatus.PASS: glyphs.ok,
        ProbeStatus.WARN: glyphs.warn,
        ProbeStatus.FAIL: glyphs.bad,
        ProbeStatus.SKIP: glyphs.skip,
    }[status]
    return Content.assemble((f"{glyph} {status.value}", STATUS_STYLES[status]))


class ProbeList(OptionList):
    """One line per probe, in the order of the registry; lines change in place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", "Up", show=False, id="probes.up", tooltip="The probe above"),
        Binding(
            "down", "cursor_down", "Down", show=False, id="probes.down", tooltip="The probe below"
        ),
        Binding(
            "enter",
            "select",
            "Ask again",
            id="probes.again",
            tooltip="Ask the chosen probe once more",
        ),
    ]

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__(id="probes", markup=False, compact=True)
        self._glyphs = glyphs
        self._drawn: dict[str, Content] = {}

    @property
    def chosen(self) -> str | None:
        """The id of the probe under the cursor, None where there is none."""
        option = self.highlighted_option
        return option.id if option else None

    def choose(self, probe: str | None) -> None:
        """Put the cursor on a probe, where it is in the list."""
        if probe is not None and probe in self._drawn:
            self.highlighted = self.get_option_index(probe)

    def show(self, result: Result | None) -> None:
        """Show how the probes stand, without moving any line that is there already."""
        probes = result.probes if result else {}
        if list(probes) != list(self._drawn):
            self._rebuild(result)
            return
        for row in probes.values():
            line = self._line(row)
            if line != self._drawn[row.id]:
                self._drawn[row.id] = line
                self.replace_option_prompt(row.id, line)

    def _rebuild(self, result: Result | None) -> None:
        chosen = self.chosen
        self._drawn = {}
        options: list[Option] = []
        for group, rows in result.groups().items() if result else ():
            options.append(Option(Content.styled(group.upper(), "$muted bold"), disabled=True))
            options += [Option(self._line(row), id=row.id) for row in rows]
        if result:
            self._drawn = {row.id: self._line(row) for row in result.probes.values()}
        self.set_options(options)
        if chosen is not None and chosen in self._drawn:
            self.highlighted = self.get_option_index(chosen)
        elif options:
            self.highlighted = 1

    def _line(self, row: ProbeResult) -> Content:
        return Content.assemble(
            " ",
            status_mark(row.status, self._glyphs),
            (milliseconds(row.ms).rjust(8), "$muted"),
            "  ",
            row.title,
        )
