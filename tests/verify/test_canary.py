"""Projects that no catalog describes: the canary meets them with three rows, not thousands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.verify.conftest import contents, finish, open_session, trigger
from tui.errors import ExitCode
from tui.verify.canary import _unlike
from tui.verify.dataset import Answer, Dataset
from tui.verify.events import Event, Mode, Notice, Outcome, StageStarted
from tui.verify.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from supabase_auth.types import UserResponse

    from tui.sandbox import Sandbox

MEDDLE = "drop function public.meddle() cascade"
BEFORE_REQUEST = """
    create function public.no_deletes() returns void language plpgsql as $$
    begin
        if current_setting('request.method', true) = 'DELETE' then
            raise insufficient_privilege using message = 'nothing is deleted here';
        end if;
    end $$;
    grant execute on function public.no_deletes() to anon, authenticated, service_role;
"""


def run_sql(sandbox: Sandbox, text: str) -> None:
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(text.encode())


@pytest.fixture
def setting(sandbox: Sandbox) -> Iterator[Callable[[str, str], None]]:
    """Set one of PostgREST's settings, for the test alone."""
    done = []

    def change(name: str, value: str) -> None:
        done.append(name)
        run_sql(sandbox, f"alter role authenticator set pgrst.{name} = '{value}'")
        sandbox.restart_postgrest()

    yield change
    for name in done:
        run_sql(sandbox, f"alter role authenticator reset pgrst.{name}")
    sandbox.restart_postgrest()


async def cycle(sandbox: Sandbox) -> tuple[Result, int]:
    """A run, and how many users, questions and responses it tried to insert."""
    sandbox.clear_requests()
    async with open_session(sandbox, users=9, questions=20) as session:
        result = await finish(session.cycle())
    writes = ("/auth/v1/admin/users", "/rest/v1/questions", "/rest/v1/responses")
    return result, sum(
        seen.method == "POST" and seen.path.partition("?")[0] in writes
        for seen in sandbox.requests()
    )


async def test_a_stop_during_it_is_one_of_a_run_that_may_have_written(sandbox: Sandbox) -> None:
    events: list[Event] = []
    async with open_session(sandbox, users=9, questions=20) as session:
        await finish(session.cycle(), events.append)
    result = Result(Mode.CYCLE)
    for event in events:
        if isinstance(event, StageStarted):
            break
        result.apply(event)
    assert result.canary is not None
    assert result.may_have_written


