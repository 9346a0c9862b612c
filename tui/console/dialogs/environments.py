"""The environment files there are: project, kind, last verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.console.dialogs.base import Dialog, Surroundings
from tui.console.widgets.text import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from textual.content import Content
    from textual.widget import Widget

    from tui.console.state import EnvironmentFile
    from tui.evidence.history import History


def environment_rows(
    files: Sequence[EnvironmentFile], current: Path | None, history: History | None
) -> list[Content]:
    """One line a file: name, host, kind, last verdict and when; * is in use."""
    rows = [_row(each, each.path == current, history) for each in files]
    return [line.rstrip() for line in table(rows, ("bold", "", "", "", "$muted"))]


def _row(file: EnvironmentFile, in_use: bool, history: History | None) -> tuple[str, ...]:
    name = f"{'*' if in_use else ' '} {file.path.name}"
    target = file.target
    if target is None:
        return name, file.problem or "cannot be read", "", "", ""
    past = history.entries if history else ()
    last = next((each for each in reversed(past) if each.series.identity == target.place), None)
    if last is None:
        return name, target.host, target.kind.value, "no run yet", ""
    return name, target.host, target.kind.value, last.outcome, f"{last.at:%Y-%m-%d %H:%M}"


class ChooseEnvironment(Dialog["Path | None"]):
    """The environment files there are; the one in use is chosen first."""

    AUTO_FOCUS = "OptionList"

    def __init__(
        self,
        around: Surroundings,
        files: Sequence[EnvironmentFile],
        current: Path | None,
        history: History | None,
    ) -> None:
        super().__init__(around, "Which project?")
        self._files = list(files)
        self._current = current
        self._history = history
        self.add_class("-broad")

    def body(self) -> Iterable[Widget]:
        yield Static("enter opens one and closes this project; esc stays. * is in use.")
        options = [
            Option(line, id=str(place))
            for place, line in enumerate(
                environment_rows(self._files, self._current, self._history)
            )
        ]
        choice = OptionList(*options, markup=False, compact=True, id="files")
        paths = [each.path for each in self._files]
        choice.highlighted = paths.index(self._current) if self._current in paths else 0
        yield choice

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        path = self._files[event.option_index].path
        self.dismiss(None if path == self._current else path)
