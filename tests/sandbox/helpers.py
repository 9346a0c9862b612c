"""What the sandbox's tests share."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tui.sandbox import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox

# Read before any test hides them. The first two have the suite's sandboxes run the vendor's auth
# server instead of the emulation; the third has them answer as the platform of late 2026 does.
AUTH = os.environ.get("HEATMAP_SANDBOX_AUTH")
MIGRATIONS = os.environ.get("HEATMAP_SANDBOX_AUTH_MIGRATIONS")
NEWER = os.environ.get("TESTS_NEWER") == "1"
NO_AUTH_SERVER = "no auth server is named in HEATMAP_SANDBOX_AUTH"


def options(**more: Any) -> SandboxOptions:
    """Return what a sandbox of the tests is started with, as this run wants it."""
    if AUTH is not None and MIGRATIONS is not None:
        more = {"auth": Path(AUTH), "auth_migrations": Path(MIGRATIONS)} | more
    return SandboxOptions(**{"newer": NEWER} | more)


def users_sql(email: str, source: str = "") -> str:
    """Return SQL that makes users as the auth server would, so that its API lists them.

    Args:
        email: An SQL expression.
        source: A `from` clause; without one, one user.
    """
    return (
        "insert into auth.users (instance_id, id, aud, role, email, confirmation_token,"
        " recovery_token, email_change_token_new, email_change, raw_app_meta_data,"
        " raw_user_meta_data, created_at, updated_at)"
        " select '00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated',"
        f" 'authenticated', {email}, '', '', '', '', '{{}}', '{{}}', now(), now() {source}"
    )


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
