"""Other projects: choosing among the environment files there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.console.dialogs.base import Dialog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from textual.widget import Widget

    from tui.guard.environments import Environment
    from tui.verify.session import ConnectStage, Session

    OnStage = Callable[[ConnectStage], None]


@dataclass(frozen=True, slots=True)
class Environments:
    """What the console needs to come from one project to another; it does no I/O of its own.

    Attributes:
        files: The environment files there are.
        open: Opens the project a file describes. Raises `OperatorError` where it cannot.
    """

    files: Callable[[], Sequence[Environment]]
    open: Callable[[Path, OnStage], Awaitable[Session]]


class ChooseEnvironment(Dialog["Path | None"]):
    """The environment files there are; the one in use is chosen first.

    Args:
        files: The files.
        current: The one in use, None where none is.
    """

    AUTO_FOCUS = "OptionList"

    def __init__(self, files: Sequence[Environment], current: Path | None) -> None:
        super().__init__("Which project?")
        self._files = list(files)
        self._current = current

    def body(self) -> Iterable[Widget]:
        """One line per file."""
        yield Static(
            "Opening another file closes this project. Enter opens, esc stays.",
            classes="dialog-text",
        )
        current = str(self._current) if self._current else ""
        wide = max((len(each.path.name) for each in self._files), default=0)
        options = [
            Option(f"{self._line(each, wide)}{'  (in use)' if str(each.path) == current else ''}")
            for each in self._files
        ]
        choice = OptionList(*options, markup=False, compact=True, id="files")
        names = [str(each.path) for each in self._files]
        choice.highlighted = names.index(current) if current in names else 0
        yield choice

    def _line(self, each: Environment, wide: int) -> str:
        what = f"{each.target.kind.value:<10}  {each.target.host}" if each.target else each.problem
        return f"{each.path.name:<{wide}}  {what}"

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        path = self._files[event.option_index].path
        self.dismiss(None if path == self._current else path)
