"""Starting programs that cannot outlive the supervisor.

On Linux the kernel delivers a signal to each child when its parent dies (PR_SET_PDEATHSIG).
Elsewhere `tui.sandbox.watchdog` does the same by other means. As root, PostgreSQL runs as `nobody`,
because it refuses to run as root.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tui.sandbox.watchdog import Watchdog

PR_SET_PDEATHSIG = 1
# Nothing of the operator's environment may steer the children (PGOPTIONS, PGRST_DB_URI, ...).
CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """A user a child runs as."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the account PostgreSQL must run as, or None for our own.

    Raises:
        SandboxError: We are root and there is no `nobody` to become.
    """
    if os.getuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise SandboxError(
            "PostgreSQL refuses to run as root, and this machine has no user `nobody`",
            hint="run the console as an ordinary user",
        ) from error
    return Account(entry.pw_uid, entry.pw_gid)


async def start(
    command: Sequence[str | Path],
    *,
    directory: Path,
    log: Path,
    death_signal: signal.Signals,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    lock: int | None = None,
    watchdog: Watchdog | None = None,
) -> asyncio.subprocess.Process:
    """Start a program that gets `death_signal` when this process dies, however it dies.

    Must be called from the main thread: Linux ties the death signal to the thread that forks.

    Args:
        command: The program and its arguments.
        directory: Its working directory.
        log: Both its output streams are appended here.
        death_signal: What ends it.
        account: Whom it runs as; None for ourselves.
        environment: Added to a minimal environment of our own.
        lock: A descriptor it inherits.
        watchdog: Told of the process, where the kernel cannot watch.

    Raises:
        OSError: The program cannot be executed.
    """
    identity: dict[str, Any] = {}
    if account is not None:
        identity = {"user": account.uid, "group": account.gid, "extra_groups": []}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(part) for part in command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env=CLEAN_ENVIRONMENT | dict(environment or {}),
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,
            preexec_fn=tie_to_parent(death_signal),
            **identity,
        )
    if watchdog is not None:
        watchdog.add(process.pid)
    return process


def tie_to_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """Return what a child runs between fork and exec, after it became its user.

    Changing the user clears the death signal, hence the order; and the parent may have died before
    the signal was asked for, hence the second look at it.
    """
    parent = os.getpid()
    prctl: Any = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def tie() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if prctl is not None and prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            os._exit(126)
        if os.getppid() != parent:
            os._exit(127)

    return tie


async def end(
    process: asyncio.subprocess.Process | None,
    how: signal.Signals,
    *,
    seconds: float = 5.0,
    group: bool = False,
) -> None:
    """Signal a process and wait for it to be gone; kill it when it takes longer.

    Args:
        process: What to end; None and the dead are left in peace.
        how: The first signal.
        seconds: How long it may take before SIGKILL.
        group: Whether the processes it started are signalled too.
    """
    if process is None or process.returncode is not None:
        return
    for attempt in (how, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(process.pid, attempt)
            else:
                process.send_signal(attempt)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            continue
        return


def tail(log: Path, lines: int = 3) -> str:
    """Return the last lines of a log on one line, or words saying that there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "it left no log"
    kept = [line.strip() for line in text.splitlines() if line.strip()][-lines:]
    return " | ".join(kept)[-600:] or "its log is empty"
