"""A purge spares what may be alive, stops at what the tag does not explain, and says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.verify.conftest import contents, finish, open_session
from tests.verify.test_clean_up import add_question, add_response, add_user
from tui.errors import ExitCode
from tui.project import ProjectError
from tui.verify import leftovers
from tui.verify.events import Event, Outcome, Stage, StageStarted
from tui.verify.leftovers import may_be_under_way
from tui.verify.result import document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tui.sandbox import Sandbox

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_only_young_runs_of_this_console_may_be_under_way() -> None:
    begun = {
        "20260131-9f3c21aa": NOW - timedelta(minutes=59),
        "20260131-00000001": NOW - timedelta(minutes=61),
        "20260131-00000002": NOW + timedelta(minutes=5),
        "m3x9k2": NOW,
        "1700000000000": NOW,
        "20260131-9F3C21AA": NOW,
    }
    assert may_be_under_way(begun, NOW) == ("20260131-00000002", "20260131-9f3c21aa")


@pytest.fixture
def left_elsewhere(sandbox: Sandbox) -> Callable[[Path], Awaitable[str]]:
    """Leave a run of another home behind: its id."""

    async def leave(home: Path) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(home))
            async with open_session(sandbox, users=9, questions=20) as there:
                run = there.cycle()

                def abandon(event: Event) -> None:
                    if isinstance(event, StageStarted) and event.stage is Stage.CLEANUP_RESPONSES:
                        run.abandon()

                await finish(run, abandon)
                return run.run_id

    return leave


async def test_a_young_run_of_another_home_is_spared_until_it_is_named(
    sandbox: Sandbox,
    untouched: Callable[[], None],
    left_elsewhere: Callable[[Path], Awaitable[str]],
    tmp_path: Path,
) -> None:
    run_id = await left_elsewhere(tmp_path)
    async with open_session(sandbox) as here:
        spared = await finish(here.purge())
        assert spared.finished is not None
        assert spared.finished.exit_code is ExitCode.LEFTOVERS, spared.finished
        assert spared.finished.spared == (run_id,)
        assert document(spared)["leftovers"]["users"] == 9
        command = here.purge_command(runs=(run_id,))
        assert command == f"heatmap-tui --purge --purge-run {run_id}"
        assert command in (spared.finished.hint or "")

        purged = await finish(here.purge(runs=[run_id]))
        assert purged.finished is not None
        assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    untouched()


@pytest.mark.parametrize(("hours", "spared"), [(-2, True), (0, True), (0.9, True), (1.1, False)])
async def test_how_old_a_run_is_the_projects_clock_says(
    sandbox: Sandbox,
    untouched: Callable[[], None],
    left_elsewhere: Callable[[Path], Awaitable[str]],
    tmp_path: Path,
    hours: float,
    spared: bool,
) -> None:
    run_id = await left_elsewhere(tmp_path)
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(
            "update auth.users set created_at = now() - %s where email like %s",
            (timedelta(hours=hours), f"heatmap-{run_id}-%"),
        )
    async with open_session(sandbox) as here:
        purged = await finish(here.purge())
        assert purged.finished is not None
        assert (purged.finished.spared == (run_id,)) is spared
        assert (purged.finished.outcome is Outcome.CLEAN) is not spared
        await finish(here.purge(runs=[run_id]))
    untouched()


@pytest.mark.parametrize(
    "check",
    ["length(slug) <= 24", "slug ~ '^[a-z_0-9]+$'", "length(slug) <= 18", "slug ~ '^[a-z-]+$'"],
)
async def test_a_run_whose_tag_had_to_fit_is_found_and_purged_from_elsewhere(
    sandbox: Sandbox,
    untouched: Callable[[], None],
    left_elsewhere: Callable[[Path], Awaitable[str]],
    tmp_path: Path,
    check: str,
) -> None:
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(
            f"alter table questions add constraint fits check ({check}) not valid".encode()
        )
        try:
            run_id = await left_elsewhere(tmp_path)
            slugs = connection.execute(
                "select slug from questions where id = any(%s)",
                ([leftovers.id_of(run_id, "question", number) for number in range(20)],),
            ).fetchall()
            assert len(slugs) == 20
            assert not any(slug == leftovers.slug(run_id, 0) for (slug,) in slugs)
            async with open_session(sandbox) as here:
                dry = await finish(here.dry_run())
                assert "20 questions" in dry.probes["leftovers.questions"].detail
                purged = await finish(here.purge(runs=[run_id]))
                assert purged.finished is not None
                assert purged.finished.outcome is Outcome.CLEAN, purged.finished
        finally:
            connection.execute("alter table questions drop constraint fits")
    untouched()


async def test_a_run_under_way_here_is_neither_a_leftover_nor_purged(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    details: dict[str, str] = {}
    async with (
        open_session(sandbox, users=9, questions=20) as one,
        open_session(sandbox) as other,
    ):
        run = one.cycle()
        looked = False
        async for event in run.events():
            if isinstance(event, StageStarted) and event.stage is Stage.REFRESH and not looked:
                looked = True
                for probe in ("leftovers.questions", "leftovers.users"):
                    asked = await finish(other.ask_again(probe))
                    details[probe] = asked.probes[probe].detail
                    assert asked.probes[probe].status == "pass", details
                purged = await finish(other.purge(runs=[run.run_id]))
                assert purged.finished is not None
                assert purged.finished.message == "nothing to remove"
    assert looked
    assert document(run.result)["outcome"] in {"verified"}, run.result.finished
    for detail in details.values():
        assert "left" in detail
    untouched()


@pytest.mark.parametrize(
    ("unread", "told"), [(None, "could not be read: "), ("about 9 rows", "not looked at")]
)
async def test_that_the_projects_tables_cannot_be_read_is_told_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, unread: str | None, told: str
) -> None:
    async def read(*_: object) -> dict[str, dict[str, str]]:
        if unread is None:
            raise ProjectError("calling analytics_heatmap_traces: permission denied")
        return {"public.log": {"table": "public.log", "by": "trigger log", "unread": unread}}

    monkeypatch.setattr("tui.verify.traces.read", read)
    runs = [f"20260131-{number:08x}" for number in range(45)]
    async with open_session(sandbox) as session:
        purged = await finish(session.purge(runs=runs))
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    assert sum(told in each.text for each in purged.notices) == 1


async def test_what_the_tag_does_not_explain_goes_at_its_exact_number_alone(
    sandbox: Sandbox, untouched: Callable[[], None]
) -> None:
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        question = add_question(connection, leftovers.slug("odd", 0))
        add_user(connection, leftovers.email("odd", 0), None)
        learners = connection.execute(
            "select id::text from app_users where role = 'student' "
            "and id not in (select id from auth.users where email like 'heatmap-odd-%') limit 30"
        ).fetchall()
        for (learner,) in learners:
            add_response(connection, str(learner), question)
    odd = contents(sandbox)
    async with open_session(sandbox) as session:
        # One of them a tagged user may have given.
        for accepted in (None, 28, 30):
            stopped = await finish(session.purge(unexplained=accepted))
            assert stopped.finished is not None
            assert stopped.finished.exit_code is ExitCode.LEFTOVERS
            assert stopped.finished.unexplained == 29
            assert "heatmap-tui --purge --purge-unexplained 29" in (stopped.finished.hint or "")
            assert contents(sandbox) == odd, "nothing was deleted"
        purged = await finish(session.purge(unexplained=29))
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    untouched()
