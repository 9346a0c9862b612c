"""What a run is about to create, on disk before it is created.

One small JSON file per run in `<state>/runs/`. It outlives the process, so that the next start can
say what a crashed run left and offer to remove it. Clean-up itself needs only the tag. A lock file
beside it is held for as long as the run's process lives, whatever ends it: that, and not a process
id, tells a run that goes on from one that died. It also holds the name of the stage that was begun
last, which is worth knowing but not worth a sync to disk at every step.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tui.errors import ConfigurationError
from tui.files import hold, try_lock, why, write_private
from tui.files import release as release_lock
from tui.verify.leftovers import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tui.guard.target import Target
    from tui.verify.dataset import Dataset

_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a journal; `identity` is `Target.place`."""

    run_id: str
    slug_prefix: str
    identity: str
    url: str
    started_at: str
    users: int
    questions: int
    responses: int
    user_ids: tuple[str, ...]
    stage: str


class Journal:
    """The journal of one run, in the directory where journals live."""

    def __init__(self, directory: Path, record: Record) -> None:
        self._path = directory / f"{record.run_id}.json"
        self._lock_path = _lock_path(directory, record.run_id)
        self._record = record
        self._lock: int | None = None

    def open(self) -> None:
        """Put the record on disk; nothing may be created before this returns."""
        try:
            self._lock = self._taken()
            self._write()
        except OSError as error:
            self._let_go()
            raise ConfigurationError(
                f"the journal {self._path} cannot be written: {why(error)}",
                hint="make the state directory writable (XDG_STATE_HOME moves it); "
                "without a journal nothing is written to the project",
            ) from error

    def _taken(self) -> int:
        lock = hold(self._lock_path)
        if lock is None:
            # Without it this run would be taken for one that died, and purged.
            raise OSError(errno.EAGAIN, "another process holds its lock")
        return lock

    def note(self, stage: str) -> None:
        """Record that a stage begins. Survives the process, perhaps not the machine.

        Where it cannot be written, the stage before it stays: that is no reason to stop a run, and
        least of all its clean-up.
        """
        self._record = replace(self._record, stage=stage)
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._lock, 0)
                os.write(self._lock, stage.encode())

    def close(self) -> str | None:
        """Remove the journal, the audit having found nothing; returns any problem."""
        return self._end(lambda: self._path.unlink(missing_ok=True), "cannot be removed")

    def release(self) -> str | None:
        """Leave the run to another start; returns any problem."""
        # What was written when the run began is still there, and is enough to take it up.
        return self._end(self._write, "is not up to date")

    def _end(self, last: Callable[[], None], otherwise: str) -> str | None:
        """Do the last thing with the file, and unlock the run whatever comes of it."""
        try:
            last()
        except OSError as error:
            return f"the journal {self._path} {otherwise}: {why(error)}"
        finally:
            self._let_go()
        return None

    def _let_go(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            with contextlib.suppress(OSError):
                release_lock(self._lock_path, lock)

    def _write(self) -> None:
        document = {"schema": _SCHEMA, **asdict(self._record)}
        write_private(self._path, json.dumps(document, indent=1).encode() + b"\n")


def _lock_path(directory: Path, run_id: str) -> Path:
    return directory / f"{run_id}.lock"


def is_alive(directory: Path, run_id: str) -> bool:
    """Whether the process of a run on this machine still lives.

    Asking changes nothing: the lock's file keeps the stage of a run that died.
    """
    try:
        number = os.open(_lock_path(directory, run_id), os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        # Somebody else's file, or a machine out of descriptors: not known to be dead.
        return True
    try:
        return not try_lock(number)
    finally:
        os.close(number)


def of_run(directory: Path, dataset: Dataset, target: Target) -> Journal:
    """The journal of a run that is about to write a data set to a target."""
    return Journal(
        directory,
        Record(
            run_id=dataset.run_id,
            slug_prefix=slug(dataset.run_id, 0, dataset.plan.form)[:-1],
            identity=target.place,
            url=target.url,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            users=dataset.users,
            questions=dataset.questions,
            responses=dataset.users * dataset.questions,
            user_ids=tuple(dataset.user_ids),
            stage="planned",
        ),
    )


def open_journals(directory: Path, place: str) -> list[Record]:
    """Journals of runs on a target that did not close, oldest first.

    A file that cannot be read is passed over here: clean-up by tag finds its rows all the same.
    """
    found = []
    for path in sorted(directory.glob("*.json")):
        record = _read(path)
        if record is not None and record.identity == place:
            found.append(record)
    return sorted(found, key=lambda record: record.started_at)


def _read(path: Path) -> Record | None:
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("schema") != _SCHEMA:
            return None
        noted = ""
        with contextlib.suppress(OSError, ValueError):
            noted = _lock_path(path.parent, document["run_id"]).read_text(encoding="utf-8")
        document |= {"user_ids": tuple(document["user_ids"]), "stage": noted or document["stage"]}
        return Record(**document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def forget(directory: Path, run_ids: Sequence[str]) -> None:
    """Remove the journals of runs of which nothing is left."""
    for run_id in run_ids:
        (directory / f"{run_id}.json").unlink(missing_ok=True)
        _lock_path(directory, run_id).unlink(missing_ok=True)
