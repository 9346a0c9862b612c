"""What the sandbox's tests share."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def processes_in(directory: Path) -> list[int]:
    """Return the processes that work in a run's directory: PostgreSQL's and PostgREST."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            where = os.readlink(entry / "cwd")
        except OSError:
            continue
        if where.removesuffix(" (deleted)").startswith(str(directory)):
            found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def headers(key: str, **more: str) -> dict[str, str]:
    """Return the headers supabase clients send."""
    return {"apikey": key, "Authorization": f"Bearer {key}", **more}


def rows(sandbox: Sandbox) -> int:
    """Return how many questions the sandbox shows to its service key."""
    answer = httpx.get(
        f"{sandbox.url}/rest/v1/questions?select=id", headers=headers(sandbox.service_role_key)
    )
    assert answer.status_code == 200, answer.text
    return len(answer.json())
