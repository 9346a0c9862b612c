"""What a run sent beside what is stored, which triggers may have changed.

The expectation stays what it is: it is computed from stored rows just as from sent ones.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tui.project import PAGE, ProjectError
from tui.verify.dataset import Answer, aggregates
from tui.verify.events import Deviation
from tui.verify.leftovers import between, chunks, instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from tui.heatmap.rows import AggregateRow
    from tui.project import Filter, Project
    from tui.verify.causes import Causes
    from tui.verify.dataset import Dataset
    from tui.verify.plan import Row

# What tells a row of a table from every other, and what of it is compared: all that the view is
# made of, and the slug, by which clean-up finds a question.
_KEYS: Final = {"questions": ("id",), "responses": ("question_id", "user_id")}
_COLUMNS: Final = {
    "questions": ("slug", "status", "topic", "lesion"),
    "responses": ("is_correct", "ms_to_answer", "created_at"),
}
_LACKING: Final = "not stored"
_OTHERS: Final = "not of this run"
_IN_THE_VIEW: Final = "published"


class Beside:
    """Rows as stored beside the same rows as sent; counts what differs.

    Args:
        causes: Names what of the project could have done it.
    """

    def __init__(self, causes: Causes) -> None:
        self._causes = causes
        self._sent: Counter[str] = Counter()
        self._found: Counter[tuple[str, str | None, str]] = Counter()

    def compare(self, table: str, sent: Sequence[Row], stored: Iterable[Row]) -> None:
        """Take in some rows of a table."""
        wanted = {_key(table, row): row for row in sent}
        self._sent[table] += len(sent)
        for row in stored:
            want = wanted.pop(_key(table, row), None)
            if want is None:
                self._found[table, None, _OTHERS] += 1
                continue
            for column in _COLUMNS[table]:
                # What a run leaves to the database, it expects to be empty.
                if not _is_same(column, want.get(column), row[column]):
                    self._found[table, column, ""] += 1
        if wanted:
            self._found[table, None, _LACKING] += len(wanted)

    def deviations(self) -> tuple[Deviation, ...]:
        """What differs, rows that are lacking first."""
        return tuple(
            Deviation(
                table,
                column,
                count,
                self._sent[table],
                "" if what == _OTHERS else self._causes.writers(table, column),
                what,
            )
            for (table, column, what), count in sorted(
                self._found.items(), key=lambda item: (item[0][1] or "", item[0])
            )
        )

    def lacking(self, table: str) -> int:
        """Rows of a table that are not stored."""
        return self._found[table, None, _LACKING]


def _key(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in _KEYS[table])


def _is_same(column: str, sent: Any, stored: Any) -> bool:
    if column == "created_at" and sent is not None and stored is not None:
        return _instant(sent) == _instant(stored)
    return bool(sent == stored)


def _instant(text: Any) -> datetime:
    found = instant(text)
    if found is None:
        raise ProjectError(f"responses.created_at is {text}, which is no date that can be judged")
    return found


async def rows_of(project: Project, table: str, conditions: Sequence[Filter]) -> list[Row]:
    """Rows as they are stored, in the columns that are compared.

    Raises:
        ProjectError: They could not be read.
    """
    keys = _KEYS[table]
    return await project.rows(table, (*keys, *_COLUMNS[table]), conditions, order=keys)


async def read_back(
    project: Project, dataset: Dataset, causes: Causes
) -> tuple[list[AggregateRow], tuple[Deviation, ...]]:
    """Aggregates of a run's rows as stored, and how those differ from the sent.

    Raises:
        ProjectError: They could not be read, or none is stored.
    """
    beside = Beside(causes)
    ids = dataset.question_ids
    expected: list[AggregateRow] = []

    async def read(numbers: Sequence[int]) -> None:
        first, last = ids[numbers[0]], ids[numbers[-1]]
        questions, responses = await asyncio.gather(
            rows_of(project, "questions", between("id", first, last)),
            rows_of(project, "responses", between("question_id", first, last)),
        )
        beside.compare("questions", [dataset.question(n) for n in numbers], questions)
        sent = [row for n in numbers for row in dataset.responses(n, dataset.answers(n))]
        beside.compare("responses", sent, responses)
        answers: dict[str, list[Answer]] = defaultdict(list)
        for row in responses:
            at, ms = _instant(row["created_at"]), row["ms_to_answer"]
            answers[row["question_id"]].append(Answer(0, at, bool(row["is_correct"]), ms))
        for row in questions:
            if row["status"] == _IN_THE_VIEW:
                given = answers[row["id"]]
                expected.extend(aggregates(UUID(row["id"]), row["lesion"], row["topic"], given))

    size = max(1, PAGE // dataset.users)
    await project.each(chunks(range(dataset.questions), size), read)
    deviations = beside.deviations()
    if beside.lacking("responses") == dataset.users * dataset.questions:
        raise ProjectError(f"nothing can be verified: {deviations[0]}")
    return expected, deviations
