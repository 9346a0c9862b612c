"""What the console shows is what plain SQL finds in the base tables, over random answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.sandbox.helpers import options
from tests.verify.conftest import open_session
from tui.heatmap.grid import ColumnAxis, GridSpec, Metric, Origin, RowAxis, build_grid
from tui.sandbox import Sandbox, start_sandbox_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.heatmap.grid import Cell

LESION = r"nullif(btrim(regexp_replace(lower(normalize(q.lesion, NFKC)), '\s+', ' ', 'g')), '')"
ROWS = {
    RowAxis.LESION: (LESION, "null"),
    RowAxis.TOPIC: ("q.topic", "null"),
    RowAxis.QUESTION: ("q.id::text", "null"),
    RowAxis.LESION_TOPIC: (LESION, "q.topic"),
}
LABELS = {
    RowAxis.LESION: f"coalesce({LESION}, '(no lesion)')",
    RowAxis.TOPIC: "coalesce(q.topic, '(no topic)')",
    RowAxis.QUESTION: f"concat_ws(' ', left(q.id::text, 8), q.id, coalesce({LESION}, "
    "'(no lesion)'), coalesce(q.topic, '(no topic)'))",
    RowAxis.LESION_TOPIC: f"coalesce({LESION}, '(no lesion)') || ' · ' || "
    "coalesce(q.topic, '(no topic)')",
}
WORDS = ["carcinoma", "CELL", "nevus", "Melano", "(no", "s", "·", "tech", "a1", "zzz"]
COLUMNS = {
    ColumnAxis.WEEK: "(date_trunc('week', r.created_at, 'UTC'))::date",
    ColumnAxis.TOPIC: "q.topic",
}
ORIGINS = {
    Origin.ALL: "true",
    Origin.SYNTHETIC: "q.slug ~ '^heatmap-verification-'",
    Origin.REAL: "q.slug !~ '^heatmap-verification-'",
}


class Figures(NamedTuple):
    """One cell in words: accuracy, attempts, median time, and the line that has them all."""

    accuracy: str
    attempts: str
    median: str | None
    line: str


@pytest.fixture(scope="module")
def answered() -> Iterator[tuple[Sandbox, psycopg.Connection[tuple[Any, ...]]]]:
    """A sandbox with a few questions of an earlier run beside the real ones."""
    sandbox = start_sandbox_sync(options())
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
          is_correct = random() < case when %s < 0 then 0.6 else 0.03 end,
          ms_to_answer = case when random() < 0.3 then null else floor(random() * 40000)::int end,
          created_at = now() - random() * interval '80 days'
        """,
        (seed,),
    )
    connection.execute("select analytics_refresh_heatmap()")


