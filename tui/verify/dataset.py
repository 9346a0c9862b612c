"""Synthetic rows, and the aggregates the view must make of them.

Everything follows from the run id: the ids, the rows and the expectation can be made again on
another machine. The rows are made to be hard on the SQL: instants on both sides of a week's edge,
missing durations, weeks without any, even and odd counts, ties, counts of eight (where a rate
falls half-way between two hundredths), lesion tags in mixed case and spacing.

The expectation is computed here from the answers themselves, with Python's calendar, decimals and
median, and shares nothing with the SQL but the definition of the columns.
"""

from __future__ import annotations

import random
import statistics
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property, lru_cache
from itertools import islice
from math import lcm
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tui.heatmap.rows import AggregateRow
from tui.project import NewUser
from tui.settings import WEEKS
from tui.verify.leftovers import email, id_of, marker, run_date
from tui.verify.plan import Plan, Planner, Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from tui.verify.plan import Row

_HUNDREDTH: Final = Decimal("0.01")
_WEEK: Final = timedelta(days=7)
_LAST_INSTANT: Final = _WEEK - timedelta(microseconds=1)
_WEEK_MICROSECONDS: Final = 604_800_000_000
# Instants to choose from in a week.
_INSTANTS: Final = 512
# And durations to choose from.
_DURATIONS: Final = 1_024
_QUICK_MS, _SLOW_MS = 2_000, 60_000


class Answer(NamedTuple):
    """One user's answer to one question; a tuple, as there are a million.

    `user` is the number of the user, the time zone of `at` is UTC.
    """

    user: int
    at: datetime
    correct: bool
    ms: int | None


class Samples(NamedTuple):
    """Rows that stand for all that a run writes to a table.

    Attributes:
        rows: Whole rows, all different.
        variants: What some others hold instead of what the first row does.
        repeats: Columns whose values come again together, for any value of theirs.
    """

    rows: list[Row]
    variants: list[Row]
    repeats: list[list[str]]

    @property
    def all(self) -> list[Row]:
        """The rows, and then the variants as rows."""
        return [*self.rows, *({**self.rows[0], **each} for each in self.variants)]

    def written(self) -> dict[str, Any]:
        """As the preflight takes them: of all rows but the first what differs."""
        first, *others = self.rows
        different = [
            {name: value for name, value in row.items() if value != first[name]} for row in others
        ]
        return {"rows": [first, *different], "variants": self.variants, "repeats": self.repeats}


# A dataset is fitted to a project in several steps, and these do not depend on its plan.
@lru_cache(maxsize=4)
def _mondays(run_id: str) -> list[datetime]:
    """The weeks of a run: whole ones before its own, none in the future."""
    this_monday = datetime.combine(_monday(run_date(run_id)), time(), UTC)
    return [this_monday - _WEEK * n for n in range(WEEKS, 0, -1)]


@lru_cache(maxsize=4)
def _instants(run_id: str) -> list[list[datetime]]:
    """Instants to choose from, week by week."""
    rng = random.Random(f"{run_id}:instants")  # noqa: S311 - reproducible, not secret
    return [
        [
            monday + timedelta(microseconds=rng.randrange(_WEEK_MICROSECONDS))
            for _ in range(_INSTANTS)
        ]
        for monday in _mondays(run_id)
    ]


