"""What the database says of itself, asked for before the guard judges the target.

What cannot be read is no answer: the target then stays unasked, and nothing may be written to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tui.dry_run.preflight import Preflight
from tui.dry_run.probe import APPLY_PREFLIGHT
from tui.project import PREFLIGHT, Missing, ProjectError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.project import Project, RetryPolicy

# PostgREST's word for a function that it does not know. A 404 without it may come from anywhere.
_NO_SUCH_FUNCTION: Final = "PGRST202"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a database says of itself.

    Attributes:
        word: What it calls its environment, or None where it declares nothing.
        document: All it says; empty where it cannot.
    """

    word: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)


async def ask(project: Project, policy: RetryPolicy | None = None) -> Declaration:
    """Ask the database; one without the function for it declares nothing.

    Raises:
        ProjectError: It cannot be asked, or its answer cannot be read for certain.
    """
    try:
        reply, _ = await project.call_read_only(PREFLIGHT, policy=policy)
    except Missing as error:
        if error.code != _NO_SUCH_FUNCTION:
            raise
        return Declaration()
    try:
        preflight = Preflight.read(reply)
        word = preflight.at("declared_environment")
    except ValueError as error:
        raise _unreadable(str(error)) from error
    if word is not None and not isinstance(word, str):
        raise _unreadable(f"declared_environment is no text but {type(word).__name__}")
    return Declaration(word, preflight.document)


def _unreadable(why: str) -> ProjectError:
    return ProjectError(f"calling {PREFLIGHT}: {why}", hint=APPLY_PREFLIGHT)
