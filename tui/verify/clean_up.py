"""Delete what carries a run's tag, and prove that it is gone.

The end of a run, cancelling, failure, recovery of a crashed run and `--purge` all come here. It
needs no journal, only the tag, so it works from any machine. Rows are found by the exact pattern of
`leftovers`, and each delete repeats that pattern (or names rows that belong to what it found), so a
row without the tag is never touched. Every step can be interrupted and repeated.

Questions and users stay until no response to the questions is counted any more: where a trigger
keeps responses, they would be orphans that no tag finds.
"""

from __future__ import annotations

import shlex
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.project import IDS_PER_REQUEST, Filter, ProjectError, TimedOut
from tui.settings import ENVIRONMENT_FILE
from tui.verify import leftovers, traces
from tui.verify.causes import AUTH_USERS, is_refusal
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
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from tui.guard.target import Target
    from tui.project import Project
    from tui.settings import Settings
    from tui.verify.leftovers import Leftovers
    from tui.verify.run import Emit, OpenStage, RunContext

# With the triggers that cascade, 10,000 responses take 0.25 s to delete on a small machine: this
# many stay far below the 8 s that a hosted project allows a statement.
_RESPONSES_PER_DELETE: Final = 10_000
# Synthetic questions are published, so a learner may answer one while it exists. A few such answers
# go with their question; many mean that the tag is not what it seems.
_FEW: Final = 10
_FEW_PERCENT: Final = 1
# Their marks go in one URL.
_RUNS_PER_REQUEST: Final = 20


@dataclass(frozen=True, slots=True)
class PurgeCommand:
    """How to purge one project from the command line."""

    settings: Settings
    target: Target
    is_sandbox: bool = False
    justification: str | None = None
    ticket: str | None = None

    def line(self, *, unexplained: int | None = None, runs: Sequence[str] = ()) -> str:
        """The command line, quoted for a POSIX shell."""
        words, file = ["heatmap-tui", "--purge"], self.settings.env_file
        if self.is_sandbox:
            words.append("--sandbox")
        elif file is not None and not _is_default(file):
            words += ["--env-file", str(file)]
        if self.target.is_production:
            words += ["--allow-prod", "--confirm", self.target.identity]
        if unexplained is not None:
            words += ["--purge-unexplained", str(unexplained)]
        for run in runs:
            words += ["--purge-run", run]
        if self.ticket is not None:
            words += ["--ticket", self.ticket]
        line = shlex.join(words)
        if not self.target.is_production:
            return line
        # Where nobody has given a reason yet: the guard refuses this one, so it has to be replaced.
        reason = '"..."' if self.justification is None else shlex.quote(self.justification)
        return f"{line} --justification {reason}"


def _is_default(file: Path) -> bool:
    try:
        return file.absolute() == Path.cwd() / ENVIRONMENT_FILE
    except FileNotFoundError:
        # The working directory was removed meanwhile, which must not cost a run its verdict.
        return False


async def read_tables(
    project: Project, preflight: Mapping[str, Any], run_ids: Collection[str], emit: Emit
) -> dict[str, dict[str, Any]]:
    """The project's own tables by `traces.read`; none where they cannot be read."""
    try:
        return await traces.read(project, preflight, run_ids)
    except ProjectError as error:
        text = f"tables that triggers may write to could not be read: {error.message}"
        emit(Notice(text, warning=True))
        return {}


