"""What a run is about to create, on disk before it is created.

One small JSON file per run in `<state>/runs/`. It outlives the process, so that the next start
can say what a crashed run left and offer to remove it. Clean-up itself needs only the tag. A lock
file beside it is held for as long as the run's process lives, whatever ends it: that, and not a
process id, tells a run that goes on from one that died. It also holds the name of the stage that
was begun last, which is worth knowing but not worth a sync to disk at every step.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tui.errors import ConfigurationError
from tui.records.files import hold, release, write_private
from tui.verify import tags

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tui.target import Target
    from tui.verify.dataset import Dataset

_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a journal.

    Attributes:
        run_id: The run.
        slug_prefix: What its questions' slugs begin with.
        identity: Project ref or host the run is for.
        url: The project's URL.
        started_at: UTC, ISO 8601.
        users: Users it may create.
        questions: Questions it may create.
        responses: Responses it may create.
        user_ids: Ids of the users, made before they are created.
        stage: The stage that was begun last.
    """

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
    """The journal of one run.

    Args:
        directory: Where journals live; made private if it has to be created.
        record: What the run is about to do.
    """

    def __init__(self, directory: Path, record: Record) -> None:
        self._path = directory / f"{record.run_id}.json"
        self._lock_path = _lock_path(directory, record.run_id)
        self._record = record
        self._lock: int | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def open(self) -> None:
        """Put the record on disk; nothing may be created before this returns.

        Raises:
            ConfigurationError: The state directory cannot be written.
        """
        try:
            self._lock = hold(self._lock_path)
        except OSError as error:
            raise _unwritable(self._lock_path, error) from error
        self._write()

    def note(self, stage: str) -> None:
        """Record that a stage begins. Survives the process, perhaps not the machine."""
        self._record = replace(self._record, stage=stage)
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.write(self._lock, stage.encode())

    def close(self) -> None:
        """Remove the journal: the audit found nothing left."""
        self._path.unlink(missing_ok=True)
        self._let_go()

    def leave(self) -> None:
        """Let go of the run, unless it is closed: another start may take it up."""
        if self._lock is None:
            return
        try:
            self._write()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            release(self._lock_path, self._lock)
            self._lock = None

    def _write(self) -> None:
        document = {"schema": _SCHEMA, **asdict(self._record)}
        try:
            write_private(self._path, json.dumps(document, indent=1).encode() + b"\n")
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"the journal {path} cannot be written: {error.strerror or error}",
        hint="make the state directory writable (XDG_STATE_HOME moves it); "
        "without a journal nothing is written to the project",
    )


def _lock_path(directory: Path, run_id: str) -> Path:
    return directory / f"{run_id}.lock"


def is_alive(directory: Path, run_id: str) -> bool:
    """Whether the process of a run on this machine still lives."""
    path = _lock_path(directory, run_id)
    if not path.exists():
        return False
    held = hold(path)
    if held is None:
        return True
    release(path, held)
    return False


def of_run(directory: Path, dataset: Dataset, target: Target) -> Journal:
    """The journal of a run that is about to write a data set to a target."""
    return Journal(
        directory,
        Record(
            run_id=dataset.run_id,
            slug_prefix=tags.slug(dataset.run_id, 0)[:-1],
            identity=target.identity,
            url=target.url,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            users=dataset.users,
            questions=dataset.questions,
            responses=dataset.users * dataset.questions,
            user_ids=tuple(dataset.user_ids),
            stage="planned",
        ),
    )


def open_journals(directory: Path, identity: str) -> list[Record]:
    """Journals of runs on a target that did not close, oldest first.

    A file that cannot be read is passed over here: clean-up by tag finds its rows all the same.
    """
    found = []
    for path in sorted(directory.glob("*.json")):
        record = _read(path)
        if record is not None and record.identity == identity:
            found.append(record)
    return sorted(found, key=lambda record: record.started_at)


def _read(path: Path) -> Record | None:
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("schema") != _SCHEMA:
            return None
        noted = _noted_stage(_lock_path(path.parent, document["run_id"])) or document["stage"]
        return Record(**{**document, "user_ids": tuple(document["user_ids"]), "stage": noted})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _noted_stage(lock_path: Path) -> str:
    try:
        return lock_path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def forget(directory: Path, run_ids: Sequence[str]) -> None:
    """Remove the journals of runs of which nothing is left."""
    for run_id in run_ids:
        (directory / f"{run_id}.json").unlink(missing_ok=True)
        _lock_path(directory, run_id).unlink(missing_ok=True)
