"""One run as the history keeps it, and the facts about a run that its document does not hold."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tui.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = 1
RUN: Final = "run"
BASELINE: Final = "baseline"

_VERIFIED: Final = "verified"
# "15.7 (Debian 15.7-1)", "PostgreSQL 17.4 on ...", "v2.151.0"
_MAJOR: Final = re.compile(r"\d+")
_LONGEST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class ServerVersions:
    """Versions as the services state them; None where one does not say."""

    postgres: str | None = None
    postgrest: str | None = None
    auth: str | None = None

    @property
    def postgres_major(self) -> str | None:
        """PostgreSQL's major version, or None."""
        return _major(self.postgres)

    @property
    def postgrest_major(self) -> str | None:
        """PostgREST's major version, or None."""
        return _major(self.postgrest)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What evidence needs to know of a run beside its document.

    Attributes:
        finished_at: When it ended; any time zone, kept as UTC.
        tool_version: Version of the console.
        versions: Versions of the project's services.
        fingerprint: `fingerprints.all` of the preflight document: the SQL objects' definitions.
        log: The deployment log's file, or None.
        log_head: Hash of its last record, or None where there is none.
        server_ms: For each timed refresh after the write, milliseconds as the function reports
            them, or None.
        final_server_ms: The same for the refresh after clean-up.
        justification_recorded: Whether a justification is in the deployment log; None where none
            was asked for.
        problems: What went wrong on the way, one line each.
        hint: What to do next, or None.
        place: What its series is kept by; None for the ref of its target, else the host.
    """

    finished_at: datetime
    tool_version: str
    versions: ServerVersions = ServerVersions()
    fingerprint: str | None = None
    log: str | None = None
    log_head: str | None = None
    server_ms: tuple[float | None, ...] = ()
    final_server_ms: float | None = None
    justification_recorded: bool | None = None
    problems: tuple[str, ...] = ()
    hint: str | None = None
    place: str | None = None


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
        """Responses that a run writes."""
        return self.users * self.questions

    @property
    def volume(self) -> str:
        """The volume in words."""
        return f"{self.users:,} users × {self.questions:,} questions"

    def content(self) -> dict[str, Any]:
        """The fields as they stand in a line."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the history.

    Attributes:
        run_id: Its name.
        at: When it ended, UTC.
        mode: `cycle`, `dry-run`, `purge`, `heatmap`.
        outcome: How it ended, in one word.
        exit_code: What the shell was told, thresholds included.
        series: Target and volume.
        host: Host of the target.
        kind: `local`, `staging` or `production`.
        tool_version: Version of the console.
        versions: Versions of the services.
        fingerprint: Of the SQL objects' definitions, or None.
        refresh_runs_ms: Milliseconds of each refresh timed after the write.
        server_ms: The same as the function reports them; empty or as long as `refresh_runs_ms`.
        final_refresh_ms: Milliseconds of the refresh after clean-up, or None.
        total_seconds: Wall time of the run.
        stages: Seconds by stage.
        log: The deployment log's file when the run ended, or None.
        log_head: Hash of its last record then, or None where there was none.
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
    server_ms: tuple[float | None, ...]
    final_refresh_ms: float | None
    total_seconds: float
    stages: Mapping[str, float]
    log: str | None = None
    log_head: str | None = None

    @property
    def verified(self) -> bool:
        """Whether it wrote, found every number right, left nothing and met its thresholds."""
        return self.outcome == _VERIFIED and self.exit_code == 0

    def content(self) -> dict[str, Any]:
        """The fields as they stand in a line."""
        return {**asdict(self), "at": self.at.astimezone(UTC).isoformat(timespec="seconds")}


def entry_of(document: Mapping[str, Any], facts: RunFacts) -> Entry:
    """A run as the history keeps it.

    Args:
        document: The run's JSON document, after its thresholds were judged.
        facts: What else is to be known of it.

    Raises:
        ValueError: The document is not of a run: it names no target, volume or run.
    """
    target, settings = document.get("target"), document.get("settings")
    if not target or not settings or not document.get("run_id"):
        raise ValueError("the document names no run, target or volume")
    return Entry(
        run_id=str(document["run_id"]),
        at=facts.finished_at.astimezone(UTC).replace(microsecond=0),
        mode=str(document["mode"]),
        outcome=str(document["outcome"]),
        exit_code=int(document["exit_code"]),
        series=Series(
            facts.place or str(target["ref"] or target["host"]),
            settings["users"],
            settings["questions"],
        ),
        host=str(target["host"]),
        kind=str(target["kind"]),
        tool_version=facts.tool_version,
        versions=ServerVersions(
            *(
                _short(each)
                for each in (facts.versions.postgres, facts.versions.postgrest, facts.versions.auth)
            )
        ),
        fingerprint=_short(facts.fingerprint),
        refresh_runs_ms=tuple(float(ms) for ms in document["refresh_runs_ms"]),
        server_ms=facts.server_ms,
        final_refresh_ms=document["final_refresh_ms"],
        total_seconds=float(document["total_seconds"]),
        stages={each["name"]: float(each["seconds"]) for each in document["stages"]},
        log=facts.log,
        log_head=facts.log_head,
    )


def entry_from_line(line: bytes) -> Entry | tuple[Series, str] | None:
    """Read a line of the history.

    Returns:
        A run; or a baseline's series and run; or None for what is neither.
    """
    try:
        content = json.loads(line, parse_constant=_refuse)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            return None
        if content.get("line") == BASELINE:
            return _series(content["series"]), _text(content["run_id"])
        return _entry(content) if content.get("line") == RUN else None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        # Another program's line, or an edited one: passing it over is what the reader promises.
        return None


def _entry(content: Mapping[str, Any]) -> Entry:
    versions = content["versions"]
    return Entry(
        run_id=_text(content["run_id"]),
        at=_instant(content["at"]),
        mode=_text(content["mode"]),
        outcome=_text(content["outcome"]),
        exit_code=_count(content["exit_code"]),
        series=_series(content["series"]),
        host=_text(content["host"]),
        kind=_text(content["kind"]),
        tool_version=_text(content["tool_version"]),
        versions=ServerVersions(
            *(_text_or_none(versions[name]) for name in ("postgres", "postgrest", "auth"))
        ),
        fingerprint=_text_or_none(content["fingerprint"]),
        refresh_runs_ms=tuple(_figure(ms) for ms in content["refresh_runs_ms"]),
        server_ms=tuple(_figure_or_none(ms) for ms in content["server_ms"]),
        final_refresh_ms=_figure_or_none(content["final_refresh_ms"]),
        total_seconds=_figure(content["total_seconds"]),
        stages={_text(name): _figure(each) for name, each in content["stages"].items()},
        log=_text_or_none(content.get("log")),
        log_head=_text_or_none(content.get("log_head")),
    )


def _series(content: Mapping[str, Any]) -> Series:
    return Series(
        _text(content["identity"]), _count(content["users"]), _count(content["questions"])
    )


def _major(version: str | None) -> str | None:
    found = _MAJOR.search(version or "")
    return found.group() if found else None


def _short(text: str | None) -> str | None:
    """What a server says of itself, fit to be kept."""
    return None if text is None else redact(text)[:_LONGEST_TEXT]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("not a count")
    return value


def _figure(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a figure")
    figure = float(value)
    if not math.isfinite(figure) or figure < 0:
        raise ValueError("not a figure that was measured")
    return figure


def _figure_or_none(value: object) -> float | None:
    return None if value is None else _figure(value)


def _instant(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None:
        raise ValueError("not an instant")
    return at.astimezone(UTC)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no figure")
