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


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance, 0 to 1, as WCAG 2.2 defines it."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = map(linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """Contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


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
