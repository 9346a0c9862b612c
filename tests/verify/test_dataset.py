"""The synthetic rows are hard on the SQL, and the expectation is right by hand."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.settings import WEEKS
from tui.verify import leftovers
from tui.verify.dataset import Answer, Dataset, median, normalize_lesion, rate
from tui.verify.plan import Plan

RUN = "20260131-9f3c21aa"


@pytest.mark.parametrize(
    ("correct", "attempts", "expected"),
    [
        (0, 7, "0.00"),
        (7, 7, "1.00"),
        (1, 3, "0.33"),
        (2, 3, "0.67"),
        (1, 8, "0.13"),  # 0.125: away from zero, where bankers' rounding gives 0.12
        (3, 8, "0.38"),
        (5, 8, "0.63"),
        (1, 200, "0.01"),  # 0.005
        (199, 200, "1.00"),  # 0.995
        (1, 201, "0.00"),
    ],
)
def test_rate(correct: int, attempts: int, expected: str) -> None:
    assert rate(correct, attempts) == Decimal(expected)


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([], None),
        ([5], "5"),
        ([1, 2], "1.5"),
        ([9, 1, 5], "5"),
        ([4, 4, 4, 4], "4"),
        ([0, 600_000], "300000"),
        ([3, 0, 2, 1], "1.5"),
    ],
)
def test_median(durations: list[int], expected: str | None) -> None:
    assert median(durations) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, None),
        ("", None),
        (" \t\n", None),
        ("Basal  Cell\tCarcinoma ", "basal cell carcinoma"),
        ("\uff2eevus", "nevus"),
        ("Lichen\u00a0Planus", "lichen planus"),
        ("\ufb01broma", "fibroma"),
    ],
)
def test_normalize_lesion(stored: str | None, expected: str | None) -> None:
    assert normalize_lesion(stored) == expected


def test_a_question_by_hand() -> None:
    data = Dataset(RUN, users=5, questions=1)
    sunday = datetime(2026, 1, 18, 23, 59, 59, 999_999, UTC)
    answers = [
        Answer(0, sunday, correct=True, ms=100),
        Answer(1, sunday + timedelta(microseconds=1), correct=True, ms=None),
        Answer(2, sunday + timedelta(days=3), correct=False, ms=300),
        Answer(3, sunday + timedelta(days=4), correct=False, ms=401),
        Answer(4, sunday - timedelta(days=6), correct=False, ms=None),
    ]
    first, second = data.expected(0, answers)
    assert (first.week_start, first.attempts, first.correct_attempts) == ("2026-01-12", 2, 1)
    assert (first.accuracy_rate, first.median_duration_ms) == (Decimal("0.50"), Decimal(100))
    assert (second.week_start, second.attempts, second.correct_attempts) == ("2026-01-19", 3, 1)
    assert (second.accuracy_rate, second.median_duration_ms) == (Decimal("0.33"), Decimal("350.5"))
    assert first.lesion == "basal cell carcinoma"


def test_everything_follows_from_the_run_id() -> None:
    one, other = (Dataset(RUN, users=9, questions=4) for _ in range(2))
    different = Dataset("20260131-00000000", users=9, questions=4)
    for number in range(4):
        assert one.responses(number, one.answers(number)) == other.responses(
            number, other.answers(number)
        )
        assert one.question(number) == other.question(number)
    assert one.user_ids == other.user_ids
    assert not set(one.user_ids) & set(different.user_ids)
    assert one.answers(0) != different.answers(0)


def test_the_rows_are_hard_on_the_sql() -> None:
    data = Dataset(RUN, users=50, questions=200)
    answers = [data.answers(number) for number in range(200)]
    rows = [row for number, given in enumerate(answers) for row in data.expected(number, given)]
    instants = [answer.at for each in answers for answer in each]
    durations = Counter(answer.ms for each in answers for answer in each)
    assert len(rows) == 1_600, "every question has an answer in each of eight weeks"
    assert any(at.weekday() == 0 and at.time().isoformat() == "00:00:00" for at in instants)
    assert any(at.time().isoformat() == "23:59:59.999999" for at in instants)
    assert durations[None] > 500
    assert durations[0] > 0
    assert durations[600_000] > 0
    assert any(row.median_duration_ms is None for row in rows)
    assert any(row.median_duration_ms and row.median_duration_ms % 1 for row in rows)
    assert any(row.attempts % 8 == 0 and row.correct_attempts % 2 for row in rows)
    assert {row.lesion for row in rows} == {
        None,
        "basal cell carcinoma",
        "dermatofibroma",
        "lichen planus",
        "melanoma in situ",
        "seborrheic keratosis",
        "spitz nevus",
    }
    assert max(instants) < datetime(2026, 1, 31, tzinfo=UTC), "nothing lies in the future"


@given(
    users=st.integers(1, 40),
    questions=st.integers(1, 12),
    day=st.dates(date(1990, 1, 1), date(2100, 1, 1)),
)
def test_expectations_add_up(users: int, questions: int, day: date) -> None:
    run_id = leftovers.new_run_id(datetime(day.year, day.month, day.day, tzinfo=UTC))
    data = Dataset(run_id, users=users, questions=questions)
    assert data.question_ids == sorted(data.question_ids)
    for number in range(questions):
        answers = data.answers(number)
        rows = data.expected(number, answers)
        assert len(answers) == users
        assert sum(row.attempts for row in rows) == users
        assert sum(row.correct_attempts for row in rows) == sum(a.correct for a in answers)
        assert len(rows) == len({row.week_start for row in rows})
        weeks = [date.fromisoformat(row.week_start) for row in rows]
        assert all(week.weekday() == 0 for week in weeks)
        assert all(week + timedelta(days=7) <= day for week in weeks)
        if users >= WEEKS:
            assert len(rows) == WEEKS
        responses = data.responses(number, answers)
        assert len({row["id"] for row in responses}) == users
        assert {row["user_id"] for row in responses} == set(data.user_ids)


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("heatmap-verification-20260131-9f3c21aa-0", "20260131-9f3c21aa"),
        ("heatmap-verification-m3x9k2-17", "m3x9k2"),
        ("heatmap-verification-1700000000000-199", "1700000000000"),
        ("heatmap-verification-1", None),
        ("heatmap-verification--1", None),
        ("heatmap-verification-a-", None),
        ("heatmap-verification-a-1b", None),
        ("heatmap-verification-a-1\n", None),
        (" heatmap-verification-a-1", None),
        ("Heatmap-verification-a-1", None),
        ("heatmap-verification-a b-1", None),
        ("my-heatmap-verification-a-1", None),
        ("heatmap-verification-a-1-draft", None),
        ("heatmap-verification-a-\u0661", None),
    ],
)
def test_which_slugs_are_synthetic(text: str, run: str | None) -> None:
    assert leftovers.run_of_slug(text) == run


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("heatmap-20260131-9f3c21aa-0@example.com", "20260131-9f3c21aa"),
        ("heatmap-m3x9k2-3@example.com", "m3x9k2"),
        ("heatmap-m3x9k2-3@example.com.evil.test", None),
        ("heatmap-m3x9k2-3@example.org", None),
        ("heatmap-fan@example.com", None),
        ("heatmap-@example.com", None),
        ("x-heatmap-a-1@example.com", None),
        ("heatmap-a-1@sub.example.com", None),
    ],
)
def test_which_emails_are_synthetic(text: str, run: str | None) -> None:
    assert leftovers.run_of_email(text) == run


@pytest.mark.parametrize("form", leftovers.SLUG_FORMS, ids=lambda form: form.slug(RUN, 7))
def test_every_form_of_a_slug_is_found_again(form: leftovers.SlugForm) -> None:
    run = leftovers.new_run_id()
    for number in (0, 7, 199, 12_345):
        written = form.slug(run, number)
        assert leftovers.run_of_slug(written) == run
        for wanted in (run, None):
            assert re.search(leftovers.slug_pattern(wanted), written)
        assert not re.search(leftovers.slug_pattern(RUN), written)
        for other in (f"x{written}", f"{written}x", written.upper()):
            assert leftovers.run_of_slug(other) is None


@pytest.mark.parametrize(
    "slug", ["hv-1", "hv-20260131-7", "hv2026", "heatmap_verification_guide_1", "hv260131-9f3c21aa"]
)
def test_no_slug_of_somebody_else_is_taken_for_a_tag(slug: str) -> None:
    assert leftovers.run_of_slug(slug) is None
    assert not re.search(leftovers.ANY_SLUG, slug)


@pytest.mark.parametrize(("users", "questions"), [(1, 1), (1, 2), (2, 1), (9, 20)])
def test_no_two_rows_that_stand_for_the_others_are_the_same(users: int, questions: int) -> None:
    for table, samples in Dataset(RUN, users, questions).samples().items():
        ids = [row["id"] for row in samples.rows]
        assert len({*ids}) == len(ids), table


def test_a_column_named_as_one_of_the_other_table_is_filled() -> None:
    column = {"name": "topic", "type": "text", "not_null": True}
    known = {"tables": {"responses": {"columns": [column], "required": ["topic"]}}}
    run = Dataset(RUN, users=9, questions=4).fitted(known)
    rows = run.responses(0, run.answers(0))
    assert {row["topic"] for row in rows} == {"Synthetic"}


def test_a_fitted_run_is_the_same_but_for_what_its_plan_says() -> None:
    one = Dataset(RUN, users=9, questions=4)
    plan = Plan(
        form=leftovers.SLUG_FORMS[1], topics=("a",), lesions=(" B ",), durations=(500, 900),
        lacks_durations=False, has_id=False,
        values={"questions": {"course": 7}, "responses": {"session": "x"}},
    )  # fmt: skip
    other = replace(one, plan=plan)
    assert other.question_ids == one.question_ids
    question = other.question(3)
    assert (question["slug"], question["topic"], question["course"]) == (f"hv-{RUN}-3", "a", 7)
    answers = other.answers(0)
    assert [each.at for each in answers] == [each.at for each in one.answers(0)]
    rows = other.responses(0, answers)
    assert all(row["session"] == "x" and "id" not in row for row in rows)
    assert all(500 <= row["ms_to_answer"] <= 900 for row in rows)
    assert {row.lesion for row in other.expected(0, answers)} == {"b"}
    assert one.question(3)["slug"] == leftovers.slug(RUN, 3)
