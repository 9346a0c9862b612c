"""Applying the SQL to a fresh cluster: the platform, the app, the analytics, the learners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from tui.errors import SandboxError
from tui.sandbox.sqlfiles import sql_path

if TYPE_CHECKING:
    from pathlib import Path

# The learners come last, so that triggers and policies treat them as they treat everybody.
LEARNERS_FROM = "90"
ANALYTICS = ("analytics_heatmap.sql", "analytics_heatmap_preflight.sql")
VIEW = "analytics_heatmap_agg"


async def apply_platform(superuser_url: str, owner_url: str, sql_dir: Path) -> list[str]:
    """Apply roles, auth schema and app tables as the superuser, the analytics as the owner.

    Args:
        superuser_url: A connection as the cluster's superuser.
        owner_url: A connection as the project's owner, who is no superuser on the platform either.
        sql_dir: The directory of the SQL files.

    Returns:
        The names of the files applied.

    Raises:
        SandboxError: A file is missing or fails; the message names it and says why.
    """
    files = [path for path in _sandbox_files(sql_dir) if path.name < LEARNERS_FROM]
    if not files:
        raise SandboxError(
            f"there are no SQL files in {sql_dir / 'sandbox'}",
            hint="reinstall heatmap-tui: its wheel carries them",
        )
    analytics = [sql_path(name, sql_dir) for name in ANALYTICS]
    await _apply(superuser_url, files)
    await _apply(owner_url, analytics)
    return [path.name for path in files + analytics]


async def apply_learners(database_url: str, sql_dir: Path, *, seed: bool) -> None:
    """Load the existing learners, then fill the view once.

    Raises:
        SandboxError: A file fails; the message names it and says what the server said.
    """
    files = [path for path in _sandbox_files(sql_dir) if path.name >= LEARNERS_FROM]
    if seed:
        await _apply(database_url, files)
    connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
    async with connection:
        found = await connection.execute(
            "select 1 from pg_matviews where schemaname = 'public' and matviewname = %s", [VIEW]
        )
        if await found.fetchone() is not None:
            await connection.execute(
                sql.SQL("refresh materialized view public.{}").format(sql.Identifier(VIEW))
            )
        await connection.execute("analyze")


def _sandbox_files(sql_dir: Path) -> list[Path]:
    return sorted((sql_dir / "sandbox").glob("*.sql"))


async def _apply(database_url: str, files: list[Path]) -> None:
    for path in files:
        # A connection each: what one file sets for its session must not reach the next.
        connection = await psycopg.AsyncConnection.connect(
            database_url, autocommit=True, prepare_threshold=None
        )
        async with connection:
            try:
                await connection.execute(path.read_bytes())
            except psycopg.Error as error:
                said = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
                raise SandboxError(
                    f"{path.name} could not be applied: {said}",
                    hint="reinstall heatmap-tui, or correct the SQL file",
                ) from error
