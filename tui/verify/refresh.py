"""Refresh the view ourselves, however many others are at it: for a cycle and a purge alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.project import ProjectError, TimedOut
from tui.verify.events import Notice, RefreshTimed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.project import Writer
    from tui.verify.events import Event

# The refresh itself waits up to 15 s for another one: this is five minutes in all.
BUSY_TRIES: Final = 20
_LOCK_NOT_AVAILABLE: Final = "55P03"


async def refresh_once(
    writer: Writer,
    emit: Callable[[Event], None],
    *,
    number: int = 1,
    final: bool,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Refresh once ourselves, and tell the time.

    Joining another's refresh gives right rows but not our time, which only the final one can do
    without.

    Args:
        writer: Where.
        emit: Where events go.
        number: 1 for the first refresh after the write, then 2, 3 ...
        final: The refresh after clean-up.
        check: Asked before each repeat whether to go on; raises to stop.

    Raises:
        ProjectError: The refresh failed, or others were always in the way.
    """
    reason = ""
    for _ in range(BUSY_TRIES):
        check()
        try:
            result = await writer.refresh()
        except TimedOut as error:
            if error.code != _LOCK_NOT_AVAILABLE:
                raise
            emit(Notice(f"{error.message}; asking again"))
            reason = error.message
            continue
        if result.details.get("status") == "joined" and not final:
            emit(Notice("another refresh did the work; refreshing again to time it"))
            reason = "another refresh did the work"
            continue
        emit(RefreshTimed(result.ms, result.server_ms, number, final))
        return
    raise ProjectError(
        f"not refreshed in {BUSY_TRIES} tries: {reason}",
        hint="see pg_stat_activity for REFRESH MATERIALIZED VIEW, and the pg_cron jobs",
    )
