from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tui import files
from tui.errors import ConfigurationError
from tui.files import (
    append_line,
    hold,
    in_thread,
    locked,
    private_directory,
    read_all,
    read_locked,
    release,
    save_text,
    write_private,
)

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _careless_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_is_created_is_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_private(path, b"one")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b"), mode(path)) == (0o700, 0o700, 0o600)
    with locked(tmp_path / "c" / "log") as number:
        append_line(number, b"x")
    assert (mode(tmp_path / "c"), mode(tmp_path / "c" / "log")) == (0o700, 0o600)


def test_an_existing_directory_is_left_as_it_is(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(0o755)
    private_directory(theirs)
    assert mode(theirs) == 0o755


def test_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x")
    path.chmod(0o664)
    with locked(path) as number:
        append_line(number, b"y")
    assert (mode(path), path.read_bytes()) == (0o664, b"x\ny")
    # What replaces a file is a new one, and ours.
    write_private(path, b"z")
    assert mode(path) == 0o600


def test_a_replaced_file_is_whole_or_untouched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "file").symlink_to(victim)
    write_private(tmp_path / "file", b"new")
    assert victim.read_bytes() == b"precious"


def test_an_append_is_whole_or_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    real = os.write

    def half(number: int, data: bytes) -> int:
        if len(data) < 4:
            raise OSError(28, "No space left on device")
        return real(number, data[: len(data) // 2])

    with locked(path) as number:
        append_line(number, b"first\n")
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            append_line(number, b"second line\n")
        monkeypatch.undo()
        assert read_all(number) == b"first\n"
        append_line(number, b"third\n")
    assert path.read_bytes() == b"first\nthird\n"


def test_what_was_written_was_synced_with_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def watch(number: int) -> None:
        synced.append("dir" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        real(number)

    monkeypatch.setattr(os, "fsync", watch)
    write_private(tmp_path / "file", b"x")
    assert synced == ["file", "dir"]
    synced.clear()
    with locked(tmp_path / "log") as number:
        append_line(number, b"x")
    assert synced == ["dir", "file"]


@pytest.mark.parametrize("name", ["fifo", "directory", "socket", "link-to-fifo", "/dev/full"])
def test_only_plain_files_are_opened_or_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link-to-fifo").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
    before = path.lstat()
    for attempt in (
        lambda: locked(path).__enter__(),
        lambda: read_locked(path),
        lambda: hold(path),
        lambda: write_private(path, b"x"),
    ):
        with pytest.raises(OSError, match=r"not a plain file|Is a directory"):
            attempt()
    with pytest.raises(ConfigurationError, match="Cannot write"):
        save_text(path, "x")
    assert (path.lstat().st_mode, path.lstat().st_ino) == (before.st_mode, before.st_ino)


def test_nothing_is_made_by_reading(tmp_path: Path) -> None:
    assert read_locked(tmp_path / "missing") == b""
    assert not (tmp_path / "missing").exists()


async def test_a_lock_is_waited_for_beside_the_loop_and_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    told: list[str] = []
    ticks = 0

    def add() -> None:
        with locked(path) as number:
            append_line(number, b"x")

    with locked(path):
        work = asyncio.create_task(in_thread(path, add, told.append))
        while not told:
            # The loop goes on; with the wait on it, nothing here would ever run again.
            await asyncio.sleep(0.01)
            ticks += 1
        assert not work.done()
    await work
    assert ticks > 1
    assert told == [f"waiting for {path}: another process may hold its lock"]
    assert path.read_bytes() == b"x"
    await in_thread(path, add, told.append)
    assert len(told) == 1, "what is done at once is not told"


def test_a_lock_keeps_others_out_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with locked(path) as number:
        append_line(number, b"x")
        with (
            pytest.raises(TimeoutError, match="locked by another process"),
            locked(path, seconds=0),
        ):
            raise AssertionError("entered")
        with pytest.raises(TimeoutError):
            read_locked(path, seconds=0)
    assert read_locked(path, seconds=0) == b"x"


def test_a_lock_ends_with_its_block_even_by_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with pytest.raises(ZeroDivisionError), locked(path):
        raise ZeroDivisionError
    with locked(path, seconds=0):
        pass


def test_a_held_file_has_one_holder_and_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "run"
    number = hold(path)
    assert number is not None
    assert hold(path) is None
    release(path, number)
    assert not path.exists()
    again = hold(path)
    assert again is not None
    release(path, again)


def test_a_lock_on_a_file_that_was_removed_meanwhile_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    real = files.try_lock
    calls = 0

    def removed_in_between(number: int) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            path.unlink()
        return real(number)

    monkeypatch.setattr(files, "try_lock", removed_in_between)
    number = hold(path)
    assert calls == 2
    assert number is not None
    assert os.path.samestat(path.stat(), os.fstat(number))
    release(path, number)


def test_a_killed_holder_leaves_the_lock_free(tmp_path: Path) -> None:
    path = tmp_path / "run"
    code = """
        import sys, pathlib
        from tui.files import hold
        assert hold(pathlib.Path(sys.argv[1])) is not None
        print("held", flush=True)
        sys.stdin.read()
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert hold(path) is None
        child.kill()
    number = hold(path)
    assert number is not None
    release(path, number)