def by_sql(
    connection: psycopg.Connection[tuple[Any, ...]], spec: GridSpec, *, totals: bool = False
) -> dict[tuple[Any, Any], Figures]:
    """Row, column -> the figures as they are to be shown, all of them made by SQL.

    A median of all durations where they are of one question and week. Else the mean of those
    medians, weighted by attempts: marked, as it is none.
    """
    first, second = ROWS[spec.axis]
    column = "null" if totals else COLUMNS[spec.columns]
    words = spec.text.split()
    label = LABELS[spec.axis]
    found = connection.execute(
        f"""
        with week as (
          select {first} r1, {second} r2, {column} c, count(*) n,
            count(*) filter (where r.is_correct) right_ones,
            (percentile_cont(0.5) within group (order by r.ms_to_answer))::numeric med
          from responses r join questions q on q.id = r.question_id
          where q.status = 'published' and {ORIGINS[spec.origin]}
            and (select coalesce(bool_and(position(lower(word) in lower({label})) > 0), true)
                 from unnest(%s::text[]) word)
          group by q.id, q.lesion, q.topic, date_trunc('week', r.created_at, 'UTC'), 1, 2, 3
        ), cell as (
          select r1, r2, c, sum(n) n, sum(right_ones) ok, count(med) groups,
            case count(med) when 1 then max(med)
              else sum(med * n) / nullif(sum(n) filter (where med is not null), 0) end ms
          from week group by r1, r2, c
        ), told as (
          select *, case when ok > 0 and round(100 * ok / n) = 0 then '<1'
              else round(100 * ok / n)::text end || '%%' pct,
            to_char(n, 'FM999,999,999') attempts,
            case when groups > 1 then '≈' else '' end mark
          from cell
        )
        select r1, r2, c, pct, attempts,
          mark || case when ms < 1000 then round(ms)::text || 'ms'
            else round(ms / 1000, 1)::text || 's' end,
          concat_ws(' · ', 'accuracy ' || pct,
            to_char(ok, 'FM999,999,999') || ' correct of ' || attempts || ' attempt'
              || case n when 1 then '' else 's' end,
            case when groups = 0 then 'no durations recorded'
              when groups = 1 and ms < 1000 then 'median time ' || trim_scale(ms) || ' ms'
              when groups = 1 then 'median time ' || trim_scale(ms / 1000) || ' s'
              when ms < 1000 then 'weighted median time ≈ ' || round(ms, 1) || ' ms'
              else 'weighted median time ≈ ' || round(ms / 1000, 1) || ' s' end)
        from told
        """,  # type: ignore[arg-type]
        (words,),
    )
    return {((row[0], row[1]), row[2]): Figures(*row[3:]) for row in found}


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.floats(-1, 1),
    axis=st.sampled_from(RowAxis),
    columns=st.sampled_from(ColumnAxis),
    metric=st.sampled_from(Metric),
    origin=st.sampled_from(Origin),
    text=st.lists(st.sampled_from(WORDS), max_size=2).map(" ".join),
)
@example(0.1, RowAxis.LESION, ColumnAxis.WEEK, Metric.MEDIAN, Origin.ALL, "carcinoma CELL")
@example(0.2, RowAxis.LESION_TOPIC, ColumnAxis.TOPIC, Metric.ACCURACY, Origin.REAL, "(no s")
@example(0.3, RowAxis.QUESTION, ColumnAxis.WEEK, Metric.MEDIAN, Origin.SYNTHETIC, "nevus")
def test_every_figure_shown_is_what_sql_finds(
    answered: tuple[Sandbox, psycopg.Connection[tuple[Any, ...]]],
    seed: float,
    axis: RowAxis,
    columns: ColumnAxis,
    metric: Metric,
    origin: Origin,
    text: str,
) -> None:
    sandbox, connection = answered
    shake(connection, seed)

    async def read() -> Any:
        async with open_session(sandbox) as session:
            return await session.read_heatmap()

    sample = asyncio.run(read())
    assert len(sample.rows) == sample.total
    spec = GridSpec(
        axis=axis,
        columns=columns,
        metric=metric,
        origin=origin,
        text=text,
        synthetic=sample.synthetic,
    )
    grid = build_grid(sample.rows, spec)
    cells: dict[tuple[Any, Any], Figures] = {}
    totals: dict[tuple[Any, Any], Figures] = {}
    for row in range(len(grid.rows)):
        for column, cell in enumerate(grid.rows[row].cells):
            if cell is None:
                continue
            one = cell.rows[0]
            name = {
                RowAxis.LESION: (one.lesion, None),
                RowAxis.TOPIC: (one.topic, None),
                RowAxis.QUESTION: (str(one.question_id), None),
                RowAxis.LESION_TOPIC: (one.lesion, one.topic),
            }[axis]
            where = grid.columns[column].week if columns is ColumnAxis.WEEK else one.topic
            cells[name, where] = shown(cell)
            totals[name, None] = shown(grid.rows[row].total)
    assert cells == by_sql(connection, spec), "none is missing, and none is made up"
    assert totals == by_sql(connection, spec, totals=True)
    if text == "zzz":
        assert not cells


def shown(cell: Cell) -> Figures:
    """What the console paints of a cell where there is room for the longest form."""
    told = {metric: cell.short(metric, 30) for metric in Metric}
    return Figures(
        told[Metric.ACCURACY] or "",
        told[Metric.ATTEMPTS] or "",
        told[Metric.MEDIAN],
        cell.describe(),
    )
