"""The whole cycle against a real PostgreSQL behind a real PostgREST."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.sandbox.helpers import options
from tests.verify.conftest import contents, finish, open_session, trigger
from tui.errors import ExitCode
from tui.sandbox import Sandbox, start_sandbox_sync
from tui.verify.events import (
    Cancelling,
    Event,
    Outcome,
    RunFinished,
    Stage,
    StageProgress,
    StageStarted,
)
from tui.verify.result import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


async def test_verifies_and_leaves_every_table_as_it_was(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    async with open_session(sandbox) as session:
        result = await finish(session.cycle())
    told = document(result)
    assert told["outcome"] == "verified", told["message"]
    assert told["exit_code"] == 0
    assert told["check"] == {
        "expected": 160,
        "matched": 160,
        "mismatched": 0,
        "missing": 0,
        "unexpected": 0,
    }
    assert told["rows"] == {"users": 9, "questions": 20, "responses": 180}
    assert told["leftovers"] == {"users": 0, "questions": 0, "responses": 0}
    assert told["view_restored"] is True
    assert [stage["name"] for stage in told["stages"]] == [str(stage) for stage in Stage]
    assert told["refresh_ms"] > 0
    assert told["final_refresh_ms"] > 0
    assert result.sample is not None
    assert len(result.sample.rows) == result.sample.total == 160
    untouched()


async def test_the_default_volume_is_ten_thousand_responses(sandbox: Sandbox) -> None:
    async with open_session(sandbox, users=50, questions=200, batch=500) as session:
        result = await finish(session.cycle(refresh_runs=3))
    told = document(result)
    assert told["outcome"] == "verified", told["message"]
    assert told["rows"]["responses"] == 10_000
    assert told["check"]["matched"] == told["check"]["expected"] == 1_600
    assert len(told["refresh_runs_ms"]) == 3


async def test_reads_on_when_the_server_hands_out_a_hundred_rows_at_a_time(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox(max_rows=100)
    async with open_session(sandbox, users=8, questions=150) as session:
        result = await finish(session.cycle())
    told = document(result)
    assert told["outcome"] == "verified", told["message"]
    assert told["check"]["matched"] == 1_200
    assert result.sample is not None
    assert len(result.sample.rows) == 1_200


@pytest.mark.parametrize("stage", list(Stage)[:6])
async def test_cancelled_at_any_stage_it_cleans_up(
    sandbox: Sandbox, untouched: Callable[[], None], stage: Stage
) -> None:
    seen: list[Event] = []
    async with open_session(sandbox, users=9, questions=40, batch=20) as session:
        run = session.cycle()

        def watch(event: Event) -> None:
            seen.append(event)
            if isinstance(event, StageStarted) and event.stage is stage:
                run.cancel("stopped by the test")

        result = await finish(run, watch)
        assert session.journals == []
    assert result.finished is not None
    assert result.finished.outcome is Outcome.INTERRUPTED, result.finished
    assert result.finished.exit_code is ExitCode.INTERRUPTED
    assert result.finished.message.startswith("stopped by the test")
    assert any(isinstance(event, Cancelling) for event in seen)
    untouched()


async def test_a_listener_that_goes_away_does_not_strand_rows(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    async with open_session(sandbox) as session:
        events = session.cycle().events()
        async for event in events:
            if isinstance(event, StageProgress) and event.stage is Stage.RESPONSES:
                break
        await events.aclose()
    untouched()


async def test_a_cancelled_task_cleans_up_before_it_ends(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    writing = asyncio.Event()

    async def follow() -> None:
        async with open_session(sandbox) as session:
            async for event in session.cycle().events():
                if isinstance(event, StageStarted) and event.stage is Stage.RESPONSES:
                    writing.set()

    task = asyncio.create_task(follow())
    await writing.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    untouched()


async def test_an_abandoned_run_says_so_and_purge_removes_it(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    async with open_session(sandbox, users=9, questions=40) as session:
        run = session.cycle()

        def watch(event: Event) -> None:
            if isinstance(event, StageStarted) and event.stage is Stage.CLEANUP_RESPONSES:
                run.abandon()

        result = await finish(run, watch)
        assert result.finished is not None
        assert result.finished.exit_code is ExitCode.LEFTOVERS
        assert "--purge" in (result.finished.hint or "")
        assert document(result)["leftovers"] == {
            "users": None,
            "questions": None,
            "responses": None,
        }
        assert [record.run_id for record in session.journals] == [run.run_id]

        purged = await finish(session.purge())
        assert purged.finished is not None
        assert purged.finished.outcome is Outcome.CLEAN, purged.finished
        assert session.journals == []
        again = await finish(session.purge())
        assert again.finished is not None
        assert again.finished.message == "nothing to remove"
    untouched()


# The plain design, written down here once more, and what could be wrong with it.
PLAIN_VIEW = """
select r.question_id,
  {lesion} as lesion,
  q.topic,
  ({week})::date as week_start,
  count(*) as attempts,
  count(*) filter (where r.is_correct) as correct_attempts,
  {rate} as accuracy_rate,
  {median} within group (order by {duration}) as median_duration_ms
