"""The work under way: begun, followed and stopped here, one run at a time, whatever the screen."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from tui.console.dialogs import questions
from tui.console.dialogs.base import Question
from tui.console.dialogs.break_glass import BreakGlass
from tui.console.dialogs.environments import ChooseEnvironment
from tui.console.widgets.places import View
from tui.guard.break_glass import effects_of_cycle, effects_of_purge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from tui.console.app import HeatmapApp
    from tui.console.dialogs.environments import Environments
    from tui.console.state import Connect
    from tui.guard.break_glass import Permit
    from tui.verify.events import RunFinished
    from tui.verify.session import Run, Session


class Workbench:
    """Starts work for the application and sees it through.

    A run that writes is a task of its own, not a worker of a screen: nothing that happens to a
    screen cancels it, and leaving waits for its clean-up.

    Args:
        app: The application.
        connect: Opens the session.
    """

    def __init__(self, app: HeatmapApp, connect: Connect) -> None:
        self._app = app
        self._desk = app.desk
        self._connect: Connect = connect
        self._writing: asyncio.Task[None] | None = None

    def connect(self) -> None:
        """Open the project, at first or again after a failure."""
        self._work("connect", self._desk.connect(self._connect))

    def dry_run(self) -> None:
        """Ask all probes."""
        self._work("probe", self._desk.probe())

    def ask_again(self, probe_id: str) -> None:
        """Ask one probe again."""
        self._work("probe", self._desk.ask_again(probe_id))

    def cycle(self) -> None:
        """Start the run that was reviewed; on production only after break-glass."""
        self._work("ask", self._cycle())

    def purge(self) -> None:
        """Remove what earlier runs left, once the operator has agreed."""
        self._work("ask", self._purge())

    def choose_project(self) -> None:
        """Let the operator choose an environment file, and open its project."""
        self._work("ask", self._choose_project())

    def read_live(self) -> None:
        """Read the live view; what comes of it is on the desk."""
        self._work("read", self._desk.read_live())

    def stop(self) -> None:
        """Stop the run under way, or say that there is none."""
        if self._desk.is_writing:
            self.interrupt()
        else:
            self._app.tell("Nothing is under way.")

    def leave(self) -> None:
        """Leave at once when nothing is under way, else ask; once, however often it is called."""
        if isinstance(self._app.screen, Question):
            return
        if self._desk.is_writing:
            self._work("ask", self._stop_and_leave())
        else:
            self._app.leave()

    def interrupt(self) -> None:
        """What ctrl+c means: the first stops the run, the second asks; idle, it asks to leave."""
        if not self._desk.is_writing:
            self._work("ask", self._ask_to_leave())
        elif not self._desk.is_cancelling:
            self._desk.cancel("ctrl+c was pressed")
            self._app.switch(View.RUN)
        else:
            self._work("ask", self._ask_to_abandon())

    async def finish(self) -> bool:
        """Stop the run under way, if there is one, and wait for its clean-up.

        Returns:
            Whether there was one.
        """
        if self._writing is None or self._writing.done():
            return False
        self._desk.cancel("the console ended")
        await asyncio.wait({self._writing})
        return True

    def _work(self, group: str, work: Awaitable[None]) -> None:
        self._app.run_worker(work, group=group, exit_on_error=False)

    async def _cycle(self) -> None:
        session = self._desk.session
        if session is None or self._refuses_second_run():
            return
        permit = None
        if session.target.is_production:
            lines = effects_of_cycle(session.settings.volume)
            permit = await self._break_glass("a verification run", lines)
            if permit is None:
                return
        runs = self._desk.refresh_runs
        self._follow(lambda: session.cycle(permit=permit, refresh_runs=runs))

    async def _purge(self) -> None:
        session = self._desk.session
        if session is None:
            self._app.tell("There is no project to purge: none is connected.")
            return
        if self._refuses_second_run():
            return
        if self._desk.write_problem is not None:
            self._app.tell(f"{self._desk.write_problem}.")
            return
        if not await questions.wants_to_purge(self._app, session):
            return
        unexplained: int | None = None
        runs: tuple[str, ...] = ()
        while (ended := await self._remove(session, unexplained, runs)) is not None:
            if ended.unexplained is not None and await questions.wants_to_purge_unexplained(
                self._app, ended.message
            ):
                # Exactly so many were told of: should there be more by now, it is asked again.
                unexplained = ended.unexplained
            elif ended.spared and await questions.wants_to_purge_spared(self._app, ended.spared):
                runs = (*runs, *ended.spared)
            else:
                return

    async def _remove(
        self, session: Session, unexplained: int | None, runs: tuple[str, ...]
    ) -> RunFinished | None:
        """Remove leftovers and wait for the end; None where it was not begun."""
        permit = None
        if session.target.is_production:
            permit = await self._break_glass("removing leftovers", effects_of_purge())
            if permit is None:
                return None
        self._follow(lambda: session.purge(permit=permit, unexplained=unexplained, runs=runs))
        if self._writing is None:
            return None
        await asyncio.wait({self._writing})
        return self._desk.run.finished if self._desk.run else None

    async def _choose_project(self) -> None:
        environments = self._environments()
        if environments is None:
            return
        files = environments.files()
        if not files:
            self._app.tell("There is no environment file here: cp .env.example .env")
            return
        session = self._desk.session
        current = session.settings.env_file if session else None
        path = await self._app.push_screen_wait(ChooseEnvironment(files, current))
        if path is not None:
            await self._open(environments, path)

    def _environments(self) -> Environments | None:
        """How other projects are come by; None where there are none, or not now."""
        if self._app.environments is None:
            self._app.tell("This console was started for one project.")
            return None
        if self._desk.is_busy:
            self._app.tell("Wait until what is under way has ended.")
            return None
        return self._app.environments()

    async def _open(self, environments: Environments, path: Path) -> None:
        self._app.opening = f"opening {path.name}"
        self._connect = partial(environments.open, path)
        self._app.switch(View.TARGET)
        await self._desk.close()
        await self._desk.connect(self._connect)

    async def _break_glass(self, action: str, lines: Iterable[str]) -> Permit | None:
        session = self._desk.session
        if session is None:
            return None
        return await self._app.push_screen_wait(BreakGlass(session, action, lines))

    def _refuses_second_run(self) -> bool:
        if self._desk.is_writing:
            self._app.tell("A run is under way already; it is on screen 4.")
        return self._desk.is_writing

    def _follow(self, begin: Callable[[], Run]) -> None:
        if self._refuses_second_run():
            return
        self._writing = asyncio.create_task(self._desk.write(begin()))
        self._writing.add_done_callback(self._followed)
        self._app.switch(View.RUN)

    def _followed(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._app.is_running:
            self._app.show_error(error)

    async def _ask_to_leave(self) -> None:
        if await questions.wants_to_leave(self._app):
            self._app.leave()

    async def _stop_and_leave(self) -> None:
        if await questions.wants_to_stop_and_leave(self._app):
            self._desk.cancel("the operator leaves")
            self._app.switch(View.RUN)
            await self._leave_after_the_run()

    async def _ask_to_abandon(self) -> None:
        if await questions.wants_to_abandon(self._app):
            self._desk.abandon()
            await self._leave_after_the_run()

    async def _leave_after_the_run(self) -> None:
        if self._writing is not None:
            await asyncio.wait({self._writing})
        self._app.leave()
