"""The deployment log: who wrote to which project, why, and how it ended.

An intent is on disk before a run's first write, or the run is refused; its outcome follows. The
chain of hashes is in `tui.evidence.chain`. Beside the log lie `<log>.head`, the last hash, which
tells when records were cut off, and while a run lasts `<log>.<run>.run`, whose lock tells a run
that still goes on from one that a crash ended.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final

from tui.errors import ExitCode, GuardRefused, OperatorError
from tui.evidence.chain import (
    GENESIS,
    INTENT,
    Reading,
    Record,
    missing_heads,
    open_intents,
    read_chain,
)
from tui.evidence.draft import described, draft, ending
from tui.evidence.head import contradiction, head_line, saved_head
from tui.files import append, hold, locked, read_all, read_locked, release, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tui.guard.target import Target

CRASHED: Final = "crashed"

_RUN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ASIDE: Final = "keep the log, and name a new file in HEATMAP_DEPLOYMENT_LOG"


class LogUnreadable(OperatorError):
    """The deployment log exists but cannot be read."""


class OutcomeNotRecorded(OperatorError):
    """A run ended, and the deployment log could not take its outcome."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


@dataclass(slots=True)
class Announcement:
    """A run announced in the log, from `open_intent` until `close`.

    Attributes:
        record: The intent as it is on disk.
        is_open: Whether it has no outcome yet.
    """

    record: Record
    is_open: bool
    _lock: int

    @property
    def run_id(self) -> str:
        """The run it announces."""
        return self.record.run_id

    @property
    def target_identity(self) -> str:
        """The target it names."""
        return self.record.target["identity"] or ""


