"""The README's ways of applying the SQL, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.readme import block_with

from .cluster import SQL, psql
from .conftest import Database
from .test_upgrade import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .cluster import Cluster

# What `supabase db push` does, as far as it can be had without it: each migration whose version is
# new, in order, in a transaction of its own. It must know the form of the names.
PUSH = r"""#!/bin/bash
set -euo pipefail
[ "$*" = "db push" ]
for file in $(ls supabase/migrations | sort); do
    [[ "$file" =~ ^([0-9]{14})_[a-z_]+\.sql$ ]] || { echo "no migration: $file" >&2; exit 1; }
    grep -qxF "${BASH_REMATCH[1]}" pushed 2>/dev/null && { echo "again: $file" >&2; continue; }
    psql "$DATABASE_URL" --no-psqlrc -q -v ON_ERROR_STOP=1 --single-transaction \
        -f "supabase/migrations/$file"
    echo "${BASH_REMATCH[1]}" >> pushed
done
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project's repository, with our SQL and with migrations of its own."""
    (tmp_path / "sql").symlink_to(SQL)
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "20240102030405_platform.sql").write_text("select 'the platform';\n")
    program = tmp_path / "bin" / "supabase"
    program.parent.mkdir()
    program.write_text(PUSH)
    program.chmod(0o755)
    return tmp_path


def environment(database: Database, place: Path) -> Mapping[str, str]:
    cluster = database.cluster
    return {
        **os.environ,
        "PATH": f"{place / 'bin'}:{psql().parent}:{os.environ['PATH']}",
        "DATABASE_URL": f"postgresql://postgres@/{database.name}?host={cluster.directory}",
    }


def run(block: str, database: Database, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=place,
        env=environment(database, place),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shipped(cluster: Cluster) -> dict[tuple[str, str], str]:
    """The catalogue of a database that the files were applied to by other means."""
    return catalogue(Database(cluster, "ready_new"))


def test_psql_as_it_says(bare: Database, place: Path) -> None:
    assert catalogue(bare) != shipped(bare.cluster)
    for time in ("first", "again"):
        done = run(block_with("psql "), bare, place)
        assert done.returncode == 0, (time, done.stderr)
        assert catalogue(bare) == shipped(bare.cluster)


def test_migrations_as_it_says(bare: Database, place: Path) -> None:
    done = run(block_with("supabase db push"), bare, place)
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
    assert catalogue(bare) == shipped(bare.cluster)


def test_the_covering_index_is_no_migration(ready: Database, place: Path) -> None:
    """As the README says: it refuses a transaction, and psql takes it without one."""
    file = "-v ON_ERROR_STOP=1 -f sql/analytics_heatmap_covering_index.sql"
    within = run(f'psql "$DATABASE_URL" --single-transaction {file}', ready, place)
    assert within.returncode != 0
    assert "cannot run inside a transaction block" in within.stderr
    assert run(f'psql "$DATABASE_URL" {file}', ready, place).returncode == 0
