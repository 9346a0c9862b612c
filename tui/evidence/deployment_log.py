"""The deployment log: who wrote to production, why, and how it ended.

One JSON object a line; an intent is on disk before a run's first write, or the run is refused, and
its outcome follows. Lines are only ever added, under a lock, and synced. Each record holds the hash
of the one before: the SHA-256 of its canonical JSON (keys sorted, no spaces, ASCII) without the
hash itself. A last line that a crash cut short stays, is closed off by the next record, and is
reported.

**What the chain shows.** Whoever changes, removes or reorders a record breaks every hash after it.
The last hash goes into every report and into the history: each of these anchors a record, and with
it all before it, so that cutting the end off, or rewriting it with hashes that fit, is found too.

**What it cannot show.** A record after the last anchored one can be removed, or changed with hashes
that fit, by whoever may write the file; so can all of it by whoever removes history and reports as
well. And whoever may write the file may add records of their own. Keep reports where others cannot
change them: in the pull request.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tui import __version__
from tui.errors import ConfigurationError, GuardRefused, OperatorError
from tui.evidence.decoding import decode
from tui.files import append_line, locked, read_all, read_locked, require_writable, why
from tui.guard.break_glass import tidy
from tui.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tui.guard.target import Target

SCHEMA: Final = 1
GENESIS: Final = "0" * 64
INTENT: Final = "intent"
OUTCOME: Final = "outcome"

_RUN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# How the canonical JSON of a record begins, and so what is left of one that was cut short.
_BEGINNING: Final = b'{"action":"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the deployment log; an intent and its outcome share a run id.

    Attributes:
        event: "intent" before a run's first write, "outcome" after it.
        time: UTC, ISO 8601 with microseconds.
        planned: Rows about to be written, by name.
        final: Rows written and left, by name; None in an intent or when unknown.
        previous: Hash of the record before, `GENESIS` for the first.
    """

    seq: int = 0
    event: str
    time: str = ""
    user: str
    host: str
    version: str
    target: dict[str, str | None]
    run_id: str
    action: str
    justification: str | None
    ticket: str | None
    planned: dict[str, int]
    final: dict[str, int] | None = None
    outcome: str | None = None
    detail: str | None = None
    previous: str = GENESIS
    hash: str = ""
    schema: int = SCHEMA

    def sealed(self) -> Record:
        """The record with its hash."""
        content = asdict(self)
        del content["hash"]
        return replace(self, hash=hashlib.sha256(_canonical(content)).hexdigest())

    def line(self) -> bytes:
        return _canonical(asdict(self)) + b"\n"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A hash that a report or the history says was the log's last."""

    hash: str
    where: str


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What a log holds and what is to be said of it.

    Attributes:
        problems: What shows that the log was tampered with, in words; empty when it is whole.
        remarks: What is no sign of tampering but worth knowing.
        anchored: The `seq` of the last record that an anchor vouches for; 0 where there is none.
        torn: Bytes of a last line that a crash cut short.
    """

    records: tuple[Record, ...] = ()
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    anchored: int = 0
    torn: int = 0


@dataclass(slots=True)
class Announcement:
    """A run announced in the log, from `open_intent` until `close`."""

    record: Record
    is_open: bool = True

    @property
    def target_identity(self) -> str:
        return self.record.target.get("identity") or ""


class DeploymentLog:
    """An append-only, hash-chained log; its methods block while it is locked.

    A file that exists keeps its mode and group: it may be a team's.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path: Final = path
        self._clock = clock

    def open_intent(
        self,
        target: Target,
        *,
        run_id: str,
        action: str,
        planned: Mapping[str, int],
        justification: str | None = None,
        ticket: str | None = None,
        anchors: Iterable[Anchor] = (),
    ) -> Announcement:
        """Announce a run, on disk when this returns.

        Raises:
            GuardRefused: The log cannot be written or is not whole, so the run is refused.
        """
        if _RUN_ID.fullmatch(run_id) is None:
            raise ValueError(f"{run_id!r} is no run id")
        described = ("identity", "host", "ref", "kind", "reason")
        intent = Record(
            event=INTENT,
            user=_clean(_user()) or "unknown",
            host=_clean(platform.node()) or "unknown",
            version=__version__,
            target={name: _clean(getattr(target, name)) for name in described},
            run_id=run_id,
            action=_clean(action) or "",
            justification=_clean(justification),
            ticket=_clean(ticket),
            planned=dict(planned),
        )
        try:
            with locked(self.path) as number:
                log = check_log(read_all(number), anchors)
                self._require_whole(log)
                if any(run_id == record.run_id for record in log.records):
                    raise GuardRefused(
                        f"run {run_id} is in the deployment log already, so it is refused",
                        hint="start it again under a new run id",
                    )
                return Announcement(self._add(number, log, intent))
        except OSError as error:
            raise self._unwritable(error) from error

    def require_writable(self) -> None:
        """Refuse a run whose intent could not be recorded; makes nothing."""
        try:
            require_writable(self.path)
            data = read_locked(self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        self._require_whole(check_log(data))

    def close(
        self,
        announcement: Announcement,
        *,
        outcome: str,
        final: Mapping[str, int] | None = None,
        detail: str | None = None,
    ) -> Record:
        """Record how an announced run ended, on disk when this returns."""
        if not announcement.is_open:
            raise ValueError(f"run {announcement.record.run_id} has its outcome already")
        end = replace(
            announcement.record,
            event=OUTCOME,
            final=None if final is None else dict(final),
            outcome=_clean(outcome),
            detail=_clean(detail),
        )
        try:
            with locked(self.path) as number:
                record = self._add(number, check_log(read_all(number)), end)
        except OSError as error:
            raise OperatorError(
                f"how run {end.run_id} ended ({end.outcome}) could not be recorded in "
                f"{self.path}: {why(error)}",
                hint="make the log writable; keep this output as the record until then",
            ) from error
        announcement.is_open = False
        return record

    def check(self, anchors: Iterable[Anchor] = ()) -> LogCheck:
        """Read the whole log and check it against the anchors.

        No log is a whole one, unless an anchor says otherwise.
        """
        try:
            data = read_locked(self.path)
        except OSError as error:
            raise ConfigurationError(
                f"the deployment log {self.path} cannot be read: {why(error)}",
                hint="make it readable for you, or name another log in HEATMAP_DEPLOYMENT_LOG",
            ) from error
        return check_log(data, anchors)

    def read(self) -> tuple[Record, ...]:
        """Every readable record, oldest first."""
        return self.check().records

    def _add(self, number: int, log: LogCheck, unsealed: Record) -> Record:
        last = log.records[-1] if log.records else None
        detail = unsealed.detail
        if log.torn:
            note = f"closes off {log.torn} bytes of an unfinished line before it"
            detail = f"{detail}; {note}" if detail else note
        record = replace(
            unsealed,
            seq=last.seq + 1 if last else 1,
            time=self._clock().astimezone(UTC).isoformat(timespec="microseconds"),
            detail=detail,
            previous=last.hash if last else GENESIS,
        ).sealed()
        append_line(number, record.line())
        return record

    def _require_whole(self, log: LogCheck) -> None:
        if log.problems:
            raise GuardRefused(
                f"the deployment log {self.path} is not whole, so the run is refused: "
                f"{log.problems[0]}",
                hint="look at it with --log; keep it, and name a new file in "
                "HEATMAP_DEPLOYMENT_LOG",
            )

    def _unwritable(self, error: OSError) -> GuardRefused:
        return GuardRefused(
            f"the deployment log cannot be written, so the run is refused: {self.path}: "
            f"{why(error)}",
            hint="make it writable for you, or name another file in HEATMAP_DEPLOYMENT_LOG",
        )


def check_log(data: bytes, anchors: Iterable[Anchor] = ()) -> LogCheck:
    """Check the chain of a log's bytes, as `DeploymentLog.check` does. Pure."""
    *lines, rest = data.split(b"\n")
    records: list[Record] = []
    problems: list[str] = []
    remarks: list[str] = []
    torn = 0
    for number, line in enumerate([*lines, rest] if rest else lines, start=1):
        record = _parse(line)
        if record is not None:
            problems += [f"line {number}: {fault}" for fault in _faults(record, line, records)]
            records.append(record)
        elif _is_cut_short(line, is_first=not records):
            torn = len(line) if number > len(lines) else 0
            remarks.append(
                f"line {number} is unfinished ({len(line)} bytes): a crash or a full disk cut it "
                "short, and nothing relied on it"
            )
        else:
            problems.append(f"line {number} is not a record of this log")
    problems += _pairing(records)
    remarks += _remarks(records)
    places = {record.hash: record.seq for record in records}
    anchored = 0
    for anchor in anchors:
        if anchor.hash in places:
            anchored = max(anchored, places[anchor.hash])
        else:
            problems.append(
                f"the record with hash {anchor.hash} is gone, which {anchor.where} saw last: "
                "the log was cut off or rewritten"
            )
    return LogCheck(tuple(records), tuple(problems), tuple(remarks), anchored, torn)


def _faults(record: Record, line: bytes, before: Sequence[Record]) -> list[str]:
    expected, previous = (before[-1].seq + 1, before[-1].hash) if before else (1, GENESIS)
    found = []
    if record.sealed().line() != line + b"\n":
        found.append(f"record {record.seq} was altered: its hash does not fit its content")
    if record.seq != expected:
        found.append(f"record {record.seq} stands where {expected} belongs: reordered or removed")
    elif record.previous != previous:
        found.append(f"record {record.seq} does not continue the record before it")
    return found


def _pairing(records: Sequence[Record]) -> list[str]:
    problems = []
    seen: set[tuple[str, str]] = set()
    for each in records:
        if (each.event, each.run_id) in seen:
            does = "announces" if each.event == INTENT else "ends"
            problems.append(f"record {each.seq} {does} run {each.run_id} again")
        if each.event == OUTCOME and (INTENT, each.run_id) not in seen:
            problems.append(f"record {each.seq} ends run {each.run_id}, never announced")
        seen.add((each.event, each.run_id))
    return problems


def _remarks(records: Sequence[Record]) -> list[str]:
    ended = {record.run_id for record in records if record.event == OUTCOME}
    unended = [
        f"run {each.run_id} (record {each.seq}, {each.user}@{each.host} on "
        f"{each.target.get('identity')}) has no outcome: it goes on, or it ended without one; "
        "look for what it left with --dry-run"
        for each in records
        if each.run_id not in ended
    ]
    clock_steps = [
        f"record {later.seq} is dated before record {earlier.seq}: a clock was set back, or two "
        "machines disagree"
        for earlier, later in pairwise(records)
        if datetime.fromisoformat(later.time) < datetime.fromisoformat(earlier.time)
    ]
    return [*unended, *clock_steps]


def _is_cut_short(line: bytes, *, is_first: bool) -> bool:
    """Whether a line that is no record may be the beginning of one."""
    # Some file systems fill what was lost with zeros.
    text = line.rstrip(b"\0")
    if not text:
        return bool(line) and not is_first
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text.startswith(_BEGINNING) or _BEGINNING.startswith(text)
    return False


def _parse(line: bytes) -> Record | None:
    try:
        content = json.loads(line)
        record: Record = decode(Record, content)
        decode(datetime, record.time)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    is_whole = set(content) == {each.name for each in fields(Record)}
    is_ours = record.schema == SCHEMA and record.event in {INTENT, OUTCOME}
    return record if is_whole and is_ours else None


def _canonical(content: Mapping[str, object]) -> bytes:
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def _clean(text: str | None) -> str | None:
    return (tidy(redact(tidy(text))) or None) if text else None


if sys.platform == "win32":

    def _user() -> str:
        return os.getlogin()
else:
    import pwd

    def _user() -> str:
        # From the user id: LOGNAME and USER say whatever somebody put there.
        number = os.getuid()
        try:
            return pwd.getpwuid(number).pw_name
        except KeyError:
            return f"uid {number}"
