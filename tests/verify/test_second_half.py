"""Whatever goes wrong after the first write: what is left is counted, and the verdict says so."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.verify.conftest import contents, finish, open_session
from tests.verify.test_journal import FullDisk, no_space
from tui.errors import ExitCode
from tui.evidence import archive
from tui.project import VIEW, Project, ProjectError, TimedOut, Truncated, Writer
from tui.verify import comparison, journal, view
from tui.verify.events import (
    Event,
    Notice,
    Outcome,
    Stage,
    StageStarted,
)
from tui.verify.narration import narrate
from tui.verify.result import document

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.project import Refresh
    from tui.sandbox import Sandbox
    from tui.verify.events import RunFinished

NOTHING_LEFT = {"users": 0, "questions": 0, "responses": 0}


def at(stage: Stage, act: Callable[[], None]) -> Callable[[Event], None]:
    """Do something when a stage begins."""

    def watch(event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage is stage:
            act()

    return watch


@pytest.fixture
def others_refresh(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have the next refreshes meet another one, so many times."""
    refresh = Writer.refresh
    left = 0

    async def busy(self: Writer) -> Refresh:
        nonlocal left
        if left:
            left -= 1
            for _ in range(5):
                # Whoever listens gets a turn, as while a server is asked.
                await asyncio.sleep(0)
            raise TimedOut(
                "refreshing the view: another refresh is still running (55P03)",
                code="55P03",
                status=500,
            )
        return await refresh(self)

    def begin(times: int) -> None:
        nonlocal left
        left = times

    monkeypatch.setattr(Writer, "refresh", busy)
    return begin


async def test_a_cancelled_run_waits_for_the_refresh_that_is_in_its_way(
    sandbox: Sandbox, untouched: Callable[[], None], others_refresh: Callable[[int], None]
) -> None:
    async with open_session(sandbox) as opened:
        run = opened.cycle()

        def stop() -> None:
            others_refresh(3)
            run.cancel("stopped by the test")

        result = await finish(run, at(Stage.RESPONSES, stop))
    assert result.finished is not None
    assert result.finished.outcome is Outcome.INTERRUPTED, result.finished
    assert document(result)["leftovers"] == NOTHING_LEFT
    assert result.final_refresh_ms is not None
    untouched()


async def test_a_cancelled_run_does_not_wait_for_a_refresh_after_its_write(
    sandbox: Sandbox, untouched: Callable[[], None], others_refresh: Callable[[int], None]
) -> None:
    others_refresh(100)
    async with open_session(sandbox) as opened:
        run = opened.cycle()

        def watch(event: Event) -> None:
            if isinstance(event, Notice) and "another refresh" in event.text:
                run.cancel("stopped by the test")
                others_refresh(0)

        result = await finish(run, watch)
    assert result.finished is not None
    assert result.finished.outcome is Outcome.INTERRUPTED, result.finished
    assert result.refresh_runs_ms == []
    untouched()


async def test_a_purge_waits_for_the_refresh_that_is_in_its_way(
    sandbox: Sandbox, untouched: Callable[[], None], others_refresh: Callable[[int], None]
) -> None:
    others_refresh(3)
    notices: list[str] = []
    async with open_session(sandbox) as opened:
        purged = await finish(
            opened.purge(), lambda e: notices.append(e.text) if isinstance(e, Notice) else None
        )
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    assert (
        notices
        == ["refreshing the view: another refresh is still running (55P03); asking again"] * 3
    )
    untouched()


