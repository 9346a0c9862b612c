"""What changed in the view for others is told apart: traffic, loss, and what nobody can say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest

from tests.verify.test_clean_up import add_response
from tui.project import Project
from tui.redact import Secret
from tui.verify.comparison import RealRows, judge_view, real_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.verify.test_clean_up import Connection
    from tui.sandbox import Sandbox

# A run's questions; there are none in the view.
OURS = [UUID(int=1), UUID(int=2)]


@pytest.fixture
async def project(sandbox: Sandbox) -> AsyncIterator[Project]:
    async with Project(sandbox.url, Secret(sandbox.service_role_key)) as opened:
        yield opened


@pytest.fixture
def connection(sandbox: Sandbox) -> Iterator[Connection]:
    """Takes back what a test does to responses."""
    with psycopg.connect(sandbox.db_url, autocommit=True) as opened:
        known = {row[0] for row in opened.execute("select id from responses")}
        yield opened
        opened.execute("delete from responses where not id = any(%s)", (list(known),))
        opened.execute("select analytics_refresh_heatmap()")


def answer_one_question(connection: Connection, times: int) -> list[tuple[str, str]]:
    """Learners and a popular question that they have not answered."""
    rows = connection.execute(
        """
        with popular as (
          select q.id from questions q join responses r on r.question_id = q.id
          where q.status = 'published' group by 1 order by count(*), q.id limit 1)
        select u.id::text, p.id::text from app_users u, popular p
        where u.role = 'student' and not exists (
          select from responses r where r.user_id = u.id and r.question_id = p.id)
        limit %s
        """,
        (times,),
    ).fetchall()
    assert len(rows) == times
    return [(str(user), str(question)) for user, question in rows]


def with_attempts(rows: RealRows, question: str, more: int) -> RealRows:
    """What was seen before, with other attempts in one row of a question."""
    assert rows.rows is not None
    key = next(key for key in rows.rows if key[0] == UUID(question))
    changed = replace(rows.rows[key], attempts=rows.rows[key].attempts + more)
    return RealRows(rows.count, {**rows.rows, key: changed})


async def test_an_answer_after_the_last_refresh_is_traffic(
    project: Project, connection: Connection
) -> None:
    before = await real_rows(project, OURS)
    (first, question), (second, _) = answer_one_question(connection, 2)
    add_response(connection, first, question)
    connection.execute("select analytics_refresh_heatmap()")
    add_response(connection, second, question)
    restored, why = await judge_view(project, OURS, before)
    assert (restored, why) == (
        True,
        "1 questions have new answers of others, the rest is as before",
    )


async def test_answers_that_the_view_lost_are_no_traffic(
    project: Project, connection: Connection
) -> None:
    ((user, question),) = answer_one_question(connection, 1)
    before = with_attempts(await real_rows(project, OURS), question, +1)
    add_response(connection, user, question)
    restored, why = await judge_view(project, OURS, before)
    assert restored is False
    assert question in why


async def test_answers_taken_back_meanwhile_leave_it_open(
    project: Project, connection: Connection
) -> None:
    ((user, question),) = answer_one_question(connection, 1)
    before = await real_rows(project, OURS)
    add_response(connection, user, question)
    connection.execute("select analytics_refresh_heatmap()")
    connection.execute(
        "delete from responses where user_id = %s and question_id = %s", (user, question)
    )
    restored, why = await judge_view(project, OURS, with_attempts(before, question, -1))
    assert restored is None
    assert "while this was judged" in why


async def test_a_change_that_agrees_with_the_table_is_right(
    project: Project, connection: Connection
) -> None:
    ((_, question),) = answer_one_question(connection, 1)
    before = with_attempts(await real_rows(project, OURS), question, +3)
    assert (await judge_view(project, OURS, before))[0] is True
