"""History: one JSON line for each finished run, with what makes it comparable to others.

The file is append-only, locked and synced. Baselines are lines of their own, the last one counts.
Whatever is not one of our lines, or only part of one, is passed over and counted.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tui.dry_run.facts import Pace
from tui.errors import OperatorError
from tui.evidence.deployment_log import Anchor
from tui.evidence.entry import (
    BASELINE,
    RUN,
    SCHEMA,
    Entry,
    RunFacts,
    Series,
    ServerVersions,
    entry_from_line,
    entry_of,
)
from tui.files import append, locked, read_locked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "YARDSTICK_RUNS",
    "Entry",
    "History",
    "HistoryFile",
    "HistoryUnreadable",
    "HistoryUnwritable",
    "RunFacts",
    "Series",
    "ServerVersions",
    "entry_of",
]

# What spread is taken from; a median needs fewer.
YARDSTICK_RUNS: Final = 20
_PACE_RUNS: Final = 5


class HistoryUnwritable(OperatorError):
    """A run, or a baseline, could not be added to the history."""


class HistoryUnreadable(OperatorError):
    """There is a history that cannot be read."""


@dataclass(frozen=True, slots=True)
class History:
    """What the history holds.

    Attributes:
        entries: Runs, newest last.
        skipped: Lines that are no line of ours: torn, foreign, or of a later schema.
    """

    entries: tuple[Entry, ...] = ()
    skipped: int = 0
    _baselines: Mapping[Series, str] = field(default_factory=dict)

    def entry(self, run_id: str) -> Entry | None:
        """The run of that name, or None."""
        return next((each for each in reversed(self.entries) if each.run_id == run_id), None)

    def timed(self, series: Series) -> list[Entry]:
        """Runs on a target with a volume that timed a refresh, newest last: the trend."""
        return [each for each in self.entries if each.series == series and each.refresh_runs_ms]

    def baseline(self, series: Series) -> Entry | None:
        """The run marked as baseline for this target and volume, or None.

        A mark survives an upgrade of the server; whether the run may still be compared is for
        `why_not_comparable` to say.
        """
        run_id = self._baselines.get(series)
        return self.entry(run_id) if run_id else None

    def anchors(self, log: Path) -> list[Anchor]:
        """What the runs say was the last hash of a deployment log."""
        name = str(log.absolute())
        return [
            Anchor(each.log_head, f"run {each.run_id} of {each.at:%Y-%m-%d} in the history")
            for each in self.entries
            if each.log == name and each.log_head is not None
        ]

    def comparable(self, like: Entry) -> list[Entry]:
        """Other runs that timed a refresh of the same target, volume and server, newest last."""
        return [
            each
            for each in self.entries
            if each.run_id != like.run_id
            and each.refresh_runs_ms
            and why_not_comparable(each, like) is None
        ]

    def previous(self, like: Entry) -> Entry | None:
        """The last comparable run that was verified, or None."""
        return next((each for each in reversed(self.comparable(like)) if each.verified), None)

    def yardstick(self, like: Entry) -> list[Entry]:
        """The runs that a regression is judged against, newest last, `YARDSTICK_RUNS` at most.

        Only verified runs count: were a slow run that failed its threshold counted, a few more of
        them would be the new normal, and pass. Marking a run as baseline accepts it as it was, and
        nothing before it counts any more.
        """
        comparable = self.comparable(like)
        marked = self.baseline(like.series)
        if marked is not None and marked in comparable:
            comparable = comparable[comparable.index(marked) :]
        counted = [each for each in comparable if each.verified or each == marked]
        return counted[-YARDSTICK_RUNS:]

    def pace(self, identity: str) -> Pace | None:
        """How fast the last few verified runs on a target were, or None."""
        runs = [
            each
            for each in self.entries
            if each.series.identity == identity and each.verified and each.total_seconds > 0
        ][-_PACE_RUNS:]
        if not runs:
            return None
        rate = median(each.series.responses / each.total_seconds for each in runs)
        refreshes = [ms for each in runs for ms in each.refresh_runs_ms]
        return Pace(len(runs), rate, max(refreshes, default=None))


class HistoryFile:
    """The history on disk.

    Args:
        path: `history.jsonl` in the state directory; made with the first run, mode 0600.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Entry) -> None:
        """Add a run. It has reached the disk when this returns.

        Raises:
            HistoryUnwritable: It could not be added; what was there still is.
        """
        self._add({"schema": SCHEMA, "line": RUN, **entry.content()}, f"run {entry.run_id}")

    def mark_baseline(self, entry: Entry, *, at: datetime) -> None:
        """Make a run what later runs on its target, with its volume, are compared with.

        Args:
            entry: A run of this history.
            at: Now, UTC.

        Raises:
            HistoryUnwritable: The run timed no refresh, or the mark could not be added.
        """
        if not entry.refresh_runs_ms:
            raise HistoryUnwritable(
                f"run {entry.run_id} timed no refresh, so it cannot be a baseline",
                hint="mark a run that got as far as the refresh",
            )
        mark = {
            "schema": SCHEMA,
            "line": BASELINE,
            "run_id": entry.run_id,
            "at": at.astimezone(UTC).isoformat(timespec="seconds"),
            "series": entry.series.content(),
        }
        self._add(mark, f"the baseline {entry.run_id}")

    def read(self) -> History:
        """Everything in it; an empty history where there is no file.

        Raises:
            HistoryUnreadable: There is a file that cannot be read.
        """
        try:
            data = read_locked(self.path)
        except FileNotFoundError:
            return History()
        except OSError as error:
            raise HistoryUnreadable(
                f"the history {self.path} cannot be read: {_why(error)}",
                hint="make it readable for you, or move it away to begin a new one",
            ) from error
        return read_history(data)

    def _add(self, content: Mapping[str, Any], what: str) -> None:
        line = json.dumps(content, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"
        try:
            with locked(self.path) as number:
                # A torn last line must not take this one with it.
                append(number, line if _ends_whole(number) else b"\n" + line)
        except OSError as error:
            raise HistoryUnwritable(
                f"{what} could not be added to the history {self.path}: {_why(error)}",
                hint="make it writable for you; trend and comparison miss this run until then",
            ) from error


def read_history(data: bytes) -> History:
    """Read a history.

    Args:
        data: The file's content.

    Returns:
        Its runs in the file's order, a run that was added twice once, as it was last added.
    """
    entries: dict[str, Entry] = {}
    baselines: dict[Series, str] = {}
    skipped = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        found = entry_from_line(line)
        match found:
            case Entry():
                entries.pop(found.run_id, None)
                entries[found.run_id] = found
            case (Series() as series, str() as run_id):
                baselines[series] = run_id
            case None:
                skipped += 1
    return History(tuple(entries.values()), skipped, baselines)


def why_not_comparable(one: Entry, other: Entry) -> str | None:
    """What makes the refresh times of two runs say nothing about each other, or None.

    The authentication service has no part in a refresh, and the SQL is what a comparison is about:
    neither counts.
    """
    if one.series.identity != other.series.identity:
        return f"another target: {one.series.identity}, {other.series.identity}"
    if one.series != other.series:
        return f"another volume: {one.series.volume}, {other.series.volume}"
    for name, here, there in (
        ("PostgreSQL", one.versions.postgres_major, other.versions.postgres_major),
        ("PostgREST", one.versions.postgrest_major, other.versions.postgrest_major),
    ):
        if here != there:
            return f"another {name}: {here or 'unknown'}, {there or 'unknown'}"
    return None


def _ends_whole(number: int) -> bool:
    """Whether a locked file is empty or ends with a whole line."""
    size = os.fstat(number).st_size
    if not size:
        return True
    os.lseek(number, size - 1, os.SEEK_SET)
    return os.read(number, 1) == b"\n"


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
