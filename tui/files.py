"""Private files that survive a crash and do not mix two writers' lines.

Files are created with mode 0600 in directories with mode 0700; one that exists keeps the mode and
group that it has. Only plain files are opened. A write has reached the disk when its function
returns, the directory entry included. Every error is an `OSError` for the caller to explain;
waiting for another holder of a lock longer than `LOCK_SECONDS` is a `TimeoutError`.

Waiting for a lock blocks: on an event loop, call through `in_thread`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from tui.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
LOCK_SECONDS: Final = 10.0

_LOCK_POLL_SECONDS: Final = 0.02
_SAY_AFTER_SECONDS: Final = 0.5

# Neither wait for a pipe's other end nor hand the file to child processes.
_OPEN_FLAGS: Final = (
    getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)


def private_directory(path: Path) -> None:
    """Create a directory and its missing parents, for the owner alone.

    One that exists is left as it is.
    """
    if path.is_dir():
        return
    if path.parent != path:
        private_directory(path.parent)
    try:
        path.mkdir(mode=DIRECTORY_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    _sync_directory(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Put `data` in place of a file's content, all of it or none."""
    _require_plain(path)
    private_directory(path.parent)
    # mkstemp makes the file 0600 and never follows what is already there.
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:20]}.", suffix=".tmp")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _sync_directory(path.parent)


def save_text(path: Path, text: str) -> Path:
    """Write a file that an operator asked for; returns its absolute path."""
    target = path.expanduser().absolute()
    try:
        write_private(target, text.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigurationError(
            f"Cannot write {target}: {why(error)}.",
            hint="Choose a directory that exists and that you may write to.",
        ) from error
    return target


async def in_thread(path: Path, work: Callable[[], T], waiting: Callable[[str], None]) -> T:
    """Do file work in a thread; after half a second say what is waited for."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    await asyncio.wait({task}, timeout=_SAY_AFTER_SECONDS)
    if not task.done():
        waiting(f"waiting for {path}: another process may hold its lock")
    return await task


@contextlib.contextmanager
def locked(path: Path, *, seconds: float = LOCK_SECONDS) -> Iterator[int]:
    """Open and lock a private file for reading and appending; yields its number.

    The lock is the kernel's: it ends with the block or with the process, whatever happens.
    """
    private_directory(path.parent)
    number = _open_for_appending(path)
    with _holding(path, number, seconds):
        yield number


def read_locked(path: Path, *, seconds: float = LOCK_SECONDS) -> bytes:
    """A file's whole content, with no half-written line; creates nothing.

    Where there is no file, there is no content.
    """
    try:
        number = _open_plain(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    with _holding(path, number, seconds):
        return read_all(number)


def hold(path: Path) -> int | None:
    """Take a file's lock until `release`; None when another holder has it."""
    private_directory(path.parent)
    while True:
        number = _open_for_appending(path)
        try:
            taken = try_lock(number)
            # Whoever held it before may have removed it between our opening and locking it.
            current = taken and _is_still(path, number)
        except BaseException:
            os.close(number)
            raise
        if current:
            return number
        os.close(number)
        if not taken:
            return None


def release(path: Path, number: int) -> None:
    """Give up a lock taken with `hold`, and remove its file."""
    # First the name, then the lock: nobody may lock a file that is about to disappear.
    if sys.platform != "win32":
        path.unlink(missing_ok=True)
    _unlock(number)
    os.close(number)
    if sys.platform == "win32":
        with contextlib.suppress(PermissionError):
            path.unlink(missing_ok=True)


def read_all(number: int) -> bytes:
    """A locked file's whole content."""
    os.lseek(number, 0, os.SEEK_SET)
    with os.fdopen(number, "rb", closefd=False) as file:
        return file.read()


def append_line(number: int, line: bytes) -> None:
    """Add a line to the end of a locked file, all of it or none, and sync it."""
    before = os.fstat(number).st_size
    # A torn last line must not take this one with it.
    if before:
        os.lseek(number, before - 1, os.SEEK_SET)
        line = line if os.read(number, 1) == b"\n" else b"\n" + line
    try:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(number, rest) :]
        os.fsync(number)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(number, before)
        raise


def require_writable(path: Path) -> None:
    """Check, without writing, that a file could be written."""
    _require_plain(path)
    place = path if path.exists() else next(each for each in path.parents if each.exists())
    if place != path and not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    if not os.access(place, os.W_OK | (0 if place == path else os.X_OK)):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def why(error: OSError) -> str:
    """The system's own words for an error."""
    return error.strerror or type(error).__name__


def _open_for_appending(path: Path) -> int:
    existed = path.exists()
    number = _open_plain(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    if not existed:
        _sync_directory(path.parent)
    return number


def _open_plain(path: Path, flags: int) -> int:
    _require_plain(path)
    number = os.open(path, flags | _OPEN_FLAGS, FILE_MODE)
    try:
        _judge_mode(path, os.fstat(number).st_mode)
    except BaseException:
        os.close(number)
        raise
    return number


def _require_plain(path: Path) -> None:
    """Refuse a device, pipe or directory before opening it, which may block."""
    with contextlib.suppress(FileNotFoundError):
        _judge_mode(path, path.stat().st_mode)


def _judge_mode(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a plain file", str(path))


@contextlib.contextmanager
def _holding(path: Path, number: int, seconds: float) -> Iterator[None]:
    """Lock an open file for the block, and close it after."""
    try:
        deadline = time.monotonic() + seconds
        while not try_lock(number):
            if time.monotonic() >= deadline:
                text = f"locked by another process for {seconds:g} s"
                raise TimeoutError(errno.ETIMEDOUT, text, str(path))
            time.sleep(_LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            _unlock(number)
    finally:
        os.close(number)


def _is_still(path: Path, number: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(number))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    # A byte far beyond any content: locks are mandatory there, and readers must not be shut out.
    _LOCKED_BYTE: Final = 0x7FFF_FFFF

    def try_lock(number: int) -> bool:
        """Take the lock of an open file; False when another holder has it."""
        os.lseek(number, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(number: int) -> None:
        os.lseek(number, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(number, msvcrt.LK_UNLCK, 1)

    def _sync_directory(path: Path) -> None: ...
else:
    import fcntl

    def try_lock(number: int) -> bool:
        """Take the lock of an open file; False when another holder has it."""
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_UN)

    def _sync_directory(path: Path) -> None:
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
