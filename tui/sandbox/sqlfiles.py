"""Where the SQL files are: in the package once installed, beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

from tui.errors import SandboxError


def sql_dir() -> Path:
    """Return the directory that holds the SQL files.

    Raises:
        SandboxError: Neither an installed copy nor a checkout has them.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "sql", package.parent / "sql"):
        if (candidate / "sandbox").is_dir():
            return candidate
    raise SandboxError(
        f"the SQL files are missing beside {package}",
        hint="reinstall heatmap-tui: its wheel carries them",
    )


def sql_path(name: str, directory: Path | None = None) -> Path:
    """Return the path of one SQL file.

    Args:
        name: Relative to the SQL directory, such as `analytics_heatmap.sql`.
        directory: That directory; None takes the one of `sql_dir`.

    Raises:
        SandboxError: There is no such file.
    """
    path = (directory or sql_dir()) / name
    if not path.is_file():
        raise SandboxError(
            f"the SQL file {name} is missing from {path.parent}",
            hint="reinstall heatmap-tui: its wheel carries it",
        )
    return path
