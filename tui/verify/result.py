"""A run, folded from its events: what reports, history and `--json` are made of."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final

from tui.errors import ExitCode
from tui.heatmap.export import row_as_json
from tui.verify.events import (
    AuditFinished,
    CheckFinished,
    DryRunFinished,
    Event,
    Mode,
    Outcome,
    ProbeFinished,
    ProbeStarted,
    RefreshTimed,
    RunFinished,
    RunStarted,
    SampleTaken,
    Stage,
    StageFinished,
    Tally,
)

if TYPE_CHECKING:
    from tui.errors import OperatorError
    from tui.guard.target import Target
    from tui.settings import Volume

SCHEMA: Final = 1

_OUTCOMES: Final = {
    ExitCode.FAILED: Outcome.FAILED,
    ExitCode.USAGE: Outcome.UNUSABLE,
    ExitCode.REFUSED: Outcome.REFUSED,
    ExitCode.INTERRUPTED: Outcome.INTERRUPTED,
    ExitCode.LEFTOVERS: Outcome.LEFTOVERS,
    ExitCode.UNREACHABLE: Outcome.UNREACHABLE,
}
_TABLES: Final = ("users", "questions", "responses")
_CHECKED: Final = ("expected", "matched", "mismatched", "missing", "unexpected")

_WRITES: Final = {Stage.USERS: "users", Stage.QUESTIONS: "questions", Stage.RESPONSES: "responses"}


class Result:
    """What a run has shown so far.

    Attributes:
        started: How it began, or None before its first event.
        probes: Answers of the probes by id, in the order in which they came.
        dry_run: Verdict of the dry run, or None.
        stages: Finished stages in order.
        refreshes: Timed refreshes, the final one last.
        check: The comparison, or None.
        sample: The heatmap that was read, or None.
        audit: What was left, or None.
        finished: How it ended, or None while it goes on.
    """

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.probes: dict[str, ProbeFinished] = {}
        self._asked: dict[str, int] = {}
        self.dry_run: DryRunFinished | None = None
        self.stages: list[StageFinished] = []
        self.refreshes: list[RefreshTimed] = []
        self.check: CheckFinished | None = None
        self.sample: SampleTaken | None = None
        self.audit: AuditFinished | None = None
        self.finished: RunFinished | None = None

    def apply(self, event: Event) -> None:
        """Take in the next event; those that leave no trace are passed over."""
        match event:
            case RunStarted():
                self.started = event
            case ProbeStarted():
                self._asked.setdefault(event.id, len(self._asked))
            case ProbeFinished():
                self.probes[event.id] = event
            case DryRunFinished():
                self.dry_run = event
            case StageFinished():
                self.stages.append(event)
            case RefreshTimed():
                self.refreshes.append(event)
            case CheckFinished():
                self.check = event
            case SampleTaken():
                self.sample = event
            case AuditFinished():
                self.audit = event
            case RunFinished():
                self.finished = event
            case _:
                pass

    def _place(self, probe: ProbeFinished) -> int:
        """Probes are asked in the order of display, and answer in any."""
        return self._asked.get(probe.id, len(self._asked))

    @property
    def rows(self) -> Tally:
        """Rows written, as far as the stages that ended know."""
        written = {_WRITES[s.stage]: s.count for s in self.stages if s.stage in _WRITES}
        return Tally(**written)

    @property
    def refresh_runs_ms(self) -> list[float]:
        """Milliseconds of each refresh timed after the write, in order."""
        return [each.ms for each in self.refreshes if not each.final]

    @property
    def final_refresh_ms(self) -> float | None:
        """Milliseconds of the refresh after clean-up, or None."""
        return next((each.ms for each in self.refreshes if each.final), None)

    def document(self) -> dict[str, Any]:
        """The document of `--json`, schema 1: its keys are a contract.

        Raises:
            ValueError: The run has not finished.
        """
        if self.started is None or self.finished is None:
            raise ValueError("the run has not finished")
        return {
            "schema": SCHEMA,
            "mode": str(self.started.mode),
            "run_id": self.started.run_id,
            "outcome": str(self.finished.outcome),
            "exit_code": int(self.finished.exit_code),
            "message": self.finished.message,
            "problems": list(self.finished.problems),
            "target": _target(self.started.target),
            "settings": _settings(self.started.volume),
            "probes": [
                {
                    "id": probe.id,
                    "status": str(probe.status),
                    "detail": probe.detail,
                    "hint": probe.hint,
                    "ms": round(probe.ms, 3),
                }
                for probe in sorted(self.probes.values(), key=self._place)
            ],
            "ready": self.dry_run.ready if self.dry_run else False,
            "stages": [
                {"name": str(each.stage), "seconds": round(each.seconds, 6), "count": each.count}
                for each in sorted(self.stages, key=lambda each: list(Stage).index(each.stage))
            ],
            "rows": {
                "users": self.rows.users,
                "questions": self.rows.questions,
                "responses": self.rows.responses,
            },
            **self._figures(),
            "total_seconds": round(self.finished.seconds, 6),
            **self._heatmap(),
        }

    def _heatmap(self) -> dict[str, Any]:
        """The rows, in the document of a heatmap alone."""
        if self.sample is None or self.started is None or self.started.mode is not Mode.HEATMAP:
            return {}
        return {
            "heatmap": {
                "refreshed_at": self.sample.refreshed_at,
                "total": self.sample.total,
                "rows": [row_as_json(row) for row in self.sample.rows],
            }
        }

    def _figures(self) -> dict[str, Any]:
        runs = [round(ms, 3) for ms in self.refresh_runs_ms]
        final = self.final_refresh_ms
        left = self.audit.leftovers if self.audit else None
        return {
            "refresh_ms": round(median(runs), 3) if runs else None,
            "refresh_runs_ms": runs,
            "final_refresh_ms": None if final is None else round(final, 3),
            "check": {name: getattr(self.check, name) if self.check else 0 for name in _CHECKED},
            "leftovers": {name: getattr(left, name) if left else None for name in _TABLES},
            "view_restored": self.audit.view_restored if self.audit else None,
        }


def outcome_of(exit_code: ExitCode) -> Outcome:
    """The outcome that an exit code other than 0 stands for."""
    return _OUTCOMES.get(exit_code, Outcome.FAILED)


def error_document(error: OperatorError, mode: str) -> dict[str, Any]:
    """The document of an error that ended everything before a run could begin.

    Args:
        error: What ended it.
        mode: What kind of run it was to be.
    """
    return {
        "schema": SCHEMA,
        "mode": mode,
        "run_id": None,
        "outcome": str(outcome_of(error.exit_code)),
        "exit_code": int(error.exit_code),
        "message": error.message,
        "problems": [error.message],
        "target": None,
        "settings": None,
        "probes": [],
        "ready": False,
        "stages": [],
        "rows": dict.fromkeys(_TABLES, 0),
        "refresh_ms": None,
        "refresh_runs_ms": [],
        "final_refresh_ms": None,
        "check": dict.fromkeys(_CHECKED, 0),
        "leftovers": dict.fromkeys(_TABLES),
        "view_restored": None,
        "total_seconds": 0.0,
    }


def _target(target: Target) -> dict[str, Any]:
    return {
        "host": target.host,
        "ref": target.ref,
        "kind": str(target.kind),
        "reason": target.reason,
    }


def _settings(volume: Volume) -> dict[str, int]:
    return {
        "users": volume.users,
        "questions": volume.questions,
        "batch": volume.batch,
        "concurrency": volume.concurrency,
    }
