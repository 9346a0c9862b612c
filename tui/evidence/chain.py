"""The deployment log's format: one JSON object a line, each holding the hash of the one before.

Pure. A record's hash is the SHA-256 of its canonical JSON (keys sorted, no spaces, ASCII) without
the hash itself. Whoever changes, removes or reorders a record breaks every hash after it; whoever
cuts the end off contradicts the last hash known elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SCHEMA: Final = 1
GENESIS: Final = "0" * 64

INTENT: Final = "intent"
OUTCOME: Final = "outcome"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the deployment log.

    Attributes:
        seq: 1 for the first record, one more for each after it.
        event: "intent" before a run's first write, "outcome" after it.
        time: UTC, ISO 8601 with microseconds.
        user: The operating system's user who ran the console.
        host: The machine it ran on.
        version: The console's version.
        target: Host, ref, kind and reason of the target.
        run_id: The run; an intent and its outcome share it.
        action: What the run does: "cycle", "purge", "refresh".
        justification: Why, or None where none is asked for.
        ticket: A ticket's name, or None.
        planned: Rows about to be written, by name.
        final: Rows written and left, by name; None in an intent or when unknown.
        outcome: How it ended; None in an intent.
        detail: What else is to be said, or None.
        previous: Hash of the record before, `GENESIS` for the first.
        hash: Hash of this record.
    """

    seq: int
    event: str
    time: str
    user: str
    host: str
    version: str
    target: Mapping[str, str | None]
    run_id: str
    action: str
    justification: str | None
    ticket: str | None
    planned: Mapping[str, int]
    final: Mapping[str, int] | None
    outcome: str | None
    detail: str | None
    previous: str
    hash: str = ""
    schema: int = field(default=SCHEMA)

    def sealed(self) -> Record:
        """The record with its hash."""
        return replace(self, hash=_hash(asdict(self)))

    def line(self) -> bytes:
        """The record as it stands in the file."""
        return _canonical(asdict(self)) + b"\n"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a log's bytes hold.

    Attributes:
        records: The readable records, in the file's order.
        problems: Everything that shows the chain was broken, in words.
        torn: Bytes of an unfinished last line, which a crash while writing leaves.
    """

    records: tuple[Record, ...]
    problems: tuple[str, ...]
    torn: bytes


def read_chain(data: bytes) -> Reading:
    """Read a log and check its chain.

    Args:
        data: The file's content.

    Returns:
        The records, and every contradiction found among them.
    """
    body, newline, torn = data.rpartition(b"\n")
    lines = body.split(b"\n") if newline else []
    records: list[Record] = []
    problems: list[str] = []
    previous, expected = GENESIS, 1
    for number, line in enumerate(lines, start=1):
        record = _parse(line)
        if record is None:
            problems.append(f"line {number} is not a record of this log")
            continue
        problems += [f"line {number}: {what}" for what in _faults(record, line, previous, expected)]
        records.append(record)
        previous, expected = record.hash, record.seq + 1
    problems += _pairing(records)
    return Reading(tuple(records), tuple(problems), torn)


def missing_heads(records: Sequence[Record], heads: Iterable[str]) -> list[str]:
    """Say which of the hashes seen before are not in the log any more."""
    known = {record.hash for record in records} | {GENESIS}
    return [
        f"the record with hash {head} is gone: the log was cut off or rewritten"
        for head in heads
        if head not in known
    ]


def open_intents(records: Sequence[Record]) -> list[Record]:
    """Intents that have no outcome."""
    done = {record.run_id for record in records if record.event == OUTCOME}
    return [r for r in records if r.event == INTENT and r.run_id not in done]


def _faults(record: Record, line: bytes, previous: str, expected: int) -> list[str]:
    found = []
    if record.hash != _hash(asdict(record)) or record.line() != line + b"\n":
        found.append(f"record {record.seq} was altered: its hash does not fit its content")
    if record.seq != expected:
        found.append(f"record {record.seq} stands where {expected} belongs: reordered or removed")
    elif record.previous != previous:
        found.append(f"record {record.seq} does not continue the record before it")
    return found


def _pairing(records: Sequence[Record]) -> list[str]:
    problems = []
    intents: set[str] = set()
    outcomes: set[str] = set()
    for record in records:
        if record.event == INTENT:
            if record.run_id in intents:
                problems.append(f"record {record.seq} announces run {record.run_id} again")
            intents.add(record.run_id)
        else:
            if record.run_id not in intents:
                problems.append(f"record {record.seq} ends run {record.run_id}, never announced")
            if record.run_id in outcomes:
                problems.append(f"record {record.seq} ends run {record.run_id} again")
            outcomes.add(record.run_id)
    return problems


def _canonical(content: Mapping[str, object]) -> bytes:
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def _hash(content: Mapping[str, object]) -> str:
    bare = {name: value for name, value in content.items() if name != "hash"}
    return hashlib.sha256(_canonical(bare)).hexdigest()


def _parse(line: bytes) -> Record | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or set(content) != {f.name for f in fields(Record)}:
        return None
    return Record(**content) if _is_sound(content) else None


def _is_sound(content: Mapping[str, object]) -> bool:
    words = ("event", "time", "user", "host", "version", "run_id", "action", "previous", "hash")
    maybe = ("justification", "ticket", "outcome", "detail")
    seq, final = content["seq"], content["final"]
    return (
        type(seq) is int
        and content["schema"] == SCHEMA
        and content["event"] in {INTENT, OUTCOME}
        and all(isinstance(content[name], str) for name in words)
        and all(isinstance(content[name], str | None) for name in maybe)
        and _is_map_of(content["target"], str | None)
        and _is_map_of(content["planned"], int)
        and (final is None or _is_map_of(final, int))
    )


def _is_map_of(value: object, kind: object) -> bool:
    if not isinstance(value, dict):
        return False
    return all(isinstance(item, kind) for item in value.values())  # type: ignore[arg-type]
