"""What a sandbox is started with, and how its start is reported."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How to start a sandbox. Every default works on a machine with the `sandbox` extra.

    Attributes:
        postgrest: The PostgREST executable (`HEATMAP_SANDBOX_POSTGREST`); None finds or fetches it.
        postgres_bin: The directory holding `initdb` and `postgres` (`HEATMAP_SANDBOX_POSTGRES`);
            None takes the packaged PostgreSQL.
        port: The front door's port on 127.0.0.1; 0 takes any free one.
        faults: A fault specification (see `tui.sandbox.faults`); None injects nothing.
        max_rows: PostgREST's `db-max-rows`; 1000 as on the hosted platform, 0 for no limit.
        seed_learners: Whether the existing learners' data is loaded.
        sql_dir: The directory holding the SQL files; None takes those of the package.
    """

    postgrest: Path | None = None
    postgres_bin: Path | None = None
    port: int = 0
    faults: str | None = None
    max_rows: int = 1000
    seed_learners: bool = True
    sql_dir: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the supervisor, paths made absolute."""
        values = asdict(self)
        for name in ("postgrest", "postgres_bin", "sql_dir"):
            path: Path | None = values[name]
            values[name] = None if path is None else str(path.expanduser().absolute())
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SandboxOptions:
        """Rebuild the options that `to_json` described.

        Raises:
            TypeError: A key is not an option.
        """
        values = dict(values)
        for name in ("postgrest", "postgres_bin", "sql_dir"):
            if values.get(name) is not None:
                values[name] = Path(values[name])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class SandboxStage:
    """One step of the start.

    Attributes:
        name: A stable identifier, such as `initdb`.
        title: What the step does, for an operator.
        seconds: None when the step has begun, its duration when it has finished.
        detail: What the step found or made, where that is worth a word.
    """

    name: str
    title: str
    seconds: float | None
    detail: str | None = None
