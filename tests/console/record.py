"""Records what a real run on a sandbox says: `python -m tests.console.record`.

A dry run, a cycle and a purge of a default volume, as the typed events they are, each with the time
at which it came. Tests replay them through the real state; nothing in them was made up.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.verify.conftest import open_session
from tui.sandbox import SandboxOptions, start_sandbox_sync
from tui.verify.events import SampleTaken, StageProgress

if TYPE_CHECKING:
    from tui.sandbox import Sandbox
    from tui.verify.events import Event
    from tui.verify.session import Run

FILE = Path(__file__).with_name("recorded.json")
# A few of the rows are enough to be looked at; the count of all stands beside them.
ROWS_KEPT = 64


def plain(value: Any) -> Any:
    """A value as JSON; a dataclass as its name and its fields."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        content = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        return {"type": type(value).__name__, **content}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, frozenset | set):
        return sorted(plain(each) for each in value)
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


def shortened(event: Event) -> dict[str, Any]:
    """An event as JSON, a heatmap with its first rows."""
    content: dict[str, Any] = plain(event)
    if isinstance(event, SampleTaken):
        content["rows"] = content["rows"][:ROWS_KEPT]
        kept = {row["question_id"] for row in content["rows"]}
        content["names"] = {name: each for name, each in content["names"].items() if name in kept}
        content["synthetic"] = sorted(kept & set(content["synthetic"]))
    return content


async def events_of(run: Run) -> list[list[Any]]:
    """What a run says: the seconds since it began, and the event."""
    began = time.perf_counter()
    said: list[list[Any]] = []
    last: dict[str, float] = {}
    async for event in run.events():
        now = time.perf_counter() - began
        if isinstance(event, StageProgress) and event.done != event.total:
            # Ten a second are painted; more tell nothing more.
            if now - last.get(event.stage, -1.0) < 0.05:
                continue
            last[event.stage] = now
        said.append([round(now, 4), shortened(event)])
    return said


async def record(sandbox: Sandbox) -> dict[str, Any]:
    """Run everything once."""
    async with open_session(sandbox, users=50, questions=200, batch=500) as session:
        return {
            "dry_run": await events_of(session.dry_run()),
            "cycle": await events_of(session.cycle()),
            "purge": await events_of(session.purge()),
        }


def main() -> None:
    """Record on a sandbox of our own, an event a line."""
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        sandbox = start_sandbox_sync(SandboxOptions())
        try:
            runs = asyncio.run(record(sandbox))
        finally:
            sandbox.stop_sync()
    lines = [
        f'"{name}": [\n' + ",\n".join(json.dumps(each) for each in said) + "\n]"
        for name, said in runs.items()
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
