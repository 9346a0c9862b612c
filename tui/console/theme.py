"""The console's looks: dark and light theme, and the signs beside words.

Every pair of text and ground that the style sheets use is listed in `TEXT_PAIRS`, so that a test
can hold each to the contrast the Web Content Accessibility Guidelines ask of text (4.5:1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from textual.theme import Theme

DARK_NAME: Final = "heatmap-dark"
LIGHT_NAME: Final = "heatmap-light"

_DARK: Final = {
    "ground": "#11161d",
    "raised": "#18202a",
    "sunken": "#0d1117",
    "line": "#2b3644",
    "ink": "#dbe2ea",
    "muted": "#93a1b3",
    "ok": "#7fd1a3",
    "warn": "#e9bd6a",
    "bad": "#ff8a84",
    "focus": "#7fbcf5",
    "on-focus": "#0d1117",
    "cursor": "#22364d",
    "sandbox": "#123243",
    "on-sandbox": "#b4e1f4",
    "local": "#1f2c3d",
    "on-local": "#c9dcf2",
    "staging": "#3b3013",
    "on-staging": "#f5d991",
    "production": "#b3161b",
    "on-production": "#ffffff",
    "opening": "#1b222c",
    "on-opening": "#b7c2cf",
}

_LIGHT: Final = {
    "ground": "#f6f8fa",
    "raised": "#e9eef3",
    "sunken": "#ffffff",
    "line": "#c3ccd6",
    "ink": "#1d2630",
    "muted": "#546172",
    "ok": "#12693b",
    "warn": "#7d4e00",
    "bad": "#b01e1b",
    "focus": "#0b5cad",
    "on-focus": "#ffffff",
    "cursor": "#d3e4f6",
    "sandbox": "#cfe9f4",
    "on-sandbox": "#0b3d50",
    "local": "#d9e4f1",
    "on-local": "#1c3450",
    "staging": "#f6e4ae",
    "on-staging": "#533b00",
    "production": "#b3161b",
    "on-production": "#ffffff",
    "opening": "#e3e8ee",
    "on-opening": "#3d4856",
}

TEXT_PAIRS: Final = (
    *((text, ground) for text in ("ink", "muted") for ground in ("ground", "raised", "sunken")),
    *((text, ground) for text in ("ok", "warn", "bad", "focus") for ground in ("ground", "raised")),
    *((text, "cursor") for text in ("ink", "muted", "ok", "warn", "bad", "focus")),
    ("on-focus", "focus"),
    ("on-sandbox", "sandbox"),
    ("on-local", "local"),
    ("on-staging", "staging"),
    ("on-production", "production"),
    ("on-opening", "opening"),
)
"""Every (text, ground) pair of colour names that appears on a screen."""


def _theme(name: str, colours: dict[str, str], *, dark: bool) -> Theme:
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


DARK: Final = _theme(DARK_NAME, _DARK, dark=True)
LIGHT: Final = _theme(LIGHT_NAME, _LIGHT, dark=False)


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


def glyphs_for(*, ascii_only: bool) -> Glyphs:
    """The set for a terminal that can, or cannot, show Unicode."""
    return ASCII if ascii_only else UNICODE
