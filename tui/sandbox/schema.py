"""The SQL of a fresh cluster: platform, app, analytics, learners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from tui.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

AUTH_FROM = "20"
FOR_THE_AUTH_SERVER = (
    "create schema auth authorization supabase_auth_admin;"
    " grant create on database postgres to supabase_auth_admin"
)
# The learners come last, so that triggers and policies treat them as they treat everybody.
LEARNERS_FROM = "90"
ANALYTICS = ("analytics_heatmap.sql", "analytics_heatmap_preflight.sql")
VIEW = "analytics_heatmap_agg"


def sql_dir() -> Path:
    """The directory of the SQL files: in the package, or in the checkout."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "sql", package.parent / "sql"):
        if (candidate / "sandbox").is_dir():
            return candidate
    raise SandboxError(
        f"the SQL files are missing beside {package}",
        hint="reinstall heatmap-tui: its wheel carries them",
    )


def sql_path(name: str, directory: Path) -> Path:
    """The path of one SQL file."""
    path = directory / name
    if not path.is_file():
        raise SandboxError(
            f"the SQL file {name} is missing from {directory}",
            hint="reinstall heatmap-tui: its wheel carries it",
        )
    return path


async def apply_platform(
    superuser_url: str,
    owner_url: str,
    directory: Path,
    migrate: Callable[[], Awaitable[None]] | None = None,
) -> list[str]:
    """Apply roles, auth and app tables as superuser, the analytics as the owner.

    Args:
        owner_url: A connection as the project's owner, who is no superuser on the platform either.
        migrate: Has an auth server fill the schema `auth`, which is empty then.

    Raises:
        SandboxError: A file is missing or fails; the message names it and says why.
    """
    files = [path for path in _sandbox_files(directory) if path.name < LEARNERS_FROM]
    if not files:
        raise SandboxError(
            f"there are no SQL files in {directory / 'sandbox'}",
            hint="reinstall heatmap-tui: its wheel carries them",
        )
    analytics = [sql_path(name, directory) for name in ANALYTICS]
    roles = [path for path in files if path.name < AUTH_FROM]
    await _apply(superuser_url, roles)
    if migrate is not None:
        async with await psycopg.AsyncConnection.connect(superuser_url) as connection:
            await connection.execute(FOR_THE_AUTH_SERVER)
        await migrate()
    await _apply(superuser_url, files[len(roles) :])
    await _apply(owner_url, analytics)
    return [path.name for path in files + analytics]


async def apply_learners(database_url: str, directory: Path, *, seed: bool) -> None:
    """Load the existing learners, then fill the view once."""
    if seed:
        files = [path for path in _sandbox_files(directory) if path.name >= LEARNERS_FROM]
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


def _sandbox_files(directory: Path) -> list[Path]:
    return sorted((directory / "sandbox").glob("*.sql"))


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