class CleanUp:
    """Deletes what `leftovers.find` found, going on past single failures."""

    def __init__(self, context: RunContext, found: Leftovers) -> None:
        self._project = context.project
        self._writer = context.writer
        self._context = context
        self._found = found
        self._troubled: set[str] = set()
        self._problems: Counter[str] = Counter()
        self._held: dict[str, str] = {}

    @property
    def problems(self) -> list[str]:
        """What could not be deleted and why, equal refusals in one line."""
        return [
            text if count == 1 else f"{text} ({count:,} times)"
            for text, count in self._problems.items()
        ]

    @property
    def runs(self) -> frozenset[str]:
        return frozenset(self._found.by_run())

    def unexplained(
        self, *, accepted: int | None = None, runs: Sequence[str] = ()
    ) -> RunFinished | None:
        """How a purge ends where the tag does not explain all of it, or None.

        That is so where there are more responses than synthetic users can have given; then nothing
        may be deleted.

        Args:
            accepted: The only number of unexplained responses that the operator agrees to.
            runs: Runs that the command that accepts a number has to name.
        """
        foreign = self._found.foreign
        if not foreign:
            return None
        text = f"{foreign:,} responses to synthetic questions are none that a run wrote"
        explained = self._found.tally.responses - foreign
        few = foreign <= _FEW + explained * _FEW_PERCENT // 100
        if few or accepted == foreign:
            self._context.emit(Notice(f"{text}; they go with the questions", warning=True))
            return None
        told = "" if accepted is None else f", and not the {accepted:,} that were accepted"
        message = f"{text}{told}: more than the tag explains, so nothing was deleted"
        command = self._context.command.line(unexplained=foreign, runs=runs)
        hint = f"look at them; if they may go with the questions: {command}"
        return RunFinished(
            Outcome.LEFTOVERS, message, hint, problems=(message,), unexplained=foreign
        )

    async def responses(self) -> bool:
        """Delete the responses to synthetic questions; whether none is left."""
        total = self._found.tally.responses
        with self._context.stage(
            Stage.CLEANUP_RESPONSES, total, "deleting synthetic responses"
        ) as progress:
            per_question = max(1, total // max(1, len(self._found.questions)))
            size = max(1, min(IDS_PER_REQUEST, _RESPONSES_PER_DELETE // per_question))
            refused = self._problems.total()

            async def delete(chunk: Sequence[str]) -> None:
                await self._delete_responses(chunk, progress)

            if total:
                await self._project.each(self._found.chunks(size), delete)
            left = await self._recount()
            # A delete whose reply was lost counts nothing when it is repeated.
            progress.advance(total - (left or 0) - progress.done)
            if left == 0:
                return True
            if left is not None and self._problems.total() == refused:
                self.add_problem(
                    f"{self._still_there(left, 'responses')}; questions and users stay, so that "
                    "they can be found"
                )
            progress.fail(f"{left:,} still there" if left is not None else "not counted")
            return False

    async def _recount(self) -> int | None:
        """Responses to the questions; None where they cannot be counted."""
        left = 0

        async def count(chunk: Sequence[str]) -> None:
            nonlocal left
            found = await self._project.count("responses", leftovers.these("question_id", chunk))
            left += found

        try:
            await self._project.each(self._found.chunks(IDS_PER_REQUEST), count)
        except ProjectError as error:
            self.add_problem(str(error))
            return None
        return left

    async def _delete_responses(self, questions: Sequence[str], progress: OpenStage) -> None:
        try:
            removed = await self._writer.delete(
                "responses", leftovers.these("question_id", questions)
            )
        except TimedOut as error:
            if len(questions) == 1:
                self.add_problem(str(error))
                return
            half = len(questions) // 2
            await self._delete_responses(questions[:half], progress)
            await self._delete_responses(questions[half:], progress)
        except ProjectError as error:
            self._refused(error, "responses")
        else:
            progress.advance(removed)

    async def questions(self) -> None:
        questions = self._found.questions
        with self._context.stage(
            Stage.CLEANUP_QUESTIONS, len(questions), "deleting synthetic questions"
        ) as progress:

            async def delete(chunk: Sequence[str]) -> None:
                run = questions[chunk[0]]
                conditions = [
                    *leftovers.these("id", chunk),
                    Filter("slug", "match", leftovers.slug_pattern(run)),
                ]
                with self._going_on("questions", progress):
                    progress.advance(await self._writer.delete("questions", conditions))

            await self._project.each(self._found.chunks(IDS_PER_REQUEST), delete)

    async def users(self) -> None:
        users = self._found.users
        with self._context.stage(
            Stage.CLEANUP_USERS, len(users), "deleting synthetic users"
        ) as progress:

            async def delete(user_id: str) -> None:
                with self._going_on(AUTH_USERS, progress):
                    await self._writer.delete_user(user_id)
                    progress.advance()

            await self._project.each(users, delete, at_once=self._project.small_requests)

    @contextmanager
    def _going_on(self, table: str, progress: OpenStage) -> Iterator[None]:
        """Have a delete that fails end its stage as failed, and nothing else."""
        try:
            yield
        except ProjectError as error:
            self._refused(error, table)
            progress.fail()

    def add_problem(self, text: str) -> None:
        self._problems[text] += 1

    def _still_there(self, rows: int, table: str) -> str:
        keepers = ", ".join(self._context.causes.keepers(table))
        by = f": kept by {keepers}" if keepers else ""
        return f"{rows:,} {table} are still there after the project said that they were deleted{by}"

    def _refused(self, error: ProjectError, table: str) -> None:
        causes = self._context.causes
        held = causes.holding(error, table)
        self._held |= held
        text = str(error)
        if not is_refusal(error):
            self._troubled.add(table)
        elif held:
            if not any(name.split()[0] in text for name in held):
                text += f"; held by {', '.join(held)}"
        elif keepers := causes.keepers(table):
            text += f"; refused by {', '.join(keepers)}"
        self.add_problem(text)

    def settle(self, left: Tally, *, stays: bool) -> list[str]:
        """The problems that count once what is left was counted.

        Rows that are left although nothing was refused are one. Where nothing stays, those there
        were are but noted: a delete that failed for good may have been carried out all the same.
        """
        for table, rows in (("questions", left.questions), ("app_users", left.users)):
            if rows and not self._problems:
                self.add_problem(self._still_there(rows, table))
        if stays:
            return self.problems
        for text in self.problems:
            self._context.emit(Notice(f"overcome: {text}"))
        return []

    def remedy(self, left: Tally, runs: Iterable[str]) -> str | None:
        """The SQL that removes what this clean-up could not, and what comes after.

        Args:
            left: What is there.
            runs: Whose rows those are.
        """
        causes = self._context.causes
        if self._held:
            return "; ".join(self._held.values()) + "; then purge again"
        for table, rows in (("responses", left.responses), ("questions", left.questions)):
            if rows:
                return None if table in self._troubled else causes.clearing(table)
        if not left.users or AUTH_USERS in self._troubled:
            return None
        if self._problems.total() and (keepers := causes.keepers(AUTH_USERS)):
            return (
                f"repair what keeps them: {', '.join(keepers)} on {AUTH_USERS}; where it refuses, "
                "the reason stands in the project's Postgres log; then purge again"
            )
        # Without their auth user, only the id tells whose they are.
        ids = [str(leftovers.id_of(run, "user", 0))[:-12] for run in sorted(runs)]
        tagged = " or ".join(f"id::text like '{each}%'" for each in ids)
        return causes.clearing("app_users", tagged)


class Purge:
    """One purge: delete all leftovers in scope, refresh, and count what is left.

    Args:
        context: The run.
        alive: Runs under way on this machine, which are never deleted.
        dead: Runs of this machine whose process is gone, which always are.
        named: Runs that the operator named, which are unless alive.
        unexplained: Delete also what the tag does not explain, if it is exactly so many responses.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        alive: Collection[str],
        dead: Collection[str],
        named: Sequence[str],
        unexplained: int | None,
    ) -> None:
        self._context = context
        self._project = context.project
        self._emit = context.emit
        self._alive = alive
        self._dead = dead
        self._named = named
        self._unexplained = unexplained
        self._left: dict[str, Tally] | None = None
        self._traces = Traces()
        self._traced: set[str] = set()
        self._problems: list[str] = []

    @property
    def gone(self) -> list[str]:
        """Runs of this machine of which nothing is left, for certain."""
        if self._left is None or self._problems:
            return []
        return [run for run in self._dead if run not in self._left and run not in self._traced]

    async def run(self) -> RunFinished:
        """Do it all; what was deleted when a stop is asked for stays deleted.

        Raises:
            Cancelled: A stop was asked for before anything was deleted.
            ProjectError: What there is could not be found out.
        """
        race = self._context.cancellation.race
        found = (await race(leftovers.find(self._project))).without(self._alive)
        spared = await race(self._under_way(found))
        for run, tally in found.by_run().items():
            told = "; spared, it may be under way elsewhere" if run in spared else ""
            self._emit(Notice(f"run {run}: {tally}{told}", warning=run in spared))
        chosen = found.without(spared)
        clean_up = CleanUp(self._context, chosen)
        if stopped := clean_up.unexplained(accepted=self._unexplained, runs=self._named):
            return stopped
        try:
            await self._context.cancellation.guard_clean_up(self._remove(clean_up, found))
        except Cancelled:
            self._emit(Cancelling(self._context.cancellation.reason or "stopped"))
        return self._verdict(chosen.tally, spared, clean_up)

    async def _under_way(self, found: Leftovers) -> tuple[str, ...]:
        """Runs that another machine, user or home may be in the middle of."""
        if not found.begun:
            return ()
        now = await leftovers.server_time(self._project)
        known = {*self._dead, *self._named}
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
        if problem := await self._context.final_refresh("refreshing the view"):
            self._problems.append(f"the view may still show what was removed: {problem}")
        with self._context.stage(Stage.AUDIT, None, "counting what is left") as progress:
            # A run that began meanwhile is not what this purge is about.
            left = await self._count({*found.by_run(), *self._dead})
            total = sum(left.values(), Tally())
            progress.advance(total.total)
            await self._look_around({*clean_up.runs, *self._dead, *self._named})
        self._left = left
        self._problems += clean_up.settle(total, stays=not clean_up.runs.isdisjoint(left))
        self._emit(AuditFinished(total, None, "a purge does not judge the view"))

    async def _look_around(self, runs: set[str]) -> None:
        """Look for rows of runs in the project's other tables."""
        ours = sorted(run for run in runs - {*self._alive} if leftovers.is_ours(run))
        remarks: dict[str, None] = {}
        for chunk in leftovers.chunks(ours, _RUNS_PER_REQUEST):
            preflight = self._context.causes.preflight
            around = await read_tables(self._project, preflight, chunk, self._emit)
            if not around:
                # There are none, or they cannot be read, which was said.
                break
            found = traces.named(around, chunk)
            remarks |= dict.fromkeys(found.remarks)
            if found.left:
                self._traces.left += found.left
                self._traced |= {*chunk}
        for text in remarks:
            self._emit(Notice(text, warning=True))

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
        command, left, outcome = self._context.command, self._left, Outcome.LEFTOVERS
        removed = f"removed {found}" if found.total else "nothing to remove"
        hint = f"run {command.line()} again"
        if left is None:
            message = "stopped before everything was removed and counted"
        elif stays := {run: tally for run, tally in left.items() if run not in spared}:
            still_there = sum(stays.values(), Tally())
            message = f"still there: {still_there}"
            hint = clean_up.remedy(still_there, filter(leftovers.is_ours, stays)) or hint
        elif self._traces.left:
            message = f"{removed}; rows that name a run are left: {self._traces.told()}"
            hint = self._traces.remedy()
        elif self._problems:
            outcome, message = Outcome.FAILED, self._problems[0]
        elif left:
            message = (
                f"{removed}; still there: {sum(left.values(), Tally())} of {', '.join(left)}, "
                "which began within the hour, not on this machine"
            )
            hint = f"once it is over for certain: {command.line(runs=tuple(left))}"
        else:
            return RunFinished(Outcome.CLEAN, f"clean: {removed}" if found.total else removed)
        problems = tuple(self._problems)
        return RunFinished(outcome, message, hint, problems=problems, spared=tuple(spared))
