"""A file that an operator asked for: private, and in words where it cannot be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.errors import ConfigurationError
from tui.files import write_private

if TYPE_CHECKING:
    from pathlib import Path


def save_text(path: Path, text: str) -> Path:
    """Write a file that appears whole or not at all, readable by its owner alone.

    Returns:
        Its absolute path.

    Raises:
        ConfigurationError: It cannot be written.
    """
    target = path.expanduser().absolute()
    try:
        write_private(target, text.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigurationError(
            f"Cannot write {target}: {error.strerror or error}.",
            hint="Choose a directory that exists and that you may write to.",
        ) from error
    return target