async def test_three_rows_come_and_go_before_the_others(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    result, _ = await cycle(sandbox)
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert result.canary is not None
    assert result.canary.left_out is None
    assert result.canary.deviations == ()
    untouched()


REFUSED = {
    "swallowed": (
        trigger("responses", "return null;"),
        MEDDLE,
        "responses: a row that the project accepted is not stored: trigger meddle on responses",
    ),
    "swallowed questions": (
        trigger("questions", "return null;"),
        MEDDLE,
        "trigger meddle on questions",
    ),
    "refused": (
        trigger("responses", "raise exception 'slow down' using detail = 'one a minute';"),
        MEDDLE,
        "slow down (P0001); one a minute; one of the triggers on responses may refuse it: meddle (",
    ),
    "a right that the caller lacks": (
        """
        create function public.meddle() returns trigger language plpgsql as $$
        begin refresh materialized view public.analytics_heatmap_agg; return null; end $$;
        create trigger meddle after insert on public.responses
            for each statement execute function public.meddle();
        """,
        MEDDLE,
        "meddle (public.meddle(), owner ",
    ),
    "another slug": (
        trigger("questions", "new.slug := md5(new.slug);"),
        MEDDLE,
        "the slug of a question is not kept, and clean-up goes by it: slug differs in 1 of 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_project_does_not_keep_ends_the_run(
    sandbox: Sandbox, untouched: Callable[[], None], name: str
) -> None:
    change, back, told = REFUSED[name]
    run_sql(sandbox, change)
    try:
        result, written = await cycle(sandbox)
    finally:
        run_sql(sandbox, back)
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.FAILED, result.finished
    assert told in result.finished.message
    assert written <= 6, "what is dropped is sent four times in all"
    untouched()


async def test_an_auth_server_that_makes_its_own_ids_makes_one_user(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    async with open_session(sandbox, users=9, questions=20) as session:
        admin = session._project.admin
        create, made = admin.create_user, []

        async def as_an_old_server(attributes: Any) -> UserResponse:
            made.append(attributes.pop("id"))
            return await create(attributes)

        admin.create_user = as_an_old_server  # type: ignore[method-assign]
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.FAILED, result.finished
    assert "not the id it was given" in result.finished.message
    assert len(made) == 1
    untouched()


async def test_a_project_that_rolls_every_write_back_is_told_so(
    sandbox: Sandbox, untouched: Callable[[], None], setting: Callable[[str, str], None]
) -> None:
    setting("db_tx_end", "rollback")
    result, written = await cycle(sandbox)
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.FAILED, result.finished
    assert "PostgREST rolls every write back (db-tx-end)" in result.finished.message
    assert written <= 4
    untouched()


KEPT = {
    "append-only": (
        trigger("responses", "raise exception 'append only';", when="before delete"),
        "append only (P0001); refused by meddle (public.meddle(), owner ",
    ),
    "soft-deleted": (
        trigger(
            "responses",
            "update responses set flagged = true where id = old.id; return null;",
            when="before delete",
        ),
        "kept by meddle (public.meddle(), owner ",
    ),
}


@pytest.mark.parametrize("name", KEPT)
async def test_a_table_that_lets_nothing_go_keeps_three_rows_at_most(
    start_private_sandbox: Callable[..., Sandbox], name: str
) -> None:
    sandbox = start_private_sandbox()
    before = contents(sandbox)
    change, told = KEPT[name]
    run_sql(sandbox, change)
    result, written = await cycle(sandbox)
    finished = result.finished
    assert finished is not None
    assert finished.exit_code is ExitCode.LEFTOVERS
    assert told in finished.message
    assert "1 users, 1 questions, 1 responses" in finished.message
    assert written == 3
    # And what the hint says removes them.
    assert finished.hint is not None
    repair = finished.hint.removeprefix("as the owner of public.responses: ")
    run_sql(sandbox, repair.removesuffix("; then purge again"))
    async with open_session(sandbox) as session:
        purged = await finish(session.purge())
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    run_sql(sandbox, MEDDLE)
    assert contents(sandbox) == before


async def test_a_gateway_function_that_refuses_deletes_keeps_three_rows_at_most(
    sandbox: Sandbox, untouched: Callable[[], None], setting: Callable[[str, str], None]
) -> None:
    run_sql(sandbox, BEFORE_REQUEST)
    setting("db_pre_request", "public.no_deletes")
    result, written = await cycle(sandbox)
    finished = result.finished
    assert finished is not None
    assert finished.exit_code is ExitCode.LEFTOVERS
    assert "nothing is deleted here" in finished.message
    assert written == 3
    setting("db_pre_request", "")
    run_sql(sandbox, "drop function public.no_deletes()")
    async with open_session(sandbox) as session:
        purged = await finish(session.purge())
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    untouched()


@pytest.mark.parametrize("questions", [1, 10, 20])
async def test_its_slug_is_as_long_as_the_others(
    sandbox: Sandbox, untouched: Callable[[], None], questions: int
) -> None:
    longest = len("heatmap-verification-20260131-9f3c21aa-") + len(str(questions - 1))
    name = "public.questions add constraint short check (slug !~ 'heatmap-verif' or "
    run_sql(sandbox, f"alter table {name} length(slug) <= {longest})")
    try:
        async with open_session(sandbox, users=9, questions=questions) as session:
            result = await finish(session.cycle())
    finally:
        run_sql(sandbox, "alter table public.questions drop constraint short")
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert result.canary is not None
    assert result.canary.left_out is None
    untouched()


async def test_what_changes_its_rows_is_told_early_and_the_run_goes_on(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    run_sql(sandbox, trigger("responses", "new.created_at := now();"))
    seen: list[Event] = []
    try:
        async with open_session(sandbox, users=9, questions=20) as session:
            result = await finish(session.cycle(), seen.append)
    finally:
        run_sql(sandbox, MEDDLE)
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    warned = [each.text for each in seen if isinstance(each, Notice) and each.warning]
    assert warned[0].startswith(
        "canary: stored otherwise than sent: created_at differs in 1 of 1 rows of responses"
    )
    untouched()


async def test_it_is_left_out_where_the_same_schema_was_verified_and_only_there(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    first, _ = await cycle(sandbox)
    again, _ = await cycle(sandbox)
    assert first.canary is not None
    assert first.canary.left_out is None
    assert again.canary is not None
    assert again.canary.left_out == (
        f"run {first.run_id} verified this project with the same schema"
    )
    # A trigger's function alone: its name stays.
    run_sql(sandbox, trigger("responses", "perform 1;"))
    one, _ = await cycle(sandbox)
    run_sql(
        sandbox,
        "create or replace function public.meddle() returns trigger language plpgsql as "
        "'begin perform 2; return new; end'",
    )
    other, _ = await cycle(sandbox)
    run_sql(sandbox, MEDDLE)
    back, _ = await cycle(sandbox)
    assert [each.canary and each.canary.left_out is None for each in (one, other, back)] == [
        True,
        True,
        False,
    ]
    untouched()


async def test_a_session_on_the_sandbox_has_none_unless_it_is_asked_for(sandbox: Sandbox) -> None:
    async with open_session(sandbox) as session:
        session.is_sandbox = True
        result = await finish(session.cycle())
    assert result.canary is not None
    assert result.canary.left_out == "the sandbox is known"


@pytest.mark.parametrize("right", [True, False])
def test_where_all_users_answer_alike_it_answers_both_ways(right: bool) -> None:
    alike = [Answer(user, datetime(2026, 1, 5, tzinfo=UTC), right, 900) for user in range(9)]
    assert {each.correct for each in _unlike(alike)} == {True, False}


def test_the_slowest_and_the_quickest_answer_are_among_those_of_the_canary() -> None:
    answers = Dataset("20260131-9f3c21aa", users=50, questions=1).answers(0)
    known = [each.ms for each in answers[:-1] if each.ms is not None]
    tried = [each.ms for each in _unlike([each for each in answers if each.ms is not None])]
    assert {min(known), max(known)} <= set(tried)
