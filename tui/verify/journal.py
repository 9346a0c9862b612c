"""What a run is about to create, on disk before it is created.

One small JSON file per run in `<state>/runs/`. It outlives the process, so that the next start
can say what a crashed run left and offer to remove it. Clean-up itself needs only the tag.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tui.errors import ConfigurationError
from tui.records.files import remove_private, write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
        pid: Process that owns the run.
        host: Machine it runs on.
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
    pid: int
    host: str


class Journal:
    """The journal of one run.

    Args:
        directory: Where journals live; made private if it has to be created.
        record: What the run is about to do.
    """

    def __init__(self, directory: Path, record: Record) -> None:
        self._path = directory / f"{record.run_id}.json"
        self._record = record

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def open(self) -> None:
        """Put the record on disk; nothing may be created before this returns.

        Raises:
            ConfigurationError: The state directory cannot be written.
        """
        self._write()

    def note(self, stage: str) -> None:
        """Record that a stage begins."""
        self._record = replace(self._record, stage=stage)
        self._write()

    def close(self) -> None:
        """Remove the journal: the audit found nothing left."""
        remove_private(self._path)

    def _write(self) -> None:
        document = {"schema": _SCHEMA, **asdict(self._record)}
        try:
            write_private(self._path, json.dumps(document, indent=1) + "\n")
        except OSError as error:
            raise ConfigurationError(
                f"the journal {self._path} cannot be written: {error.strerror or error}",
                hint="make the state directory writable (XDG_STATE_HOME moves it); "
                "without a journal nothing is written to the project",
            ) from error


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
        return Record(**{**document, "user_ids": tuple(document["user_ids"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def forget(directory: Path, run_ids: Sequence[str]) -> None:
    """Remove the journals of runs of which nothing is left."""
    for run_id in run_ids:
        remove_private(directory / f"{run_id}.json")
