"""The chapter on the probes, made from the registry so that it cannot drift from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.dry_run.registry import GROUPS, PROBES
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from tui.dry_run.probe import Probe

_COLUMNS: Final = ("Probe", "What it proves", "What it asks", "How it can fail", "What to do")
_INTRODUCTION: Final = """\
The dry run asks {count} questions. Nothing is written: requests are GET and HEAD, and functions are
called by GET, which PostgREST runs in a read-only transaction. A failure blocks a run, a warning
does not; probes marked `warn` never say worse, unless they cannot finish. A probe that cannot be
asked says why, and what makes it possible."""


def probes_page() -> str:
    """Markdown: an introduction and a table for each group, headings from level three on."""
    parts = [_INTRODUCTION.format(count=len(PROBES))]
    for group in GROUPS:
        rows = [_row(probe) for probe in PROBES if probe.group == group]
        parts.append(
            f"### {group.capitalize()}\n\n{_line(_COLUMNS)}\n{'|---' * 5}|\n" + "".join(rows)
        )
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _row(probe: Probe) -> str:
    name = f"`{probe.id}`" + (" (warn)" if probe.severity is ProbeStatus.WARN else "")
    cells = (name, probe.title, probe.asked, probe.fails_when, probe.repair)
    return _line(tuple(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells)) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
