"""The environment files of a directory, and the project that each describes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.errors import OperatorError
from tui.guard.target import target_of
from tui.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tui.guard.target import Target

_NAME: Final = re.compile(r"\.env(\.[A-Za-z0-9_-]+)?")
# Files that carry no project of their own.
_PATTERNS: Final = frozenset({"example", "sample", "template", "dist"})


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment file; either its target, or why it cannot be classified."""

    path: Path
    target: Target | None
    problem: str | None = None


def environments(directory: Path, environ: Mapping[str, str]) -> list[Environment]:
    """The environment files of a directory, `.env` first.

    The process environment's declarations of production count for each.
    """
    try:
        found = [
            path
            for path in directory.iterdir()
            if _NAME.fullmatch(path.name)
            and path.name.removeprefix(".env.") not in _PATTERNS
            and path.is_file()
        ]
    except OSError:
        return []
    return [_described(path, environ) for path in sorted(found, key=lambda path: path.name)]


def _described(path: Path, environ: Mapping[str, str]) -> Environment:
    try:
        settings = load_settings(environ=environ, directory=path.parent, env_file=path)
        return Environment(path, target_of(settings))
    except OperatorError as error:
        return Environment(path, None, error.message)
