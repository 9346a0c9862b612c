"""Writes tui/dry_run/README.md, the page on the probes, from what they declare.

`python -m tests.dry_run.readme` writes it anew; a test holds it equal to that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.dry_run.runner import PROBES
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from tui.dry_run.probe import Probe

PATH: Final = Path(__file__).parents[2] / "tui/dry_run/README.md"

_COLUMNS: Final = ("Probe", "What it proves", "What it asks", "How it can fail", "What to do")
_INTRODUCTION: Final = """\
# The dry run

{count} probes. Nothing is written: requests are GET and HEAD, and functions are called by GET,
which PostgREST runs in a read-only transaction. A failure blocks a run, a warning does not; probes
marked `warn` never say worse. What could not be observed is skipped, with the reason and what makes
it possible. This page is made from what the probes declare: `python -m tests.dry_run.readme`."""


def page() -> str:
    """Markdown: an introduction, and a table for each group."""
    parts = [_INTRODUCTION.format(count=len(PROBES))]
    for group in dict.fromkeys(probe.group for probe in PROBES):
        rows = [_row(probe) for probe in PROBES if probe.group == group]
        parts.append(
            f"## {group.capitalize()}\n\n{_line(_COLUMNS)}\n{'|---' * 5}|\n" + "".join(rows)
        )
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _row(probe: Probe) -> str:
    name = f"`{probe.id}`" + (" (warn)" if probe.severity is ProbeStatus.WARN else "")
    cells = (name, probe.title, probe.asked, probe.fails_when, probe.repair)
    return _line(tuple(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells)) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PATH.write_text(page())
