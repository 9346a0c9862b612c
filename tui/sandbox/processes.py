"""The sandbox's processes and directory: neither outlives the supervisor.

On Linux the kernel delivers a signal to each child when its parent dies (PR_SET_PDEATHSIG).
Elsewhere a watchdog does: a small process of this module, to which the supervisor holds the write
end of a pipe and names its children. End of file without a farewell means that the supervisor was
killed. As root, PostgreSQL runs as `nobody`, because it refuses to run as root.

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
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ParamSpec, TypeVar

from tui.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
# Nothing of the operator's environment may steer the children (PGOPTIONS, PGRST_DB_URI, ...).
CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

PREFIX = "hm-sandbox-"
# sun_path holds 108 bytes with its NUL on Linux, 104 on macOS; the rest is our own suffix.
SOCKET_PATH_LIMIT = 103
LONGEST_SOCKET_NAME = len("/s/.s.PGSQL.5432.lock")
UNLOCKED_GRACE_SECONDS = 120.0
START_SECONDS = 60.0
VERSION_SECONDS = 10.0
STOP_SECONDS = 5.0


def server_account() -> pwd.struct_passwd | None:
    """The account PostgreSQL must run as, or None for our own."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise SandboxError(
            "PostgreSQL refuses to run as root, and this machine has no user `nobody`",
            hint="run the console as an ordinary user",
        ) from error


async def in_thread(work: Callable[P, ResultT], *arguments: P.args, **named: P.kwargs) -> ResultT:
    """Work in a thread as by `asyncio.to_thread`; cancelled, wait for its end.

    A thread cannot be stopped: left to itself it would go on writing into a directory that has been
    removed meanwhile, and bring it back. So the work must end by itself within seconds.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(task)
    finally:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The directory of one run; only its owner can list it.

    Attributes:
        lock: The descriptor that holds the lock. Children inherit it.
        account: Whom PostgreSQL runs as; None for our own.
        watchdog: Watches the children where the kernel does not.
    """

    path: Path
    lock: int
    account: pwd.struct_passwd | None
    watchdog: Watchdog | None

    @classmethod
    def create(cls) -> RunDirectory:
        """Create and lock a directory with a path short enough for Unix sockets."""
        account = server_account()
        failure: OSError | None = None
        for base in parents():
            path: Path | None = None
            try:
                path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
                # PostgreSQL's account has to pass through.
                path.chmod(0o700 if account is None else 0o711)
                lock = _locked(path)
                (path / "s").mkdir(mode=0o700)
            except OSError as error:
                failure = error
                if path is not None:
                    remove_tree(path)
            else:
                return cls(path, lock, account, None if LINUX else Watchdog(path))
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

    def remove(self) -> None:
        """Remove everything, then let go of the lock."""
        if self.watchdog is not None:
            self.watchdog.close()
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


def remove_tree(path: Path, seconds: float = 1.0) -> None:
    """Remove a directory; try again while processes are still leaving it."""
    deadline = time.monotonic() + seconds
    shutil.rmtree(path, ignore_errors=True)
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
        shutil.rmtree(path, ignore_errors=True)


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


class Watchdog:
    """The supervisor's side of the process that outlives it to clean up."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tui.sandbox.processes", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self.pid = self._process.pid

    def add(self, pid: int) -> None:
        """Have a process killed when we die."""
        self._say(f"+{pid}")

    def forget(self, pid: int) -> None:
        """Leave a process alone: its id may be given to another."""
        self._say(f"-{pid}")

    def close(self) -> None:
        """Say farewell: everything was stopped in order."""
        self._say("bye")
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for above
        with contextlib.suppress(OSError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def watch(lines: IO[str], directory: Path) -> None:
    """Follow the supervisor's lines to their end, then end what it left."""
    pids: list[int] = []
    for line in lines:
        word = line.strip()
        if word == "bye":
            return
        if word.startswith("+"):
            pids.append(int(word[1:]))
        elif word.startswith("-"):
            pids.remove(int(word[1:]))
    # SIGQUIT is PostgreSQL's immediate shutdown; PostgREST dies of it as well. A program that a
    # script started in the background may have been made to ignore it, and its children with it.
    for number, patience_s in ((signal.SIGQUIT, 1.0), (signal.SIGKILL, 0.0)):
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        time.sleep(patience_s)
    remove_tree(directory, seconds=5.0)


