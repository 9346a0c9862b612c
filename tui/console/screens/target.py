"""Step 1: which project this is, how it was opened, how much a run writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from tui.console.dialogs import environment_rows
from tui.console.figures import duration, expected_duration, runs_here
from tui.console.screens.base import ConsoleScreen
from tui.console.state import View
from tui.console.widgets.lists import run_rows
from tui.console.widgets.text import Block, Facts, Pane, Prose
from tui.heatmap.formatting import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from tui.console.state import State
    from tui.console.theme import Glyphs
    from tui.console.widgets.text import Pair
    from tui.verify.session import Session

RUNS_SHOWN: Final = 8
SANDBOX: Final = (
    "\nThis is the sandbox: PostgreSQL and PostgREST, here, gone when you leave. "
    "Your own project: cp .env.example .env, and fill it in."
)


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
        "A project of your own: cp .env.example .env, and fill it in. o lists the environment "
        "files there are (.env, .env.staging, ...) and opens one.\n\n"
        "enter goes on to the dry run. It writes nothing."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "Go on", show=False, id="target.next", tooltip="Dry run"),
        Binding(
            "ctrl+r", "retry", "Try again", id="target.retry", tooltip="Try once more to connect"
        ),
        Binding("p", "app.purge", "Purge", id="target.purge", tooltip="Remove leftovers"),
        Binding(
            "o",
            "app.other_project",
            "Other project",
            id="target.other",
            tooltip="Open another file",
        ),
        Binding("k,up", "scroll(-1)", show=False, id="target.up", tooltip="Scroll up"),
        Binding("j,down", "scroll(1)", show=False, id="target.down", tooltip="Scroll down"),
    ]

    def body(self) -> Iterable[Widget]:
        with VerticalScroll(classes="page", can_focus=False):
            yield Prose("lead", classes="lead")
            yield Container(
                Pane("Project", Facts("facts"), id="project-pane"),
                Pane("Plan", Facts("plan"), id="plan-pane"),
                id="target-panes",
            )
            files = Block("files-list", classes="facts")
            yield Pane("Environments (o opens one)", files, id="files-pane")
            runs = Block("runs-list", classes="facts")
            yield Pane("Runs of this project", runs, id="runs-pane")
            yield Facts("opening")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "retry":
            return self.state.connect_error is not None
        return super().check_action(action, parameters)

    def action_retry(self) -> None:
        self.controller.connect()

    def paint_body(self) -> None:
        state, session = self.state, self.state.session
        self.query_one("#lead", Prose).show(self._lead())
        self.query_one("#target-panes").display = session is not None
        if session is not None:
            self.query_one("#facts", Facts).show(project_facts(session, self.glyphs))
            self.query_one("#plan", Facts).show(plan_facts(state, session, self.glyphs))
        self.query_one("#files-pane").display = bool(state.files)
        if state.files:
            current = session.settings.env_file if session else None
            rows = environment_rows(state.files, current, state.history)
            self.query_one("#files-list", Block).show(Content("\n").join(rows))
        # One more than is shown, which the oldest of them is compared with.
        head, *newest_first = run_rows(runs_here(state)[-RUNS_SHOWN - 1 :])
        lines = [head, *newest_first[:RUNS_SHOWN]]
        self.query_one("#runs-list", Block).show(Content("\n").join(lines))
        # They are shown where there are rows to spare.
        self.query_one("#runs-pane").display = bool(newest_first) and self.has_class("-tall")
        self.query_one("#opening", Facts).show(opening_facts(state, self.glyphs))

    def _lead(self) -> Content:
        state, signs = self.state, self.glyphs
        if state.connect_error is not None:
            return Content.assemble(
                (f"{signs.bad} not connected  ", "$bad bold"),
                state.connect_error.message,
                "\n" if state.connect_error.hint else "",
                (state.connect_error.hint or "", "$muted"),
                "\n",
                self.next_line(),
            )
        if state.session is None:
            waited, wanted = duration(state.clock() - state.connect_began), self.controller.wanted
            follows = f"; {wanted.heading.lower()} follows" if wanted is not None else ""
            return Content.assemble(
                (f"{signs.busy} connecting  ", "$focus bold"),
                (f"for {waited}{follows}", "$muted"),
                "\n",
                self.next_line(),
            )
        lead = Content.assemble((f"{signs.done} connected  ", "$ok bold"), self.next_line())
        if state.unclosed:
            runs = plural(state.unclosed, "earlier run")
            return Content.assemble(
                lead,
                (f"\n{signs.warn} {runs} did not close. ", "$warn bold"),
                ("p", "$focus bold"),
                ": see and remove what is left.",
            )
        if state.session.is_sandbox:
            return Content.assemble(lead, (SANDBOX, "$muted"))
        return lead


def project_facts(session: Session, signs: Glyphs) -> list[Pair]:
    """Which project this is, and how it was configured."""
    target, settings = session.target, session.settings
    where = "started by this console" if session.is_sandbox else "from the environment"
    key = [target.key.kind.value]
    if target.key.role:
        key.append(f"role {target.key.role}")
    if target.key.expires_at:
        key.append(f"expires {target.key.expires_at.date().isoformat()}")
    return [
        ("Name", target.identity),
        ("Address", target.url),
        ("Kind", f"{target.kind.value}: {target.reason}"),
        ("Settings", str(settings.env_file) if settings.env_file else where),
        ("Key", f" {signs.sep} ".join(key)),
    ]


def plan_facts(state: State, session: Session, signs: Glyphs) -> list[Pair]:
    """How much a run would write, how, and how long that takes."""
    volume = session.settings.volume
    return [
        (
            "Writes",
            f"{plural(volume.users, 'user')} {signs.times} "
            f"{plural(volume.questions, 'question')} = {plural(volume.responses, 'response')}",
        ),
        ("Adds", f"{plural(volume.aggregates, 'row')} to the view"),
        (
            "Batches",
            f"of {plural(volume.batch, 'row')}, {plural(volume.concurrency, 'request')} in flight",
        ),
        ("Takes", expected_duration(state)),
        ("Afterwards", "everything it wrote is deleted again"),
    ]


def opening_facts(state: State, signs: Glyphs) -> list[Pair]:
    """What connecting waits for, a line each; once it is over, in one line."""
    stages = list(state.opening.values())
    if state.session is not None:
        if not stages:
            return []
        whole = sum(each.seconds or 0.0 for each in stages)
        slowest = max(stages, key=lambda each: each.seconds or 0.0)
        most = f", most of it to {slowest.title}" if len(stages) > 1 else ""
        return [("Start-up", Content.styled(f"{duration(whole)}{most}", "$muted"))]
    lines: list[Pair] = []
    for stage in stages:
        waited = f"for {duration(state.clock() - stage.began)}"
        mark, took, style = (
            (signs.busy, waited, "$focus")
            if stage.seconds is None
            else (signs.done, duration(stage.seconds), "$ok")
        )
        value = Content.assemble((took.ljust(12), style), (stage.detail or "", "$muted"))
        lines.append((f"{mark} {stage.title}", value))
    return lines
