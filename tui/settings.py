"""Flags, environment and `.env` become one `Settings` value.

This module and `tui.cli.main` are the only readers of the process environment. Precedence, highest
first: flag, process environment, the file named by `--env-file`, else `.env` in the working
directory. Every value remembers where it came from, so that a refusal can say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dotenv import dotenv_values
from platformdirs import user_state_path

from tui.errors import ConfigurationError
from tui.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT_FILE: Final = ".env"

DEFAULT_USERS: Final = 50
DEFAULT_QUESTIONS: Final = 200
DEFAULT_BATCH: Final = 500
DEFAULT_CONCURRENCY: Final = 8

# Bounds keep a slip of the finger from becoming a load test of somebody's project.
MAX_USERS: Final = 10_000
MAX_QUESTIONS: Final = 10_000
MAX_RESPONSES: Final = 2_000_000
MAX_BATCH: Final = 5_000
MAX_CONCURRENCY: Final = 64
MAX_REFRESH_RUNS: Final = 50

# The old script spread answers over this many weeks; below it a question misses some of them.
WEEKS: Final = 8


@dataclass(frozen=True, slots=True)
class Volume:
    """How much a run writes.

    Attributes:
        users: Synthetic users; each answers every question once.
        questions: Synthetic questions.
        batch: Rows in the first inserts; they grow and shrink with what the server takes.
        concurrency: Requests in flight.
    """

    users: int = DEFAULT_USERS
    questions: int = DEFAULT_QUESTIONS
    batch: int = DEFAULT_BATCH
    concurrency: int = DEFAULT_CONCURRENCY

    @property
    def responses(self) -> int:
        """Responses a run writes: one per user and question."""
        return self.users * self.questions

    @property
    def aggregates(self) -> int:
        """Rows the view gains: a question and week is a row, and weeks need a user each."""
        return self.questions * min(self.users, WEEKS)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run needs to know about where and how much.

    Attributes:
        url: The project's URL as configured, or None when there is none.
        service_role_key: Key for every request but the negative probes, or None.
        anon_key: Key for the negative probes, or None.
        volume: What a run writes.
        prod_hosts: Hosts and project refs declared production.
        non_prod_hosts: Hosts and project refs declared not production.
        state_dir: Where journals, history and the deployment log live.
        deployment_log: The deployment log's file.
        env_file: The environment file that was read, or None.
        unattended: Project ref for which unattended break-glass is permitted, or None.
        refresh_runs: How often the refresh is timed after the write.
        max_refresh_ms: What the median refresh may take, in milliseconds, or None.
        max_regression_percent: How much slower than before it may be, in percent, or None.
        job_summary: File that a pipeline shows on the job's page (GITHUB_STEP_SUMMARY), or None.
        colour: Colour is wanted where there is a terminal (NO_COLOR is not set).
        sandbox_postgrest: A PostgREST executable for the sandbox, or None.
        sandbox_postgres: A directory with PostgreSQL's programs for the sandbox, or None.
        sandbox_port: TCP port of the sandbox's front door; 0 takes a free one.
        sources: Where each variable was found ("flag", "environment" or a file's path).
    """

    url: str | None
    service_role_key: Secret | None
    anon_key: Secret | None
    volume: Volume
    prod_hosts: tuple[str, ...]
    non_prod_hosts: tuple[str, ...]
    state_dir: Path
    deployment_log: Path
    env_file: Path | None = None
    unattended: str | None = None
    refresh_runs: int = 1
    max_refresh_ms: int | None = None
    max_regression_percent: int | None = None
    job_summary: Path | None = None
    colour: bool = True
    sandbox_postgrest: Path | None = None
    sandbox_postgres: Path | None = None
    sandbox_port: int = 0
    sources: Mapping[str, str] = field(default_factory=dict)


def load_settings(
    *,
    environ: Mapping[str, str],
    directory: Path,
    flags: Mapping[str, str | None] | None = None,
    env_file: Path | None = None,
) -> Settings:
    """Merge flags, environment and environment file.

    Args:
        environ: The process environment.
        directory: Where a `.env` is looked for.
        flags: Values from the command line under their variable's name; None where not given.
        env_file: The file given by `--env-file`; it must exist. None looks for `.env`.

    Raises:
        ConfigurationError: A value is malformed or out of bounds, or the file cannot be read.
    """
    path = _environment_file(env_file, directory)
    lookup = _Lookup(flags or {}, environ, _read_file(path) if path else {}, str(path))
    state_dir = user_state_path("heatmap-tui")
    log = lookup.path("HEATMAP_DEPLOYMENT_LOG")
    return Settings(
        url=lookup.text("SUPABASE_URL"),
        service_role_key=lookup.secret("SUPABASE_SERVICE_ROLE_KEY"),
        anon_key=lookup.secret("SUPABASE_ANON_KEY"),
        volume=_volume(lookup),
        prod_hosts=lookup.items("HEATMAP_VERIFY_PROD_HOSTS"),
        non_prod_hosts=lookup.items("HEATMAP_VERIFY_NON_PROD_HOSTS"),
        state_dir=state_dir,
        deployment_log=log or state_dir / "deployment-log.jsonl",
        env_file=path,
        unattended=lookup.text("HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED"),
        refresh_runs=lookup.number("HEATMAP_REFRESH_RUNS", 1, low=1, high=MAX_REFRESH_RUNS),
        max_refresh_ms=lookup.optional("HEATMAP_MAX_REFRESH_MS", low=1, high=3_600_000),
        max_regression_percent=lookup.optional("HEATMAP_MAX_REGRESSION", low=1, high=100_000),
        job_summary=lookup.path("GITHUB_STEP_SUMMARY"),
        colour=not environ.get("NO_COLOR"),
        sandbox_postgrest=lookup.path("HEATMAP_SANDBOX_POSTGREST"),
        sandbox_postgres=lookup.path("HEATMAP_SANDBOX_POSTGRES"),
        sandbox_port=lookup.number("HEATMAP_SANDBOX_PORT", 0, low=0, high=65_535),
        sources=lookup.sources,
    )


