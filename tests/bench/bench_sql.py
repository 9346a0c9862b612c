"""What the heatmap's SQL costs, as ratios to a bare aggregate of the same rows.

    python -m tests.bench.bench_sql --responses 1000000 10000000

starts a PostgreSQL of its own, fills it, and prints one table per size. Questions grow with the
responses (1,000 answers each, over 50 weeks), so that a row of the view stands for about 20 answers
at every size and sizes compare like with like: 10,000,000 make 10,000 questions and up to 500,000
view rows. `--questions` sets another number; many questions with few answers each weigh what a view
row costs (median, division, comparison) rather than what reading the answers does. Each figure is
the median of `--runs` runs after a warm-up, in seconds that the server's process spent on a
processor (elapsed seconds where /proc does not tell), with parallel workers off, so that it holds
on a busy machine too.
10,000,000 responses take about 10 minutes and 5 GB of disk below /tmp.

The view's query runs with the settings that the refresh function carries, everything else with the
server's defaults. The targets printed beside the ratios are those that a change of the SQL has to
keep.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.rows import tuple_row

from tests.sql.cluster import OWNER, SQL, Cluster, installed, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    import psycopg

WEEKS = 50
SERVER = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "autovacuum": "off",
}

BARE = """
select r.question_id, date_bin('7 days', r.created_at, timestamptz '2000-01-03 00:00:00+00'),
  count(*)
from public.responses r group by 1, 2
"""
# What one writes first: join, normalize each row, group by all four.
PLAIN = r"""
select r.question_id,
  nullif(lower(btrim(regexp_replace(normalize(q.lesion, NFKC), '\s+', ' ', 'g'))), '') as lesion,
  q.topic,
  date_trunc('week', r.created_at, 'UTC')::date as week_start,
  count(*) as attempts,
  count(*) filter (where r.is_correct) as correct_attempts,
  round(avg(case when r.is_correct then 1 else 0 end), 2) as accuracy_rate,
  percentile_cont(0.5) within group (order by r.ms_to_answer) as median_duration_ms
from public.responses r
join public.questions q on q.id = r.question_id
where q.status = 'published'
group by 1, 2, 3, 4
"""
LOAD = """
alter table public.responses drop constraint responses_pkey cascade,
  drop constraint responses_user_id_question_id_key;
set session_replication_role = replica;
insert into public.app_users (id)
  select md5('user ' || n)::uuid from generate_series(1, {users}) n;
insert into public.app_users (id)
  select md5('newcomer ' || n)::uuid from generate_series(1, {newcomers}) n;
insert into public.questions
  (id, slug, status, stem_md, explanation_brief_md, topic, lesion)
  select md5('question ' || n)::uuid, 'bench-' || n,
    case when n % 20 = 0 then 'draft' else 'published' end::public.item_status, '', '',
    'Topic ' || n % 12,
    case when n % 25 <> 0 then '  Lesion   of  Kind ' || n % 40 || ' ' end
  from generate_series(1, {questions}) n;
insert into public.responses (user_id, question_id, is_correct, ms_to_answer, created_at)
  select u.id, q.id, random() < 0.7,
    case when random() < 0.95 then (random() * 120000)::integer end,
    timestamptz '2025-01-06 00:00+00' + random() * {weeks} * interval '7 days'
  from (select md5('user ' || n)::uuid as id from generate_series(1, {users}) n) u
  cross join public.questions q;
