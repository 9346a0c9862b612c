"""The README's ways of applying the SQL, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from platform import machine
from typing import TYPE_CHECKING

import pytest

from tests.npm import Package, fetch
from tests.readme import block_with

from .cluster import SQL, psql
from .conftest import Database
from .test_upgrade import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .cluster import Cluster

# The real command-line tool, in the two major versions that are in use.
CLI2 = Package(
    "@supabase/cli-linux-x64",
    "2.117.0",
    "qDJEURD/YajKD/OQ91O9XNHB/LHK9V8xZ9qGiUQCFhP9OAvMQjUT12j8k/mgTe4PqIxigGpfvm+eNxRcKnU9Rw==",
)
CLI3 = Package(
    "@supabase/cli-linux-x64",
    "3.1.0",
    "67aBVJQ5psQZ5ezM/uby+xjKlF2Er1GLH9EtQWpUkuOpR3uI7fQjQt9fXTfV6/oqLJA3I+X8O5Fhz/pa8lAiqg==",
)
needs_cli = pytest.mark.skipif(
    (sys.platform, machine()) != ("linux", "x86_64"),
    reason="npm has no Supabase CLI pinned for this system",
)
# One row of `migration list` for each version that is both here and there.
PUSHED = re.compile(r"(\d{14})\W+(\d{14})\W")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project's repository, with our SQL and with migrations of its own."""
    (tmp_path / "sql").symlink_to(SQL)
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "20240102030405_platform.sql").write_text("select 'the platform';\n")
    return tmp_path


def environment(database: Database, cli: Package | None) -> Mapping[str, str]:
    programs = [str(psql().parent), os.environ["PATH"]]
    if cli is not None:
        programs.insert(0, str(fetch(cli) / "bin"))
    port, name = database.cluster.port, database.name
    return {
        **os.environ,
        "PATH": ":".join(programs),
        "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable",
        "DO_NOT_TRACK": "1",
        "SUPABASE_TELEMETRY_DISABLED": "1",
    }


def run(
    block: str, database: Database, place: Path, cli: Package | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=place,
        env=environment(database, cli),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shipped(cluster: Cluster) -> dict[tuple[str, str], str]:
    """The catalogue of a database that the files were applied to by other means."""
    return catalogue(Database(cluster, "ready_new"))


def heatmaps(objects: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """Without the schema in which the CLI keeps its own."""
    return {key: facts for key, facts in objects.items() if "supabase_migrations" not in key[1]}


def test_psql_as_it_says(bare: Database, place: Path) -> None:
    assert catalogue(bare) != shipped(bare.cluster)
    for time in ("first", "again"):
        done = run(block_with("psql "), bare, place)
        assert done.returncode == 0, (time, done.stderr)
        assert catalogue(bare) == shipped(bare.cluster)


@needs_cli
@pytest.mark.parametrize("cli", [CLI2, CLI3], ids=["2", "3"])
def test_migrations_as_it_says(bare: Database, place: Path, cli: Package) -> None:
    done = run(block_with("supabase db push"), bare, place, cli)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (place / "supabase" / "migrations").iterdir())
    assert [re.sub(r"^[0-9]{14}_", "", name) for name in names] == [
        "platform.sql",
        "analytics_heatmap.sql",
        "analytics_heatmap_preflight.sql",
    ]
    assert len({name[:14] for name in names}) == 3, "a version is pushed once"
    for name in names[1:]:
        unchanged = (place / "supabase" / "migrations" / name).read_bytes()
        assert unchanged == (SQL / name[15:]).read_bytes()
    assert heatmaps(catalogue(bare)) == heatmaps(shipped(bare.cluster))
    listed = run('supabase migration list --db-url "$DATABASE_URL"', bare, place, cli)
    assert listed.returncode == 0, listed.stderr
    assert PUSHED.findall(listed.stdout) == [(name[:14], name[:14]) for name in names]
    again = run('supabase db push --db-url "$DATABASE_URL" --yes', bare, place, cli)
    assert (again.returncode, "up to date" in again.stdout) == (0, True), again.stderr


@needs_cli
def test_the_cli_finds_no_error_in_the_functions(ready: Database, place: Path) -> None:
    admin = ready.connect("supabase_admin")
    if not admin.execute(
        "select from pg_available_extensions where name = 'plpgsql_check'"
    ).fetchall():
        pytest.skip("plpgsql_check is not installed for this PostgreSQL")
    admin.execute("create extension plpgsql_check")
    lint = 'supabase db lint --db-url "$DATABASE_URL" --level warning'
    done = run(lint, ready, place, CLI2)
    assert done.returncode == 0, done.stderr
    assert "Linting schema: analytics_private" in done.stderr
    assert "No schema errors found" in done.stdout + done.stderr
    # It does find one.
    ready.connect().execute(
        "create function analytics_private.broken() returns void language plpgsql as "
        "'begin perform no_such_column from public.questions; end'"
    )
    assert "no_such_column" in run(lint, ready, place, CLI2).stdout


@needs_cli
@pytest.mark.parametrize("kind", ["security", "performance"])
def test_the_advisors_report_nothing(granted: Database, place: Path, kind: str) -> None:
    advise = f'supabase db advisors --type {kind} --db-url "$DATABASE_URL"'
    done = run(advise, granted, place, CLI3)
    assert (done.returncode, "No issues found" in done.stdout + done.stderr) == (0, True), done
    granted.connect().execute(
        "alter table public.responses disable row level security"
        if kind == "security"
        else "create policy more on public.responses for select using (user_id = auth.uid())"
    )
    assert "No issues found" not in str(run(advise, granted, place, CLI3))


def test_the_covering_index_is_no_migration(ready: Database, place: Path) -> None:
    """As the README says: it refuses a transaction, and psql takes it without one."""
    file = "-v ON_ERROR_STOP=1 -f sql/analytics_heatmap_covering_index.sql"
    within = run(f'psql "$DATABASE_URL" --single-transaction {file}', ready, place)
    assert within.returncode != 0
    assert "cannot run inside a transaction block" in within.stderr
    assert run(f'psql "$DATABASE_URL" {file}', ready, place).returncode == 0
