"""What is told of the live view, as a database in another time zone hands it over."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from tests.cli.test_main import command, project
from tests.verify.conftest import finish, open_session
from tui.heatmap.grid import GridSpec, RowAxis, build_grid
from tui.verify.events import SampleTaken

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox


async def test_a_refresh_is_told_in_utc_wherever_the_database_lives(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute("alter database postgres set timezone to 'Asia/Tokyo'")
        connection.execute("select analytics_refresh_heatmap()")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
        now = datetime.now(UTC)
    async with open_session(sandbox) as session:
        zone = str(session.preflight["last_refresh"]["refreshed_at"])
        assert zone.endswith("+09:00"), "else this test proves nothing"
        refreshed_at = (await session.read_heatmap()).refreshed_at
    assert refreshed_at is not None
    assert refreshed_at.endswith("+00:00")
    assert abs((datetime.fromisoformat(refreshed_at) - now).total_seconds()) < 60


async def test_questions_are_called_by_their_slugs(sandbox: Sandbox, database: Any) -> None:
    slugs = dict(database.execute("select id, slug from questions").fetchall())
    samples = []
    async with open_session(sandbox) as session:
        live = await session.read_heatmap()
        result = await finish(
            session.cycle(), lambda e: samples.append(e) if isinstance(e, SampleTaken) else None
        )
    assert live.names == slugs
    (sample,) = samples
    assert sample.names.keys() >= {row.question_id for row in sample.rows}
    assert result.started is not None
    assert all(name.startswith(f"{result.started.run_id}-") for name in sample.names.values())
    some = sample.rows[0].question_id
    spec = GridSpec(RowAxis.QUESTION, text=sample.names[some], names=sample.names)
    grid = build_grid(sample.rows, spec)
    assert [row.label for row in grid.rows if row.label == sample.names[some]]


def test_the_print_tells_age_and_extent_and_is_ascii_where_it_must_be(sandbox: Sandbox) -> None:
    printed = {
        encoding: command("--heatmap", **project(sandbox, PYTHONIOENCODING=encoding)).stdout
        for encoding in ("utf-8", "ascii")
    }
    for text in printed.values():
        assert re.search(r"all [\d,]+ rows of the view were read, refreshed 20.* UTC", text)
    assert printed["ascii"].isascii()
    assert "█" in printed["utf-8"]
    assert "?" not in printed["ascii"]


async def test_weeks_that_no_calendar_holds_break_nothing(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    weeks = ["infinity", "-infinity", "0044-03-15 BC", "55840-01-03"]
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        for week in weeks:
            connection.execute(
                "update responses set created_at = %s::timestamptz where id = "
                "(select r.id from responses r join questions q on q.id = r.question_id "
                "where q.status = 'published' and isfinite(r.created_at) "
                "and r.created_at > '2000-01-01' and r.created_at < '3000-01-01' limit 1)",
                (week,),
            )
        connection.execute("select analytics_refresh_heatmap()")
        found = connection.execute(
            "select count(*), count(distinct week_start) from analytics_heatmap_agg "
            "where not isfinite(week_start) or week_start < '0001-01-01' "
            "or week_start > '9999-12-31'"
        ).fetchone()
        assert found is not None
        assert found[1] == 4
    async with open_session(sandbox) as session:
        sample = await session.read_heatmap()
    assert len(sample.rows) == sample.total
    grid = build_grid(sample.rows, GridSpec(axis=RowAxis.QUESTION))
    assert sum(grid.undated.values()) == found[0]
    assert set(grid.undated) == {"infinity", "-infinity", "0044-03-11 BC", "55839-12-30"}
    assert grid.rows_used == sample.total - found[0]
    done = command("--heatmap", **project(sandbox))
    assert done.returncode == 0, done.stderr
    assert f"left out: {found[0]} rows of impossible weeks (-infinity, 0044-" in done.stdout
    assert "isoformat" not in done.stdout + done.stderr
    told = json.loads(command("--heatmap", "--json", **project(sandbox)).stdout)
    assert told["outcome"] == "read"
