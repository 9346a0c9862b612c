"""Remove what earlier runs left, of ours or of the script this console replaces."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tui.errors import ExitCode
from tui.project import ProjectError
from tui.verify.cleanup import CleanUp
from tui.verify.driver import Cancelled
from tui.verify.events import (
    AuditFinished,
    Cancelling,
    Notice,
    Outcome,
    RunFinished,
    Stage,
)
from tui.verify.leftovers import find, may_be_under_way
from tui.verify.progress import stage
from tui.verify.refresh import refresh_once

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tui.project import Project, Writer
    from tui.verify.driver import Cancellation
    from tui.verify.events import Event, Tally
    from tui.verify.leftovers import Tagged
    from tui.verify.purge_command import PurgeCommand

WATCH_S: Final = 10.0
"""How long a run that may be under way elsewhere is watched: one that is, changes its rows or is
within the refresh and the check, which take less at any usual volume."""

STAGES: Final = (
    Stage.CLEANUP_RESPONSES,
    Stage.CLEANUP_QUESTIONS,
    Stage.FINAL_REFRESH,
    Stage.CLEANUP_USERS,
    Stage.AUDIT,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a purge may delete of what carries the tag.

    Attributes:
        alive: Runs under way on this machine: never.
        dead: Runs of this machine whose process is gone: always.
        named: Runs that the operator named: always, unless alive.
        unexplained: Also what the tag does not explain, if it is exactly so many responses.
    """

    alive: Collection[str] = ()
    dead: Collection[str] = ()
    named: Collection[str] = ()
    unexplained: int | None = None

    def doubtful(self, tagged: Tagged) -> tuple[str, ...]:
        """Runs that another machine, user or home may be in the middle of."""
        known = {*self.dead, *self.named}
        return tuple(
            run for run in may_be_under_way(tagged.begun, datetime.now(UTC)) if run not in known
        )


@dataclass(frozen=True, slots=True)
class Purged:
    """How a purge ended.

    Attributes:
        finished: The last event, which the caller emits.
        left: Runs of which something is still there, in tables or view; None where not known.
    """

    finished: RunFinished
    left: frozenset[str] | None


async def purge(
    project: Project,
    writer: Writer,
    *,
    scope: Scope,
    command: PurgeCommand,
    cancellation: Cancellation,
    emit: Callable[[Event], None],
) -> Purged:
    """Delete everything tagged that is in scope, refresh, and count what is left.

    Args:
        project: Where to read.
        writer: Where to delete.
        scope: What to spare, and what not to.
        command: How to go on from the command line.
        cancellation: The operator's wish to stop; what was deleted stays deleted.
        emit: Where events go.

    Raises:
        Cancelled: A stop was asked for before anything was deleted.
        ProjectError: What there is could not be found out.
        Unexplained: There is more than the tag explains; nothing was deleted.
    """
    began = time.perf_counter()
    found = (await cancellation.race(find(project))).without(scope.alive)
    spared: tuple[str, ...] = ()
    if doubtful := scope.doubtful(found):
        emit(
            Notice(
                f"{', '.join(doubtful)} began within the hour, not on this machine: watching "
                f"for {WATCH_S:.0f} s whether rows change"
            )
        )
        await cancellation.race(asyncio.sleep(WATCH_S))
        before = found.by_run()
        found = (await cancellation.race(find(project))).without(scope.alive)
        now = found.by_run()
        spared = tuple(run for run in doubtful if run in now and now[run] != before[run])
    for run, tally in found.by_run().items():
        told = "; spared, its rows change: it is under way elsewhere" if run in spared else ""
        emit(Notice(f"run {run}: {tally}{told}", warning=run in spared))
    tagged = found.without(spared)
    clean_up = CleanUp(project, writer, tagged, emit)
    clean_up.check_cap(
        accepted=scope.unexplained,
        command=lambda count: command.line(unexplained=count, runs=tuple(scope.named)),
    )
    problems: list[str] = []
    left: Tagged | None = None

    async def work() -> None:
        nonlocal left
        for step in (clean_up.responses, clean_up.questions, clean_up.users):
            cancellation.check()
            await step()
        # Always: a run that died after its last delete left nothing but its rows in the view.
        problems.extend(await _refresh(writer, emit))
        with stage(Stage.AUDIT, None, "counting what is left", emit) as progress:
            now, known = await find(project), found.by_run()
            # A run that began meanwhile is not what this purge is about.
            left = now.without([run for run in now.by_run() if run not in known])
            progress.advance(left.tally.total)
        if left.without(spared).tally.total:
            problems.extend(clean_up.report.problems)
        else:
            # A delete that failed for good may have been carried out all the same.
            for text in clean_up.report.problems:
                emit(Notice(f"overcome: {text}"))
        emit(AuditFinished(left.tally, None, "a purge does not judge the view"))

    try:
        await cancellation.guard_clean_up(work())
    except Cancelled:
        emit(Cancelling(cancellation.reason or "stopped"))
    finished = _verdict(tagged.tally, left, spared, tuple(problems), command)
    finished = replace(finished, seconds=time.perf_counter() - began)
    return Purged(finished, None if left is None or problems else frozenset(left.by_run()))


def _verdict(
    found: Tally,
    left: Tagged | None,
    spared: tuple[str, ...],
    problems: tuple[str, ...],
    command: PurgeCommand,
) -> RunFinished:
    outcome, code = Outcome.LEFTOVERS, ExitCode.LEFTOVERS
    removed = f"removed {found}" if found.total else "nothing to remove"
    hint = f"run {command.line()} again"
    if left is None:
        message = "stopped before everything was removed and counted"
    elif left.without(spared).tally.total:
        message = f"still there: {left.tally}"
    elif problems:
        outcome, code, message = Outcome.FAILED, ExitCode.FAILED, problems[0]
    elif left.tally.total:
        named = ", ".join(left.by_run())
        message = (
            f"{removed}; still there: {left.tally} of {named}, whose rows change: under way "
            "elsewhere"
        )
        hint = f"once it is dead for certain: {command.line(runs=tuple(left.by_run()))}"
    else:
        message = f"clean: {removed}" if found.total else removed
        return RunFinished(Outcome.CLEAN, ExitCode.VERIFIED, message, None, 0.0)
    return RunFinished(outcome, code, message, hint, 0.0, problems, spared=spared)


async def _refresh(writer: Writer, emit: Callable[[Event], None]) -> list[str]:
    with stage(Stage.FINAL_REFRESH, 1, "refreshing the view", emit) as progress:
        try:
            await refresh_once(writer, emit, final=True)
        except ProjectError as error:
            return [f"the view may still show what was removed: {error.message}"]
        progress.advance()
    return []
