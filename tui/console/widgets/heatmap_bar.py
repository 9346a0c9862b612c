"""The vertical scroll bar of the heatmap: Textual's own look, from lines that are made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.scrollbar import ScrollBar
from textual.strip import Strip

if TYPE_CHECKING:
    from rich.segment import Segment
    from textual.geometry import Region
    from textual.widget import Widget

_KEPT_LINES = 256


class QuickScrollBar(ScrollBar):
    """A scroll bar one cell wide whose lines are kept.

    Textual makes every line of a scroll bar anew for each paint, which takes as long as the cells
    of the heatmap do. A bar has few different lines: its track, its thumb, and the thumb's ends.
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(vertical=True, name=name, thickness=1)
        self._kept: dict[Segment, Strip] = {}

    def notify_style_update(self) -> None:
        """Forget the lines: filters or colours may have changed."""
        super().notify_style_update()
        self._kept.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of the bar, filtered already.

        Args:
            crop: The part of the bar that is wanted.
        """
        console = self.app.console
        options = console.options.update_dimensions(*self.size)
        drawn = console.render(self.render(), options)
        segments = [segment for segment in drawn if segment.text != "\n"]
        if len(self._kept) > _KEPT_LINES:
            self._kept.clear()
        return [self._line(segment) for segment in segments[crop.y : crop.bottom]]

    def _line(self, segment: Segment) -> Strip:
        strip = self._kept.get(segment)
        if strip is None:
            strip = Strip([segment], 1).apply_style(self.visual_style.rich_style)
            for each in self.get_line_filters():
                strip = strip.apply_filter(each, self.background_colors[1])
            self._kept[segment] = strip
        return strip


def start(parent: Widget) -> QuickScrollBar:
    """A hidden bar that runs as a part of `parent`."""
    bar = QuickScrollBar(name="vertical")
    bar.display = False
    parent.app._start_widget(parent, bar)
    return bar
