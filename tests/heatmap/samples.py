"""Aggregate rows for the tests: generated at random, and made by hand."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from hypothesis import strategies as st

from tui.heatmap.rows import AggregateRow

FIRST_MONDAY = date(2025, 12, 1)


def rate(correct: int, attempts: int) -> Decimal:
    return (Decimal(correct) / attempts).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def row(
    question: int = 1,
    *,
    lesion: str | None = "tear",
    topic: str | None = "knee",
    week: int = 0,
    attempts: int = 4,
    correct: int = 2,
    median: int | str | Decimal | None = 1000,
) -> AggregateRow:
    return AggregateRow(
        question_id=UUID(int=question),
        lesion=lesion,
        topic=topic,
        week_start=(FIRST_MONDAY + timedelta(weeks=week)).isoformat(),
        attempts=attempts,
        correct_attempts=correct,
        accuracy_rate=rate(correct, attempts),
        median_duration_ms=None if median is None else Decimal(median).normalize(),
    )


TAGS = st.sampled_from([None, "", "tear", "Tear", "cyst", "(no lesion)", "a b", "œdème"])


@st.composite
def aggregate_rows(draw: st.DrawFn) -> list[AggregateRow]:
    """Rows as the view holds them: at most one for a question and a week."""
    tags = [(draw(TAGS), draw(TAGS)) for _ in range(draw(st.integers(0, 6)))]
    rows = []
    for number, (lesion, topic) in enumerate(tags, 1):
        for week in draw(st.sets(st.integers(0, 9), max_size=5)):
            attempts = draw(st.integers(1, 200))
            halves = draw(st.one_of(st.none(), st.integers(0, 1_200_000)))
            rows.append(
                row(
                    number,
                    lesion=lesion,
                    topic=topic,
                    week=week,
                    attempts=attempts,
                    correct=draw(st.integers(0, attempts)),
                    median=None if halves is None else Decimal(halves) / 2,
                )
            )
    return draw(st.permutations(rows))


def many_rows(questions: int, weeks: int, *, sparse: float = 0.0) -> list[AggregateRow]:
    """The same rows every time."""
    chance = random.Random(7)
    lesions = [None, *(f"lesion {number}" for number in range(20))]
    topics = [None, *(f"topic {number}" for number in range(6))]
    rows = []
    for question in range(questions):
        lesion, topic = chance.choice(lesions), chance.choice(topics)
        for week in range(weeks):
            if chance.random() < sparse:
                continue
            attempts = chance.randint(1, 40)
            correct = chance.randint(0, attempts)
            rows.append(
                row(
                    question + 1,
                    lesion=lesion,
                    topic=topic,
                    week=week,
                    attempts=attempts,
                    correct=correct,
                    median=chance.randint(500, 60_000),
                )
            )
    return rows
