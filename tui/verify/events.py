"""The typed events that every run emits.

A run is an async generator of these. They carry facts, never wording for one particular screen, and
never a secret.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from tui.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from tui.guard.target import Target
    from tui.heatmap.rows import AggregateRow
    from tui.settings import Volume


# What the preflight tells of rows rather than of the schema.
_OF_ROWS: Final = frozenset({"parents", "newest"})


class Mode(StrEnum):
    """What kind of run this is."""

    DRY_RUN = "dry-run"
    CYCLE = "cycle"
    PURGE = "purge"
    HEATMAP = "heatmap"


class Stage(StrEnum):
    """The stages of a cycle, in the order they are shown.

    Some overlap: users are deleted while the final refresh runs.
    """

    USERS = "users"
    QUESTIONS = "questions"
    RESPONSES = "responses"
    REFRESH = "refresh"
    CHECK = "check"
    SAMPLE = "sample"
    CLEANUP_RESPONSES = "cleanup-responses"
    CLEANUP_QUESTIONS = "cleanup-questions"
    FINAL_REFRESH = "final-refresh"
    CLEANUP_USERS = "cleanup-users"
    AUDIT = "audit"


CLEAN_UP: Final = (
    Stage.CLEANUP_RESPONSES,
    Stage.CLEANUP_QUESTIONS,
    Stage.FINAL_REFRESH,
    Stage.CLEANUP_USERS,
    Stage.AUDIT,
)
"""The stages that leave the project as it was."""


class ProbeStatus(StrEnum):
    """What a probe found. `WARN` does not block a run, `FAIL` does."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Outcome(StrEnum):
    """How a run ended, in one word."""

    VERIFIED = "verified"
    READY = "ready"
    NOT_READY = "not-ready"
    CLEAN = "clean"
    READ = "read"
    FAILED = "failed"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    LEFTOVERS = "leftovers"
    UNREACHABLE = "unreachable"
    UNUSABLE = "unusable"

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT_CODES[self]


