"""History: one JSON line for each finished run.

The file is append-only, locked and synced. Baselines are lines of their own; the last one counts.
Whatever is not one of our lines, or only part of one, is passed over and counted.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tui import __version__
from tui.errors import OperatorError
from tui.evidence.comparison import JUDGED_FROM, NOISE_PERCENT, Comparison, Verdict, compare
from tui.evidence.decoding import decode
from tui.evidence.deployment_log import Anchor
from tui.files import append_line, locked, read_locked, why
from tui.redact import redact
from tui.verify.events import Mode, Outcome, ProjectDescribed, ServerVersions
from tui.verify.result import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tui.verify.result import Result

SCHEMA: Final = 1

_RUN: Final = "run"
_BASELINE: Final = "baseline"
# "15.7 (Debian 15.7-1)", "PostgreSQL 17.4 on ...", "v2.151.0"
_MAJOR: Final = re.compile(r"\d+")
_LONGEST_TEXT: Final = 200
_RUNS_TOGETHER: Final = 5


@dataclass(frozen=True, slots=True)
class Series:
    """What runs must share to be drawn as one line: a target and a volume.

    Batch size and concurrency are left out: they change how rows arrive, not what is refreshed.
    """

    identity: str
    users: int
    questions: int

    @property
    def responses(self) -> int:
        return self.users * self.questions

    @property
    def volume(self) -> str:
        return f"{self.users:,} users × {self.questions:,} questions"


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the history: one line of it.

    Attributes:
        exit_code: What the shell was told, thresholds included.
        fingerprint: Of the SQL objects' definitions, or None.
        log_head: Hash of its last record then, or None where there was none.
        tables: Fingerprint of the whole schema that a run writes to, or None.
    """

    run_id: str
    at: datetime
    mode: str
    outcome: str
    exit_code: int
    series: Series
    host: str
    kind: str
    tool_version: str
    versions: ServerVersions
    fingerprint: str | None
    refresh_runs_ms: tuple[float, ...]
    final_refresh_ms: float | None
    total_seconds: float
    log: str | None = None
    log_head: str | None = None
    tables: str | None = None

    @property
    def verified(self) -> bool:
        """Whether it was verified and met its thresholds."""
        return self.outcome == Outcome.VERIFIED and self.exit_code == 0

    def content(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.astimezone(UTC).isoformat(timespec="seconds")}


