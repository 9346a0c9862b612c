"""What a probe is and what it can find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tui.dry_run.facts import Facts

APPLY: Final = "apply sql/analytics_heatmap.sql"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found.

    Attributes:
        status: Verdict.
        detail: What was seen, in one line.
        hint: What to do when it is not fine; None takes the probe's general `repair`.
    """

    status: ProbeStatus
    detail: str
    hint: str | None = None


def passed(detail: str) -> Finding:
    """All is well; the detail says what was seen."""
    return Finding(ProbeStatus.PASS, detail)


def warned(detail: str, hint: str | None = None) -> Finding:
    """Worth knowing, and no reason not to write."""
    return Finding(ProbeStatus.WARN, detail, hint)


def failed(detail: str, hint: str | None = None) -> Finding:
    """A reason not to write."""
    return Finding(ProbeStatus.FAIL, detail, hint)


def skipped(detail: str, hint: str | None = None) -> Finding:
    """It could not be asked; the hint is the one line that makes it possible."""
    return Finding(ProbeStatus.SKIP, detail, hint)


@dataclass(frozen=True, slots=True)
class Probe:
    """One question of the dry run.

    Attributes:
        id: Stable name, "group.name".
        title: What it proves, in one line.
        asked: What is asked of the project, or looked at here.
        fails_when: How it can fail or warn.
        repair: What to do then, in general; a finding may say it more precisely.
        severity: The worst it says of the project: `FAIL` blocks a run, `WARN` does not. A probe
            that cannot finish always fails.
        ask: Asks and judges. Raises a `ProjectError` for a refusal it has no words for.
        timeout_s: Seconds until it is given up; None takes the dry run's usual time.
    """

    id: str
    title: str
    asked: str
    fails_when: str
    repair: str
    severity: ProbeStatus
    ask: Callable[[Facts], Awaitable[Finding]]
    timeout_s: float | None = None

    @property
    def group(self) -> str:
        """Heading it stands under."""
        return self.id.partition(".")[0]


def listed(words: list[str] | tuple[str, ...], *, most: int = 6) -> str:
    """Words as a list of one line; what is too many is counted."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"
