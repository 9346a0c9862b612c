"""What triggers leave in other tables is told: for certain, as likely, or as not to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from tests.projects.variant import DIRECTORY, Variant
from tests.verify.conftest import contents, finish, open_session, trigger
from tui.errors import ExitCode
from tui.verify import traces
from tui.verify.events import Event, Outcome, Stage, StageStarted
from tui.verify.leftovers import SLUG_FORMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox

RUN = "20260131-9f3c21aa"
AUDIT_TRAIL = Variant.read(DIRECTORY / "audit-trail.sql").sql
BY = "meddle on public.responses"


def table(rows: int, *, of_run: int = 0, digest: str | None = "1", **more: Any) -> dict[str, Any]:
    return {"rows": rows, "of_run": of_run, "digest": digest, "by": BY, "keeps": None, **more}


def project(**tables: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Tables as they are read; the four that a run writes to are there in any case."""
    four = {"questions": table(54, by=None), "responses": table(1583, by=None)}
    four |= {"app_users": table(62, by=None)}
    found = {f"public.{name}": each for name, each in (four | tables).items()}
    found["auth.users"] = table(62, digest=None, by=None)
    return {name: each | {"table": name} for name, each in found.items()}


def left(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> tuple[list[traces.Trace], list[str]]:
    found = traces.left(before, after, RUN, changed=[])
    return found.left, found.remarks


def test_a_run_is_recognised_by_every_form_of_its_name() -> None:
    pattern = traces.marks([RUN, "m3x9k2"])
    assert all(form.write(RUN) in pattern.split("|") for form in SLUG_FORMS)
    assert "m3x9k2" not in pattern
    assert traces.marks(["m3x9k2"]) == ""


def test_nothing_is_told_of_what_is_as_before() -> None:
    assert left(project(log=table(3)), project(log=table(3))) == ([], [])


def test_rows_that_were_added_are_deleted_and_rows_that_were_changed_are_not() -> None:
    [added], _ = left(project(log=table(3)), project(log=table(5, of_run=2)))
    assert added.seen == f"2 rows in public.log (written or kept by {BY})"
    assert added.remedy == f"delete from public.log t where t::text ~ '{traces.marks([RUN])}'"
    [changed], _ = left(project(log=table(3)), project(log=table(3, of_run=1, digest="2")))
    assert "their old values are not known" in changed.seen
    assert changed.remedy is None
    for unknown in ({}, project(log={"unread": "no time was left", "by": BY})):
        [told], _ = left(unknown, project(log=table(3, of_run=1)))
        assert told.remedy is not None
        assert told.remedy.startswith("where its rows that name the run were not there before it: ")


def test_a_change_while_others_wrote_is_no_verdict_but_is_told() -> None:
    before = project(log=table(3))
    for theirs in (
        {"responses": table(1584, digest="2", by=None)},
        {"questions": table(54, digest="2", by=None)},
    ):
        found, remarks = left(before, project(log=table(4, digest="2"), **theirs))
        assert found == []
        assert f"public.log ({BY}); others wrote meanwhile" in " ".join(remarks)
    [alone], remarks = left(before, project(log=table(4, digest="2")))
    assert alone.seen.startswith("1 rows more in public.log")
    assert remarks == []


def test_a_table_that_no_trigger_names_is_taken_for_anothers() -> None:
    found, [remark] = left(
        project(log=table(3, by=None)), project(log=table(4, digest="2", by=None))
    )
    assert found == []
    assert "public.log; no trigger" in remark


def test_a_table_that_was_not_read_is_named_where_a_trigger_may_write_to_it() -> None:
    large: dict[str, Any] = {"unread": "about 3000000 rows", "by": BY}
    found, [remark] = left(project(log=large), project(log=large))
    assert found == []
    assert remark == "not looked at for what a run leaves: public.log (about 3000000 rows)"
    unnamed = large | {"by": None}
    assert left(project(log=unnamed), project(log=unnamed)) == ([], [])


def run_sql(sandbox: Sandbox, text: str) -> None:
    with psycopg.connect(make_conninfo(sandbox.db_url, user="postgres")) as connection:
        connection.execute(text.encode())


async def test_a_purge_tells_of_rows_that_name_what_it_removed(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    run_sql(sandbox, AUDIT_TRAIL)
    before = contents(sandbox)
    async with open_session(sandbox, users=9, questions=20, canary=False) as session:
        run = session.cycle()

        def abandon(event: Event) -> None:
            if isinstance(event, StageStarted) and event.stage is Stage.CLEANUP_RESPONSES:
                run.abandon()

        await finish(run, abandon)
        # The second time, nothing but those rows is there.
        for _ in range(2):
            finished = (await finish(session.purge())).finished
            assert finished is not None
            assert finished.exit_code is ExitCode.LEFTOVERS, finished
            assert "400 rows in public.audit_trail" in finished.message
            assert finished.hint is not None
        run_sql(sandbox, finished.hint.partition(": ")[2])
        purged = (await finish(session.purge())).finished
        assert purged is not None
        assert purged.outcome is Outcome.CLEAN, purged
        assert session.journals == []
    assert contents(sandbox) == before


async def test_an_answer_of_a_learner_meanwhile_makes_no_change_a_silent_one(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    run_sql(
        sandbox,
        "create table public.totals (answers int); insert into public.totals values (0);"
        + trigger("responses", "update totals set answers = answers + 1;"),
    )
    async with open_session(sandbox, users=9, questions=20, canary=False) as session:
        run = session.cycle()

        def answer(event: Event) -> None:
            if isinstance(event, StageStarted) and event.stage is Stage.REFRESH:
                run_sql(
                    sandbox,
                    "insert into public.responses (user_id, question_id, is_correct) select u.id, "
                    "q.id, true from public.app_users u, public.questions q where q.slug !~ "
                    "'heatmap' on conflict do nothing",
                )

        result = await finish(run, answer)
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    [told] = [each.text for each in result.notices if "cannot be told" in each.text]
    assert "public.totals (meddle on public.responses)" in told