class DeploymentLog:
    """An append-only, hash-chained log in one private file.

    Args:
        path: The log's file. It is created with the first record.
        clock: The wall clock, in UTC.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path: Final = path
        self.head_path: Final = path.with_name(f"{path.name}.head")
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
    ) -> Announcement:
        """Announce a run, on disk when this returns.

        Args:
            target: Where it will write.
            run_id: The run; letters, digits, `-` and `_`.
            action: What it does, in a word.
            planned: Rows about to be written, by name.
            justification: Why.
            ticket: A ticket's name.

        Raises:
            GuardRefused: The log cannot be written or does not verify, so the run is refused.
        """
        run_lock = self._run_path(run_id)
        try:
            lock = hold(run_lock)
        except OSError as error:
            raise self._unwritable(error) from error
        if lock is None:
            raise GuardRefused(
                f"run {run_id} is going on already, so it is refused",
                hint="wait until it has ended",
            )
        try:
            record = self._announce(
                draft(
                    event=INTENT,
                    target=described(target),
                    run_id=run_id,
                    action=action,
                    planned=planned,
                    justification=justification,
                    ticket=ticket,
                )
            )
        except BaseException as error:
            with contextlib.suppress(OSError):
                release(run_lock, lock)
            if isinstance(error, OSError):
                raise self._unwritable(error) from error
            raise
        return Announcement(record, is_open=True, _lock=lock)

    def close(
        self,
        entry: Announcement,
        *,
        outcome: str,
        final: Mapping[str, int] | None = None,
        detail: str | None = None,
    ) -> Record:
        """Record how an announced run ended, on disk when this returns.

        An outcome that reached the log in an attempt whose head did not is kept as it is: a second
        one would make the log disagree with itself for good.

        Args:
            entry: What `open_intent` gave.
            outcome: How it ended, in a word or two.
            final: Rows written and left, by name.
            detail: What else is to be said.

        Returns:
            The outcome on record.

        Raises:
            OutcomeNotRecorded: It could not be written. The entry stays open: try again, or let a
                later start complete it.
            ValueError: The entry is closed already.
        """
        if not entry.is_open:
            raise ValueError(f"run {entry.run_id} has its outcome already")
        last_word = ending(entry.record, outcome=outcome, final=final, detail=detail)
        try:
            with locked(self.path) as number:
                state = self._state(number)
                there = state.outcome_of(entry.run_id)
                if there is None:
                    record = self._add(number, state, last_word)
                else:
                    record = there
                    self._catch_up(state)
        except OSError as error:
            raise OutcomeNotRecorded(
                f"how run {entry.run_id} ended ({last_word.outcome}) could not be recorded in "
                f"{self.path}: {_why(error)}",
                hint="make the log writable; keep this output as the record until then",
            ) from error
        entry.is_open = False
        with contextlib.suppress(OSError):
            release(self._run_path(entry.run_id), entry._lock)
        return record

    def complete_crashed(self) -> list[Record]:
        """Give every run that a crash ended its outcome; runs still going on are left alone.

        Returns:
            The records added.

        Raises:
            GuardRefused: The log cannot be written.
        """
        if not self.path.exists():
            return []
        added: list[Record] = []
        try:
            with locked(self.path) as number:
                for intent in open_intents(self._state(number).reading.records):
                    record = self._complete(number, intent)
                    added += [record] if record else []
        except OSError as error:
            raise self._unwritable(error) from error
        return added

    def read(self) -> tuple[Record, ...]:
        """Every readable record, oldest first; none where there is no log.

        Raises:
            LogUnreadable: There is a log that cannot be read.
        """
        return self._reading().records

    def head(self) -> str | None:
        """The last record's hash, to be shown and kept elsewhere; None where there is no record.

        Raises:
            LogUnreadable: There is a log that cannot be read.
        """
        records = self.read()
        return records[-1].hash if records else None

    def verify(self, expected_heads: Iterable[str] = ()) -> list[str]:
        """Check the whole log.

        Args:
            expected_heads: Hashes that earlier reports showed; each must still be in the chain.

        Returns:
            What is wrong, in words: altered, removed, reordered or cut off. Empty when all is well.

        Raises:
            LogUnreadable: There is a log that cannot be read.
        """
        reading = self._reading()
        problems = list(reading.problems)
        if reading.torn:
            problems.append(f"the last line is unfinished ({len(reading.torn)} bytes)")
        try:
            saved = saved_head(self.head_path)
        except OSError as error:
            raise self._unreadable(self.head_path, error) from error
        gone = contradiction(reading.records, saved)
        heads = [head for head in expected_heads if not gone or head not in gone]
        return problems + ([gone] if gone else []) + missing_heads(reading.records, heads)

    def _announce(self, intent: Record) -> Record:
        with locked(self.path) as number:
            state = self._state(number)
            broken = (*state.reading.problems, *([state.gone] if state.gone else ()))
            if broken:
                raise GuardRefused(
                    f"the deployment log {self.path} does not verify, so the run is refused: "
                    f"{broken[0]}",
                    hint=f"look at it with --log; {_ASIDE}",
                )
            if any(intent.run_id == record.run_id for record in state.reading.records):
                raise GuardRefused(
                    f"run {intent.run_id} is in the deployment log already, so it is refused",
                    hint="start it again under a new run id",
                )
            return self._add(number, state, intent)

    def _complete(self, number: int, intent: Record) -> Record | None:
        run_lock = self._run_path(intent.run_id)
        lock = hold(run_lock)
        if lock is None:
            return None
        try:
            detail = "the run ended without a word; recorded at a later start"
            crashed = ending(intent, outcome=CRASHED, final=None, detail=detail)
            return self._add(number, self._state(number), crashed)
        finally:
            release(run_lock, lock)

    def _state(self, number: int) -> _State:
        data = read_all(number)
        reading = read_chain(data)
        if reading.torn and len(read_chain(data + b"\n").records) > len(reading.records):
            # Only the line's end was lost: the record itself is whole.
            append(number, b"\n")
            reading = read_chain(data + b"\n")
        saved = saved_head(self.head_path)
        return _State(reading, len(data), contradiction(reading.records, saved), saved)

    def _add(self, number: int, state: _State, unsealed: Record) -> Record:
        self._catch_up(state)
        last = state.last
        torn = len(state.reading.torn)
        if torn:
            # Never acknowledged to anyone, and in the way of every record after it.
            os.ftruncate(number, state.size - torn)
            note = f"{torn} bytes of an unfinished line before this record were removed"
            detail = f"{unsealed.detail}; {note}" if unsealed.detail else note
            unsealed = replace(unsealed, detail=detail)
        record = replace(
            unsealed,
            seq=last.seq + 1 if last else 1,
            time=self._clock().astimezone(UTC).isoformat(timespec="microseconds"),
            previous=last.hash if last else GENESIS,
        ).sealed()
        append(number, record.line())
        # A head that contradicts the log stays, so that what was cut off goes on being told.
        if not state.gone:
            write_private(self.head_path, head_line(record))
        return record

    def _catch_up(self, state: _State) -> None:
        """Bring a head that is one record behind up to the log, before it could fall behind more.

        Two records behind, it could not be told from a log to which somebody else has added.
        """
        if state.last is not None and not state.gone and state.saved != state.last.hash:
            write_private(self.head_path, head_line(state.last))

    def _reading(self) -> Reading:
        try:
            return read_chain(read_locked(self.path))
        except FileNotFoundError:
            return read_chain(b"")
        except OSError as error:
            raise self._unreadable(self.path, error) from error

    def _run_path(self, run_id: str) -> Path:
        if _RUN_ID.fullmatch(run_id) is None:
            raise ValueError(f"{run_id!r} is no run id")
        return self.path.with_name(f"{self.path.name}.{run_id}.run")

    def _unreadable(self, path: Path, error: OSError) -> LogUnreadable:
        what = "the deployment log" if path == self.path else "the deployment log's head"
        return LogUnreadable(
            f"{what} {path} cannot be read: {_why(error)}",
            hint="make it readable for you, or name another log in HEATMAP_DEPLOYMENT_LOG",
        )

    def _unwritable(self, error: OSError) -> GuardRefused:
        return GuardRefused(
            f"the deployment log cannot be written, so the run is refused: {self.path}: "
            f"{_why(error)}",
            hint="make it writable for you, or name another file in HEATMAP_DEPLOYMENT_LOG",
        )


@dataclass(frozen=True, slots=True)
class _State:
    """The log as found under its lock: what it holds, its size, what its head contradicts."""

    reading: Reading
    size: int
    gone: str | None
    saved: str

    @property
    def last(self) -> Record | None:
        return self.reading.records[-1] if self.reading.records else None

    def outcome_of(self, run_id: str) -> Record | None:
        found = (each for each in self.reading.records if each.run_id == run_id)
        return next((each for each in found if each.event != INTENT), None)


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
