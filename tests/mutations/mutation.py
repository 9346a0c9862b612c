"""What a mutation is: one thing broken, the probes that must notice, and what repairs it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from tests.dry_run.contexts import settings_for
from tui.dry_run.runner import PROBES
from tui.guard.target import classify
from tui.settings import Settings, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tui.guard.target import Target
    from tui.sandbox import Sandbox
    from tui.verify.result import Pace


class Repair(Enum):
    """A repair that is a file: the hint names it, and applying it must be enough."""

    APPLY = "sql/analytics_heatmap.sql"
    PREFLIGHT = "sql/analytics_heatmap_preflight.sql"


@dataclass(frozen=True)
class Setup:
    """How the console is set up against a sandbox; mutations of keys and settings replace parts."""

    service_key: str
    anon_key: str | None
    target: Target
    settings: Settings
    past: Pace | None = None
    timeout_s: float = 10.0

    @classmethod
    def of(cls, sandbox: Sandbox, key: str, anon: str | None) -> Setup:
        return cls(
            service_key=key,
            anon_key=anon,
            target=classify(sandbox.url, key, sandbox=True),
            settings=settings_for(sandbox.url, key, anon),
        )

    def sized(self, **volume: int) -> Setup:
        return replace(self, settings=replace(self.settings, volume=Volume(**volume)))


@dataclass(frozen=True)
class Mutation:
    """One thing broken.

    Attributes:
        name: Its name in the test report.
        sql: Run as the superuser.
        repair: What the hint says: a file to apply as the owner, or SQL, or several; nothing where
            undoing is no work on the database (faults, keys, settings).
        hint: Words that the hint of some noticing probe must hold; of a file repair, its name.
        undo: Run as the superuser after the repair, for what a repair need not take back.
        fails, warns, skips: Ids of the probes that must say so of themselves. All others must pass,
            or be skipped for one of these.
        follow: How many are skipped for one of these.
        skips_rest: All others are skipped or need no project: only `fails` and `warns` are judged.
        faults: Fault specification of the gateway.
        setup: Changes keys, target or settings.
        database_down: PostgreSQL is stopped.
        since: Oldest PostgreSQL it makes sense on.
    """

    name: str
    sql: str = ""
    repair: Repair | str | tuple[Repair | str, ...] = ()
    hint: str = ""
    undo: str = ""
    fails: Iterable[str] = ()
    warns: Iterable[str] = ()
    skips: Iterable[str] = ()
    follow: int = 0
    skips_rest: bool = False
    faults: str | None = None
    setup: Callable[[Sandbox, Setup], Setup] | None = None
    database_down: bool = False
    since: int = 15

    @property
    def repairs(self) -> tuple[Repair | str, ...]:
        return self.repair if isinstance(self.repair, tuple) else (self.repair,)

    @property
    def noticed(self) -> set[str]:
        return {*self.fails, *self.warns}

    def expected(self) -> dict[str, str]:
        """Status that each judged probe must have."""
        wanted = {} if self.skips_rest else dict.fromkeys((probe.id for probe in PROBES), "pass")
        wanted |= dict.fromkeys(self.skips, "skip")
        wanted |= dict.fromkeys(self.warns, "warn")
        return wanted | dict.fromkeys(self.fails, "fail")
