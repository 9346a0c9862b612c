"""Remove what earlier runs left, of ours or of the script this replaces."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tui.errors import ExitCode
from tui.project import ProjectError
from tui.settings import ENVIRONMENT_FILE
from tui.verify import leftovers, traces
from tui.verify.clean_up import CleanUp, Unexplained
from tui.verify.events import (
    AuditFinished,
    Cancelling,
    Notice,
    Outcome,
    RunFinished,
    Stage,
    Tally,
)
from tui.verify.run import Cancelled
from tui.verify.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tui.guard.target import Target
    from tui.settings import Settings
    from tui.verify.leftovers import Leftovers
    from tui.verify.run import RunContext

STAGES: Final = (
    Stage.CLEANUP_RESPONSES,
    Stage.CLEANUP_QUESTIONS,
    Stage.FINAL_REFRESH,
    Stage.CLEANUP_USERS,
    Stage.AUDIT,
)

_PURGE: Final = ("heatmap-tui", "--purge")
# Their marks go in one URL.
_RUNS_PER_REQUEST: Final = 20
# Where nobody has given a reason yet: the guard refuses this one, so it has to be replaced.
_REASON_TO_GIVE: Final = '"..."'


@dataclass(frozen=True, slots=True)
class PurgeCommand:
    """How to purge one project from the command line.

    Attributes:
        env_file: The environment file to name, or None where the default one is in use.
        identity: What break-glass has to name, on production; else None.
    """

    env_file: Path | None = None
    is_sandbox: bool = False
    identity: str | None = None
    justification: str | None = None
    ticket: str | None = None

    @classmethod
    def on(
        cls,
        settings: Settings,
        target: Target,
        *,
        is_sandbox: bool,
        justification: str | None = None,
        ticket: str | None = None,
    ) -> Self:
        env_file = settings.env_file
        if is_sandbox or (env_file is not None and _is_default(env_file)):
            env_file = None
        return cls(
            env_file,
            is_sandbox,
            target.identity if target.is_production else None,
            justification,
            ticket,
        )

    def line(self, *, unexplained: int | None = None, runs: Sequence[str] = ()) -> str:
        """The command line, quoted for a POSIX shell."""
        words = list(_PURGE)
        if self.is_sandbox:
            words.append("--sandbox")
        if self.env_file is not None:
            words += ["--env-file", str(self.env_file)]
        if self.identity is not None:
            words += ["--allow-prod", "--confirm", self.identity]
        if unexplained is not None:
            words += ["--purge-unexplained", str(unexplained)]
        for run in runs:
            words += ["--purge-run", run]
        if self.ticket is not None:
            words += ["--ticket", self.ticket]
        line = shlex.join(words)
        if self.identity is None:
            return line
        reason = _REASON_TO_GIVE if self.justification is None else shlex.quote(self.justification)
        return f"{line} --justification {reason}"


def _is_default(path: Path) -> bool:
    return path.absolute() == Path.cwd() / ENVIRONMENT_FILE


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


@dataclass(frozen=True, slots=True)
class Purged:
    """How a purge ended; `left` are the runs of which something is still there."""

    finished: RunFinished
    left: frozenset[str] | None


class Purge:
    """One purge: delete all leftovers in scope, refresh, and count what is left."""

    def __init__(self, context: RunContext, scope: Scope, command: PurgeCommand) -> None:
        self._context = context
        self._project = context.project
        self._emit = context.emit
        self._scope = scope
        self._command = command
        self._left: dict[str, Tally] | None = None
        self._traces = Traces()
        self._traced: tuple[str, ...] = ()
        self._problems: list[str] = []

    async def run(self) -> Purged:
        """Do it all; what was deleted when a stop is asked for stays deleted.

        Raises:
            Cancelled: A stop was asked for before anything was deleted.
            ProjectError: What there is could not be found out.
        """
        began = time.perf_counter()
        race = self._context.cancellation.race
        found = (await race(leftovers.find(self._project))).without(self._scope.alive)
        spared = await race(self._under_way(found))
        for run, tally in found.by_run().items():
            told = "; spared, it may be under way elsewhere" if run in spared else ""
            self._emit(Notice(f"run {run}: {tally}{told}", warning=run in spared))
        chosen = found.without(spared)
        clean_up = CleanUp(self._context, chosen)
        try:
            clean_up.check_cap(
                accepted=self._scope.unexplained,
                command=lambda count: self._command.line(
                    unexplained=count, runs=tuple(self._scope.named)
                ),
            )
        except Unexplained as error:
            seconds = time.perf_counter() - began
            ended = RunFinished(
                Outcome.LEFTOVERS,
                ExitCode.LEFTOVERS,
                error.message,
                error.hint,
                seconds,
                (error.message,),
                unexplained=error.count,
            )
            return Purged(ended, None)
        try:
            await self._context.cancellation.guard_clean_up(self._remove(clean_up, found))
        except Cancelled:
            self._emit(Cancelling(self._context.cancellation.reason or "stopped"))
        finished = self._verdict(chosen.tally, spared, clean_up)
        finished = replace(finished, seconds=time.perf_counter() - began)
        known = self._left is not None and not self._problems
        left = frozenset(self._left or ()).union(self._traced)
        return Purged(finished, left if known else None)

    async def _under_way(self, found: Leftovers) -> tuple[str, ...]:
        """Runs that another machine, user or home may be in the middle of."""
        if not found.begun:
            return ()
        now = await leftovers.server_time(self._project)
        known = {*self._scope.dead, *self._scope.named}
        young = leftovers.may_be_under_way(found.begun, now)
        return tuple(run for run in young if run not in known)

    async def _remove(self, clean_up: CleanUp, found: Leftovers) -> None:
        check = self._context.cancellation.check
        check()
        if await clean_up.responses():
            check()
            await clean_up.questions()
            check()
            await clean_up.users()
        # Always: a run that died after its last delete left nothing but its rows in the view.
        with self._context.stage(Stage.FINAL_REFRESH, 1, "refreshing the view") as progress:
            try:
                await self._context.refresh(final=True)
                progress.advance()
            except ProjectError as error:
                progress.fail()
                self._problems.append(f"the view may still show what was removed: {error.message}")
        with self._context.stage(Stage.AUDIT, None, "counting what is left") as progress:
            # A run that began meanwhile is not what this purge is about.
            left = await self._count({*found.by_run(), *self._scope.dead})
            progress.advance(sum(each.total for each in left.values()))
            await self._look_around({*clean_up.runs, *self._scope.dead, *self._scope.named})
        self._left = left
        clean_up.explain(sum(left.values(), Tally()))
        if any(run in clean_up.runs for run in left):
            self._problems += clean_up.problems
        else:
            # A delete that failed for good may have been carried out all the same.
            for text in clean_up.problems:
                self._emit(Notice(f"overcome: {text}"))
        total = sum(left.values(), Tally())
        self._emit(AuditFinished(total, None, "a purge does not judge the view"))

    async def _look_around(self, runs: set[str]) -> None:
        """Look for rows of runs in the project's other tables."""
        ours = sorted(
            run for run in runs if leftovers.is_ours(run) and run not in self._scope.alive
        )
        for start in range(0, len(ours), _RUNS_PER_REQUEST):
            chunk = ours[start : start + _RUNS_PER_REQUEST]
            try:
                around = await traces.read(self._project, self._context.causes.preflight, chunk)
            except ProjectError as error:
                text = f"tables that triggers may write to could not be read: {error.message}"
                self._emit(Notice(text, warning=True))
                return
            found = traces.named(around, chunk)
            for text in found.remarks:
                self._emit(Notice(text, warning=True))
            if found.left:
                self._traces.left += found.left
                self._traced += tuple(chunk)

    async def _count(self, runs: Collection[str]) -> dict[str, Tally]:
        """What is left of each run: by tag, and of runs of ours by their ids as well."""
        left = {
            run: tally
            for run, tally in (await leftovers.find(self._project)).by_run().items()
            if run in runs
        }

        async def count(run: str) -> None:
            there = await leftovers.count_run(self._project, run)
            if there.total:
                left[run] = there.at_least(left.get(run, Tally()))

        await self._project.each([run for run in runs if leftovers.is_ours(run)], count)
        return left

    def _verdict(self, found: Tally, spared: Sequence[str], clean_up: CleanUp) -> RunFinished:
        outcome, code = Outcome.LEFTOVERS, ExitCode.LEFTOVERS
        removed = f"removed {found}" if found.total else "nothing to remove"
        hint = f"run {self._command.line()} again"
        left = self._left
        if left is None:
            message = "stopped before everything was removed and counted"
        elif stays := {run: tally for run, tally in left.items() if run not in spared}:
            message = f"still there: {sum(stays.values(), Tally())}"
            ours = [run for run in stays if leftovers.is_ours(run)]
            hint = clean_up.remedy(sum(stays.values(), Tally()), ours) or hint
        elif self._traces.left:
            message = f"{removed}; rows that name a run are left: {self._traces.told()}"
            hint = self._traces.remedy()
        elif self._problems:
            outcome, code, message = Outcome.FAILED, ExitCode.FAILED, self._problems[0]
        elif left:
            message = (
                f"{removed}; still there: {sum(left.values(), Tally())} of {', '.join(left)}, "
                "which began within the hour, not on this machine"
            )
            hint = f"once it is over for certain: {self._command.line(runs=tuple(left))}"
        else:
            message = f"clean: {removed}" if found.total else removed
            return RunFinished(Outcome.CLEAN, ExitCode.VERIFIED, message, None, 0.0)
        problems = tuple(self._problems)
        return RunFinished(outcome, code, message, hint, 0.0, problems, spared=tuple(spared))
