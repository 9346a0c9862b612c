"""plotext figures: the only module that makes them.

plotext's figures are mutable and look at the terminal's size, so each drawing makes its own, with
the size clamp off, under a lock. Callers may be on any thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any

from plotext import _utility
from plotext._figure import _figure_class

from tui.heatmap.text import char_width

if TYPE_CHECKING:
    from tui.heatmap.colours import Rgb

Draw = Callable[[Any], None]
"""Draws on a fresh plotext figure."""

_DEFAULT = "default"
_DRAWING = Lock()
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

# plotext puts one character into one cell. A wide character is followed by this one, which is
# taken out again afterwards.
_WIDE_REST = "\ue000"


def _in_order(data: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(data))


# plotext 5.3.2 drops duplicates by way of a set: where a label goes would follow the process's hash
# seed, and the same chart look different from one start to the next.
_utility.no_duplicates = _in_order


def render(draw: Draw, width: int, height: int, *, colour: bool) -> list[str]:
    """What plotext draws, as `height` lines of `width` cells.

    Args:
        draw: Puts the content on the figure.
        width: Width in cells, at least 2.
        height: Height in lines, at least 2.
        colour: Whether to keep the colours.
    """
    with _DRAWING:
        chart: Any = _figure_class()
        chart._limit_size(False, False)
        chart.plot_size(width, height)
        chart.canvas_color(_DEFAULT)
        chart.axes_color(_DEFAULT)
        chart.ticks_color(_DEFAULT)
        chart.xaxes(True, False)
        chart.yaxes(True, False)
        draw(chart)
        drawn = str(chart.build())
    text = drawn.removesuffix("\n").replace(_WIDE_REST, "")
    return (text if colour else _ANSI.sub("", text)).split("\n")


class Canvas:
    """A plotext figure without axes, on which text is put cell by cell.

    Args:
        width: Width in cells.
        height: Height in lines.
    """

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self._texts: list[tuple[int, int, str, Rgb | str, Rgb | str, str | None]] = []

    def text(
        self,
        x: int,
        y: int,
        text: str,
        *,
        ink: Rgb | None = None,
        fill: Rgb | None = None,
        bold: bool = False,
    ) -> None:
        """Put `text` at column `x` of line `y`, both counted from 0 at the top left."""
        style = "bold" if bold else None
        self._texts.append((x, y, text, ink or _DEFAULT, fill or _DEFAULT, style))

    def draw(self, *, colour: bool) -> str:
        """The lines of the canvas."""

        def draw(chart: Any) -> None:
            chart.frame(False)
            chart.xfrequency(0)
            chart.yfrequency(0)
            chart.xlim(0, max(1, self._width - 1))
            chart.ylim(0, max(1, self._height - 1))
            for x, y, text, ink, fill, style in self._texts:
                chart.text(
                    _spaced(text),
                    x,
                    max(1, self._height - 1) - y,
                    color=ink,
                    background=fill,
                    style=style,
                    alignment="left",
                )

        # plotext needs two lines and columns to have a scale at all.
        lines = render(draw, max(2, self._width), max(2, self._height), colour=colour)
        return "\n".join(lines[: self._height])


def _spaced(text: str) -> str:
    """Only characters that take room, each followed by filler for the room beyond the first."""
    return "".join(
        char + _WIDE_REST * (char_width(char) - 1) for char in text if char_width(char) > 0
    )
