"""Dialogs: text to read, questions, break-glass, a choice of project."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Generic, Protocol, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static

from tui.console.widgets.frame import Banner
from tui.console.widgets.text import Prose, table
from tui.errors import GuardRefused
from tui.heatmap.formatting import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from textual.content import Content
    from textual.widget import Widget

    from tui.console.state import State
    from tui.console.theme import Glyphs
    from tui.evidence.history import History
    from tui.guard.break_glass import Approval
    from tui.guard.target import Environment
    from tui.verify.session import Session

T = TypeVar("T")


class Surroundings(Protocol):
    """What a dialog needs of the console around it."""

    glyphs: Glyphs
    state: State

    def copy(self, text: str, what: str) -> None:
        """Put text on the clipboard."""


class Dialog(ModalScreen[T], Generic[T]):
    """A dialog in front of a screen, with the banner still on top of it.

    Args:
        inside: What stands between title and buttons.
        buttons: Id and label of each, the safe choice first: the first is focused.
    """

    AUTO_FOCUS = "Button"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="dialog.close", tooltip="Close without choosing"),
        Binding("up,k", "scroll(-1)", show=False, id="dialog.up", tooltip="Scroll up"),
        Binding("down,j", "scroll(1)", show=False, id="dialog.down", tooltip="Scroll down"),
        Binding("left", "app.focus_previous", show=False, id="dialog.left", tooltip="Button left"),
        Binding("right", "app.focus_next", show=False, id="dialog.right", tooltip="Button right"),
    ]

    def __init__(
        self,
        around: Surroundings,
        title: str,
        inside: Iterable[Widget],
        buttons: Iterable[tuple[str, str]] = (("close", "Close"),),
    ) -> None:
        super().__init__()
        self.around = around
        self._title = title
        self._inside = inside
        self._buttons = buttons

    def compose(self) -> Iterable[Widget]:
        yield Banner(self.around.state, self.around.glyphs)
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield from self._inside
            with Horizontal(classes="buttons"):
                for name, label in self._buttons:
                    yield Button(label, id=name, compact=True)

    def action_scroll(self, lines: int) -> None:
        for text in self.query(VerticalScroll):
            text.scroll_relative(y=lines, animate=False)

    @on(Button.Pressed, "#close")
    def action_close(self) -> None:
        self.dismiss(None)


def _scrolled(text: str) -> Widget:
    """Text that scrolls where it does not fit. Never read as markup."""
    prose = Prose()
    prose.show(text)
    return VerticalScroll(prose, classes="dialog-text", can_focus=False)


class TextDialog(Dialog[None]):
    """Text to read, scroll and copy."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="dialog.copy", tooltip="Copy the text"),
    ]

    def __init__(
        self, around: Surroundings, title: str, text: str, *, failed: bool = False
    ) -> None:
        buttons = (("close", "Close"), ("copy", "Copy (c)"))
        super().__init__(around, title, [_scrolled(text)], buttons)
        self._text = text
        self.set_class(failed, "-failed")

    @on(Button.Pressed, "#copy")
    def action_copy(self) -> None:
        self.around.copy(self._text, "the text")


