"""The console's looks: dark and light theme, and the signs beside words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from textual.theme import Theme

DARK_NAME: Final = "heatmap-dark"
LIGHT_NAME: Final = "heatmap-light"

# Each colour in the dark theme, and in the light one.
_COLOURS: Final = {
    "ground": ("#11161d", "#f6f8fa"),
    "raised": ("#18202a", "#e9eef3"),
    "sunken": ("#0d1117", "#ffffff"),
    "line": ("#2b3644", "#c3ccd6"),
    "ink": ("#dbe2ea", "#1d2630"),
    "muted": ("#93a1b3", "#546172"),
    "ok": ("#7fd1a3", "#12693b"),
    "warn": ("#e9bd6a", "#7d4e00"),
    "bad": ("#ff8a84", "#b01e1b"),
    "focus": ("#7fbcf5", "#0b5cad"),
    "on-focus": ("#0d1117", "#ffffff"),
    "cursor": ("#22364d", "#d3e4f6"),
    "sandbox": ("#123243", "#cfe9f4"),
    "on-sandbox": ("#b4e1f4", "#0b3d50"),
    "local": ("#1f2c3d", "#d9e4f1"),
    "on-local": ("#c9dcf2", "#1c3450"),
    "staging": ("#3b3013", "#f6e4ae"),
    "on-staging": ("#f5d991", "#533b00"),
    "production": ("#b3161b", "#b3161b"),
    "on-production": ("#ffffff", "#ffffff"),
    "opening": ("#1b222c", "#e3e8ee"),
    "on-opening": ("#b7c2cf", "#3d4856"),
}


def _theme(name: str, *, dark: bool) -> Theme:
    colours = {each: pair[0 if dark else 1] for each, pair in _COLOURS.items()}
    return Theme(
        name=name,
        primary=colours["focus"],
        secondary=colours["muted"],
        accent=colours["focus"],
        warning=colours["warn"],
        error=colours["bad"],
        success=colours["ok"],
        foreground=colours["ink"],
        background=colours["ground"],
        surface=colours["ground"],
        panel=colours["raised"],
        dark=dark,
        text_alpha=1.0,
        variables={
            **colours,
            "border": colours["focus"],
            "border-blurred": colours["line"],
            "block-cursor-background": colours["cursor"],
            "block-cursor-foreground": colours["ink"],
            "block-cursor-text-style": "none",
            "block-cursor-blurred-background": colours["raised"],
            "block-cursor-blurred-foreground": colours["ink"],
            "block-hover-background": colours["raised"],
            "scrollbar": colours["line"],
            "scrollbar-hover": colours["muted"],
            "scrollbar-active": colours["focus"],
            "scrollbar-background": colours["ground"],
            "scrollbar-background-hover": colours["ground"],
            "scrollbar-background-active": colours["ground"],
            "scrollbar-corner-color": colours["ground"],
            "input-selection-background": colours["cursor"],
        },
    )


DARK: Final = _theme(DARK_NAME, dark=True)
LIGHT: Final = _theme(LIGHT_NAME, dark=False)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One sign, one cell wide, for each thing the console marks.

    Attributes:
        here: The step one looks at.
        bar_half: Half a cell of a progress bar.
        bar_late: The right half of a cell of a bar that begins late.
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
    bar_late: str = "╺"
    bar_empty: str = "─"
    opened: str = "▾"
    closed: str = "▸"
    bullet: str = "•"
    sep: str = "·"
    times: str = "×"

    @property
    def levels(self) -> str:
        """The signs of a graph's bars, lowest first."""
        return "▁▂▃▄▅▆▇█" if self is UNICODE else ".:-=+*#"


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
    bar_late="-",
    bar_empty=".",
    opened="-",
    closed="+",
    bullet="*",
    sep="|",
    times="x",
)
