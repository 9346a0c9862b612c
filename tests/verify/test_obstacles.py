"""Projects whose triggers and keys keep rows: nothing is orphaned, and the hint repairs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.projects.variant import DIRECTORY, Variant
from tests.verify.conftest import contents, finish, open_session
from tui.errors import ExitCode
from tui.verify.events import Outcome, Stage
from tui.verify.result import StageState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox

SOFT_DELETE, VERSIONS, PROFILES = (
    Variant.read(DIRECTORY / f"{name}.sql").sql
    for name in ("soft-delete", "versions-restricting", "profiles-restricting")
)
ORPHANS = """
    select count(*) from public.responses r
    where not exists (select from public.questions q where q.id = r.question_id)
        or not exists (select from public.app_users u where u.id = r.user_id)
"""


def run_sql(sandbox: Sandbox, text: str) -> None:
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(text.encode())


def orphans(sandbox: Sandbox) -> int:
    with psycopg.connect(sandbox.db_url) as connection:
        row = connection.execute(ORPHANS).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("obstacle", "says"),
    [
        (SOFT_DELETE, "180 responses are still there"),
        (VERSIONS, "question_versions_question_id_fkey"),
        (PROFILES, "Database error deleting user"),
    ],
    ids=["soft-delete", "versions", "profiles"],
)
async def test_what_the_project_keeps_is_counted_named_and_removed_by_the_hint(
    start_private_sandbox: Callable[..., Sandbox], obstacle: str, says: str
) -> None:
    sandbox = start_private_sandbox()
    run_sql(sandbox, obstacle)
    before = contents(sandbox)
    async with open_session(sandbox, users=9, questions=20, canary=False) as session:
        result = await finish(session.cycle())
        finished = result.finished
        assert finished is not None
        assert finished.exit_code is ExitCode.LEFTOVERS, finished
        assert says in finished.message
        assert orphans(sandbox) == 0
        assert result.audit is not None
        assert result.audit.leftovers.total
        assert len(finished.problems) <= 2, "what was refused alike is one line"

        purged = await finish(session.purge())
        assert purged.finished is not None
        assert purged.finished.exit_code is ExitCode.LEFTOVERS, purged.finished
        for hint in (finished.hint, purged.finished.hint):
            assert hint is not None
            assert "then purge again" in hint
            assert "heatmap-tui" not in hint, "a purge does not advise itself"
        repair = hint.removeprefix("as the owner of public.responses: ")
        run_sql(sandbox, repair.removesuffix("; then purge again"))
        purged = await finish(session.purge())
        assert purged.finished is not None
        assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    assert contents(sandbox) == before


async def test_a_soft_delete_keeps_questions_and_users_where_they_are(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    run_sql(sandbox, SOFT_DELETE)
    async with open_session(sandbox, users=9, questions=20, canary=False) as session:
        result = await finish(session.cycle())
    assert result.audit is not None
    assert str(result.audit.leftovers) == "9 users, 20 questions, 180 responses"
    assert result.stages[Stage.CLEANUP_RESPONSES].state is StageState.FAILED
    assert result.stages[Stage.CLEANUP_QUESTIONS].state is StageState.NOT_RUN
    assert result.stages[Stage.CLEANUP_USERS].state is StageState.NOT_RUN
    assert result.finished is not None
    assert "soft_delete (" in result.finished.message


async def test_a_trigger_that_refuses_a_write_is_named(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    before = contents(sandbox)
    run_sql(
        sandbox,
        """
        create function public.limit_answers() returns trigger language plpgsql as $$
        begin raise exception 'slow down'; end $$;
        create trigger limit_answers before insert on public.responses
            for each row execute function public.limit_answers();
        """,
    )
    async with open_session(sandbox, users=9, questions=20) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.outcome is Outcome.FAILED, result.finished
    assert "slow down" in result.finished.message
    assert "limit_answers (public.limit_answers(), owner " in result.finished.message
    assert contents(sandbox) == before


async def test_deadlocks_and_failed_serializations_are_tried_again(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    run_sql(
        sandbox,
        """
        create sequence public.tries;
        create function public.collide() returns trigger language plpgsql security definer
            set search_path = '' as $$
        declare number int := nextval('public.tries');
        begin
            if number <= 4 then
                raise exception 'deadlock detected' using errcode =
                    case number % 2 when 0 then '40P01' else '40001' end;
            end if;
            return null;
        end $$;
        create trigger collide after insert or delete on public.responses
            for each statement execute function public.collide();
        """,
    )
    async with open_session(sandbox, users=9, questions=20, batch=45) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert result.retries >= 1


async def test_a_transaction_that_idles_on_a_lock_is_found_before_the_first_write(
    sandbox: Sandbox,
) -> None:
    with psycopg.connect(sandbox.db_url) as idle, psycopg.connect(sandbox.db_url) as other:
        idle.execute("create index on analytics_heatmap_agg (topic)")
        async with open_session(sandbox) as session:
            found = (await finish(session.dry_run())).probes["volume.jobs"]
            assert found.status == "fail"
            assert f"process {idle.info.backend_pid} (idle in transaction since " in found.detail
            assert "holds ShareLock on public.analytics_heatmap_agg" in found.detail
            assert found.hint is not None
            other.execute(found.hint.encode())
            assert (await finish(session.dry_run())).ready
        with pytest.raises(psycopg.OperationalError):
            idle.execute("select")
