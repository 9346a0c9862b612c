"""Column headers over two lines: months above days, or a topic broken at a space."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tui.heatmap.text import fit, take, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from tui.heatmap.grid import GridColumn

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def month_line(columns: Sequence[GridColumn], width: int) -> str:
    """Month names above the first week of each month, the year where it is new and has room."""
    weeks = [column.week for column in columns if column.week is not None]
    starts = [
        place
        for place, week in enumerate(weeks)
        if place == 0 or (week.year, week.month) != (weeks[place - 1].year, weeks[place - 1].month)
    ]
    line = ""
    for start, end in pairwise([*starts, len(weeks)]):
        week, room = weeks[start], (end - start) * width
        names = [MONTHS[week.month - 1]]
        if start == 0 or week.month == 1:
            names = [f"{names[0]} {week.year}", f"{names[0]} {week:%y}", *names]
        name = next((name for name in names if len(name) < room), "")
        line += fit(name, room)
    return line


def day_label(week: date, width: int, *, crowded: bool) -> str:
    """The day of the month of a week's Monday; blank below three cells where it is crowded."""
    if width < 3 and crowded:
        return " " * width
    return f"{week.day:>2}".center(width)


def topic_lines(label: str, width: int) -> tuple[str, str]:
    """A topic over two lines of `width`, broken at a space where there is one."""
    if text_width(label) < width:
        return (" " * width, fit(label, width))
    broken = take(label, width).rfind(" ")
    if broken < 1:
        return (" " * width, fit(fit(label, width - 1), width))
    return (fit(label[:broken], width), fit(fit(label[broken:].strip(), width - 1), width))