@dataclass(frozen=True)
class Dataset:
    """The synthetic data of one run, of at least one user and one question.

    By default the plan is what a run means to write.
    """

    run_id: str
    users: int
    questions: int
    plan: Plan = field(default_factory=Plan)

    def fitted(self, document: Mapping[str, Any], refusals: Refusals | None = None) -> Dataset:
        """The same run by the plan for a project; see `Planner`."""
        planner = Planner(document, refusals or Refusals(), self.questions, self.users)
        return replace(self, plan=planner.plan())

    def one_more(self) -> Dataset:
        """The same with one more user and question, whose rows are in no other's way."""
        return replace(self, users=self.users + 1, questions=self.questions + 1)

    @cached_property
    def _durations(self) -> list[int | None]:
        """Durations to choose from."""
        rng = random.Random(f"{self.run_id}:durations")  # noqa: S311 - reproducible, not secret
        return [self._duration(rng.random) for _ in range(_DURATIONS)]

    @cached_property
    def user_ids(self) -> list[str]:
        """Ids of the users, in order."""
        return [str(id_of(self.run_id, "user", n)) for n in range(self.users)]

    @cached_property
    def question_ids(self) -> list[UUID]:
        """Ids of the questions, in ascending order and next to each other."""
        return [id_of(self.run_id, "question", n) for n in range(self.questions)]

    def user(self, number: int) -> NewUser:
        """A user to create."""
        return NewUser(
            id=self.user_ids[number],
            email=email(self.run_id, number),
            marker=marker(self.run_id),
        )

    def question(self, number: int) -> Row:
        """A row of `questions`: published, with every column filled that has to be."""
        plan, question_id = self.plan, str(self.question_ids[number])
        ids = {"id": question_id, "question": question_id, "user": self.user_ids[0]}
        row = {
            "id": question_id,
            "slug": plan.form.slug(self.run_id, number),
            "status": "published",
            "topic": self.topic(number),
            "lesion": self._lesion(number),
            **plan.others("questions", self.run_id, number, ids),
        }
        return {name: value for name, value in row.items() if name not in plan.spared}

    def topic(self, number: int) -> str | None:
        """Topic of a question."""
        return self.plan.topics[number % len(self.plan.topics)]

    def _lesion(self, number: int) -> str | None:
        return self.plan.lesions[number % len(self.plan.lesions)]

    def answers(self, number: int) -> list[Answer]:
        """Every user's answer to a question, in the order of the users."""
        rng = random.Random(f"{self.run_id}:{number}")  # noqa: S311 - reproducible, not secret
        draw = rng.random
        weeks = list(range(WEEKS))
        rng.shuffle(weeks)
        # The first users take a week each, so that with eight or more every week has an answer.
        weeks += [int(draw() * WEEKS) for _ in range(self.users - WEEKS)]
        skill = 0.2 + 0.75 * draw()
        silent_week = number % WEEKS if number % 5 == 0 and self.plan.lacks_durations else None
        seen = [0] * WEEKS
        mondays, instants = _mondays(self.run_id), _instants(self.run_id)
        durations = self._durations
        answers = []
        for user in range(self.users):
            week = weeks[user]
            seen[week] += 1
            if seen[week] == 1:
                at = mondays[week]
            elif seen[week] == 2:
                at = mondays[week] + _LAST_INSTANT
            else:
                at = instants[week][int(draw() * _INSTANTS)]
            ms = None if week == silent_week else durations[int(draw() * _DURATIONS)]
            answers.append(Answer(user, at, draw() < skill, ms))
        return answers

    def responses(self, number: int, answers: Sequence[Answer]) -> list[Row]:
        """Rows of `responses` for the answers to a question."""
        question_id = str(self.question_ids[number])
        first = number * self.users
        users = self.user_ids
        # All ids of a kind share everything but the last group, which is the counter.
        head = str(id_of(self.run_id, "response", 0))[:-12]
        rows: list[Row] = [
            {
                "id": f"{head}{first + user:012x}",
                "user_id": users[user],
                "question_id": question_id,
                "is_correct": correct,
                "ms_to_answer": ms,
                "created_at": _written(at),
            }
            for user, at, correct, ms in answers
        ]
        if self.plan.changes_responses:
            for row, answer in zip(rows, answers, strict=True):
                place = first + answer.user
                ids = {"id": row["id"], "question": question_id, "user": row["user_id"]}
                row.update(self.plan.others("responses", self.run_id, place, ids))
                if not self.plan.has_id:
                    del row["id"]
                if "ms_to_answer" in self.plan.spared:
                    del row["ms_to_answer"]
        return rows

    def samples(self) -> dict[str, Samples]:
        """Rows that stand for all: first and last, two alike, each value once."""
        topics, lesions = len(self.plan.topics), len(self.plan.lesions)
        periods = {
            ("topic",): topics,
            ("lesion",): lesions,
            ("topic", "lesion"): lcm(topics, lesions),
        }
        varied = range(1, min(self.questions - 1, max(topics, lesions)))
        # Two of one topic: 1 and another that begins so, or else the first that there is.
        alike = next((n for n in range(10, 20) if n % topics == 1 % topics), topics + 1)
        if alike >= self.questions:
            alike = topics + 1
        questions = Samples(
            [
                self.question(number)
                for number in sorted({0, 1, alike, lesions, self.questions - 1})
                if number < self.questions
            ],
            [{"topic": self.topic(number), "lesion": self._lesion(number)} for number in varied],
            [list(names) for names, period in periods.items() if self.questions >= 2 * period],
        )
        first, last = self.answers(0), self.answers(self.questions - 1)
        rows = self.responses(0, first[:1])
        if self.users * self.questions > 1:
            rows += self.responses(self.questions - 1, last[-1:])
        other = not first[0].correct
        variants: list[Row] = []
        if durations := sorted({each for each in self._durations if each is not None}):
            wanted = [durations[0], durations[len(durations) // 2], durations[-1]]
            variants += [{"ms_to_answer": each} for each in wanted]
            # An index may be over right answers alone that are as slow as can be, or over wrong.
            variants += [{"is_correct": other, "ms_to_answer": each} for each in wanted[::2]]
            variants += [{"ms_to_answer": None}] * self.plan.lacks_durations
        mondays = _mondays(self.run_id)
        latest = {"is_correct": other, "created_at": _written(mondays[-1] + _LAST_INSTANT)}
        earliest = {"created_at": _written(mondays[0])}
        return {
            "questions": questions,
            "responses": Samples(
                rows,
                [*variants, latest, earliest],
                # Two answers of a user may be alike but for the question, and two to a question
                # equally right. In a small run it is a matter of chance, on which no verdict hangs.
                [
                    ["user_id", "is_correct", "created_at"],
                    ["user_id", "is_correct", "ms_to_answer"],
                ]
                * (self.questions > 1)
                + [["question_id", "is_correct"]] * (self.users > 1),
            ),
        }

    def _duration(self, draw: Callable[[], float]) -> int | None:
        """Milliseconds, None for one in ten: mostly some 20 s, half in equal steps."""
        shortest, longest = self.plan.durations
        if "ms_to_answer" in self.plan.spared or (draw() < 0.1 and self.plan.lacks_durations):
            return None
        pick = draw()
        if pick < 0.02:
            return shortest
        if pick < 0.04:
            return longest
        if not self.plan.spread:
            return shortest if pick < 0.5 else longest
        # A quick answer is likelier than a slow one.
        low, high = max(shortest, _QUICK_MS), min(longest, _SLOW_MS)
        if low >= high:
            low, high = shortest, longest
        ms = int(low + (high - low) * draw() * draw())
        return max(low, ms // 500 * 500) if pick < 0.5 else ms

    def expected(self, number: int, answers: Iterable[Answer]) -> list[AggregateRow]:
        """The view's rows for a question, one per ISO week with answers."""
        lesion, topic = self._lesion(number), self.topic(number)
        return aggregates(self.question_ids[number], lesion, topic, answers)


def aggregates(
    question_id: UUID, lesion: str | None, topic: str | None, answers: Iterable[Answer]
) -> list[AggregateRow]:
    """The view's rows for a published question, one per ISO week with answers."""
    by_week: dict[date, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_week[_week_of(answer.at)].append(answer)
    lesion = normalize_lesion(lesion)
    rows = []
    for week, group in sorted(by_week.items()):
        attempts, correct = len(group), sum([answer.correct for answer in group])
        rows.append(
            AggregateRow(
                question_id=question_id,
                lesion=lesion,
                topic=topic,
                week_start=week.isoformat(),
                attempts=attempts,
                correct_attempts=correct,
                accuracy_rate=rate(correct, attempts),
                median_duration_ms=median([a.ms for a in group if a.ms is not None]),
            )
        )
    return rows


def normalize_lesion(text: str | None) -> str | None:
    """A lesion as the view groups it: NFKC, lower case, single spaces, or None."""
    if text is None:
        return None
    return " ".join(unicodedata.normalize("NFKC", text).split()).lower() or None


@lru_cache(maxsize=65_536)
def rate(correct: int, attempts: int) -> Decimal:
    """Correct / attempts, rounded as `round(numeric, 2)`: half away from zero."""
    return (Decimal(correct) / Decimal(attempts)).quantize(_HUNDREDTH, ROUND_HALF_UP)


def median(durations: Iterable[int]) -> Decimal | None:
    """Median in milliseconds; of even counts the mean of the middle two."""
    values = sorted(durations)
    # Half of a sum of whole numbers is exact as a float far beyond any duration.
    return Decimal(statistics.median(values)).normalize() if values else None


# A million answers share some 4,000 instants.
_written = lru_cache(maxsize=8_192)(datetime.isoformat)


@lru_cache(maxsize=8_192)
def _week_of(at: datetime) -> date:
    """The Monday of the ISO week in which an instant lies, in UTC."""
    return _monday(at.date())


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def batches(rows: Iterable[Row], size: Callable[[], int]) -> Iterator[list[Row]]:
    """Rows in lists of the size that is right when they are asked for."""
    left = iter(rows)
    while batch := list(islice(left, size())):
        yield batch
