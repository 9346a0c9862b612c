"""Step 1: which project this is, how it was opened, and how much a run would write."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from tui.console.screens.base import ConsoleScreen
from tui.console.widgets.block import Block
from tui.console.widgets.facts import Facts
from tui.console.widgets.places import View
from tui.console.widgets.words import duration, plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.guard.api_key import KeyFacts
    from tui.verify.session import Session


NEXT: Final = ("Press enter for the dry run; it writes nothing.", "bold")


class TargetScreen(ConsoleScreen):
    """What is known of the project before anything is asked of it."""

    VIEW: ClassVar[View] = View.TARGET
    HELP_TEXT: ClassVar[str] = (
        "Step 1 of 4. This is the project every key acts on.\n\n"
        "The banner says what kind of project it is and which fact decided that. An unknown "
        "remote host counts as production until it is declared in HEATMAP_VERIFY_NON_PROD_HOSTS; "
        "a production project is never written to without --allow-prod.\n\n"
        "The planned volume comes from HEATMAP_VERIFY_USERS and HEATMAP_VERIFY_QUESTIONS, or "
        "--users and --questions: every synthetic user answers every synthetic question once.\n\n"
        "n writes a new environment file for another project, checked live before it is written; o "
        "opens one of the files there are (.env, .env.staging, ...).\n\n"
        "Next: press enter for the dry run. It writes nothing."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "next",
            "Dry run",
            show=False,
            id="target.next",
            tooltip="Go on to step 2, the dry run; it writes nothing",
        ),
        Binding(
            "ctrl+r",
            "retry",
            "Try again",
            id="target.retry",
            tooltip="Try once more to connect",
        ),
        Binding("p", "app.purge", "Purge", id="target.purge", tooltip="Remove leftovers"),
        Binding(
            "o", "other_project", "Other", id="target.other", tooltip="Open another project's file"
        ),
    ]

    def body(self) -> Iterable[Widget]:
        """One scrollable column of facts."""
        with VerticalScroll(classes="page", can_focus=True):
            yield Block("lead", classes="lead")
            yield Facts("facts")
            yield Facts("opening")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Trying again makes sense only after a failure."""
        if action == "retry":
            return self.desk.connect_error is not None
        if action == "other_project":
            return self.console_app.environments is not None
        return super().check_action(action, parameters)

    def action_other_project(self) -> None:
        """Choose another environment file."""
        self.console_app.action_other_project()

    def action_next(self) -> None:
        """Go to the dry run, and begin it when it was not done yet."""
        self.console_app.action_dry_run()

    def action_retry(self) -> None:
        """Connect once more."""
        self.console_app.bench.connect()

    def paint_body(self) -> None:
        """Facts once connected; until then what is being waited for, and since when."""
        session = self.desk.session
        self.query_one("#lead", Block).show(self._lead())
        facts = self.query_one("#facts", Facts)
        facts.display = session is not None
        facts.show_pairs(self._facts(session) if session else ())
        opening = self.query_one("#opening", Facts)
        opening.set_class(session is not None, "-past")
        opening.show_pairs(self._stages())

    def _lead(self) -> Content:
        desk = self.desk
        if desk.connect_error is not None:
            return Content.assemble(
                (f"{self.glyphs.bad} not connected  ", "$bad bold"),
                desk.connect_error.message,
                "\n\n" if desk.connect_error.hint else "",
                (desk.connect_error.hint or "", "$muted"),
                "\n\n",
                "Press ctrl+r to try again.",
            )
        if desk.session is None:
            waited = duration(desk.clock() - desk.connect_began)
            return Content.assemble(
                (f"{self.glyphs.busy} connecting  ", "$focus bold"), (f"for {waited}", "$muted")
            )
        connected = (f"{self.glyphs.done} connected  ", "$ok bold")
        left = desk.unclosed
        if left:
            return Content.assemble(
                connected,
                (f"{self.glyphs.warn} {plural(left, 'earlier run')} did not close. ", "$warn bold"),
                "Press p to see and remove what is left.\n\n",
                NEXT,
            )
        if desk.session.is_sandbox:
            return Content.assemble(
                connected, NEXT, "\n\n",
                "This checks that a project's analytics heatmap is right, safe and fast.\n"
                "This is the sandbox: PostgreSQL and PostgREST, here, gone when you leave.\n"
                "Your own: cp .env.example .env, fill it in, and start again.",
            )  # fmt: skip
        return Content.assemble(connected, NEXT)

    def _facts(self, session: Session) -> list[tuple[str, str | Content]]:
        target, settings, volume = session.target, session.settings, session.settings.volume
        times = self.glyphs.times
        where = "started by this console" if session.is_sandbox else "from the environment"
        source = str(settings.env_file) if settings.env_file else where
        return [
            ("Project", target.identity),
            ("Address", target.url),
            ("Kind", f"{target.kind.value}: {target.reason}"),
            ("Settings", source),
            ("Key", self._key(target.key)),
            ("", ""),
            (
                "A run writes",
                f"{plural(volume.users, 'user')} {times} "
                f"{plural(volume.questions, 'question')} = "
                f"{plural(volume.responses, 'response')}",
            ),
            ("It adds", f"{plural(volume.aggregates, 'row')} to the view"),
            (
                "In batches",
                f"of {plural(volume.batch, 'row')}, {volume.concurrency} requests in flight",
            ),
            ("Afterwards", "everything it wrote is deleted again"),
        ]

    def _key(self, key: KeyFacts) -> str:
        parts = [key.kind.value]
        if key.role:
            parts.append(f"role {key.role}")
        if key.expires_at:
            parts.append(f"expires {key.expires_at.date().isoformat()}")
        return f" {self.glyphs.sep} ".join(parts)

    def _stages(self) -> list[tuple[str, str | Content]]:
        lines: list[tuple[str, str | Content]] = []
        for stage in self.desk.opening:
            running = stage.seconds is None
            mark = self.glyphs.busy if running else self.glyphs.done
            waited = self.desk.clock() - stage.began
            took = f"for {duration(waited)}" if running else duration(stage.seconds)
            lines.append(
                (
                    f"{mark} {stage.title}",
                    Content.assemble((took.ljust(12), "$focus" if running else "$ok"),
                                     (stage.detail or "", "$muted")),
                )
            )  # fmt: skip
        return lines