@dataclass(eq=False, repr=False, kw_only=True)
class Server:
    """A program that serves until it is stopped; it dies with the supervisor."""

    name: str
    run: RunDirectory
    death_signal: signal.Signals = signal.SIGKILL
    account: pwd.struct_passwd | None = None
    environment: dict[str, str] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)
    _log: Path = field(init=False)

    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def launch(self, command: Sequence[str | Path]) -> asyncio.subprocess.Process:
        """Start a program that gets the death signal when this process dies, however.

        What it prints goes to a log of its name.
        Must be called from the main thread: Linux ties the death signal to the thread that forks.
        """
        self._log = self.run.path / f"{Path(command[0]).name}.log"
        try:
            with self._log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *(str(part) for part in command),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.run.path,
                    env=CLEAN_ENVIRONMENT | self.environment,
                    pass_fds=(self.run.lock,),
                    start_new_session=True,
                    preexec_fn=tie_to_parent(self.death_signal),
                    **identity(self.account),
                )
        except OSError as error:
            # It has been asked for its version: what keeps it from starting now is the machine.
            raise SandboxError(
                f"{command[0]} could not be started: {error.strerror}",
                hint="check the free memory, and the limit on processes (ulimit -u)",
            ) from error
        self._process = process
        if self.run.watchdog is not None:
            self.run.watchdog.add(process.pid)
        return process

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None and self.is_running():
            self._process.send_signal(number)

    async def complete(self, command: Sequence[str | Path]) -> int:
        """Run a program of it to its end; returns the exit code."""
        process = await self.launch(command)
        try:
            return await process.wait()
        finally:
            await self.stop()

    def last_words(self, lines: int = 3) -> str:
        """The end of the log of the program started last, on one line."""
        try:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "it left no log"
        kept = [line.strip() for line in text.splitlines() if line.strip()][-lines:]
        return " | ".join(kept)[-600:] or "its log is empty"

    async def until(self, serves: Callable[[], Awaitable[bool]], hint: str) -> None:
        """Wait until it serves; an error with the end of its log where it does not."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await serves():
                    if not self.is_running():
                        raise SandboxError(
                            f"{self.name} stopped while starting: {self.last_words()}", hint=hint
                        )
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise SandboxError(
                f"{self.name} does not serve after {START_SECONDS:.0f} s; "
                f"the end of its log: {self.last_words()}",
                hint=hint,
            ) from None

    async def death(self) -> str | None:
        """Wait for it to end; return the end of its log, or None when we stopped it."""
        process = self._process
        if process is None:
            return None
        await process.wait()
        return self.last_words() if process is self._process else None

    async def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Signal it, and what it started, and wait for it; then kill it."""
        process, self._process = self._process, None
        if process is None:
            return
        for attempt in (how, signal.SIGKILL):
            if process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, attempt)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
        if self.run.watchdog is not None:
            self.run.watchdog.forget(process.pid)


def identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments by which a child becomes this user."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


async def version_of(program: Path | str, account: pwd.struct_passwd | None = None) -> str:
    """What a program answers to `--version`; then it and what it started end.

    Raises:
        TimeoutError: It does not answer.
        OSError: It cannot be executed.
    """
    # Into a file: whoever holds the end of a pipe could keep us waiting for its end.
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            str(program),
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=CLEAN_ENVIRONMENT,
            start_new_session=True,
            preexec_fn=tie_to_parent(signal.SIGKILL),
            **identity(account),
        )
        try:
            await asyncio.wait_for(process.wait(), VERSION_SECONDS)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        output.seek(0)
        return output.read().decode("utf-8", "replace")


def tie_to_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """What a child runs between fork and exec, after it became its user.

    Changing the user clears the death signal, hence the order; and the parent may have died before
    the signal was asked for, hence the second look at it.
    """
    parent = os.getpid()
    prctl: Any = ctypes.CDLL(None, use_errno=True).prctl if LINUX else None

    def tie() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if prctl is not None and prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            os._exit(126)
        if os.getppid() != parent:
            os._exit(127)

    return tie


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(sys.stdin, Path(sys.argv[1]))
