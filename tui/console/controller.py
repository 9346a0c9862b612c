"""What keys start, stop and lead to: one run at a time.

A run that writes is a task of its own, not a worker of a screen: nothing that happens to a screen
cancels it, and leaving waits for its clean-up.
"""

from __future__ import annotations

import asyncio
import os
import pydoc
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tui.console import dialogs
from tui.console.dialogs import BreakGlass, ChooseEnvironment, Dialog, Question, TextDialog
from tui.console.figures import Onward, headless_command, onward, why_locked
from tui.console.state import CHECKLIST, View
from tui.errors import OperatorError
from tui.evidence.report import report, save
from tui.guard.break_glass import effects_of_cycle, effects_of_purge
from tui.redact import redact, redact_known

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from textual.app import App
    from textual.worker import Worker

    from tui.console.state import Connect, Environments, State
    from tui.console.theme import Glyphs
    from tui.evidence.report import RunEvidence
    from tui.verify.session import Run, Session

T = TypeVar("T")

CONFIRM_S: Final = 5.0
"""Seconds in which a second esc stops a run that has written something."""


class Controller:
    """Starts work, follows it and stops it; goes from screen to screen.

    `at_end` is called when a run that writes has ended.
    """

    def __init__(
        self,
        app: App[int],
        state: State,
        glyphs: Glyphs,
        connect: Connect,
        *,
        environments: Environments | None,
        at_end: Callable[[], None],
    ) -> None:
        self.glyphs = glyphs
        self.environments = environments
        self._app = app
        self.state = state
        self._connect: Connect = connect
        self._at_end = at_end
        self._writing: asyncio.Task[None] | None = None
        self._asked: list[Dialog[Any]] = []
        # Where to go as soon as the project is connected.
        self.wanted: View | None = None
        self._step = View.TARGET

    # Where one is, and what is said there.

    @property
    def view(self) -> View | None:
        """The screen in front, None behind a dialog."""
        name = self._app.screen.name
        return View(name) if name in set(View) else None

    def tell(self, text: str, *, title: str = "", warning: bool = True) -> None:
        """Show a notification in place of the one before."""
        # A path as short as it can be: one that is broken cannot be copied.
        text = text.replace(f"{os.path.expanduser('~')}/", "~/")
        severity: Final = "warning" if warning else "information"
        self._app.clear_notifications()
        self._app.notify(redact(text), title=title, severity=severity, markup=False)

    def copy(self, text: str, what: str) -> None:
        """Put text on the clipboard, as far as the terminal lets us."""
        self._app.copy_to_clipboard(redact_known(text))
        self.tell(f"Sent {what} to the terminal's clipboard.", warning=False)

    def show_text(self, title: str, text: str, *, failed: bool = False) -> None:
        self._app.push_screen(TextDialog(self, title, redact_known(text), failed=failed))

    def show_error(self, error: BaseException) -> None:
        """Show a failure: what failed, on which project, what to do."""
        if isinstance(error, OperatorError):
            title, text = "This did not work", error.message
            if error.hint:
                text += f"\n\nWhat to do: {error.hint}"
        else:
            title, text = "Internal error", type(error).__name__
            if message := str(error):
                text += f": {message}"
            text += "\n\nA run that was under way goes on. Please report this text."
        if self.state.session is not None:
            target = self.state.session.target
            text += f"\n\nProject: {target.identity} ({target.kind.value})"
        self.show_text(title, redact(text), failed=True)

    async def ask(self, dialog: Dialog[T]) -> T | None:
        """Ask, and wait for the answer; None where something is being asked already.

        Whether to leave may be asked in front of any other question; once.
        """
        if any(not _is_of_leaving(dialog) or _is_of_leaving(each) for each in self._asked):
            return None
        self._asked.append(dialog)
        try:
            return await self._app.push_screen_wait(dialog)
        finally:
            self._asked.remove(dialog)

    async def choose(
        self,
        title: str,
        text: str,
        answers: Sequence[tuple[str, str]],
        *,
        keys: Mapping[str, str] | None = None,
    ) -> str | None:
        """Ask a question with a few answers, the safe one first."""
        return await self.ask(Question(self, title, text, answers, keys=keys))

    def work(
        self, group: str, job: Callable[[], Awaitable[None]], *, exclusive: bool = False
    ) -> None:
        """Do something beside the screens; what it fails with is shown.

        Args:
            group: What it is called.
            job: Called once it begins, since it may be ended before.
            exclusive: Ends what goes by the same name and is still under way.
        """

        async def shown() -> None:
            try:
                await job()
            except Exception as error:  # noqa: BLE001 - shown, and the console lives on
                self.show_error(error)

        _: Worker[None] = self._app.run_worker(
            shown, group=group, exclusive=exclusive, exit_on_error=False
        )

    # Going from screen to screen.

    def go(self, view: View) -> None:
        """Go to a screen, or as soon as the project is connected."""
        why = why_locked(self.state, view)
        if why is None:
            self.switch(view)
        elif self.state.is_connecting and view not in {View.REVIEW, View.RUN}:
            self.wanted = view
            self.tell(f"{view.heading} follows as soon as the project is connected.", warning=False)
        else:
            self.tell(_sentence(why), title=f"{view.heading} is locked")

    def switch(self, view: View) -> None:
        """Go to a screen, through any dialog in front."""
        app = self._app
        while self.view is None and len(app.screen_stack) > 1:
            if isinstance(app.screen, Dialog):
                app.screen.dismiss(None)
            else:
                app.pop_screen()
        app.clear_notifications()
        self.state.stop_asked = False
        if self.view is not view:
            app.switch_screen(view.value)
        if view in CHECKLIST:
            self._step = view

    def go_on(self) -> None:
        """Do what `enter` does here, see `onward`."""
        view = self.view
        if view is None:
            return
        what, _ = onward(self.state, view)
        match what:
            case Onward.WAIT:
                self._say_what_is_waited_for(view)
            case Onward.CONNECT:
                self.connect()
            case Onward.PROBE:
                self.dry_run(again=view is View.DRY_RUN)
            case Onward.START:
                self.start_cycle()
            case Onward.PURGE:
                self.purge()
            case Onward.SAVE:
                self.hand_out(copy=True)
            case View():
                self.go(what)

    def _say_what_is_waited_for(self, view: View) -> None:
        if self.state.is_probing:
            self.tell("The probes are being asked; enter goes on when they have answered.")
        elif self.state.is_writing:
            self.tell("The run is under way; enter goes on when it has ended.")
        elif view is View.REVIEW and (why := self._why_not_to_write()):
            self.tell(_sentence(why))
        elif view is View.EVIDENCE:
            self.tell("There is no evidence before the first dry run: press d.")

    def dry_run(self, *, again: bool = False) -> None:
        """Go to the dry run; begin it where there was none, or when asked again."""
        if again or self.view is View.DRY_RUN or self.state.dry_run is None:
            self.work("probe", self.state.probe)
        self.go(View.DRY_RUN)

    def review_or_run(self) -> None:
        """Watch the run there is, else review one; from the review start it."""
        state = self.state
        if self.view is View.REVIEW and not state.is_writing:
            self.start_cycle()
            return
        shows_run = state.is_writing or (state.run and self.view is not View.RUN)
        self.go(View.RUN if shows_run else View.REVIEW)

    def step(self, by: int) -> None:
        """Go to the step before or after this one; after the run comes its evidence."""
        order = (*CHECKLIST, View.EVIDENCE)
        if self.view in order:
            place = order.index(self.view) + by
            if 0 <= place < len(order):
                self.go(order[place])

    def back(self) -> None:
        """Stop the run one is watching; elsewhere go back a step."""
        state = self.state
        if self.view is not View.RUN or not state.is_writing:
            self.switch(self._behind())
        elif state.is_cancelling:
            self.tell("It is stopping. ctrl+c asks whether to wait for the clean-up or leave now.")
        elif state.run is not None and state.run.may_have_written and not state.stop_asked:
            state.stop_asked = True
            self._app.set_timer(CONFIRM_S, self._go_on_running)
            state.changed()
        else:
            state.cancel("esc was pressed")

    def _go_on_running(self) -> None:
        self.state.stop_asked = False
        self.state.changed()

    def _behind(self) -> View:
        """The step before this one; from another view, the step it began from."""
        place = CHECKLIST.index(self._step)
        if self.view in CHECKLIST:
            place -= 1
        while place > 0 and why_locked(self.state, CHECKLIST[place]) is not None:
            place -= 1
        return CHECKLIST[max(0, place)]

    def dims(self, action: str) -> bool:
        """Whether an action leads nowhere now."""
        state = self.state
        match action:
            case "back":
                return self.view is View.TARGET
            case "app.purge" | "headless":
                return state.session is None
            case "dry_run" | "go('heatmap')" | "go('evidence')":
                return state.connect_error is not None
            case "review_or_run":
                return state.run is None and why_locked(state, View.REVIEW) is not None
            case _:
                return False

    # Work that reads.

    def connect(self) -> None:
        """Open the project, at first or again after a failure."""
        self.work("connect", self._open)

    async def _open(self) -> None:
        state = self.state
        await state.connect(self._connect)
        wanted, self.wanted = self.wanted, None
        if state.session is None:
            return
        if wanted is View.DRY_RUN:
            self.dry_run()
        elif wanted is not None:
            self.go(wanted)
        await self._read_past()

    async def _read_past(self) -> None:
        """Read the history, and what other projects there are."""
        try:
            await self.state.read_history()
        except OperatorError as error:
            self.tell(error.message)
        if self.environments is not None:
            self.state.files = await asyncio.to_thread(self.environments.files)
            self.state.changed()

    def read_live(self) -> None:
        """Read the live view into the state."""
        self.work("read", self.state.read_live)

    def show_headless(self) -> None:
        """Show the command that does without screens what this screen does."""
        session, view = self.state.session, self.view
        if session is None or view is None:
            self.tell("There is no command to show before the project is connected.")
            return
        command = headless_command(session, view, refresh_runs=self.state.refresh_runs)
        self.show_text(f"{view.heading}, without screens", command)

    # Work that writes.

    def start_cycle(self) -> None:
        """Start the run that was reviewed; on production after break-glass."""
        if why := self._why_not_to_write():
            self.tell(_sentence(why))
        else:
            self.work("ask", self._cycle)

    def _why_not_to_write(self) -> str | None:
        return self.state.write_problem or why_locked(self.state, View.REVIEW)

    async def _cycle(self) -> None:
        session = self.state.session
        if session is not None and not self._refuses_second_run():
            effects = effects_of_cycle(session.settings.volume)
            cycle = partial(session.cycle, refresh_runs=self.state.refresh_runs)
            await self._begin(session, "a verification run", effects, cycle)

    def purge(self) -> None:
        """Remove what earlier runs left, once the operator has agreed."""
        session = self.state.session
        if session is None:
            self.tell("There is no project to purge: none is connected.")
        elif self.state.write_problem is not None:
            self.tell(_sentence(self.state.write_problem))
        elif not self._refuses_second_run():
            self.work("ask", partial(self._purge, session))

    async def _purge(self, session: Session) -> None:
        if await self.ask(dialogs.ask_to_purge(self, session)) != "purge":
            return
        unexplained: int | None = None
        runs: tuple[str, ...] = ()
        while True:
            purge = partial(session.purge, unexplained=unexplained, runs=runs)
            task = await self._begin(session, "removing leftovers", effects_of_purge(), purge)
            if task is None:
                return
            await asyncio.wait({task})
            ended = self.state.run.finished if self.state.run else None
            if ended is not None and ended.unexplained is not None:
                question = dialogs.ask_to_purge_unexplained(self, ended.message)
                # Exactly so many were shown: should there be more by now, it is asked again.
                unexplained = ended.unexplained
            elif ended is not None and ended.spared:
                question = dialogs.ask_to_purge_spared(self, ended.spared)
                runs = (*runs, *ended.spared)
            else:
                return
            if await self.ask(question) != "purge":
                return

    def _refuses_second_run(self) -> bool:
        if self.state.is_writing:
            self.tell("A run is under way already; it is on screen 4.")
        return self.state.is_writing

    async def _begin(
        self, session: Session, action: str, effects: Iterable[str], begin: Callable[..., Run]
    ) -> asyncio.Task[None] | None:
        """Begin a run that writes, on production after break-glass; None if refused."""
        approval = None
        if session.target.is_production:
            approval = await self.ask(BreakGlass(self, session, action, effects))
            if approval is None:
                return None
        if self._refuses_second_run():
            return None
        self._writing = asyncio.create_task(self.state.write(begin(approval=approval)))
        self._writing.add_done_callback(self._followed)
        self.switch(View.RUN)
        return self._writing

    def _followed(self, task: asyncio.Task[None]) -> None:
        if not self._app.is_running:
            return
        self._app.clear_notifications()
        front = self._app.screen
        if isinstance(front, Question) and front.interrupt in {"abandon", "stop"}:
            # What it warns of cannot happen any more.
            front.dismiss(None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.show_error(error)
        self._at_end()
        self.work("history", self._keep)

    async def _keep(self) -> None:
        """Save the report of the run that has ended, and read the history anew."""
        state = self.state
        try:
            if state.run_evidence is not None:
                state.report_path = await self.save_report(state.run_evidence)
        except OperatorError as error:
            self.tell(error.message)
        await self._read_past()

    # Stopping and leaving.

    def stop(self) -> None:
        """Stop the run under way, or say that there is none."""
        if self.state.is_writing:
            self.interrupt()
        else:
            self.tell("Nothing is under way.")

    def leave(self) -> None:
        """Leave at once when nothing is under way, else ask."""
        if self.state.is_writing:
            self.work("ask", self._stop_and_leave)
        elif not self._asked:
            self._exit()

    def interrupt(self) -> None:
        """Ctrl+c: in a question that is about it, the answer; else stop or ask."""
        screen, state = self._app.screen, self.state
        if isinstance(screen, Question) and screen.interrupt is not None:
            screen.dismiss(screen.interrupt)
        elif not state.is_writing:
            self.work("ask", self._ask_to_leave)
        elif not state.is_cancelling:
            state.cancel("ctrl+c was pressed")
            self.switch(View.RUN)
        else:
            self.work("ask", self._ask_to_abandon)

    async def _ask_to_leave(self) -> None:
        if await self.ask(dialogs.ask_to_leave(self)) == "leave":
            self._exit()

    async def _stop_and_leave(self) -> None:
        if await self.ask(dialogs.ask_to_stop(self)) == "stop":
            self.state.cancel("the operator leaves")
            self.switch(View.RUN)
            await self._leave_after_the_run()

    async def _ask_to_abandon(self) -> None:
        session = self.state.session
        command = session.purge_command() if session else ""
        if await self.ask(dialogs.ask_to_abandon(self, command)) == "abandon":
            self.state.abandon()
            await self._leave_after_the_run()

    async def _leave_after_the_run(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing})
        self._exit()

    def _exit(self) -> None:
        self._app.exit(int(self.state.exit_code))

    async def finish(self) -> bool:
        """Stop the run under way and wait for its clean-up; whether there was one."""
        if self._writing is None or self._writing.done():
            return False
        self.state.cancel("the console ended")
        await asyncio.wait({self._writing})
        return True

    # Other projects.

    def choose_project(self) -> None:
        """Let the operator choose an environment file, and open its project."""
        if self.environments is None:
            self.tell("This console was started for one project.")
        elif self.state.is_busy:
            self.tell("Wait until what is under way has ended.")
        else:
            self.work("ask", partial(self._choose_project, self.environments))

    async def _choose_project(self, environments: Environments) -> None:
        state = self.state
        state.files = files = await asyncio.to_thread(environments.files)
        if not files:
            self.tell("There is no environment file here: cp .env.example .env, and fill it in.")
            return
        current = state.session.settings.env_file if state.session else None
        path = await self.ask(ChooseEnvironment(self, files, current, state.history))
        if path is None:
            return
        state.place = f"opening {path.name}"
        self._connect = partial(environments.open, path)
        self.switch(View.TARGET)
        await state.close()
        await self._open()

    # Evidence.

    def hand_out(self, *, copy: bool) -> None:
        """Save the report at hand, and say where; copy it too."""
        evidence = self.state.evidence
        if evidence is None:
            self.tell("There is no evidence before the first dry run: press d.")
        else:
            self.work("save", partial(self._hand_out, evidence, copy=copy))

    async def _hand_out(self, evidence: RunEvidence, *, copy: bool) -> None:
        words, what = "", "the evidence"
        if copy:
            # No terminal tells whether copying worked: it is saved as well.
            self._app.copy_to_clipboard(report(evidence))
            words, what = "Sent the evidence to the terminal's clipboard. ", "it"
        path = await self.save_report(evidence)
        self.tell(f"{words}Saved {what} to {path}, its JSON beside it.", warning=False)

    async def save_report(self, evidence: RunEvidence) -> Path | None:
        """Save a report, its JSON beside it; returns where."""
        session = self.state.session
        if session is None:
            return None
        path = session.settings.state_dir / "reports" / f"{evidence.run_id}.md"
        return (await asyncio.to_thread(save, path, evidence))[0]

    def page(self, text: str) -> None:
        """Show text in the operator's pager, in place of the console."""
        with self._app.suspend():
            pydoc.pager(redact_known(text))


def _is_of_leaving(dialog: Dialog[Any]) -> bool:
    return isinstance(dialog, Question) and dialog.interrupt is not None


def _sentence(why: str) -> str:
    """Why something cannot be done now, as a sentence."""
    return f"It {why}." if why.startswith("waits") else f"{why[:1].upper()}{why[1:]}."