from public.responses r join public.questions q on q.id = r.question_id
where {published}
group by 1, 2, 3, 4
"""
RIGHT = {
    "lesion": "analytics_private.normalized_lesion(q.lesion)",
    "week": "date_trunc('week', r.created_at, 'UTC')",
    "rate": "round(count(*) filter (where r.is_correct)::numeric / count(*), 2)",
    "median": "percentile_cont(0.5)",
    "duration": "r.ms_to_answer",
    "published": "q.status = 'published'",
}
WRONG = {
    "week of another time zone": {"week": "date_trunc('week', r.created_at, 'US/Pacific')"},
    "week that starts on Sunday": {
        "week": "date_trunc('week', r.created_at + interval '1 day', 'UTC') - interval '1 day'"
    },
    "rate truncated": {
        "rate": "trunc(count(*) filter (where r.is_correct)::numeric / count(*), 2)"
    },
    "rate as a percentage": {
        "rate": "round(100 * count(*) filter (where r.is_correct)::numeric / count(*), 2)"
    },
    "missing durations counted as zero": {"duration": "coalesce(r.ms_to_answer, 0)"},
    "discrete median": {"median": "percentile_disc(0.5)"},
    "lesion as stored": {"lesion": "q.lesion"},
    "lesion without NFKC": {
        "lesion": "nullif(lower(btrim(regexp_replace(q.lesion, '[ \t]+', ' ', 'g'))), '')"
    },
    "questions without topic left out": {"published": "q.status = 'published' and q.topic <> ''"},
}
WORDS = {
    "week of another time zone": "week",
    "week that starts on Sunday": "week",
    "rate truncated": "accuracy_rate",
    "rate as a percentage": "accuracy_rate",
    "missing durations counted as zero": "median_duration_ms",
    "discrete median": "median_duration_ms",
    "lesion as stored": "lesion",
    "lesion without NFKC": "lesion",
    "questions without topic left out": "missing",
}


@pytest.fixture(scope="module")
def bendable() -> Iterator[Sandbox]:
    """A sandbox whose view may be replaced."""
    sandbox = start_sandbox_sync(options())
    yield sandbox
    sandbox.stop_sync()


def bend(sandbox: Sandbox, **wrong: str) -> None:
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(
            f"""
            begin;
            drop materialized view public.analytics_heatmap_agg;
            create materialized view public.analytics_heatmap_agg as
            {PLAIN_VIEW.format(**{**RIGHT, **wrong})};
            create unique index analytics_heatmap_agg_idx
              on public.analytics_heatmap_agg (week_start, question_id);
            grant select on public.analytics_heatmap_agg to service_role;
            do $$ begin
              execute format('alter materialized view public.analytics_heatmap_agg owner to %I',
                (select proowner::regrole::text from pg_proc
                 where proname = 'analytics_refresh_heatmap'));
            end $$;
            notify pgrst, 'reload schema';
            commit;
            """
        )


async def test_another_right_view_is_verified_too(bendable: Sandbox) -> None:
    bend(bendable)
    async with open_session(bendable, users=16, questions=26) as session:
        result = await finish(session.cycle())
    assert document(result)["outcome"] == "verified", result.finished


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_view_is_found_out_and_cleaned_up(bendable: Sandbox, name: str) -> None:
    bend(bendable, **WRONG[name])
    before = contents(bendable)
    async with open_session(bendable, users=16, questions=26) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.FAILED
    assert result.check is not None
    assert not result.check.right
    assert WORDS[name] in " ".join(map(str, result.check.differences)), result.check.groups
    assert sum(each.count for each in result.check.groups) == len(result.check.differences)
    assert document(result)["leftovers"] == {"users": 0, "questions": 0, "responses": 0}
    assert contents(bendable) == before


async def test_a_view_that_is_wrong_for_what_is_stored_is_wrong(bendable: Sandbox) -> None:
    bend(bendable, **WRONG["rate truncated"])
    dated = trigger("responses", "new.created_at := now() - interval '9 days';")
    with psycopg.connect(bendable.db_url, autocommit=True) as connection:
        connection.execute(dated.encode())
        before = contents(bendable)
        async with open_session(bendable, users=16, questions=26) as session:
            result = await finish(session.cycle())
        connection.execute("drop function public.meddle() cascade")
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.FAILED
    assert result.finished.message.startswith("the view is wrong for what is stored: ")
    assert "created_at differs in 416 of 416" in result.finished.message
    assert result.check is not None
    assert {each.kind for each in result.check.groups} == {"accuracy_rate"}
    assert contents(bendable) == before


async def test_answers_of_real_learners_during_a_run_are_kept_and_break_nothing(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        user, question = connection.execute(
            """
            select u.id, q.id from app_users u, questions q
            where q.status = 'published' and u.role = 'student'
              and not exists (
                select from responses r where r.user_id = u.id and r.question_id = q.id)
            limit 1
            """
        ).fetchone() or (None, None)
        assert question is not None

        def watch(event: Event) -> None:
            if isinstance(event, StageStarted) and event.stage is Stage.CLEANUP_RESPONSES:
                connection.execute(
                    "insert into responses (user_id, question_id, is_correct) "
                    "values (%s, %s, true)",
                    (user, question),
                )

        async with open_session(sandbox) as session:
            result = await finish(session.cycle(), watch)
        told = document(result)
        assert told["outcome"] == "verified", told["message"]
        assert told["view_restored"] is True
        assert result.audit is not None
        assert "new answers of others" in result.audit.explanation
        deleted = connection.execute(
            "delete from responses where user_id = %s and question_id = %s", (user, question)
        )
        assert deleted.rowcount == 1, "the learner's answer must still be there"
        connection.execute("select analytics_refresh_heatmap()")
    untouched()


async def test_two_at_once_do_not_disturb_each_other(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    async with open_session(sandbox) as one, open_session(sandbox) as other:
        results = await asyncio.gather(finish(one.cycle()), finish(other.cycle()))
    assert [document(result)["outcome"] for result in results] == ["verified", "verified"]
    untouched()


async def test_an_unwritable_journal_stops_before_the_first_write(
    sandbox: Sandbox, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(Path("file").absolute() / "state"))
    sandbox.clear_requests()
    async with open_session(sandbox) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.USAGE
    assert "journal" in result.finished.message
    assert {seen.method for seen in sandbox.requests()} <= {"GET", "HEAD"}
    untouched()


async def test_a_refresh_that_fails_is_reported_and_cleaned_up(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute("drop index analytics_heatmap_agg_idx")
    before = contents(sandbox)
    async with open_session(sandbox) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.FAILED
    assert "55000" in result.finished.message
    assert document(result)["leftovers"] == {"users": 0, "questions": 0, "responses": 0}
    assert contents(sandbox) == before


async def test_a_project_that_is_down_is_unreachable(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox(seed_learners=False)
    async with open_session(sandbox) as session:
        sandbox.stop_sync()
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.UNREACHABLE
    assert isinstance(result.finished, RunFinished)