def _environment_file(given: Path | None, directory: Path) -> Path | None:
    what = f"--env-file {str(given)[:200]!r}" if given else ENVIRONMENT_FILE
    try:
        path = directory / (given or Path(ENVIRONMENT_FILE)).expanduser()
        if path.is_file():
            return path
    except (OSError, RuntimeError) as error:
        # RuntimeError: "~name" of a user who does not exist.
        why = getattr(error, "strerror", None) or "it starts with ~ and names no user"
        raise ConfigurationError(
            f"{what}: the file cannot be read: {why}",
            hint="make it and the directories above it readable for you, or name another file",
        ) from error
    if given is None:
        return None
    raise ConfigurationError(
        f"{what}: there is no such file",
        hint="name an existing file, or copy .env.example to it and fill it in",
    )


def _read_file(path: Path) -> dict[str, str]:
    try:
        values = dotenv_values(path, encoding="utf-8-sig", interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}",
            hint="make it readable for you, as UTF-8 text with NAME=value lines",
        ) from error
    return {name: value for name, value in values.items() if value is not None}


class _Lookup:
    """Finds a variable in flag, environment and file, and remembers where."""

    def __init__(
        self,
        flags: Mapping[str, str | None],
        environ: Mapping[str, str],
        from_file: Mapping[str, str],
        file_name: str,
    ) -> None:
        self._layers: tuple[tuple[str, Mapping[str, str | None]], ...] = (
            ("flag", flags),
            ("environment", environ),
            (file_name, from_file),
        )
        self.sources: dict[str, str] = {}

    def text(self, name: str) -> str | None:
        """The value without surrounding white space; an empty one counts as not given."""
        for source, layer in self._layers:
            value = (layer.get(name) or "").strip()
            if value:
                self.sources[name] = source
                return value
        return None

    def secret(self, name: str) -> Secret | None:
        value = self.text(name)
        return Secret(value) if value else None

    def path(self, name: str) -> Path | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            if "\0" not in value:
                return Path(value).expanduser()
            why = "contains a NUL"
        except RuntimeError:
            why = "starts with ~ and names no user"
        raise ConfigurationError(
            f"{name} ({self.sources[name]}) is {value[:200]!r}, which {why}",
            hint="give a path",
        )

    def items(self, name: str) -> tuple[str, ...]:
        parts = (part.strip() for part in (self.text(name) or "").split(","))
        return tuple(part for part in parts if part)

    def optional(self, name: str, *, low: int, high: int) -> int | None:
        return None if self.text(name) is None else self.number(name, low, low=low, high=high)

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        where = self.sources[name]
        # int() also takes "1_000" and digits of other scripts: nobody means those here.
        digits = value[1:] if value[0] in "+-" else value
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 12:
            raise ConfigurationError(
                f"{name} ({where}) is {value[:40]!r}, not a whole number",
                hint=f"give a whole number from {low} to {high}, such as {max(default, low)}",
            )
        number = int(value)
        if not low <= number <= high:
            raise ConfigurationError(
                f"{name} ({where}) is {number}, outside {low} to {high}",
                hint=f"give a whole number from {low} to {high}, such as {max(default, low)}",
            )
        return number


def _volume(lookup: _Lookup) -> Volume:
    volume = Volume(
        users=lookup.number("HEATMAP_VERIFY_USERS", DEFAULT_USERS, low=1, high=MAX_USERS),
        questions=lookup.number(
            "HEATMAP_VERIFY_QUESTIONS", DEFAULT_QUESTIONS, low=1, high=MAX_QUESTIONS
        ),
        batch=lookup.number("HEATMAP_VERIFY_BATCH", DEFAULT_BATCH, low=1, high=MAX_BATCH),
        concurrency=lookup.number(
            "HEATMAP_VERIFY_CONCURRENCY", DEFAULT_CONCURRENCY, low=1, high=MAX_CONCURRENCY
        ),
    )
    if volume.responses > MAX_RESPONSES:
        raise ConfigurationError(
            f"{volume.users} users x {volume.questions} questions are {volume.responses:,} "
            f"responses, more than {MAX_RESPONSES:,}",
            hint="lower HEATMAP_VERIFY_USERS or HEATMAP_VERIFY_QUESTIONS",
        )
    return volume
