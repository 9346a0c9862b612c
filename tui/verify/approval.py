"""Approval: the guard's permission for one run, which alone makes a writer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tui.guard.break_glass import Moment, authorize_write
from tui.project import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.guard.break_glass import Intent, Permit
    from tui.guard.target import Target
    from tui.project import Project


@contextlib.contextmanager
def leave_to_write(
    project: Project,
    target: Target,
    *,
    allow_prod: bool,
    permit: Permit | None,
    intent: Intent | None,
) -> Iterator[Writer]:
    """The one place where a writer comes from; its permission ends with the block.

    Args:
        project: Where.
        target: What the guard judges.
        allow_prod: `--allow-prod` was given.
        permit: What the operator obtained by typing, for production.
        intent: The run's announcement in the deployment log, for production.

    Raises:
        GuardRefused: The guard does not permit it.
    """
    permission = authorize_write(
        target, allow_prod=allow_prod, now=Moment.now(), permit=permit, intent=intent
    )
    with permission:
        yield Writer(project, target, permission)