alter table public.responses add primary key (id), add unique (user_id, question_id);
set session_replication_role = origin;
"""
COVERED = "select to_regclass('public.responses_heatmap_covering_idx') is not null"
NEWCOMERS = 20
# Each question that is deleted takes its answers along.
DOOMED = 5
INSERT = """
insert into public.responses (user_id, question_id, is_correct, ms_to_answer)
select u.id, q.id, true, 1000
from (select md5('newcomer ' || n)::uuid as id from generate_series(1, {newcomers}) n) u
cross join (select id from public.questions order by id limit 1000) q
"""
DELETE = """
delete from public.questions
where id in (select id from public.questions order by id limit {doomed})
"""


@dataclass
class Bench:
    """One database, and the figures taken from it so far."""

    connection: psycopg.Connection
    runs: int
    seconds: dict[str, float]

    def measure(self, name: str, work: Callable[[], object]) -> float:
        """Run once to warm up, then `runs` times; keep and return the median."""
        work()
        pid = self.connection.info.backend_pid
        samples: list[float] = []
        for _ in range(self.runs):
            before = _clock(pid)
            work()
            samples.append(_clock(pid) - before)
        self.seconds[name] = statistics.median(samples)
        print(f"  {name:<44} {self.seconds[name]:8.3f} s", flush=True)
        return self.seconds[name]

    def query(self, name: str, query: str) -> float:
        """Measure a query whose rows nobody fetches."""
        # EXPLAIN ANALYZE computes every column; around a count(*) the planner would drop some.
        return self.measure(
            name, lambda: self.connection.execute(f"explain (analyze, timing off) {query}")
        )

    def refreshing(self, name: str, query: str) -> float:
        """Measure a query as the refresh function has it planned."""
        covered = self.connection.execute(COVERED).fetchone() == (True,)
        self.connection.execute(f"set work_mem = '16MB'; set enable_indexscan = {covered}".encode())
        try:
            return self.query(name, query)
        finally:
            self.connection.execute("reset work_mem; reset enable_indexscan")

    def statement(self, name: str, statement: str) -> float:
        """Measure a statement as it is."""
        return self.measure(name, lambda: self.connection.execute(statement))

    def undone(self, name: str, statement: str) -> float:
        """Measure a statement that is rolled back each time."""

        def work() -> None:
            with self.connection.transaction(force_rollback=True):
                self.connection.execute(statement)

        return self.measure(name, work)

    def once(self, name: str, statement: str) -> float:
        """Measure a statement that can be run once only."""
        pid = self.connection.info.backend_pid
        before = _clock(pid)
        self.connection.execute(statement)
        self.seconds[name] = _clock(pid) - before
        print(f"  {name:<44} {self.seconds[name]:8.3f} s", flush=True)
        return self.seconds[name]


def _clock(pid: int) -> float:
    # schedstat counts nanoseconds on a processor; the ticks of /proc/<pid>/stat are too coarse.
    spent = Path(f"/proc/{pid}/schedstat")
    return int(spent.read_text().split()[0]) / 1e9 if spent.exists() else time.monotonic()


@contextlib.contextmanager
def _filled(cluster: Cluster, responses: int, questions: int) -> Iterator[psycopg.Connection]:
    cluster.create("bench")
    files = ("sandbox/10_roles.sql", "sandbox/20_auth.sql", "sandbox/30_app.sql")
    cluster.apply("bench", *files)
    with cluster.connect("bench") as admin:
        load = LOAD.format(
            users=max(1, responses // questions),
            questions=questions,
            weeks=WEEKS,
            newcomers=NEWCOMERS,
        )
        admin.execute(load.encode())
        admin.execute("vacuum (analyze, freeze)")
    try:
        with cluster.connect("bench", OWNER) as connection:
            yield connection
    finally:
        cluster.drop("bench")


def _view_query(connection: psycopg.Connection) -> str:
    row = connection.execute("select pg_get_viewdef('public.analytics_heatmap_agg')").fetchone()
    assert row is not None
    return str(row[0]).rstrip(";")


def _read_pages(connection: psycopg.Connection, page: int) -> int:
    last: tuple[Any, Any] = (None, None)
    total = 0
    while True:
        rows = connection.execute(
            "select * from public.analytics_heatmap_admin(after_week => %s::date, "
            "after_question => %s::uuid, max_rows => %s)",
            (*last, page),
            binary=True,
        ).fetchall()
        total += len(rows)
        if len(rows) < page:
            return total
        last = (rows[-1][3], rows[-1][0])


def _read_at_once(connection: psycopg.Connection) -> int:
    return len(
        connection.execute(
            "select * from public.analytics_heatmap_agg order by week_start, question_id",
            binary=True,
        ).fetchall()
    )


def _first_page_ms(connection: psycopg.Connection) -> float:
    samples = []
    for _ in range(9):
        row = connection.execute(
            "explain (analyze, format json) "
            "select * from public.analytics_heatmap_admin(max_rows => 1000)"
        ).fetchone()
        assert row is not None
        samples.append(float(row[0][0]["Execution Time"]))
    return statistics.median(samples)


@dataclass(frozen=True)
class Price:
    """What the covering index costs and gives elsewhere.

    Attributes:
        megabytes: Its size.
        build: Seconds to build it.
        inserts: Cost of inserts with it, as a ratio to those without.
        deletes: Cost of deleting questions without it, as a ratio to that with it.
    """

    megabytes: float
    build: float
    inserts: float
    deletes: float


def _price_of_the_index(at: Bench) -> Price:
    index = "public.responses_heatmap_covering_idx"
    insert = INSERT.format(newcomers=NEWCOMERS)
    delete = DELETE.format(doomed=DOOMED)
    row = at.connection.execute(
        f"select pg_relation_size('{index}') / 1e6, pg_get_indexdef('{index}'::regclass)"
    ).fetchone()
    assert row is not None
    inserts = at.undone("inserts, covering index", insert)
    deletes = at.undone(f"deleting {DOOMED} questions, covering index", delete)
    at.connection.execute(f"drop index {index}")
    bare_inserts = at.undone("inserts", insert)
    bare_deletes = at.undone(f"deleting {DOOMED} questions", delete)
    build = at.once("building the covering index", str(row[1]))
    return Price(float(row[0]), build, inserts / bare_inserts, bare_deletes / deletes)


def bench(cluster: Cluster, responses: int, questions: int, runs: int) -> bool:
    """Fill a database, measure, print. Returns whether every target was reached."""
    print(f"\n{responses:,} responses to {questions:,} questions", flush=True)
    with _filled(cluster, responses, questions) as connection:
        connection.row_factory = tuple_row
        at = Bench(connection, runs, {})
        at.query("bare count(*)", "select count(*) from public.responses")
        base = at.query("bare question, week, count(*)", BARE)
        cluster.apply("bench", "analytics_heatmap.sql", user=OWNER)
        view = _view_query(connection)
        without = at.refreshing("view's query", view)
        plain = at.query("plain design", PLAIN)
        at.statement("refresh, no index", "select public.analytics_refresh_heatmap()")
        result = cluster.psql("bench", SQL / "analytics_heatmap_covering_index.sql")
        if result.returncode != 0:
            raise SystemExit(result.stderr)
        covered = at.refreshing("view's query, covering index", view)
        full = at.statement(
            "full refresh, covering index",
            "refresh materialized view public.analytics_heatmap_agg",
        )
        refresh = at.statement(
            "concurrent refresh, covering index", "select public.analytics_refresh_heatmap()"
        )
        connection.execute("vacuum (analyze) public.analytics_heatmap_agg")
        once = at.measure("one ordered read by the owner", lambda: _read_at_once(connection))
        pages = at.measure("keyset pages of 1,000", lambda: _read_pages(connection, 1000))
        rows = _read_at_once(connection)
        first = _first_page_ms(connection)
        # These leave dead rows behind, so they come last.
        price = _price_of_the_index(at)

    large = responses >= 10_000_000
    table = [
        ("view's query, covering index / bare", covered / base, 1.4),
        ("view's query / bare", without / base, 2.6),
        ("view's query / plain design", without / plain, 0.2),
        ("view's query, covering index / plain design", covered / plain, 0.2),
        ("full refresh, covering index / bare", full / base, None),
        ("concurrent refresh, covering index / bare", refresh / base, 2.3 if large else None),
        (f"{rows:,} rows by pages / at once", pages / max(once, 0.01), 1.3 if large else None),
        ("first page, ms", first, 20.0),
        ("covering index: size, MB", price.megabytes, None),
        ("covering index: build / bare", price.build / base, None),
        ("inserts with the index / without", price.inserts, None),
        ("deleting a question without / with the index", price.deletes, None),
    ]
    print(f"\n  {'ratio':<44} {'here':>8} {'target':>8}")
    for name, value, target in table:
        verdict = (
            "" if target is None else f"{target:>8.2f}  {'ok' if value <= target else 'MISSED'}"
        )
        print(f"  {name:<44} {value:>8.2f} {verdict}", flush=True)
    return all(target is None or value <= target for _, value, target in table)


def main() -> None:
    """Parse the arguments, run, and exit with 1 when a target was missed."""
    versions = installed()
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="example: python -m tests.bench.bench_sql --responses 1000000 10000000",
    )
    parser.add_argument("--responses", type=int, nargs="+", default=[1_000_000], metavar="N")
    parser.add_argument(
        "--questions", type=int, metavar="N", help="default: one for each 1,000 responses"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs per figure (default 3)")
    parser.add_argument(
        "--server",
        choices=sorted(versions),
        default=next(iter(versions), None),
        help="which PostgreSQL (default %(default)s)",
    )
    arguments = parser.parse_args()
    # Ended from outside, the server is still stopped and its directory removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with running(versions[arguments.server](), SERVER) as cluster:
        print(f"server {arguments.server}, {arguments.runs} runs each", flush=True)
        reached = [
            bench(cluster, size, arguments.questions or max(1, size // 1_000), arguments.runs)
            for size in arguments.responses
        ]
    raise SystemExit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