async def test_a_disk_that_fills_up_does_not_stop_the_clean_up(
    sandbox: Sandbox, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill() -> None:
        monkeypatch.setattr(journal, "os", FullDisk())
        monkeypatch.setattr(journal, "write_private", no_space)

    async with open_session(sandbox) as opened:
        result = await finish(opened.cycle(), at(Stage.RESPONSES, fill))
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert document(result)["leftovers"] == NOTHING_LEFT
    untouched()


async def test_a_full_disk_does_not_hide_what_is_left(
    sandbox: Sandbox, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    async with open_session(sandbox) as opened:
        run = opened.cycle()

        def watch(event: Event) -> None:
            if isinstance(event, Notice):
                notices.append(event.text)
            if isinstance(event, StageStarted) and event.stage is Stage.CLEANUP_RESPONSES:
                monkeypatch.setattr(journal, "write_private", no_space)
                run.abandon()

        result = await finish(run, watch)
        assert result.finished is not None
        assert result.finished.exit_code is ExitCode.LEFTOVERS, result.finished
        assert result.finished.hint == "run heatmap-tui --purge to remove it"
        assert any("is not up to date" in text for text in notices)
        monkeypatch.undo()
        purged = await finish(opened.purge())
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    untouched()


async def test_rows_are_counted_even_where_the_view_cannot_be_read(
    sandbox: Sandbox, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    count, page = Project.count, Project.page
    broken = False

    async def count_tables(self: Project, table: str, *args: Any, **rest: Any) -> int:
        if broken and table == VIEW:
            raise ProjectError("counting the view: permission denied (42501)")
        return await count(self, table, *args, **rest)

    async def page_of_tables(self: Project, table: str, *args: Any, **rest: Any) -> Any:
        if broken and table == VIEW:
            raise ProjectError("reading the view: permission denied (42501)")
        return await page(self, table, *args, **rest)

    def break_it() -> None:
        nonlocal broken
        broken = True

    monkeypatch.setattr(Project, "count", count_tables)
    monkeypatch.setattr(Project, "page", page_of_tables)
    async with open_session(sandbox) as opened:
        result = await finish(opened.cycle(), at(Stage.AUDIT, break_it))
    told = document(result)
    assert told["leftovers"] == NOTHING_LEFT
    assert told["view_restored"] is None
    assert result.audit is not None
    assert "permission denied" in result.audit.explanation
    assert told["exit_code"] == 0, told["message"]
    untouched()


async def test_a_view_that_was_neither_refreshed_nor_read_is_not_called_clean(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, refresh = Project.count, Writer.refresh
    broken = False

    async def count_tables(self: Project, table: str, *args: Any, **rest: Any) -> int:
        if broken and table == VIEW:
            raise ProjectError("counting the view: permission denied (42501)")
        return await count(self, table, *args, **rest)

    async def refuse(self: Writer) -> Refresh:
        if broken:
            raise ProjectError("refreshing the view: permission denied (42501)")
        return await refresh(self)

    def break_it() -> None:
        nonlocal broken
        broken = True

    monkeypatch.setattr(Project, "count", count_tables)
    monkeypatch.setattr(Writer, "refresh", refuse)
    async with open_session(sandbox) as opened:
        result = await finish(opened.cycle(), at(Stage.CLEANUP_RESPONSES, break_it))
        broken = False
        assert result.finished is not None
        assert result.finished.exit_code is ExitCode.LEFTOVERS, result.finished
        assert "the view may show rows of run" in result.finished.message
        assert any("final refresh" in each for each in result.finished.problems)
        purged = await finish(opened.purge())
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN


@pytest.mark.parametrize(("times", "restored_"), [(1, True), (9, None)])
async def test_a_view_that_shrinks_while_it_is_read_fails_no_run(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, times: int, restored_: bool | None
) -> None:
    read = comparison._real_rows
    left = times

    async def shrinking(*args: Any) -> comparison.RealRows:
        nonlocal left
        if left:
            left -= 1
            raise Truncated("reading the view: 900 rows came of 1,000")
        return await read(*args)

    monkeypatch.setattr(comparison, "_real_rows", shrinking)
    async with open_session(sandbox) as opened:
        result = await finish(opened.cycle())
    assert document(result)["outcome"] == "verified", result.finished
    assert document(result)["view_restored"] is restored_


async def test_what_could_not_be_deleted_is_told_with_its_reason(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    before = contents(sandbox)
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:

        def revoke() -> None:
            connection.execute("revoke delete on questions from service_role")

        async with open_session(sandbox) as opened:
            result = await finish(opened.cycle(), at(Stage.CLEANUP_RESPONSES, revoke))
            assert result.finished is not None
            assert result.finished.exit_code is ExitCode.LEFTOVERS
            assert any("42501" in each for each in document(result)["problems"])
            assert "42501" in (narrate(result.finished) or "")

            failed = await finish(opened.purge())
            assert failed.finished is not None
            assert failed.finished.exit_code is ExitCode.LEFTOVERS
            assert "42501" in (narrate(failed.finished) or "")

            connection.execute("grant delete on questions to service_role")
            purged = await finish(opened.purge())
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN
    assert contents(sandbox) == before


async def broken(*_: object) -> None:
    raise RuntimeError("a mistake")


async def test_an_internal_error_strands_nothing_and_is_reported(
    sandbox: Sandbox, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "compare", broken)
    async with open_session(sandbox) as opened:
        result = await finish(opened.cycle())
        assert opened.journals == []
        reports = list((opened.settings.state_dir / "crashes").iterdir())
    told = document(result)
    assert (told["outcome"], told["exit_code"]) == ("failed", 1)
    assert told["leftovers"] == NOTHING_LEFT
    assert "internal error (RuntimeError)" in told["message"]
    assert str(reports[0]) in told["problems"][0]
    assert "a mistake" in reports[0].read_text()
    untouched()


async def test_an_internal_error_does_not_hide_what_is_left(
    sandbox: Sandbox, untouched: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.verify.clean_up.CleanUp.responses", broken)
    async with open_session(sandbox) as opened:
        result = await finish(opened.cycle())
        assert result.finished is not None
        assert result.finished.exit_code is ExitCode.LEFTOVERS, result.finished
        assert any("RuntimeError" in each for each in result.finished.problems)
        assert [each.run_id for each in opened.journals] == [document(result)["run_id"]]
        monkeypatch.undo()
        purged = await finish(opened.purge())
    assert purged.finished is not None
    assert purged.finished.outcome is Outcome.CLEAN
    untouched()


async def test_evidence_that_cannot_be_made_does_not_hide_the_verdict(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(*_: object, **__: object) -> RunFinished:
        raise RuntimeError("a mistake")

    async with open_session(sandbox) as opened:
        monkeypatch.setattr(archive, "_judged", judged)
        result = await finish(opened.cycle())
        assert list((opened.settings.state_dir / "crashes").iterdir())
    assert document(result)["outcome"] == "verified"


async def test_no_request_of_a_run_outlives_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(_: journal.Journal) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(journal.Journal, "open", unwritable)
    before = asyncio.all_tasks()
    async with open_session(sandbox) as opened:
        with pytest.raises(OSError, match="broken"):
            await finish(opened.cycle())
        assert {each for each in asyncio.all_tasks() if each not in before} == set()


async def test_a_sample_says_how_much_more_there_is(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "_SAMPLE_ROWS", 64)
    async with open_session(sandbox) as opened:
        result = await finish(opened.cycle())
    assert result.sample is not None
    assert len(result.sample.rows) == 64
    assert result.sample.total == 160
    assert document(result)["outcome"] == "verified"


# A write that a gateway gave up on, carried out once the clean-up has been.
LATE = """
create table public.kept (like public.questions);
create function public.keep() returns trigger language plpgsql security definer
  set search_path = public, pg_temp as $$
  begin insert into kept select old.* where not exists (select from kept); return null; end $$;
create function public.come_back() returns trigger language plpgsql security definer
  set search_path = public, pg_temp as $$
  begin
    insert into questions select * from kept where slug <> 'gone';
    update kept set slug = 'gone';
    return null;
  end $$;
create trigger keep after delete on questions for each row
  when (old.slug like 'heatmap-verification-%') execute function public.keep();
create trigger come_back after insert on analytics_private.heatmap_refresh
  for each statement execute function public.come_back();
"""


async def test_a_row_that_comes_in_after_the_clean_up_is_removed_as_well(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(LATE)
    before = contents(sandbox)
    async with open_session(sandbox, users=3, questions=4, canary=False) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert "came in after the clean-up, so once more: 0 users, 1 questions, 0 responses" in str(
        result.notices
    )
    after = contents(sandbox)
    assert before.pop("public.kept") != after.pop("public.kept")
    assert after == before
