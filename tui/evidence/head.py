"""The head file beside the deployment log: the last hash, which tells when records were cut off."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tui.evidence.chain import GENESIS

if TYPE_CHECKING:
    from pathlib import Path

    from tui.evidence.chain import Record

_UNREADABLE: Final = "unreadable"


def saved_head(path: Path) -> str:
    """The hash in the head file; `GENESIS` where there is none.

    Raises:
        OSError: There is one that cannot be read.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return GENESIS
    except ValueError:
        return _UNREADABLE
    head = content.get("hash") if isinstance(content, dict) else None
    return head if isinstance(head, str) else _UNREADABLE


def head_line(record: Record) -> bytes:
    """The head file's content for a log that ends with `record`."""
    return json.dumps({"seq": record.seq, "hash": record.hash}).encode() + b"\n"


def contradiction(records: tuple[Record, ...], saved: str) -> str | None:
    """What the head file says against the log; None when they agree.

    The head may be one record behind: a crash can fall between the two files.
    """
    last = records[-1] if records else None
    if saved in ({last.hash, last.previous} if last else {GENESIS}):
        return None
    if saved == GENESIS:
        return "the head file is missing"
    if saved == _UNREADABLE:
        return "the head file is unreadable"
    if any(record.hash == saved for record in records):
        return "records were added without the console: the head file does not know them"
    return f"the record with hash {saved} is gone: the log was cut off or rewritten"
