"""The view's numbers against an independent computation, and the rules one by one."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import person

if TYPE_CHECKING:
    import psycopg

    from .conftest import Database

Row = tuple[uuid.UUID, str | None, str | None, date, int, int, Decimal, float | None]


@dataclass(frozen=True)
class Question:
    """A question as a test states it."""

    lesion: str | None = None
    topic: str | None = None
    status: str = "published"


@dataclass(frozen=True)
class Response:
    """An answer of one person to one question, both by number."""

    person: int
    question: int
    at: datetime
    correct: bool = True
    ms: int | None = None


def question_id(number: int) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"question {number}")


def expected_lesion(raw: str | None) -> str | None:
    if raw is None:
        return None
    white_space = "[\t\n\v\f\r \x85\u1680\u2028\u2029]+"
    return re.sub(white_space, " ", unicodedata.normalize("NFKC", raw)).strip(" ").lower() or None


def expected_rows(questions: list[Question], responses: list[Response]) -> list[Row]:
    cells: dict[tuple[date, uuid.UUID], list[Response]] = defaultdict(list)
    numbers = {question_id(n): q for n, q in enumerate(questions)}
    for response in responses:
        if questions[response.question].status == "published":
            day = response.at.astimezone(UTC).date()
            monday = day - timedelta(days=day.isoweekday() - 1)
            cells[monday, question_id(response.question)].append(response)
    rows: list[Row] = []
    for (week, question), found in sorted(cells.items()):
        attempts, correct = len(found), sum(r.correct for r in found)
        hundredths = (200 * correct + attempts) // (2 * attempts)
        times = sorted(r.ms for r in found if r.ms is not None)
        middle = times[(len(times) - 1) // 2 : len(times) // 2 + 1]
        stated = numbers[question]
        rows.append(
            (
                question,
                expected_lesion(stated.lesion),
                stated.topic,
                week,
                attempts,
                correct,
                Decimal(hundredths).scaleb(-2),
                sum(middle) / len(middle) if middle else None,
            )
        )
    return rows


def insert(session: psycopg.Connection, questions: list[Question], rows: list[Response]) -> None:
    with session.cursor() as cursor:
        cursor.executemany(
            "insert into public.questions (id, slug, status, stem_md, explanation_brief_md, "
            "lesion, topic) values (%s, %s, %s, '', '', %s, %s)",
            [
                (question_id(n), f"q-{n}", q.status, q.lesion, q.topic)
                for n, q in enumerate(questions)
            ],
        )
        cursor.executemany(
            "insert into public.responses (user_id, question_id, is_correct, ms_to_answer, "
            "created_at) values (%s, %s, %s, %s, %s)",
            [(person(r.person), question_id(r.question), r.correct, r.ms, r.at) for r in rows],
        )


def published(session: psycopg.Connection) -> list[Row]:
    session.execute("select public.analytics_refresh_heatmap()")
    return session.execute("select * from public.analytics_heatmap_admin()").fetchall()


EDGES = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 5, tzinfo=UTC),
    datetime(2000, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2001, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    datetime(2026, 3, 8, 10, tzinfo=UTC),  # daylight saving begins in Los Angeles
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # ... and in Europe
    datetime(2026, 11, 1, 9, tzinfo=UTC),  # ... and ends
    datetime(2026, 11, 22, 23, 59, 59, 999999, tzinfo=UTC),  # the last instant of a week
    datetime(2026, 11, 23, tzinfo=UTC),  # the first of the next
    datetime(2100, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]
ZONES = ["UTC", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kathmandu"]

# Dotted capital I and final sigma follow the rules of the collation at hand, and are left out.
letters = st.characters(max_codepoint=0x24FF, exclude_categories=("Cn", "Cs", "Co"),
                        exclude_characters="\x00\u0130\u03a3") | st.sampled_from(
    " \t\u00a0\u2003\u3000\ufb01\uff2d\u212a\u212b")  # fmt: skip
instants = st.sampled_from(EDGES) | st.datetimes(
    datetime(1970, 1, 1), datetime(2100, 12, 31), timezones=st.just(UTC)
) | st.builds(
    lambda week, micro: datetime(2026, 1, 5, tzinfo=UTC)
    + timedelta(weeks=week, microseconds=micro),
    st.integers(0, 3), st.integers(-1, 1),
)  # fmt: skip


@st.composite
def platforms(draw: st.DrawFn) -> tuple[list[Question], list[Response]]:
    questions = draw(
        st.lists(
            st.builds(
                Question,
                lesion=st.none() | st.text(letters, max_size=8),
                topic=st.none() | st.text(letters, max_size=4),
                status=st.sampled_from(
                    ["published", "published", "published", "draft", "archived"]
                ),
            ),
            min_size=1,
            max_size=5,
        )
    )
    pairs = draw(
        st.lists(
            st.tuples(st.integers(1, 12), st.integers(0, len(questions) - 1)),
            unique=True,
            max_size=30,
        )
    )
    duration = st.none() | st.integers(0, 20) | st.integers(0, 600_000)
    return questions, [
        Response(who, what, draw(instants), draw(st.booleans()), draw(duration))
        for who, what in pairs
    ]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(platform=platforms(), zone=st.sampled_from(ZONES))
def test_view_equals_an_independent_computation(
    ready: Database, platform: tuple[list[Question], list[Response]], zone: str
) -> None:
    questions, responses = platform
    with (
        ready.cluster.connect(ready.name, "postgres") as session,
        session.transaction(force_rollback=True),
    ):
        session.execute("select set_config('timezone', %s, true)", (zone,))
        insert(session, questions, responses)
        found = published(session)
        assert found == expected_rows(questions, responses)
        assert all(row[6].as_tuple().exponent == -2 for row in found)


@pytest.mark.parametrize("zone", ZONES)
def test_week_is_the_utc_monday_on_both_sides_of_every_edge(
    trial: psycopg.Connection, zone: str
) -> None:
    trial.execute("select set_config('timezone', %s, true)", (zone,))
    insert(
        trial,
        [Question()] * len(EDGES),
        [Response(1, number, at) for number, at in enumerate(EDGES)],
    )
    weeks = {row[0]: row[3] for row in published(trial)}
    assert [str(weeks[question_id(n)]) for n in range(len(EDGES))] == [
        "1969-12-29",
        "1970-01-05",
        "2000-02-28",
        "2001-01-01",
        "2024-02-26",
        "2026-03-02",
        "2026-03-23",
        "2026-10-26",
        "2026-11-16",
        "2026-11-23",
        "2100-12-27",
    ]


@pytest.mark.parametrize(
    ("correct", "attempts", "rate"),
    [(0, 1, "0.00"), (1, 1, "1.00"), (1, 3, "0.33"), (2, 3, "0.67"), (1, 8, "0.13"),
     (5, 8, "0.63"), (7, 8, "0.88"), (1, 12, "0.08"), (11, 12, "0.92")],
)  # fmt: skip
def test_accuracy_rounds_half_away_from_zero(
    trial: psycopg.Connection, correct: int, attempts: int, rate: str
) -> None:
    answers = [Response(n, 0, EDGES[4], n <= correct) for n in range(1, attempts + 1)]
    insert(trial, [Question()], answers)
    (row,) = published(trial)
    assert (row[4], row[5], str(row[6])) == (attempts, correct, rate)


@pytest.mark.parametrize(
    ("durations", "median"),
    [([None, None], None), ([7], 7), ([None, 7], 7), ([1, 2], 1.5), ([9, 1, 5], 5),
     ([4, 4, 4, 9], 4), ([599_999, 600_000], 599_999.5), ([0, None, 0], 0)],
)  # fmt: skip
def test_median_is_over_the_durations_that_are_present(
    trial: psycopg.Connection, durations: list[int | None], median: float | None
) -> None:
    answers = [Response(n, 0, EDGES[4], ms=ms) for n, ms in enumerate(durations, start=1)]
    insert(trial, [Question()], answers)
    (row,) = published(trial)
    assert (row[4], row[7]) == (len(durations), median)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [("Melanoma", "melanoma"), ("  Spitz \t\n Nevus ", "spitz nevus"), ("", None), (" \t ", None),
     (None, None), ("\uff2d\uff25\uff2c", "mel"), ("\ufb01broma", "fibroma"),
     ("A\u00a0\u3000B", "a b"), ("\u2028x\u1680y\u0085", "x y"), ("NÆVUS ÉPAIS", "nævus épais"),
     ("E\u0301", "\u00e9"), ("ЛИМФОМА", "лимфома"), ("a%_b", "a%_b")],
)  # fmt: skip
def test_lesion_is_normalized(
    trial: psycopg.Connection, stored: str | None, shown: str | None
) -> None:
    insert(trial, [Question(lesion=stored)], [Response(1, 0, EDGES[4])])
    (row,) = published(trial)
    assert row[1] == shown


def test_question_without_lesion_or_topic_stays_and_topic_is_as_stored(
    trial: psycopg.Connection,
) -> None:
    stated = [Question(), Question(lesion="x"), Question(topic=" Mixed Case "), Question(topic="")]
    insert(trial, stated, [Response(1, n, EDGES[4]) for n in range(4)])
    assert {(row[1], row[2]) for row in published(trial)} == {
        (None, None),
        ("x", None),
        (None, " Mixed Case "),
        (None, ""),
    }


@pytest.mark.parametrize("status", ["draft", "review", "archived"])
def test_only_published_questions_count(trial: psycopg.Connection, status: str) -> None:
    insert(trial, [Question(), Question(status=status)],
           [Response(1, 0, EDGES[4]), Response(1, 1, EDGES[4])])  # fmt: skip
    assert [row[0] for row in published(trial)] == [question_id(0)]


# Every instant that the type holds, as text, and its week: the first is a Monday, as it happens.
ENDS = {
    "-infinity": "-infinity",
    "4714-11-24 00:00:00+00 BC": "4714-11-24 BC",
    "4714-11-30 23:59:59.999999+00 BC": "4714-11-24 BC",
    "4714-12-01 00:00:00+00 BC": "4714-12-01 BC",
    "0001-12-31 23:59:59.999999+00 BC": "0001-12-25 BC",
    "0001-01-01 00:00:00+00": "0001-01-01",
    "1900-01-01 00:00:00+00": "1900-01-01",
    "1999-12-26 23:59:59.999999+00": "1999-12-20",
    "1999-12-27 00:00:00+00": "1999-12-27",
    "2000-01-02 23:59:59.999999+00": "1999-12-27",
    "2000-01-03 00:00:00+00": "2000-01-03",
    "9999-12-31 23:59:59.999999+00": "9999-12-27",
    # Milliseconds that were sent as seconds.
    "55840-06-03 12:00:00+00": "55840-06-01",
    "294276-12-25 00:00:00+00": "294276-12-25",
    "294276-12-31 23:59:59.999999+00": "294276-12-25",
    "infinity": "infinity",
}


@pytest.mark.parametrize("zone", ZONES)
def test_no_instant_stops_a_refresh(trial: psycopg.Connection, zone: str) -> None:
    trial.execute("select set_config('timezone', %s, true)", (zone,))
    insert(trial, [Question()] * len(ENDS), [])
    for number, instant in enumerate(ENDS):
        trial.execute(
            "insert into public.responses (user_id, question_id, is_correct, created_at) "
            "values (%s, %s, true, %s)",
            (person(1), question_id(number), instant),
        )
    trial.execute("select public.analytics_refresh_heatmap()")
    found = trial.execute(
        "select question_id, week_start::text from public.analytics_heatmap_admin()"
    ).fetchall()
    weeks: dict[uuid.UUID, str] = dict(found)
    assert [weeks[question_id(number)] for number in range(len(ENDS))] == list(ENDS.values())


def test_owner_under_row_level_security_is_told_not_given_zeros(ready: Database) -> None:
    import psycopg

    admin = ready.connect("supabase_admin")
    admin.execute("create role plain_owner login; grant create on schema public to plain_owner")
    admin.execute("alter function public.analytics_refresh_heatmap() owner to plain_owner")
    admin.execute("grant usage on schema analytics_private, auth to plain_owner")
    admin.execute("grant all on all tables in schema analytics_private, public to plain_owner")
    admin.execute("grant all on all functions in schema analytics_private, public to plain_owner")
    with ready.connect("plain_owner") as session, pytest.raises(psycopg.Error) as error:
        session.execute("select public.analytics_refresh_heatmap()")
    assert error.value.sqlstate == "55000"
    assert "row level security" in str(error.value)
    admin.execute("reassign owned by plain_owner to postgres; drop owned by plain_owner")
    admin.execute("drop role plain_owner")
