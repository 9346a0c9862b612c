"""Text on its way into a report: without secrets or people's addresses, and harmless where it goes.

Text from a server may hold anything. What leaves here is a single line that Markdown, or XML, shows
as it is and never obeys.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tui.heatmap.formatting import ELLIPSIS, clean_label
from tui.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST: Final = 400
WITHHELD: Final = "[email]"

# Our synthetic users are at example.com; any other address is somebody's.
_ADDRESS: Final = re.compile(
    r"(?<![\w.+%-])[\w.+%-]++@(?!example\.com(?![\w-]|\.[\w-]))[\w-]+(?:\.[\w-]+)+"
)

# What could open or close something inside a line of GitHub's Markdown. An underscore between
# letters or digits cannot, and is too frequent in our words to be made unreadable.
_MARKS: Final = re.compile(r"[\\`*\[\]~$!#]|(?<![^\W_])_|_(?![^\W_])")
# What would begin a list or underline a heading at the start of a line.
_BLOCK: Final = re.compile(r"^(\d{1,9}(?=[.)])|(?=[-+=]))")
# Addresses that become links without any marks.
_LINKS: Final = re.compile(r"(?<=[a-z]):(?=//)|(?<=\bwww)\.", re.IGNORECASE)
# GitHub finds these in the finished page, where no escape helps: they would tell people, or point
# to an issue that has nothing to do with it.
_MENTIONS: Final = re.compile(r"(?<!\w)@(?=\w)|(?<=#)(?=\d)|(?<=\bGH-)(?=\d)", re.IGNORECASE)
_GAP: Final = "\u200b"

# Outside the characters that XML 1.0 may hold (production 2), escaped or not.
_NOT_XML: Final = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def withheld(text: str) -> str:
    """The text without secrets and without addresses of people."""
    return _ADDRESS.sub(WITHHELD, redact(text))


def one_line(text: str, longest: int = LONGEST) -> str:
    """The text in one line without control characters; cut, with a mark, when longer."""
    line = withheld(clean_label(withheld(text)))
    return line if len(line) <= longest else line[: longest - 1] + ELLIPSIS


def markdown(text: str, longest: int = LONGEST) -> str:
    """The text as Markdown that shows it as it is, in a paragraph, a list or a table's cell.

    Args:
        text: Anything.
        longest: Characters shown at most.
    """
    line = one_line(text, longest)
    line = _MENTIONS.sub(lambda found: found.group() + _GAP, line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKS.sub(r"\\\g<0>", line).replace("|", "&#124;")
    line = _BLOCK.sub(r"\1\\", line)
    return _LINKS.sub(lambda found: f"&#{ord(found.group())};", line)


def code(text: str, longest: int = LONGEST) -> str:
    """A name as Markdown code; shown as plain text where it could break out of it."""
    line = one_line(text, longest)
    return f"`{line}`" if re.fullmatch(r"[\w.:/+-]+", line) else markdown(line, longest)


def xml(text: str) -> str:
    """The text without secrets and without characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", withheld(text))


def json_value(value: Any) -> Any:
    """A JSON value with every text in it without secrets and addresses."""
    match value:
        case str():
            return withheld(value)
        case dict():
            return {key: json_value(each) for key, each in value.items()}
        case list() | tuple():
            return [json_value(each) for each in value]
        case _:
            return value


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """A Markdown table.

    Args:
        head: Headings.
        rows: Cells, Markdown already.
        right: Columns set flush right.
    """
    rule = ["---:" if place in right else "---" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def counted(counts: Mapping[str, int]) -> str:
    """Counts that are not zero in words: "3 passed, 1 failed"."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
