"""Remove what earlier runs left, of ours or of the script this console replaces."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tui.errors import ExitCode
from tui.project import ProjectError
from tui.verify.cleanup import CleanUp, Tagged, find
from tui.verify.driver import Cancelled
from tui.verify.events import (
    AuditFinished,
    Cancelling,
    Notice,
    Outcome,
    RefreshTimed,
    RunFinished,
    Stage,
)
from tui.verify.progress import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tui.project import Project, Writer
    from tui.verify.driver import Cancellation
    from tui.verify.events import Event

STAGES: Final = (
    Stage.CLEANUP_RESPONSES,
    Stage.CLEANUP_QUESTIONS,
    Stage.FINAL_REFRESH,
    Stage.CLEANUP_USERS,
    Stage.AUDIT,
)


async def purge(
    project: Project,
    writer: Writer,
    *,
    spare: Collection[str],
    confirmed: bool,
    cancellation: Cancellation,
    emit: Callable[[Event], None],
) -> RunFinished:
    """Delete everything tagged but the runs to spare, refresh, and count what is left.

    Args:
        project: Where to read.
        writer: Where to delete.
        spare: Runs that are under way on this machine.
        confirmed: The operator was asked, and wants even what the tag does not explain deleted.
        cancellation: The operator's wish to stop; what was deleted stays deleted.
        emit: Where events go.

    Raises:
        ProjectError: What there is could not be found out.
        Unexplained: There is more than the tag explains; nothing was deleted.
    """
    began = time.perf_counter()
    tagged = _without(await find(project), spare)
    for run, tally in tagged.by_run().items():
        emit(Notice(f"run {run}: {tally}"))
    clean_up = CleanUp(project, writer, tagged, emit)
    clean_up.check_cap(confirmed=confirmed)
    problems: list[str] = []
    audit: AuditFinished | None = None

    async def work() -> None:
        nonlocal audit
        for step in (clean_up.responses, clean_up.questions, clean_up.users):
            cancellation.check()
            await step()
        problems.extend(clean_up.report.problems)
        # Always: a run that died after its last delete left nothing but its rows in the view.
        problems.extend(await _refresh(writer, emit))
        with stage(Stage.AUDIT, None, "counting what is left", emit) as progress:
            left = _without(await find(project), spare).tally
            progress.advance(left.total)
        audit = AuditFinished(left, None, "a purge does not judge the view")
        emit(audit)

    try:
        await cancellation.guard_clean_up(work())
    except Cancelled:
        emit(Cancelling(cancellation.reason or "stopped"))
    seconds = time.perf_counter() - began
    again = "run heatmap-tui --purge again"
    if audit is None:
        message = "stopped before everything was removed and counted"
        outcome, code = Outcome.LEFTOVERS, ExitCode.LEFTOVERS
    elif audit.leftovers.total:
        message = f"still there: {audit.leftovers}"
        outcome, code = Outcome.LEFTOVERS, ExitCode.LEFTOVERS
    elif problems:
        message, outcome, code = problems[0], Outcome.FAILED, ExitCode.FAILED
    else:
        message = f"clean: removed {tagged.tally}" if tagged.tally.total else "nothing to remove"
        return RunFinished(Outcome.CLEAN, ExitCode.VERIFIED, message, None, seconds)
    return RunFinished(outcome, code, message, again, seconds, tuple(problems))


async def _refresh(writer: Writer, emit: Callable[[Event], None]) -> list[str]:
    with stage(Stage.FINAL_REFRESH, 1, "refreshing the view", emit) as progress:
        try:
            result = await writer.refresh()
        except ProjectError as error:
            return [f"the view may still show what was removed: {error.message}"]
        progress.advance()
    emit(RefreshTimed(result.ms, result.server_ms, 1, final=True))
    return []


def _without(tagged: Tagged, spare: Collection[str]) -> Tagged:
    return Tagged(
        questions={key: run for key, run in tagged.questions.items() if run not in spare},
        users={key: run for key, run in tagged.users.items() if run not in spare},
        responses={run: count for run, count in tagged.responses.items() if run not in spare},
    )
