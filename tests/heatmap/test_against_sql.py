"""What a cell shows is what plain SQL finds in the base tables, over random answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verify.conftest import open_session
from tui.heatmap.axes import ColumnAxis, GridSpec, Metric, Origin, RowAxis
from tui.heatmap.grid import build_grid
from tui.sandbox import Sandbox, SandboxOptions, start_sandbox_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    Cells = dict[tuple[Any, Any], tuple[int, int, float | None, int]]

LESION = r"nullif(btrim(regexp_replace(lower(normalize(q.lesion, NFKC)), '\s+', ' ', 'g')), '')"
ROWS = {
    RowAxis.LESION: (LESION, "null"),
    RowAxis.TOPIC: ("q.topic", "null"),
    RowAxis.QUESTION: ("q.id::text", "null"),
    RowAxis.LESION_TOPIC: (LESION, "q.topic"),
}
COLUMNS = {
    ColumnAxis.WEEK: "(date_trunc('week', r.created_at, 'UTC'))::date",
    ColumnAxis.TOPIC: "q.topic",
}
ORIGINS = {
    Origin.ALL: "true",
    Origin.SYNTHETIC: "q.slug ~ '^heatmap-verification-'",
    Origin.REAL: "q.slug !~ '^heatmap-verification-'",
}


@pytest.fixture(scope="module")
def answered() -> Iterator[tuple[Sandbox, psycopg.Connection[tuple[Any, ...]]]]:
    """A sandbox with a few questions of an earlier run beside the real ones."""
    sandbox = start_sandbox_sync(SandboxOptions())
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(
            """
            insert into questions (slug, status, stem_md, explanation_brief_md, topic, lesion)
            select 'heatmap-verification-old-' || n, 'published', '', '', topic, upper(lesion)
            from (select *, row_number() over (order by id) n from questions) q where n <= 6;
            insert into responses (user_id, question_id, is_correct, ms_to_answer)
            select u.id, q.id, true, 1000 from questions q, app_users u
            where q.slug like 'heatmap-verification-%';
            """
        )
        yield sandbox, connection
    sandbox.stop_sync()


def shake(connection: psycopg.Connection[tuple[Any, ...]], seed: float) -> None:
    """Make every answer another one, at random, and refresh."""
    connection.execute("select setseed(%s)", (seed,))
    connection.execute(
        """
        update responses set
          is_correct = random() < 0.6,
          ms_to_answer = case when random() < 0.3 then null else floor(random() * 40000)::int end,
          created_at = now() - random() * interval '80 days'
        """
    )
    connection.execute("select analytics_refresh_heatmap()")


def by_sql(connection: psycopg.Connection[tuple[Any, ...]], spec: GridSpec) -> Cells:
    """Row, column -> attempts, correct, median of all durations, groups that have durations."""
    first, second = ROWS[spec.axis]
    found = connection.execute(
        f"""
        select {first}, {second}, {COLUMNS[spec.columns]}, count(*),
          count(*) filter (where r.is_correct),
          percentile_cont(0.5) within group (order by r.ms_to_answer),
          count(distinct (q.id, date_trunc('week', r.created_at, 'UTC')))
            filter (where r.ms_to_answer is not null)
        from responses r join questions q on q.id = r.question_id
        where q.status = 'published' and {ORIGINS[spec.origin]}
        group by 1, 2, 3
        """  # type: ignore[arg-type]
    )
    return {(row[0:2], row[2]): (row[3], row[4], row[5], row[6]) for row in found}


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.floats(-1, 1),
    axis=st.sampled_from(RowAxis),
    columns=st.sampled_from(ColumnAxis),
    metric=st.sampled_from(Metric),
    origin=st.sampled_from(Origin),
)
def test_every_cell_is_what_sql_finds(
    answered: tuple[Sandbox, psycopg.Connection[tuple[Any, ...]]],
    seed: float,
    axis: RowAxis,
    columns: ColumnAxis,
    metric: Metric,
    origin: Origin,
) -> None:
    sandbox, connection = answered
    shake(connection, seed)

    async def read() -> Any:
        async with open_session(sandbox) as session:
            return await session.live_heatmap()

    sample = asyncio.run(read())
    assert len(sample.rows) == sample.total
    spec = GridSpec(
        axis=axis, columns=columns, metric=metric, origin=origin, synthetic=sample.synthetic
    )
    grid = build_grid(sample.rows, spec)
    expected = by_sql(connection, spec)
    seen = 0
    for row in range(len(grid.rows)):
        for column, cell in enumerate(grid.row_cells(row)):
            if cell is None:
                continue
            seen += 1
            one = cell.rows[0]
            key = {
                RowAxis.LESION: (one.lesion, None),
                RowAxis.TOPIC: (one.topic, None),
                RowAxis.QUESTION: (str(one.question_id), None),
                RowAxis.LESION_TOPIC: (one.lesion, one.topic),
            }[axis]
            where = grid.columns[column].week if columns is ColumnAxis.WEEK else one.topic
            attempts, correct, median, groups = expected[key, where]
            assert (cell.attempts, cell.correct) == (attempts, correct)
            assert cell.value(Metric.ACCURACY) == pytest.approx(correct / attempts)
            assert cell.median_exact is (groups <= 1)
            if groups == 0:
                assert cell.value(Metric.MEDIAN) is None
            elif groups == 1:
                assert cell.value(Metric.MEDIAN) == pytest.approx(median)
    assert seen == len(expected), "no cell is missing, and none is made up"
