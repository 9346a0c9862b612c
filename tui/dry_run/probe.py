"""What a probe is and what it can find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tui.dry_run.facts import Facts

    Ask = Callable[[Facts], Awaitable["Finding"]]

APPLY: Final = "apply sql/analytics_heatmap.sql"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found.

    Attributes:
        hint: What to do when it is not fine; None takes the probe's general `repair`.
        cause: The probe that tells why this one was skipped; then there is no hint.
    """

    status: ProbeStatus
    detail: str
    hint: str | None = None
    cause: str | None = None


def passed(detail: str) -> Finding:
    """All is well; the detail says what was seen."""
    return Finding(ProbeStatus.PASS, detail)


def warned(detail: str, hint: str | None = None) -> Finding:
    """Worth knowing, and no reason not to write."""
    return Finding(ProbeStatus.WARN, detail, hint)


def failed(detail: str, hint: str | None = None) -> Finding:
    """A reason not to write."""
    return Finding(ProbeStatus.FAIL, detail, hint)


def skipped(detail: str, hint: str | None = None, *, cause: str | None = None) -> Finding:
    """It could not be observed; the hint is what makes it possible."""
    return Finding(ProbeStatus.SKIP, detail, hint, cause)


@dataclass(frozen=True, slots=True)
class Probe:
    """One question of the dry run.

    Attributes:
        id: Stable name, "group.name".
        fails_when: How it can fail or warn.
        severity: The worst it says of the project: `FAIL` blocks a run, `WARN` does not.
        ask: Asks and judges. Raises a `ProjectError` for a refusal it has no words for.
        vital: A run cannot do without what is asked here: it blocks the run where it was skipped.
        needs: Probes without whose answer this one means nothing; where one of them failed or was
            skipped, this one is skipped, and counted under what caused that.
    """

    id: str
    title: str
    asked: str
    fails_when: str
    repair: str
    severity: ProbeStatus
    ask: Ask
    vital: bool = False
    needs: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """Heading it stands under."""
        return self.id.partition(".")[0]


class Probes(list[Probe]):
    """The probes of a group, in the order of display."""

    def add(
        self,
        probe_id: str,
        title: str,
        asked: str,
        fails_when: str,
        repair: str,
        *,
        severity: ProbeStatus = ProbeStatus.FAIL,
        vital: bool = False,
        needs: tuple[str, ...] = (),
    ) -> Callable[[Ask], Ask]:
        """Add a probe that is asked by the function below; for the rest see `Probe`."""

        def decorate(ask: Ask) -> Ask:
            self.append(
                Probe(probe_id, title, asked, fails_when, repair, severity, ask, vital, needs)
            )
            return ask

        return decorate


def listed(words: Iterable[str], *, most: int = 6) -> str:
    """Words as a list of one line; what is too many is counted."""
    every = list(words)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
