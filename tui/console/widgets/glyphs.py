"""The signs that stand beside every status word, in Unicode and in ASCII."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One sign for each thing the console marks. Every sign is one terminal cell wide.

    Attributes:
        done: A step or stage that is over and fine.
        now: The step to do next.
        busy: Work that is going on.
        locked: A step that is not possible yet, or work not begun.
        ok: A probe that passed.
        warn: Something that needs attention but does not block.
        bad: Something that failed.
        skip: A probe that could not be asked.
        here: The step one looks at.
        sandbox: The sandbox's mark in the banner.
        local: A local project's mark.
        staging: A staging project's mark.
        production: A production project's mark.
        bar_full: A full cell of a progress bar.
        bar_half: Half a cell of a progress bar.
        bar_empty: An empty cell of a progress bar.
        bullet: Starts an item of a list.
        sep: Stands between two facts on one line.
        times: Between two factors.
    """

    done: str = "✓"
    now: str = "▶"
    busy: str = "●"
    locked: str = "○"
    ok: str = "✓"
    warn: str = "▲"
    bad: str = "✗"
    skip: str = "○"
    here: str = "▌"
    sandbox: str = "◆"
    local: str = "●"
    staging: str = "▲"
    production: str = "■"
    bar_full: str = "━"
    bar_half: str = "╸"
    bar_empty: str = "─"
    bullet: str = "•"
    sep: str = "·"
    times: str = "×"


UNICODE: Final = Glyphs()
ASCII: Final = Glyphs(
    done="+",
    now=">",
    busy="*",
    locked="-",
    ok="+",
    warn="!",
    bad="x",
    skip="-",
    here="|",
    sandbox="#",
    local="#",
    staging="^",
    production="!",
    bar_full="=",
    bar_half="-",
    bar_empty=".",
    bullet="*",
    sep="|",
    times="x",
)


def glyphs_for(*, ascii_only: bool) -> Glyphs:
    """The set for a terminal that can, or cannot, show Unicode."""
    return ASCII if ascii_only else UNICODE
