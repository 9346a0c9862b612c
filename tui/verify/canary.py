"""The canary: one user, question and response, before all the others.

What no catalog tells is found with three rows: a trigger that refuses, swallows, changes or keeps
them, a project that rolls every write back, a table that refuses a delete, an auth server that
makes ids of its own. The rows carry the run's tag like all others, under ids that no other row of
the run has, so that what the project keeps of them is in no other's way.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from tui.project import Filter, ProjectError
from tui.verify import comparison, leftovers
from tui.verify.causes import AUTH_USERS
from tui.verify.events import CanaryFinished, CanaryStarted, Notice
from tui.verify.run import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tui.verify.dataset import Answer, Dataset
    from tui.verify.plan import Row
    from tui.verify.run import RunContext

    Insert = Callable[[str, list[Row], Sequence[str]], Awaitable[None]]

_ROLLED_BACK: Final = "PostgREST rolls every write back (db-tx-end)"


class Canary:
    """Writes three rows, reads them back, deletes and counts them.

    Args:
        context: The run, its journal open.
        dataset: What the run is going to write.
        insert: Inserts rows that refer to users of these ids.
    """

    def __init__(self, context: RunContext, dataset: Dataset, insert: Insert) -> None:
        self._context = context
        self._project = context.project
        self._writer = context.writer
        self._insert = insert
        one_more = dataset.one_more()
        self._run_id = dataset.run_id
        self._user = one_more.user(dataset.users)
        # Its slug is no longer than the others': a project may take just so many characters.
        longest, number = dataset.questions - 1, dataset.questions
        spelled = number if len(str(number)) == len(str(longest)) else longest
        own_id = str(one_more.question_ids[number])
        self._question = {**one_more.question(spelled), "id": own_id}
        # A trigger that drops some answers must not be taken for one that drops them all.
        self._responses = [
            one_more.responses(dataset.questions, [answer])[0]
            for answer in _unlike(one_more.answers(dataset.questions))
        ]
        self._in_questions = leftovers.these("id", [self._question["id"]])
        self._in_responses = leftovers.these("question_id", [self._question["id"]])

    async def run(self) -> None:
        """Do it, and emit what came of it."""
        context, began = self._context, time.perf_counter()
        if context.journal is not None:
            context.journal.note("canary")
        context.emit(CanaryStarted())
        context.emit(Notice("canary: one user, one question and one response first"))
        await together(self._create_user(), self._write("questions", self._question))
        context.cancellation.check()
        beside = await self._respond()
        context.cancellation.check()
        await self._remove()
        deviations = beside.deviations()
        for each in deviations:
            context.emit(Notice(f"canary: stored otherwise than sent: {each}", warning=True))
            if each.column == "slug":
                raise ProjectError(
                    f"the slug of a question is not kept, and clean-up goes by it: {each}"
                )
        context.emit(CanaryFinished(None, deviations, time.perf_counter() - began))

    async def _create_user(self) -> None:
        with self._context.naming(AUTH_USERS, "insert"):
            await self._writer.create_user(self._user)

    async def _write(self, table: str, row: Mapping[str, Any]) -> None:
        with self._context.naming(table, "insert"):
            await self._insert(table, [dict(row)], [self._user.id])

    async def _respond(self) -> comparison.Beside:
        """Write a response, another where it is dropped; compare what is stored."""
        beside = comparison.Beside(self._context.causes)
        for number, response in enumerate(self._responses):
            self._context.cancellation.check()
            try:
                await self._write("responses", response)
            except ProjectError as error:
                # A question that is not there explains it better than the key that misses it.
                if not await self._project.count("questions", self._in_questions):
                    raise await self._missing_question() from error
                raise
            questions, found = await asyncio.gather(
                comparison.rows_of(self._project, "questions", self._in_questions),
                comparison.rows_of(self._project, "responses", self._in_responses),
            )
            if not questions:
                raise await self._missing_question()
            if not number:
                beside.compare("questions", [self._question], questions)
            beside.compare("responses", [response], found)
            if len(found) > 1:
                adding = " or ".join(
                    filter(None, map(self._context.causes.adders, ("questions", "responses")))
                )
                raise ProjectError(
                    f"responses: {len(found)} rows stand where one was sent: "
                    f"{adding or 'a trigger adds some'}",
                    hint="a run can neither judge nor remove answers that are not its own",
                )
            if found:
                return beside
        raise self._swallowed("responses")

    async def _missing_question(self) -> ProjectError:
        """What to say of the question that is not found by its id."""
        by_slug = [Filter("slug", "eq", self._question["slug"])]
        if await self._project.count("questions", by_slug):
            changed = self._context.causes.writers("questions", "id")
            return ProjectError(
                f"questions: the id of a row is not kept: {changed}",
                hint="a run finds its rows by the ids that it gives them",
            )
        return self._swallowed("questions")

    def _swallowed(self, table: str) -> ProjectError:
        causes = [self._context.causes.writers(table)]
        if table == "questions":
            causes.insert(0, _ROLLED_BACK)
        return ProjectError(
            f"{table}: a row that the project accepted is not stored: "
            f"{', or '.join(filter(None, causes)) or 'a trigger may drop it'}",
            hint="a run can verify nothing where its rows are not stored",
        )

    async def _remove(self) -> None:
        await self._delete("responses", self._in_responses)
        await together(self._delete("questions", self._in_questions), self._delete_user())
        left = await leftovers.count_run(self._project, self._run_id)
        if left.total:
            raise ProjectError(f"still there after they were deleted: {left}")

    async def _delete(self, table: str, where: Sequence[Filter]) -> None:
        with self._context.naming(table, "delete"):
            await self._writer.delete(table, where)
        if table == "responses" and await self._project.count(table, where):
            raise ProjectError("a response is still there after it was deleted")

    async def _delete_user(self) -> None:
        with self._context.naming(AUTH_USERS, "delete"):
            await self._writer.delete_user(self._user.id)


def _unlike(answers: Sequence[Answer]) -> list[Answer]:
    """The last answer, the same judged otherwise, the slowest and the quickest."""
    last = answers[-1]
    others = [answer._replace(user=last.user) for answer in answers[:-1]]
    others.sort(key=lambda answer: -1 if answer.ms is None else answer.ms)
    return [last, last._replace(correct=not last.correct), *others[-1:], *others[:-1][:1]]