class Question(Dialog[str | None]):
    """A question with a few answers; the first is the safe one and is focused.

    Args:
        text: What each answer means.
        answers: Name and label of each, the safe one first. Closing answers None.
        interrupt: The answer that ctrl+c stands for while this is open, None for none.
        keys: Keys that stand for an answer.
    """

    def __init__(
        self,
        around: Surroundings,
        title: str,
        text: str,
        answers: Sequence[tuple[str, str]],
        *,
        interrupt: str | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        buttons = [(f"answer-{name}", label) for name, label in answers]
        super().__init__(around, title, [_scrolled(text)], buttons)
        self.interrupt = interrupt
        labels = dict(answers)
        for key, name in (keys or {}).items():
            action, known_as = f"answer('{name}')", f"dialog.answer-{name}"
            self._bindings.key_to_bindings[key] = [
                Binding(key, action, show=False, id=known_as, tooltip=labels[name])
            ]

    def action_answer(self, name: str) -> None:
        self.dismiss(name)

    @on(Button.Pressed)
    def _answered(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss((event.button.id or "").removeprefix("answer-"))


class BreakGlass(Dialog["Approval | None"]):
    """Asks for what break-glass takes; returns the approval for one run."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", show=False, id="glass.next", tooltip="The next field"),
        Binding("up", "app.focus_previous", show=False, id="glass.back", tooltip="The field above"),
    ]

    def __init__(
        self, around: Surroundings, session: Session, action: str, effects: Iterable[str]
    ) -> None:
        name = session.target.identity
        inside = (
            Static("\n".join(effects), classes="dialog-text", markup=False),
            Label(f"Type the project's name, {name}", markup=False),
            Input(id="confirmation", compact=True),
            Label("Why must it be written to now? (goes on record)", markup=False),
            Input(id="justification", compact=True),
            Label("Ticket (optional)", markup=False),
            Input(id="ticket", compact=True),
            Static("", id="refusal", markup=False),
        )
        buttons = (("close", "Back"), ("grant", "Write to production"))
        super().__init__(around, f"Break-glass: {action} on production", inside, buttons)
        self._session = session
        self.add_class("-production")

    @on(Input.Submitted)
    def _next_field(self, event: Input.Submitted) -> None:
        if event.input.id == "ticket":
            # Past the last field comes the safe button, never the one that writes.
            self.query_one("#close", Button).focus()
        else:
            self.focus_next()

    @on(Button.Pressed, "#grant")
    def _grant(self) -> None:
        typed = {each.id: each.value for each in self.query(Input)}
        try:
            approval: Approval = self._session.grant(
                confirmation=typed["confirmation"],
                justification=typed["justification"],
                ticket=typed["ticket"] or None,
            )
        except GuardRefused as refused:
            hint = f"\n{refused.hint}" if refused.hint else ""
            self.query_one("#refusal", Static).update(f"{refused.message}{hint}")
            # A refusal names what is wrong; the justification is asked for before the ticket.
            about_ticket = "ticket" in refused.message and "justification" not in refused.message
            wrong = "ticket" if about_ticket else "justification"
            if typed["confirmation"].strip() != self._session.target.identity:
                wrong = "confirmation"
            self.query_one(f"#{wrong}", Input).focus()
        else:
            self.dismiss(approval)


def environment_rows(
    files: Sequence[Environment], current: Path | None, history: History | None
) -> list[Content]:
    """One line a file: name, host, kind, last verdict and when; * is in use."""
    rows = [_row(each, each.path == current, history) for each in files]
    return [line.rstrip() for line in table(rows, ("bold", "", "", "", "$muted"))]


def _row(file: Environment, in_use: bool, history: History | None) -> tuple[str, ...]:
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
        files: Sequence[Environment],
        current: Path | None,
        history: History | None,
    ) -> None:
        rows = environment_rows(files, current, history)
        choice = OptionList(*rows, markup=False, compact=True, id="files")
        paths = [each.path for each in files]
        choice.highlighted = paths.index(current) if current in paths else 0
        words = Static("enter opens one and closes this project; esc stays. * is in use.")
        super().__init__(around, "Which project?", [words, choice])
        self._paths = paths
        self._current = current
        self.add_class("-broad")

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        path = self._paths[event.option_index]
        self.dismiss(None if path == self._current else path)


RUNS_LISTED: Final = 5
"""Runs named in a question; the rest is counted."""


def _listed(runs: Sequence[str]) -> str:
    more = len(runs) - RUNS_LISTED
    counted = [f"and {plural(more, 'more run')}"] if more > 0 else []
    return "\n".join([*runs[:RUNS_LISTED], *counted])


def ask_to_leave(around: Surroundings) -> Question:
    """Whether to leave while nothing is under way: `stay` or `leave`."""
    return Question(
        around,
        "Leave the console?",
        "Nothing is under way.",
        [("stay", "Stay"), ("leave", "Leave")],
        interrupt="leave",
    )


def ask_to_stop(around: Surroundings) -> Question:
    """Whether to stop the run, let it clean up, and leave: `stay` or `stop`."""
    return Question(
        around,
        "A run is under way",
        "Leaving stops it. What it wrote is deleted first; that takes a moment.",
        [("stay", "Keep running"), ("stop", "Stop, clean up and leave")],
        interrupt="stop",
    )


def ask_to_abandon(around: Surroundings, command: str) -> Question:
    """Whether to leave in the middle of a clean-up: `wait` or `abandon`.

    `command` removes the rows that are left then.
    """
    return Question(
        around,
        "Clean-up is under way",
        "Waiting is safe. Leaving now leaves synthetic rows in the project. The next start offers "
        f"to remove them; so does this command:\n\n{command}",
        [("wait", "Wait for the clean-up"), ("abandon", "Leave now")],
        interrupt="abandon",
    )


def ask_to_purge(around: Surroundings, session: Session) -> Question:
    """Whether to delete what earlier runs left: `keep` or `purge`."""
    target = session.target
    lines = [
        f"{record.run_id}, begun {record.started_at[:16].replace('T', ' ')}, stopped at "
        f"{record.stage}: up to {record.users:,} users, {record.questions:,} questions, "
        f"{record.responses:,} responses"
        for record in session.journals
    ]
    known = f"\n\nRuns of this machine that did not close:\n{_listed(lines)}" if lines else ""
    return Question(
        around,
        f"Remove leftovers from {target.identity} ({target.kind.value})?",
        "Deletes every user, question and response that carries the tag of a verification run, "
        "and refreshes the view. Runs under way elsewhere are left alone, and asked about then. "
        "Rows of real learners carry no tag and are left alone." + known,
        [("keep", "Keep them"), ("purge", "Remove them")],
    )


def ask_to_purge_unexplained(around: Surroundings, found: str) -> Question:
    """Whether to delete tagged rows that the tag does not explain."""
    return Question(
        around,
        "There is more than the tag explains",
        f"{found}\n\nNothing was deleted. Answers of real learners may be among them: look at "
        "them in the database first. Removing deletes every tagged user and question with all "
        "their answers.",
        [("keep", "Keep them"), ("purge", "Remove them all")],
    )


def ask_to_purge_spared(around: Surroundings, runs: Sequence[str]) -> Question:
    """Whether to delete the rows of runs that are under way elsewhere."""
    return Question(
        around,
        "A run is under way elsewhere",
        "The rows of these runs changed while they were watched, and they are not of this "
        f"machine. They were left alone: the runs would lose them.\n\n{_listed(runs)}",
        [("keep", "Keep them"), ("purge", "Remove them too")],
    )