@dataclass(frozen=True, slots=True)
class Against:
    """A run beside the earlier ones it is compared with, newest last."""

    runs: tuple[Entry, ...]
    is_baseline: bool
    same_sql: bool | None
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class History:
    """What the history holds, newest last; `skipped` lines are not ours."""

    entries: tuple[Entry, ...] = ()
    skipped: int = 0
    _baselines: Mapping[Series, str] = field(default_factory=dict)

    def entry(self, run_id: str) -> Entry | None:
        return next((each for each in reversed(self.entries) if each.run_id == run_id), None)

    def baseline(self, series: Series) -> Entry | None:
        """The run marked as the baseline of a series.

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

    def against(self, run: Entry, percent: float = NOISE_PERCENT) -> Against | None:
        """A run beside the marked baseline, else beside the last comparable runs.

        Only verified runs count: were a slow run that failed its threshold counted, a few more of
        them would be the new normal, and pass. Up to five that timed enough refreshes to judge by
        are taken together; where there are none, the last one that timed any is shown.
        """
        marked = self.baseline(run.series)
        if marked is not None and marked.run_id != run.run_id:
            runs = [marked]
            reason = why_not_comparable(marked, run)
        else:
            marked, reason = None, None
            comparable = [
                each
                for each in self.entries
                if each.verified
                and each.refresh_runs_ms
                and each.run_id != run.run_id
                and why_not_comparable(each, run) is None
            ]
            enough = [each for each in comparable if len(each.refresh_runs_ms) >= JUDGED_FROM]
            runs = enough[-_RUNS_TOGETHER:] or comparable[-1:]
        if not runs:
            return None
        before = [ms for each in runs for ms in each.refresh_runs_ms]
        comparison = (
            compare(before, run.refresh_runs_ms, percent)
            if reason is None
            else Comparison(Verdict.NOT_JUDGED, reason=reason)
        )
        known = {each.fingerprint for each in (*runs, run)}
        same_sql = None if None in known else len(known) == 1
        return Against(tuple(runs), marked is not None, same_sql, comparison)

    def verified_with(self, identity: str, schema: str) -> str | None:
        """The last verified run on a target with this fingerprint of its schema."""
        runs = (
            each.run_id
            for each in reversed(self.entries)
            if each.series.identity == identity
            and each.verified
            and each.mode == Mode.CYCLE
            and each.tables == schema
        )
        return next(runs, None)

    def pace(self, identity: str) -> Pace | None:
        """How fast the last few verified runs on a target were."""
        runs = [
            each
            for each in self.entries
            if each.series.identity == identity and each.verified and each.total_seconds > 0
        ][-_RUNS_TOGETHER:]
        if not runs:
            return None
        rate = median(each.series.responses / each.total_seconds for each in runs)
        refreshes = [ms for each in runs for ms in each.refresh_runs_ms]
        return Pace(len(runs), rate, max(refreshes, default=None))


class HistoryFile:
    """The history on disk; its methods block while the file is locked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Entry) -> None:
        """Add a run, on disk when this returns."""
        self._add({"schema": SCHEMA, "line": _RUN, **entry.content()}, f"run {entry.run_id}")

    def mark_baseline(self, entry: Entry, *, at: datetime) -> None:
        """Make a run the one that later runs of its series are compared with."""
        if not entry.refresh_runs_ms:
            raise OperatorError(
                f"run {entry.run_id} timed no refresh, so it cannot be a baseline",
                hint="mark a run that got as far as the refresh",
            )
        mark = {
            "schema": SCHEMA,
            "line": _BASELINE,
            "run_id": entry.run_id,
            "at": at.astimezone(UTC).isoformat(timespec="seconds"),
            "series": asdict(entry.series),
        }
        self._add(mark, f"the baseline {entry.run_id}")

    def read(self) -> History:
        """Everything in the file; an empty history where there is none."""
        try:
            data = read_locked(self.path)
        except OSError as error:
            raise OperatorError(
                f"the history {self.path} cannot be read: {why(error)}",
                hint="make it readable for you, or move it away to begin a new one",
            ) from error
        return read_history(data)

    def _add(self, content: Mapping[str, Any], what: str) -> None:
        line = json.dumps(content, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"
        try:
            with locked(self.path) as number:
                append_line(number, line)
        except OSError as error:
            raise OperatorError(
                f"{what} could not be added to the history {self.path}: {why(error)}",
                hint="make it writable for you; trend and comparison miss this run until then",
            ) from error


def entry_of(
    result: Result, *, at: datetime, place: str, log: str | None = None, log_head: str | None = None
) -> Entry | None:
    """A finished run as the history keeps it; None for what ended before a run.

    `place` is what its series is kept by.
    """
    target, volume, finished = result.target, result.volume, result.finished
    if target is None or volume is None or finished is None or result.run_id is None:
        return None
    described = result.described or ProjectDescribed(ServerVersions())
    versions = {name: _short(text) for name, text in asdict(described.versions).items()}
    return Entry(
        run_id=result.run_id,
        at=at.astimezone(UTC).replace(microsecond=0),
        mode=str(result.mode),
        outcome=str(finished.outcome),
        exit_code=int(finished.exit_code),
        series=Series(place, volume.users, volume.questions),
        host=target.host,
        kind=str(target.kind),
        tool_version=__version__,
        versions=ServerVersions(**versions),
        fingerprint=_short(described.fingerprint),
        refresh_runs_ms=tuple(round(ms, 3) for ms in result.refresh_runs_ms),
        final_refresh_ms=result.final_refresh_ms,
        total_seconds=round(finished.seconds, 6),
        log=log,
        log_head=log_head,
        tables=described.schema,
    )


def read_history(data: bytes) -> History:
    """Read a history; a run that was added twice counts once, as last added."""
    entries: dict[str, Entry] = {}
    baselines: dict[Series, str] = {}
    skipped = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        found = _read_line(line)
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
    """Why the refresh times of two runs say nothing about each other.

    The authentication service has no part in a refresh, and the SQL is what a comparison is about:
    neither counts.
    """
    if one.series.identity != other.series.identity:
        return f"another target: {one.series.identity}, {other.series.identity}"
    if one.series != other.series:
        return f"another volume: {one.series.volume}, {other.series.volume}"
    for name, here, there in (
        ("PostgreSQL", one.versions.postgres, other.versions.postgres),
        ("PostgREST", one.versions.postgrest, other.versions.postgrest),
    ):
        if _major(here) != _major(there):
            return f"another {name}: {_major(here) or 'unknown'}, {_major(there) or 'unknown'}"
    return None


def _major(version: str | None) -> str | None:
    found = _MAJOR.search(version or "")
    return found.group() if found else None


def _short(text: str | None) -> str | None:
    return None if text is None else redact(text)[:_LONGEST_TEXT]


def _read_line(line: bytes) -> Entry | tuple[Series, str] | None:
    """A run, or a baseline's series and run, or None for what is neither."""
    try:
        content = json.loads(line)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            return None
        if content.get("line") == _BASELINE:
            return decode(Series, content["series"]), decode(str, content["run_id"])
        return decode(Entry, content) if content.get("line") == _RUN else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        # Another program's line, or an edited one: passing it over is what the reader promises.
        return None
