"""The one directory in which a sandbox lives, and the removal of those that died badly.

A directory is in use as long as somebody holds the lock on its lock file. PostgreSQL and PostgREST
inherit the open lock, so a directory counts as stale only once every process of its run is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tui.errors import SandboxError

PREFIX = "hm-sandbox-"
# sun_path holds 108 bytes with its NUL on Linux, 104 on macOS; the rest is our own suffix.
SOCKET_PATH_LIMIT = 103
LONGEST_SOCKET_NAME = len("/s/.s.PGSQL.5432.lock")
UNLOCKED_GRACE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of one run.

    Attributes:
        path: The directory itself; only its owner can list it.
        lock: The descriptor that holds the lock. Children inherit it.
    """

    path: Path
    lock: int

    @property
    def sockets(self) -> Path:
        """The directory of PostgreSQL's socket; PostgREST's lies beside it."""
        return self.path / "s"

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "data"

    def log(self, program: str) -> Path:
        """Return the log file of one program."""
        return self.path / f"{program}.log"

    def remove(self) -> None:
        """Remove everything, then let go of the lock."""
        remove_tree(self.path)
        with contextlib.suppress(OSError):
            os.close(self.lock)


def create(mode: int = 0o700) -> RunDirectory:
    """Create and lock a run directory with a path short enough for Unix sockets.

    Args:
        mode: Permissions of the directory; 0o711 lets another user's process pass through.

    Raises:
        SandboxError: No temporary directory can be written.
    """
    failure: OSError | None = None
    for base in parents():
        try:
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        except OSError as error:
            failure = error
            continue
        try:
            path.chmod(mode)
            lock = _locked(path)
            (path / "s").mkdir(mode=0o700)
        except OSError as error:
            failure = error
            remove_tree(path)
            continue
        return RunDirectory(path=path, lock=lock)
    reason = failure.strerror if failure is not None else "its path is too long or private"
    raise SandboxError(
        f"the sandbox cannot write to the temporary directory {tempfile.gettempdir()}: {reason}",
        hint="set TMPDIR to a directory you can write to",
    )


def parents() -> list[Path]:
    """Return the directories a run may live in: the system's temporary directory, then /tmp.

    Left out are those whose path is too long for a Unix socket, or closed to PostgreSQL's account.

    Raises:
        SandboxError: The system has no temporary directory that can be written.
    """
    try:
        candidates = [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 - mkdtemp below
    except FileNotFoundError as error:
        raise SandboxError(
            "the sandbox found no temporary directory it can write to",
            hint="set TMPDIR to a directory you can write to",
        ) from error
    name = len(f"/{PREFIX}12345678") + LONGEST_SOCKET_NAME
    return [
        base
        for base in dict.fromkeys(candidates)
        if len(os.fsencode(base)) + name <= SOCKET_PATH_LIMIT and _others_may_pass(base)
    ]


def sweep() -> list[Path]:
    """Remove the directories of runs whose every process is gone, and return their paths."""
    removed = []
    for base in parents():
        for path in base.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                if path.lstat().st_uid == os.getuid() and path.is_dir() and _is_stale(path):
                    remove_tree(path)
                    removed.append(path)
    return removed


def remove_tree(path: Path) -> None:
    """Remove a directory, bearing with processes that are still leaving it."""
    for _ in range(20):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.05)


def _others_may_pass(base: Path) -> bool:
    """Return whether the account that PostgreSQL runs as can reach the directory.

    Under root that is another user, and root's temporary directory may be private.
    """
    if os.getuid() != 0:
        return True
    try:
        return all(path.stat().st_mode & 0o001 for path in (base, *base.parents))
    except OSError:
        return False


def _locked(path: Path) -> int:
    # Locked before it gets its name: no sweep may ever see an unlocked file under the final name.
    draft = path / "lock.new"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.rename(path / "lock")
    return descriptor


def _is_stale(path: Path) -> bool:
    try:
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        # Either its creator is about to lock it, or it died in between, long ago.
        return time.time() - path.stat().st_mtime > UNLOCKED_GRACE_SECONDS
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
