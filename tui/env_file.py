"""A new environment file: its text, and writing it once, privately, over nothing.

The text is read back by python-dotenv, whose rules decide the quoting: single quotes keep
everything but a backslash and a single quote as it stands.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tui.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tui.redact import Secret

PROJECT_VARIABLES: Final = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY")
"""What says which project it is; a file chosen by hand goes before the process environment."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@%+,=-]*")
_NAME: Final = re.compile(r"\.env(\.[A-Za-z0-9_-]+)?")
# Files that carry no project of their own.
_PATTERNS: Final = frozenset({"example", "sample", "template", "dist"})


@dataclass(frozen=True, slots=True)
class EnvironmentDraft:
    """What an operator typed to describe a project.

    Attributes:
        url: The project's URL.
        service_key: Its service-role or secret key.
        anon_key: Its anon or publishable key, None for none.
        non_production: Whether the operator declares that it is not production.
    """

    url: str
    service_key: Secret = field(repr=False)
    anon_key: Secret | None = field(default=None, repr=False)
    non_production: bool = False

    def values(self) -> dict[str, str]:
        """The variables that say the same.

        Raises:
            ConfigurationError: The URL has no host, or a value spans lines.
        """
        try:
            host = urlsplit(self.url).hostname
        except ValueError:
            host = None
        if host is None:
            raise ConfigurationError(
                f"{self.url[:200]!r} is no URL with a host",
                hint="give it as the project's API settings show it, such as https://<ref>...",
            )
        values = {
            "SUPABASE_URL": self.url,
            "SUPABASE_SERVICE_ROLE_KEY": self.service_key.reveal(),
        }
        if self.anon_key is not None:
            values["SUPABASE_ANON_KEY"] = self.anon_key.reveal()
        if self.non_production:
            values["HEATMAP_VERIFY_NON_PROD_HOSTS"] = host
        render(values)
        return values


def render(values: Mapping[str, str]) -> str:
    """The text of an environment file.

    Args:
        values: Variables in the order to be written.

    Raises:
        ConfigurationError: A value holds a line break or another control character.
    """
    lines = []
    for name, value in values.items():
        if not value.isprintable():
            raise ConfigurationError(
                f"{name} holds a line break or another control character",
                hint="paste it again, on one line",
            )
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"{name}={value}" if _PLAIN.fullmatch(value) else f"{name}='{quoted}'")
    return "\n".join(lines) + "\n"


def write_new(path: Path, values: Mapping[str, str]) -> None:
    """Write an environment file that only its owner may read; never over an existing one.

    Args:
        path: The file; its name is `.env` or `.env.<name>`.
        values: Variables in the order to be written.

    Raises:
        ConfigurationError: The name or a value is not fit, the file is there already, or it cannot
            be written.
    """
    if not _NAME.fullmatch(path.name):
        raise ConfigurationError(
            f"{path.name[:80]!r} is no name for an environment file",
            hint="call it .env, or .env. and a word, such as .env.staging",
        )
    text = render(values)
    # O_EXCL takes no link either, wherever it leads. Windows has no O_CLOEXEC.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    try:
        number = os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{path.name} is there already and is not written over",
            hint=f"take another name, such as {free_name(path.parent)}",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}",
            hint="start the console in a directory you may write to",
        ) from error
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}", hint="make room on the disk"
        ) from error


def environment_files(directory: Path) -> list[Path]:
    """The environment files of a directory, `.env` first; none where it cannot be read.

    Args:
        directory: Where to look.
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
    return sorted(found, key=lambda path: path.name)


def free_name(directory: Path) -> str:
    """A name for a new environment file that no file has yet.

    Args:
        directory: Where it is to be.
    """
    names = [".env", ".env.staging", *(f".env.staging{number}" for number in range(2, 100))]
    return next((name for name in names if not os.path.lexists(directory / name)), names[-1])
