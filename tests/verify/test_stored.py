"""Triggers that change what is stored: the view is judged by it, and the difference is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.verify.conftest import finish, open_session, trigger
from tui.verify.events import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox


# Of 9 users and 20 questions; what is told of each.
CHANGED = {
    "dated": (trigger("responses", "new.created_at := now();"), "created_at differs in 180 of 180"),
    "graded": (
        trigger("responses", "new.is_correct := new.choice_id is not null;"),
        "is_correct differs in ",
    ),
    "rounded": (
        trigger("responses", "new.ms_to_answer := round(new.ms_to_answer, -3);"),
        "ms_to_answer differs in ",
    ),
    "re-dated afterwards": (
        trigger(
            "responses",
            "update responses set created_at = created_at - interval '9 days' where id = new.id;",
            when="after insert",
        ),
        "created_at differs in 180 of 180",
    ),
    "moderated": (
        trigger("questions", "new.status := 'draft';"),
        "status differs in 20 of 20 rows of questions",
    ),
    "labelled": (
        trigger("questions", "new.topic := coalesce(new.topic, 'Unsorted');"),
        "topic differs in 5 of 20",
    ),
    "filed": (
        trigger("questions", "new.lesion := 'Unsorted';"),
        "lesion differs in 20 of 20",
    ),
    "swallowed in part": (
        trigger("responses", "if new.is_correct then return null; end if;"),
        "rows of responses are not stored",
    ),
}


def alter(sandbox: Sandbox, text: str) -> None:
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(text.encode())


@pytest.mark.parametrize("name", CHANGED)
async def test_a_view_that_is_right_for_what_is_stored_is_verified_with_a_warning(
    sandbox: Sandbox, untouched: Callable[[], None], name: str
) -> None:
    change, told = CHANGED[name]
    alter(sandbox, change)
    try:
        async with open_session(sandbox, users=9, questions=20) as session:
            result = await finish(session.cycle())
    finally:
        alter(sandbox, "drop function public.meddle() cascade")
    finished = result.finished
    assert finished is not None
    assert finished.outcome is Outcome.VERIFIED, finished
    assert told in finished.message
    assert "trigger meddle on " in finished.message
    assert "(public.meddle(), owner " in finished.message
    assert any(told in notice.text and notice.warning for notice in result.notices)
    untouched()


async def test_rows_that_go_away_after_the_refresh_are_noticed_by_themselves(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    alter(
        sandbox,
        """
        create function public.meddle() returns trigger language plpgsql security definer
            set search_path = public, pg_temp as $$
        begin
            delete from responses where id in (
                select r.id from responses r join questions q on q.id = r.question_id
                where q.slug like 'heatmap-verification-%' order by r.id limit 5);
            return null;
        end $$;
        create trigger meddle after insert on analytics_private.heatmap_refresh
            for each statement execute function public.meddle();
        """,
    )
    async with open_session(sandbox, users=9, questions=20, canary=False) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert [each.text for each in result.notices if each.warning] == [
        "5 of 180 responses are not there any more"
    ]
