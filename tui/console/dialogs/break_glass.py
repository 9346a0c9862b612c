"""Break-glass: what must be typed before anything is written to production."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Button, Input, Label, Static

from tui.console.dialogs.base import Dialog, Surroundings
from tui.errors import GuardRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.guard.break_glass import Approval
    from tui.verify.session import Session

    MaybeApproval: TypeAlias = "Approval | None"

# A refusal names what was typed into one of these; the first is asked for first.
_FIELDS: Final = ("justification", "ticket")


class BreakGlass(Dialog["MaybeApproval"]):
    """Spells out what will happen; returns the approval of one run, or None."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "down", "app.focus_next", show=False, id="break-glass.next", tooltip="The next field"
        ),
        Binding(
            "up",
            "app.focus_previous",
            show=False,
            id="break-glass.previous",
            tooltip="The previous field",
        ),
    ]

    def __init__(
        self, around: Surroundings, session: Session, action: str, effects: Iterable[str]
    ) -> None:
        super().__init__(around, f"Break-glass: {action} on production")
        self._session = session
        self._effects = list(effects)
        self.add_class("-production")

    def body(self) -> Iterable[Widget]:
        identity = self._session.target.identity
        yield Static("\n".join(self._effects), classes="dialog-text", markup=False)
        yield Label(f"Type the project's name, {identity}", markup=False)
        yield Input(id="confirmation", compact=True)
        yield Label("Why must it be written to now? (goes on record)", markup=False)
        yield Input(id="justification", compact=True)
        yield Label("Ticket (optional)", markup=False)
        yield Input(id="ticket", compact=True)
        yield Static("", id="refusal", markup=False)

    def buttons(self) -> Iterable[Widget]:
        yield Button("Back", id="close", compact=True)
        yield Button("Write to production", id="grant", compact=True)

    @on(Input.Submitted)
    def _next_field(self, event: Input.Submitted) -> None:
        if event.input.id == "ticket":
            # Past the last field comes the safe button, never the one that writes.
            self.query_one("#close", Button).focus()
        else:
            self.focus_next()

    @on(Button.Pressed, "#grant")
    def _grant(self) -> None:
        try:
            approval = self._session.grant(
                confirmation=self._typed("confirmation"),
                justification=self._typed("justification"),
                ticket=self._typed("ticket") or None,
            )
        except GuardRefused as refused:
            hint = f"\n{refused.hint}" if refused.hint else ""
            self.query_one("#refusal", Static).update(f"{refused.message}{hint}")
            self.query_one(f"#{self._wrong_field(refused)}", Input).focus()
            return
        self.dismiss(approval)

    def _wrong_field(self, refused: GuardRefused) -> str:
        if self._typed("confirmation").strip() != self._session.target.identity:
            return "confirmation"
        return next((each for each in _FIELDS if each in refused.message), "justification")

    def _typed(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value
