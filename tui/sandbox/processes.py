"""The sandbox's processes and directory: neither outlives the supervisor.

On Linux the kernel delivers a signal to each child when its parent dies (PR_SET_PDEATHSIG).
Elsewhere `tui.sandbox.watchdog` does the same by other means. As root, PostgreSQL runs as `nobody`,
because it refuses to run as root.

A run's directory is in use as long as somebody holds the lock on its lock file. The servers inherit
the open lock, so a directory counts as stale only once every process of its run is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tui.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tui.sandbox.watchdog import Watchdog

ResultT = TypeVar("ResultT")

PR_SET_PDEATHSIG = 1
# Nothing of the operator's environment may steer the children (PGOPTIONS, PGRST_DB_URI, ...).
CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

PREFIX = "hm-sandbox-"
# sun_path holds 108 bytes with its NUL on Linux, 104 on macOS; the rest is our own suffix.
SOCKET_PATH_LIMIT = 103
LONGEST_SOCKET_NAME = len("/s/.s.PGSQL.5432.lock")
UNLOCKED_GRACE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user a child runs as."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """The account PostgreSQL must run as, or None for our own."""
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


async def in_thread(work: Callable[[], ResultT]) -> ResultT:
    """Work in a thread as by `asyncio.to_thread`; cancelled, wait for its end.

    A thread cannot be stopped: left to itself it would go on writing into a directory that has been
    removed meanwhile, and bring it back. So the work must end by itself within seconds.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()
        raise


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of one run; only its owner can list it.

    Attributes:
        lock: The descriptor that holds the lock. Children inherit it.
    """

    path: Path
    lock: int

    @classmethod
    def create(cls, mode: int = 0o700) -> RunDirectory:
        """Create and lock a directory with a path short enough for Unix sockets.

        Mode 0o711 lets another user's process pass through.
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
            return cls(path=path, lock=lock)
        reason = failure.strerror if failure is not None else "its path is too long or private"
        raise SandboxError(
            "the sandbox cannot write to the temporary directory "
            f"{tempfile.gettempdir()}: {reason}",
            hint="set TMPDIR to a directory you can write to",
        )

    @property
    def sockets(self) -> Path:
        """The directory of PostgreSQL's socket; PostgREST's lies beside it."""
        return self.path / "s"

    @property
    def data(self) -> Path:
        return self.path / "data"

    def log(self, program: str) -> Path:
        return self.path / f"{program}.log"

    def remove(self) -> None:
        """Remove everything, then let go of the lock."""
        remove_tree(self.path)
        with contextlib.suppress(OSError):
            os.close(self.lock)


def parents() -> list[Path]:
    """The directories a run may live in: the temporary directory, then /tmp.

    Left out are those whose path is too long for a Unix socket, or closed to PostgreSQL's account.
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
    """Remove the directories of runs whose every process is gone; returns them."""
    removed = []
    for base in parents():
        for path in base.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                if path.lstat().st_uid == os.getuid() and path.is_dir() and _is_stale(path):
                    remove_tree(path)
                    removed.append(path)
    return removed


def remove_tree(path: Path) -> None:
    """Remove a directory; try again while processes are still leaving it."""
    for _ in range(20):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.05)


def _others_may_pass(base: Path) -> bool:
    # Under root PostgreSQL is another user, and root's temporary directory may be private.
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


class Server:
    """A program that serves until it is stopped; it dies with the supervisor."""

    def __init__(
        self,
        name: str,
        run: RunDirectory,
        *,
        log: str,
        account: Account | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.name = name
        self._run = run
        self._log = run.log(log)
        self._account = account
        self._watchdog = watchdog
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def last_words(self, lines: int = 3) -> str:
        """The end of its log, on one line."""
        return tail(self._log, lines)

    async def launch(
        self,
        command: Sequence[str | Path],
        death_signal: signal.Signals,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._stopping = False
        self._process = await start(
            command,
            directory=self._run.path,
            log=self._log,
            death_signal=death_signal,
            account=self._account,
            environment=environment,
            lock=self._run.lock,
            watchdog=self._watchdog,
        )

    async def until(
        self, serves: Callable[[], Awaitable[bool]], *, hint: str, seconds: float | None = None
    ) -> None:
        """Wait until it serves; an error with the end of its log where it does not."""
        try:
            async with asyncio.timeout(seconds):
                while not await serves():
                    if not self.is_running():
                        raise SandboxError(
                            f"{self.name} stopped while starting: {self.last_words()}", hint=hint
                        )
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise SandboxError(
                f"{self.name} does not serve after {seconds:.0f} s; "
                f"the end of its log: {self.last_words()}",
                hint=hint,
            ) from None

    async def death(self) -> str | None:
        """Wait for it to end; return the end of its log, or None when we stopped it."""
        if self._process is None:
            return None
        await self._process.wait()
        return None if self._stopping else self.last_words()

    async def end(self, how: signal.Signals) -> None:
        self._stopping = True
        await end(self._process, how)
        if self._process is not None and self._watchdog is not None:
            self._watchdog.forget(self._process.pid)
        self._process = None


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
    """Start a program that gets `death_signal` when this process dies, however.

    Must be called from the main thread: Linux ties the death signal to the thread that forks.

    Args:
        environment: Added to a minimal environment of our own.
        lock: A descriptor it inherits.
        watchdog: Learns of the process, where the kernel cannot watch.

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
    """What a child runs between fork and exec, after it became its user.

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
    """Signal a process, or its group, and wait for it; then kill it."""
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
    """The last lines of a log on one line, or words saying that there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "it left no log"
    kept = [line.strip() for line in text.splitlines() if line.strip()][-lines:]
    return " | ".join(kept)[-600:] or "its log is empty"