_EXIT_CODES: Final = {
    Outcome.VERIFIED: ExitCode.VERIFIED,
    Outcome.READY: ExitCode.VERIFIED,
    Outcome.CLEAN: ExitCode.VERIFIED,
    Outcome.READ: ExitCode.VERIFIED,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.NOT_READY: ExitCode.FAILED,
    Outcome.UNUSABLE: ExitCode.USAGE,
    Outcome.REFUSED: ExitCode.REFUSED,
    Outcome.INTERRUPTED: ExitCode.INTERRUPTED,
    Outcome.LEFTOVERS: ExitCode.LEFTOVERS,
    Outcome.UNREACHABLE: ExitCode.UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; `stages` is empty for a dry run."""

    run_id: str
    mode: Mode
    target: Target
    volume: Volume
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerVersions:
    """Versions as the services state them; None where one does not say."""

    postgres: str | None = None
    postgrest: str | None = None
    auth: str | None = None


class Fill(NamedTuple):
    """A column that a run fills, and from where."""

    table: str
    column: str
    source: str


def by_source(fills: Iterable[Fill]) -> list[tuple[str, str]]:
    """Table and text of each line: the columns filled from one source."""
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in fills:
        lines[each.table, each.source].append(each.column)
    return [(table, f"{', '.join(names)}: {source}") for (table, source), names in lines.items()]


@dataclass(frozen=True, slots=True)
class ProjectDescribed:
    """What the project says of itself at this run.

    Attributes:
        fingerprint: `fingerprints.all` of the preflight document: the SQL objects' definitions;
            None where the database cannot say.
        schema: The same, and the tables that a run writes with all that is tied to them.
        fills: What a run fills, and from where; empty where that is not known, or was told before.
    """

    versions: ServerVersions
    fingerprint: str | None = None
    schema: str | None = None
    fills: tuple[Fill, ...] = ()

    @classmethod
    def read(
        cls,
        preflight: Mapping[str, Any],
        api: object = None,
        auth: object = None,
        fills: tuple[Fill, ...] = (),
    ) -> Self:
        """What a preflight document says, and the two other services' versions."""
        server, prints = preflight.get("server"), preflight.get("fingerprints")
        postgres = server.get("version") if isinstance(server, dict) else None
        fingerprint = prints.get("all") if isinstance(prints, dict) else None
        versions = (each if isinstance(each, str) else None for each in (postgres, api, auth))
        return cls(
            ServerVersions(*versions),
            fingerprint if isinstance(fingerprint, str) else None,
            _schema_of(preflight),
            fills,
        )


def _schema_of(preflight: Mapping[str, Any]) -> str | None:
    """A fingerprint of tables, triggers and view, where the document has them."""
    tables, prints = preflight.get("tables"), preflight.get("fingerprints")
    if not isinstance(tables, dict) or not isinstance(prints, dict):
        return None
    known = [prints.get("all"), prints.get("triggers")]
    if None in known:
        return None
    text = json.dumps([known, _without_rows(tables), preflight.get("publications")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _without_rows(value: Any) -> Any:
    """A part of the document without what it tells of rows, which come and go."""
    if isinstance(value, dict):
        return {key: _without_rows(each) for key, each in value.items() if key not in _OF_ROWS}
    return [_without_rows(each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A probe that is being asked, and the same once it has its answer.

    Attributes:
        status: None while it is being asked.
        asked: What was asked of the project, for the detail pane.
        cause: The probe that this one follows from and was skipped for, or None.
    """

    id: str
    group: str
    title: str
    status: ProbeStatus | None = None
    detail: str = ""
    hint: str | None = None
    ms: float = 0.0
    asked: str = ""
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class DryRunFinished:
    """All probes have answered.

    Attributes:
        reasons: For each failure, its detail, in the order of display.
        folded: Probes that were not fine, and how many others were skipped for each.
    """

    ready: bool
    counts: Mapping[ProbeStatus, int]
    reasons: tuple[str, ...]
    verdict: str
    folded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins; `total` is how many items it has, where that is known."""

    stage: Stage
    total: int | None
    what: str


@dataclass(frozen=True, slots=True)
class StageProgress:
    """A stage has come this far. Emitted for every request; screens coalesce."""

    stage: Stage
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage is over: `count` items handled, `note` says what came of it."""

    stage: Stage
    seconds: float
    count: int
    failed: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class RefreshTimed:
    """The view was refreshed; `final` is after clean-up.

    Attributes:
        ms: Milliseconds around the call, measured by the client.
        server_ms: Milliseconds the function reports, or None.
        number: 1 for the first refresh after the write, then 2, 3 ...
    """

    ms: float
    server_ms: float | None
    number: int
    final: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One aggregate that is not as expected.

    `expected` is None for one that nobody expects, `found` for one that is missing; `columns` are
    those that differ between two rows.
    """

    expected: AggregateRow | None
    found: AggregateRow | None
    columns: tuple[str, ...]

    @property
    def kind(self) -> str:
        if self.columns:
            return ", ".join(self.columns)
        return "missing" if self.found is None else "unexpected"

    def __str__(self) -> str:
        row = self.expected or self.found
        name = "" if row is None else f"question {row.question_id}, week {row.week_start}"
        if not self.columns:
            return f"{self.kind}: {name}"
        told = [
            f"{column} is {getattr(self.found, column)!s}, "
            f"expected {getattr(self.expected, column)!s}"
            for column in self.columns
        ]
        return f"{name}: {'; '.join(told)}"


@dataclass(frozen=True, slots=True)
class DifferenceGroup:
    """Differences of one kind, with the most likely reason and one of them."""

    kind: str
    count: int
    reason: str
    first: Difference


@dataclass(frozen=True, slots=True)
class Deviation:
    """Rows of a table that are not stored as they were sent."""

    table: str
    column: str | None
    count: int
    of: int
    suspects: str = ""
    what: str = ""

    def __str__(self) -> str:
        rows = f"{self.count:,} of {self.of:,} rows"
        text = f"{rows} of {self.table} are {self.what}"
        if self.column is not None:
            text = f"{self.column} differs in {rows} of {self.table}"
        return f"{text}; {self.suspects}" if self.suspects else text


@dataclass(frozen=True, slots=True)
class CanaryStarted:
    """The first rows of a run are about to be written."""


@dataclass(frozen=True, slots=True)
class CanaryFinished:
    """One row of each kind was written, read back and deleted first; or why not.

    Attributes:
        left_out: Why there was none, or None.
        deviations: How what was stored differs from what was sent.
        seconds: How long it took.
    """

    left_out: str | None
    deviations: tuple[Deviation, ...] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.left_out is not None:
            return f"left out: {self.left_out}"
        took = f"one user, question and response came and went in {self.seconds:.2f} s"
        other = "; ".join(map(str, self.deviations))
        return f"{took}; stored otherwise than sent: {other}" if other else took


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """Every synthetic aggregate has been compared with its expectation.

    Attributes:
        unexpected: Rows of the run's questions that nobody expects.
        deviations: How what is stored differs from what was sent. Where it does, the expectation
            follows from what is stored.
    """

    expected: int
    matched: int
    mismatched: int
    missing: int
    unexpected: int
    differences: tuple[Difference, ...] = ()
    groups: tuple[DifferenceGroup, ...] = ()
    deviations: tuple[Deviation, ...] = ()

    @property
    def wrong(self) -> int:
        """Aggregates that are not as expected, and rows that nobody expects."""
        return self.expected - self.matched + self.unexpected

    @property
    def right(self) -> bool:
        """All there, all equal, nothing else. Of what is stored, it may be none."""
        some = self.expected > 0 or bool(self.deviations)
        return some and self.matched == self.expected and not self.unexpected


@dataclass(frozen=True, slots=True)
class SampleTaken:
    """The heatmap as `analytics_heatmap_admin()` returned it.

    Attributes:
        total: Rows there are, as the server counts them.
        refreshed_at: When the view was last refreshed, ISO 8601 in UTC; None where nobody knows.
        names: What questions are called; those without are called by their id.
        remark: What else there is to know of the rows.
    """

    rows: tuple[AggregateRow, ...]
    total: int
    synthetic: frozenset[UUID] = frozenset()
    refreshed_at: str | None = None
    names: Mapping[UUID, str] = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed in a way that may pass, and will be sent again."""

    what: str
    attempt: int
    attempts: int
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth knowing; `warning` when it needs attention."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Cancelling:
    """The operator asked to stop: nothing more is written, clean-up follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows per table that carry the tag."""

    users: int = 0
    questions: int = 0
    responses: int = 0

    @property
    def total(self) -> int:
        return self.users + self.questions + self.responses

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.users + other.users,
            self.questions + other.questions,
            self.responses + other.responses,
        )

    def at_least(self, other: Tally) -> Tally:
        """The larger count of each table."""
        return Tally(
            max(self.users, other.users),
            max(self.questions, other.questions),
            max(self.responses, other.responses),
        )

    def __str__(self) -> str:
        return f"{self.users:,} users, {self.questions:,} questions, {self.responses:,} responses"


@dataclass(frozen=True, slots=True)
class AuditFinished:
    """What the run left in the project.

    Attributes:
        view_restored: The view holds for real questions what it held, and nothing of the run; None
            where it could not be judged.
        in_view: Rows of the run that the view still holds; None where the view cannot be read.
    """

    leftovers: Tally
    view_restored: bool | None
    explanation: str = ""
    in_view: int | None = 0


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over; the last event of every run.

    Attributes:
        unexplained: Responses the tag does not explain, where a purge stopped for them, else None.
        spared: Runs whose rows a purge left alone, since they change: they are under way elsewhere.
    """

    outcome: Outcome
    message: str
    hint: str | None = None
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    unexplained: int | None = None
    spared: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        return self.outcome.exit_code


Event = (
    RunStarted
    | ProjectDescribed
    | ProbeResult
    | DryRunFinished
    | StageStarted
    | StageProgress
    | StageFinished
    | RefreshTimed
    | CanaryStarted
    | CanaryFinished
    | CheckFinished
    | SampleTaken
    | Retrying
    | Notice
    | Cancelling
    | AuditFinished
    | RunFinished
)
