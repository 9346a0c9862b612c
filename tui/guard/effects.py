"""What is done to a project, in the words that an operator reads before agreeing to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.settings import Volume


def of_cycle(volume: Volume) -> list[str]:
    """What a verification writes, refreshes and deletes, one line each.

    Args:
        volume: How much it writes.
    """
    return [
        f"Writes {_counted(volume.users, 'user')}, {_counted(volume.questions, 'question')}, "
        f"{_counted(volume.responses, 'response')}, all tagged.",
        "Refreshes the view twice; admins see synthetic rows in between.",
        "Deletes the tagged rows again, and nothing else.",
    ]


def of_purge() -> list[str]:
    """What a purge deletes and refreshes, one line each."""
    return ["Deletes every tagged row and refreshes the view."]


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
