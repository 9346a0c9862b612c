"""Clean-up removes everything that carries the tag, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.sandbox.helpers import options, users_sql
from tests.verify.conftest import contents, finish, open_session
from tui.errors import ExitCode
from tui.verify import leftovers
from tui.verify.events import Notice, Outcome
from tui.verify.result import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.sandbox import Sandbox

    Connection = psycopg.Connection[tuple[object, ...]]

LOOK_ALIKE_SLUGS = (
    "heatmap-verification",
    "heatmap-verification-",
    "heatmap-verification-1",
    "heatmap-verification-guide-v2",
    "heatmap-verification-a-1-draft",
    "heatmap-verification-a-1x",
    "heatmap-verificationXa-1",
    "heatmap_verification-a-1",
    "HEATMAP-VERIFICATION-A-1",
    "the-heatmap-verification-a-1",
    "heatmap-verification-a-1\n",
    "heatmap-verification-a.b-1",
    "heatmap-verification-a-1%",
)
LOOK_ALIKE_EMAILS = (
    "heatmap-@learners.example.org",
    "heatmap-fan@example.com",
    "heatmap-a-1@example.org",
    "heatmap-a-1@example.com.test",
    "heatmap-a-1@examplexcom",
    "my-heatmap-a-1@example.com",
    "heatmap-a-1+tag@example.com",
    "heatmap_a-1@example.com",
)


@pytest.fixture(scope="module")
def crowded() -> Iterator[tuple[Sandbox, Connection]]:
    """A sandbox full of rows that nearly look synthetic."""
    from tui.sandbox import start_sandbox_sync

    sandbox = start_sandbox_sync(options())
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        for slug in LOOK_ALIKE_SLUGS:
            add_question(connection, slug)
        for email in LOOK_ALIKE_EMAILS:
            add_user(connection, email, {"synthetic": True, "purpose": "heatmap-verification"})
        add_user(connection, "real@learners.example.org", leftovers.marker("a"))
        yield sandbox, connection
    sandbox.stop_sync()


def add_question(connection: Connection, slug: str) -> str:
    question_id = str(uuid4())
    connection.execute(
        "insert into questions (id, slug, status, stem_md, explanation_brief_md) "
        "values (%s, %s, 'published', 'stem', 'brief')",
        (question_id, slug),
    )
    return question_id


def add_user(connection: Connection, email: str, marker: dict[str, object] | None) -> str:
    connection.execute(users_sql("%s"), (email,))
    row = connection.execute(
        "update auth.users set raw_app_meta_data = %s, raw_user_meta_data = %s where email = %s "
        "returning id",
        (Jsonb(marker or {}), Jsonb(marker or {}), email),
    ).fetchone()
    assert row is not None
    return str(row[0])


def add_response(connection: Connection, user_id: str, question_id: str) -> None:
    connection.execute(
        "insert into responses (user_id, question_id, is_correct) values (%s, %s, true)",
        (user_id, question_id),
    )


async def test_purging_a_crowd_of_look_alikes_removes_none(
    crowded: tuple[Sandbox, Connection],
) -> None:
    sandbox, _ = crowded
    before = contents(sandbox)
    async with open_session(sandbox) as session:
        purged = await finish(session.purge())
        assert purged.finished is not None
        assert purged.finished.message == "nothing to remove"
        verified = await finish(session.cycle())
        assert document(verified)["outcome"] == "verified", verified.finished
    assert contents(sandbox) == before


@pytest.mark.parametrize("marked", [True, False], ids=["with metadata", "without metadata"])
async def test_orphans_of_the_old_script_are_listed_and_purged(
    crowded: tuple[Sandbox, Connection], marked: bool
) -> None:
    sandbox, connection = crowded
    before = contents(sandbox)
    for run in ("m3x9k2", "1700000000000"):
        users = [
            add_user(connection, leftovers.email(run, n), leftovers.marker(run) if marked else None)
            for n in range(3)
        ]
        questions = [add_question(connection, leftovers.slug(run, n)) for n in range(4)]
        for user in users:
            for question in questions:
                add_response(connection, user, question)
    notices: list[str] = []
    async with open_session(sandbox) as session:
        purged = await finish(
            session.purge(),
            lambda event: notices.append(event.text) if isinstance(event, Notice) else None,
        )
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    assert purged.finished.message == "clean: removed 6 users, 8 questions, 24 responses"
    # A busy machine's processes may wait for each other's files, and say so.
    assert [each for each in notices if each.startswith("run ")] == [
        "run 1700000000000: 3 users, 4 questions, 12 responses",
        "run m3x9k2: 3 users, 4 questions, 12 responses",
    ]
    assert contents(sandbox) == before


near_run = st.text("aA0-_. \u0661", max_size=6)
near_slug = st.one_of(
    st.builds("heatmap-verification-{}-{}".format, near_run, st.text("01x", max_size=3)),
    st.builds("{}heatmap-verification-a-1{}".format, near_run, near_run),
)
near_email = st.one_of(
    st.builds("heatmap-{}-{}@example.com".format, near_run, st.text("01x", max_size=3)),
    st.builds("{}heatmap-a-1@example.com{}".format, near_run, near_run),
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(slugs=st.sets(near_slug, max_size=8), emails=st.sets(near_email, max_size=8))
async def test_exactly_the_tagged_rows_go(
    crowded: tuple[Sandbox, Connection], slugs: set[str], emails: set[str]
) -> None:
    sandbox, connection = crowded
    with connection.transaction(force_rollback=False):
        for slug in slugs - set(LOOK_ALIKE_SLUGS):
            add_question(connection, slug)
        for email in emails - set(LOOK_ALIKE_EMAILS):
            add_user(connection, email, None)
    async with open_session(sandbox) as session:
        purged = await finish(session.purge())
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    left_slugs = {row[0] for row in connection.execute("select slug from questions")}
    left_emails = {row[0] for row in connection.execute("select email from auth.users")}
    assert left_slugs >= {slug for slug in slugs if leftovers.run_of_slug(slug) is None}
    assert not {slug for slug in left_slugs if leftovers.run_of_slug(str(slug))}
    assert left_emails >= {email for email in emails if leftovers.run_of_email(email) is None}
    assert not {email for email in left_emails if leftovers.run_of_email(str(email))}
    connection.execute("delete from questions where slug = any(%s)", (list(slugs),))
    connection.execute("delete from auth.users where email = any(%s)", (list(emails),))


async def test_more_questions_than_fit_a_url_are_purged_under_its_limit(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox(seed_learners=False)
    before = contents(sandbox)
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        user = add_user(connection, leftovers.email("old", 0), None)
        connection.execute(
            "insert into questions (slug, status, stem_md, explanation_brief_md) "
            "select 'heatmap-verification-old-' || n, 'published', '', '' "
            "from generate_series(1, 2500) n"
        )
        connection.execute(
            "insert into responses (user_id, question_id, is_correct) "
            "select %s, id, true from questions",
            (user,),
        )
    async with open_session(sandbox) as session:
        purged = await finish(session.purge())
    assert purged.finished is not None
    assert purged.finished.message == "clean: removed 1 users, 2,500 questions, 2,500 responses"
    assert contents(sandbox) == before


async def test_more_responses_than_the_tag_explains_stop_the_clean_up_and_ask(
    crowded: tuple[Sandbox, Connection],
) -> None:
    sandbox, connection = crowded
    before = contents(sandbox)
    user = add_user(connection, leftovers.email("odd", 0), None)
    question = add_question(connection, leftovers.slug("odd", 0))
    add_response(connection, user, question)
    learners = [
        str(row[0])
        for row in connection.execute("select id from app_users where role = 'student' limit 30")
    ]
    for learner in learners:
        if learner != user:
            add_response(connection, learner, question)
    odd = contents(sandbox)
    async with open_session(sandbox) as session:
        stopped = await finish(session.purge())
        assert stopped.finished is not None
        assert stopped.finished.exit_code is ExitCode.LEFTOVERS
        assert "more than the tag explains" in stopped.finished.message
        assert "--purge-unexplained" in (stopped.finished.hint or "")
        assert contents(sandbox) == odd, "nothing was deleted"
        purged = await finish(session.purge(unexplained=stopped.finished.unexplained))
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    assert contents(sandbox) == before
