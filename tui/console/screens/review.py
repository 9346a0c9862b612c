"""Step 3: what a run would write, refresh and delete, spelled out; the operator agrees or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button

from tui.console.screens.base import ConsoleScreen
from tui.console.widgets.block import Block
from tui.console.widgets.facts import Facts
from tui.console.widgets.places import View
from tui.console.widgets.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.verify.session import Session


class ReviewScreen(ConsoleScreen):
    """The plan, and two buttons of which the safe one is chosen."""

    VIEW: ClassVar[View] = View.REVIEW
    HELP_TEXT: ClassVar[str] = (
        "Step 3 of 4. Nothing has been written so far.\n\n"
        "Every row a run writes carries a tag with the run's name: that is how it is found and "
        "deleted again, and how the rows of real learners are left alone. A journal on this "
        "machine records what is about to be created before it is.\n\n"
        "f times the refresh once or five times: five tell the median and its spread.\n\n"
        "tab goes from button to button, enter presses the one chosen: Back at first. The up and "
        "down keys scroll what does not fit."
    )

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "f",
            "refresh_runs",
            "Refresh 1 or 5",
            id="review.refresh-runs",
            tooltip="Time the refresh once, or five times to see its spread",
        ),
        Binding("up", "scroll(-1)", show=False, id="review.up", tooltip="Scroll the plan up"),
        Binding("down", "scroll(1)", show=False, id="review.down", tooltip="Scroll the plan down"),
    ]

    def body(self) -> Iterable[Widget]:
        """The plan above, the buttons below."""
        with VerticalScroll(classes="page", can_focus=False):
            yield Block("lead", classes="lead")
            yield Facts("plan")
        with Horizontal(classes="buttons"):
            yield Button("Back", id="back", compact=True)
            yield Button("Write and verify", id="begin", variant="primary", compact=True)

    def on_screen_resume(self) -> None:
        """The safe choice first, every time."""
        super().on_screen_resume()
        self.query_one("#back", Button).focus()

    def paint_body(self) -> None:
        """The plan for the project at hand."""
        session = self.desk.session
        if session is None:
            return
        again = self.desk.why_locked(View.REVIEW)
        self.query_one("#begin", Button).disabled = bool(again) or self.desk.is_writing
        self.query_one("#lead", Block).show(self._lead(session))
        self.query_one(Facts).show_pairs(self._plan(session))

    def action_scroll(self, lines: int) -> None:
        """Move the plan by so many lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_refresh_runs(self) -> None:
        """Time the refresh once, or often enough to see its spread."""
        self.desk.times_refresh_often = self.desk.refresh_runs == 1
        self.paint()

    @on(Button.Pressed, "#back")
    def _back(self) -> None:
        self.console_app.action_go(View.DRY_RUN)

    @on(Button.Pressed, "#begin")
    def _begin(self) -> None:
        self.console_app.bench.cycle()

    def _lead(self, session: Session) -> Content:
        production = session.target.is_production
        return Content.assemble(
            ("This is what a run does to ", "bold"),
            (session.target.identity, "$bad bold" if production else "bold"),
            (f" ({session.target.kind.value})", "$bad bold" if production else "$muted"),
            ("\nNothing has been written so far.", "$muted"),
        )

    def _plan(self, session: Session) -> list[tuple[str, str | Content]]:
        volume = session.settings.volume
        times = self.glyphs.times
        runs = self.desk.refresh_runs
        timed = "timed once; f: 5 times" if runs == 1 else f"timed {runs} times; f: once"
        rows: list[tuple[str, str | Content]] = [
            ("Write", f"{plural(volume.users, 'user')} in auth.users and app_users"),
            ("", f"{plural(volume.questions, 'published question')} in questions"),
            (
                "",
                f"{plural(volume.responses, 'response')} in responses "
                f"({volume.users:,} {times} {volume.questions:,})",
            ),
            ("", Content.styled("and what the project's own triggers add to them", "$muted")),
            ("", ""),
            ("Refresh", f"analytics_heatmap_agg, after writing ({timed}) and after deleting"),
            ("Compare", f"{plural(volume.aggregates, 'row')} of the view, all eight columns"),
            ("", ""),
            ("Delete", "every row above again, and nothing else, found by its tag:"),
            ("", Content.styled("slugs heatmap-verification-<run>-...", "$muted")),
            ("", Content.styled("emails heatmap-<run>-...@example.com", "$muted")),
            ("", ""),
            ("Meanwhile", "admins see the synthetic questions on the heatmap page"),
            ("At any time", "esc or ctrl+c stops the writing and cleans up"),
        ]
        return [row for row in rows if row[0] or row[1] or self.has_class("-tall")]
