"""A journal is there before the first write, and outlives whatever happens to the disk after."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.dry_run.contexts import OPAQUE
from tui.errors import ConfigurationError
from tui.guard.target import classify
from tui.verify import journal
from tui.verify.dataset import Dataset

if TYPE_CHECKING:
    from pathlib import Path

TARGET = classify("http://127.0.0.1:54321", OPAQUE, sandbox=True)
RUN = "20260131-9f3c21aa"


class FullDisk:
    """The os module of a machine whose disk is full."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, _number: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no space left on device")


@pytest.fixture
def begun(tmp_path: Path) -> journal.Journal:
    opened = journal.of_run(tmp_path, Dataset(RUN, users=9, questions=8), TARGET)
    opened.open()
    return opened


def stages(directory: Path) -> list[str]:
    return [each.stage for each in journal.open_journals(directory, TARGET.place)]


def test_a_run_under_way_is_alive_and_tells_its_stage(
    begun: journal.Journal, tmp_path: Path
) -> None:
    begun.note("responses")
    assert journal.is_alive(tmp_path, RUN)
    assert stages(tmp_path) == ["responses"]
    assert begun.close() is None
    assert list(tmp_path.iterdir()) == []


def test_looking_at_a_run_that_died_loses_nothing_of_it(
    begun: journal.Journal, tmp_path: Path
) -> None:
    begun.note("responses")
    # What the kernel does for a process that dies: the lock goes, the files stay.
    assert begun._lock is not None
    os.close(begun._lock)
    for _ in range(3):
        assert not journal.is_alive(tmp_path, RUN)
        assert stages(tmp_path) == ["responses"]
    journal.forget(tmp_path, [RUN])
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_left_tells_its_last_stage(begun: journal.Journal, tmp_path: Path) -> None:
    begun.note("cleanup-responses")
    assert begun.release() is None
    assert stages(tmp_path) == ["cleanup-responses"]
    assert not journal.is_alive(tmp_path, RUN)


def test_journals_of_another_port_are_another_projects(
    begun: journal.Journal, tmp_path: Path
) -> None:
    other = classify("http://127.0.0.1:54322", OPAQUE, sandbox=True)
    assert journal.open_journals(tmp_path, other.place) == []
    assert begun.release() is None


def test_a_full_disk_stops_no_run_that_has_begun(
    begun: journal.Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "os", FullDisk())
    monkeypatch.setattr(journal, "write_private", no_space)
    begun.note("responses")
    told = begun.release()
    assert told is not None
    assert "no space left on device" in told
    assert stages(tmp_path) == ["planned"]
    assert not journal.is_alive(tmp_path, RUN)


def test_a_full_disk_stops_a_run_that_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "write_private", no_space)
    opened = journal.of_run(tmp_path, Dataset(RUN, users=9, questions=8), TARGET)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        opened.open()
    assert not journal.is_alive(tmp_path, RUN)


def test_a_run_whose_lock_is_taken_does_not_begin(begun: journal.Journal, tmp_path: Path) -> None:
    twin = journal.of_run(tmp_path, Dataset(RUN, users=9, questions=8), TARGET)
    with pytest.raises(ConfigurationError, match="another process"):
        twin.open()
    assert begun.close() is None
