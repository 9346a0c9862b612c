"""Other projects: choosing an environment file, and describing a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from tui.console.dialogs.base import Dialog
from tui.console.widgets.tick import Tick
from tui.env_file import EnvironmentDraft
from tui.errors import OperatorError
from tui.redact import Secret, redact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from textual.widget import Widget

    from tui.verify.events import ProbeFinished
    from tui.verify.session import ConnectStage, Session

    OnStage = Callable[[ConnectStage], None]


@dataclass(frozen=True, slots=True)
class Environments:
    """What the console needs to come from one project to another; it does no I/O of its own.

    Attributes:
        files: The environment files there are.
        open: Opens the project a file describes. Raises `OperatorError` where it cannot.
        check: Asks the project of a draft the probes without which nothing works, and closes it.
            Raises `OperatorError` where it cannot.
        write: Writes a draft to a new file of this name. Raises `OperatorError` where it cannot.
        free_name: A name that no file has yet.
    """

    files: Callable[[], Sequence[Path]]
    open: Callable[[Path, OnStage], Awaitable[Session]]
    check: Callable[[EnvironmentDraft], Awaitable[Sequence[ProbeFinished]]]
    write: Callable[[EnvironmentDraft, str], Path]
    free_name: Callable[[], str]


class ChooseEnvironment(Dialog["Path | None"]):
    """The environment files there are; the one in use is chosen first.

    Args:
        files: The files.
        current: The one in use, None where none is.
    """

    AUTO_FOCUS = "OptionList"

    def __init__(self, files: Sequence[Path], current: Path | None) -> None:
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
        options = [
            Option(f"{path.name}{'  (in use)' if str(path) == current else ''}", id=str(place))
            for place, path in enumerate(self._files)
        ]
        choice = OptionList(*options, markup=False, compact=True, id="files")
        names = [str(path) for path in self._files]
        choice.highlighted = names.index(current) if current in names else 0
        yield choice

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        path = self._files[event.option_index]
        self.dismiss(None if path == self._current else path)


class NewEnvironment(Dialog["Path | None"]):
    """A project in a few fields; checked live, then written to a file of its own.

    Args:
        environments: What checks and writes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "down",
            "app.focus_next",
            show=False,
            id="new-environment.next",
            tooltip="The next field",
        ),
        Binding(
            "up",
            "app.focus_previous",
            show=False,
            id="new-environment.previous",
            tooltip="The previous field",
        ),
    ]

    def __init__(self, environments: Environments) -> None:
        super().__init__("New environment file")
        self._environments = environments

    def body(self) -> Iterable[Widget]:
        """The fields; keys are never shown."""
        yield Label("Project URL, such as https://<ref>.supabase.co")
        yield Input(id="url", compact=True)
        yield Label("Service-role or secret key")
        yield Input(id="service-key", password=True, compact=True)
        yield Label("Anon or publishable key (optional; more is checked with it)")
        yield Input(id="anon-key", password=True, compact=True)
        yield Label("Is it safe to write to? (space changes it)")
        yield Tick(
            off="no: it counts as production unless it is on this machine",
            on="yes: I declare that this project is not production",
            id="non-production",
        )
        yield Label("File")
        yield Input(self._environments.free_name(), id="name", compact=True)
        yield Static("", id="refusal", markup=False)

    def buttons(self) -> Iterable[Widget]:
        """Back is the safe choice and comes first."""
        yield Button("Back", id="close", compact=True)
        yield Button("Check and write", id="write", compact=True)

    @on(Input.Submitted)
    def _next_field(self) -> None:
        self.focus_next()

    @on(Button.Pressed, "#write")
    def _pressed(self) -> None:
        self._check_and_write()

    @work(group="new-environment", exclusive=True, exit_on_error=False)
    async def _check_and_write(self) -> None:
        draft = EnvironmentDraft(
            url=self._typed("url"),
            service_key=Secret(self._typed("service-key")),
            anon_key=Secret(anon) if (anon := self._typed("anon-key")) else None,
            non_production=self.query_one("#non-production", Tick).value,
        )
        if not draft.url or not draft.service_key.reveal():
            self._say("Give the project's URL and its service-role key.")
            return
        button = self.query_one("#write", Button)
        button.disabled = True
        self._say("Asking the project; nothing is written to it.")
        try:
            draft.values()
            answers = await self._environments.check(draft)
            failed = [each for each in answers if each.status.value == "fail"]
            if failed:
                self._say("\n".join(filter(None, (failed[0].detail, failed[0].hint))))
                return
            self.dismiss(self._environments.write(draft, self._typed("name")))
        except OperatorError as error:
            self._say("\n".join(filter(None, (error.message, error.hint))))
        except Exception:
            self._say("That broke off; nothing was written.")
            raise
        finally:
            button.disabled = False

    def _typed(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value.strip()

    def _say(self, words: str) -> None:
        self.query_one("#refusal", Static).update(redact(words))
