"""Step 3: what a run would write, refresh and delete, to agree to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button

from tui.console.figures import balance, expected_duration, headless_command, restart_command
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.widgets.text import Block, Facts, Pane, Prose, table
from tui.heatmap.formatting import plural
from tui.verify.events import by_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.console.state import State
    from tui.console.widgets.text import Pair
    from tui.verify.session import Session

HEAD: Final = ("", "before", "during", "after")


class ReviewScreen(ConsoleScreen):
    """Balance, plan and two buttons; on production the safe one is focused."""

    VIEW: ClassVar[View] = View.REVIEW
    HELP_TEXT: ClassVar[str] = (
        "Step 3 of 4. Nothing has been written so far.\n\n"
        "Every row a run writes carries a tag with the run's name: that is how it is found and "
        "deleted again, and how the rows of real learners are left alone. A journal on this "
        "machine records what is about to be created before it is.\n\n"
        "f times the refresh once or five times: five tell the median and its spread.\n\n"
        "enter presses the chosen button, the left and right keys choose one; r starts too. "
        "On production Back is chosen, and writing asks for break-glass first. The up and down "
        "keys (or k and j) scroll what does not fit."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "Go on", show=False, id="review.next", tooltip="Press a button"),
        Binding(
            "f",
            "refresh_runs",
            "Refresh 1 or 5",
            id="review.refresh-runs",
            tooltip="Time the refresh once, or five times to see its spread",
        ),
        Binding(
            "dollar_sign",
            "app.headless",
            "Headless",
            id="review.headless",
            tooltip="The same without screens",
        ),
        Binding("left", "choose(-1)", show=False, id="review.left", tooltip="The button left"),
        Binding("right", "choose(1)", show=False, id="review.right", tooltip="The button right"),
        Binding("up,k", "scroll(-1)", show=False, id="review.up", tooltip="Scroll the plan up"),
        Binding("down,j", "scroll(1)", show=False, id="review.down", tooltip="Scroll it down"),
    ]

    def body(self) -> Iterable[Widget]:
        with VerticalScroll(classes="page", can_focus=False):
            yield Prose("lead", classes="lead")
            yield Pane("Rows", Block("balance", classes="facts"), id="balance-pane")
            yield Pane("Plan", Facts("plan"), id="plan-pane")
            yield Pane("Columns filled, and from where", Facts("fills"), id="fills-pane")
        with Horizontal(classes="buttons"):
            yield Button("Back", id="back", compact=True)
            yield Button("Write and verify", id="begin", variant="primary", compact=True)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        begin = self.query_one("#begin", Button)
        (self.query_one("#back") if self._is_careful or begin.disabled else begin).focus()
        if not self.state.is_writing:
            self.controller.work("count", self.state.count_rows)

    @property
    def _is_careful(self) -> bool:
        session = self.state.session
        return session is None or session.target.is_production

    def paint_body(self) -> None:
        session = self.state.session
        if session is None:
            return
        refused = self.state.write_problem or not self.state.is_ready or self.state.is_writing
        self.query_one("#begin", Button).disabled = bool(refused)
        self.query_one("#lead", Prose).show(review_lead(self.state, session, self.next_line()))
        pane = self.query_one("#balance-pane")
        pane.border_title = f"Rows of {session.target.identity} ({session.target.kind.value})"
        self.query_one("#balance", Block).show(balance_table(balance(session, self.state.counts)))
        self.query_one("#plan", Facts).show(plan(self.state, session))
        filled = fills(session)
        self.query_one("#fills-pane").display = bool(filled)
        self.query_one("#fills", Facts).show(filled)

    def action_go_on(self) -> None:
        if not self._is_careful:
            super().action_go_on()

    def action_choose(self, by: int) -> None:
        self.query_one("#begin" if by > 0 else "#back", Button).focus()

    def action_refresh_runs(self) -> None:
        self.state.times_refresh_often = self.state.refresh_runs == 1
        self.paint()

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.controller.go(View.DRY_RUN)

    @on(Button.Pressed, "#begin")
    def _begin(self) -> None:
        self.controller.start_cycle()


def review_lead(state: State, session: Session, next_line: Content) -> Content:
    """What the plan is for, and what comes next."""
    so_far = ("Nothing has been written so far.", "$muted")
    between = "\n" if session.target.is_production else ".  "
    first = Content.assemble(next_line, between if next_line.plain else "", so_far)
    if state.write_problem is None:
        return first
    return Content.assemble(
        first,
        ("\nWrites are refused here. ", "$warn bold"),
        "To write, restart with  ",
        (restart_command(session), "bold"),
    )


def balance_table(rows: Iterable[tuple[str, str, str, str]]) -> Content:
    """Rows before, during and after a run."""
    styles = ("$muted", "", "$focus bold", "")
    return Content("\n").join(table([HEAD, *rows], styles, head=True, right={1, 2, 3}, gap=4))


def fills(session: Session) -> list[Pair]:
    """Columns that a run fills, and from where, as far as the project says."""
    known = session.last_dry_run
    told = known.described.fills if known is not None and known.described is not None else ()
    lines = by_source(told)
    tables = [table for table, _ in lines]
    return [
        ("" if number and tables[number - 1] == table else table, columns)
        for number, (table, columns) in enumerate(lines)
    ]


def plan(state: State, session: Session) -> list[Pair]:
    """What is refreshed, compared and deleted, how long, and how to stop it."""
    volume, runs = session.settings.volume, state.refresh_runs
    timed = "once; f: 5 times" if runs == 1 else f"{runs} times; f: once"
    return [
        ("Takes", expected_duration(state)),
        ("Writes", "auth.users, app_users, questions, responses, what triggers add"),
        ("Refreshes", f"the view after writing ({timed}) and after deleting"),
        ("Compares", f"{plural(volume.aggregates, 'row')} of the view, all eight columns"),
        ("Deletes", "every row above again, and nothing else, found by its tag:"),
        ("", Content.styled("heatmap-verification-<run>-<n>, heatmap-<run>-<n>@...", "$muted")),
        ("Meanwhile", "admins see the synthetic questions on the heatmap page"),
        ("Stop", "esc or ctrl+c at any time stops the writing and cleans up"),
        ("Headless", headless_command(session, View.RUN, refresh_runs=runs)),
    ]
