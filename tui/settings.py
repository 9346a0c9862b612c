"""Flags, environment and `.env` become one `Settings` value.

This module and `tui.cli` are the only readers of the process environment. Precedence, highest
first: flag, process environment, the file named by `--env-file`, else `.env` in the working
directory. Every value remembers where it came from, so that a refusal can say so. Three exceptions,
all on the safe side: lists of production hosts are united over all layers and lines; a file named
by `--env-file` says alone which project it is; unattended break-glass is allowed by the process
environment alone. What cannot be read for certain is refused, never taken for "not given".
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dotenv import dotenv_values
from platformdirs import user_state_path

from tui.errors import ConfigurationError
from tui.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENVIRONMENT_FILE: Final = ".env"

URL: Final = "SUPABASE_URL"
KEY: Final = "SUPABASE_SERVICE_ROLE_KEY"
ANON_KEY: Final = "SUPABASE_ANON_KEY"
PROJECT_VARIABLES: Final = (URL, KEY, ANON_KEY)
"""What says which project it is."""

PROD_HOSTS: Final = "HEATMAP_VERIFY_PROD_HOSTS"
NON_PROD_HOSTS: Final = "HEATMAP_VERIFY_NON_PROD_HOSTS"
UNATTENDED: Final = "HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED"
_PREFIX: Final = "HEATMAP_"
_KNOWN: Final = frozenset(
    {
        PROD_HOSTS,
        NON_PROD_HOSTS,
        UNATTENDED,
        "HEATMAP_VERIFY_USERS",
        "HEATMAP_VERIFY_QUESTIONS",
        "HEATMAP_VERIFY_BATCH",
        "HEATMAP_VERIFY_CONCURRENCY",
        "HEATMAP_DEPLOYMENT_LOG",
        "HEATMAP_REFRESH_RUNS",
        "HEATMAP_MAX_REFRESH_MS",
        "HEATMAP_MAX_REGRESSION",
        "HEATMAP_SANDBOX_AUTH",
        "HEATMAP_SANDBOX_AUTH_MIGRATIONS",
        "HEATMAP_SANDBOX_PORT",
        "HEATMAP_SANDBOX_POSTGREST",
        "HEATMAP_SANDBOX_POSTGRES",
    }
)

_ONE_VALUE: Final = (_KNOWN | {*PROJECT_VARIABLES}) - {PROD_HOSTS}

# A line of an environment file: nothing, a comment, or one assignment whose value is plain or in
# quotes that close on the line. python-dotenv takes more, and drops what it cannot take; here both
# it and a reader can take a line in one way only.
_LINE: Final = re.compile(
    r"""
    \s*(?:\#.*)?
    | \s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*
      (?: '(?:[^'\\]|\\.)*'(?:\s+\#.*|\s*)
        | "(?:[^"\\]|\\.)*"(?:\s+\#.*|\s*)
        | (?:[^\s'"\#].*)?
      )
    """,
    re.VERBOSE,
)
_LONGEST_FILE: Final = 1_000_000

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
        batch: Rows in one insert; halved where that is too much for the server.
    """

    users: int = 50
    questions: int = 200
    batch: int = 500
    concurrency: int = 8

    @property
    def responses(self) -> int:
        return self.users * self.questions

    @property
    def aggregates(self) -> int:
        """Rows the view gains: one a question and week, and weeks need a user each."""
        return self.questions * min(self.users, WEEKS)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run needs to know about where and how much.

    Attributes:
        anon_key: Key for the negative probes, or None.
        unattended: Project ref for which unattended break-glass is permitted, or None.
        refresh_runs: How often the refresh is timed after the write.
        max_refresh_ms: What the median refresh may take, in milliseconds, or None.
        max_regression_percent: How much slower than before it may be, in percent, or None.
        job_summary: File that a pipeline shows on the job's page (GITHUB_STEP_SUMMARY), or None.
        sandbox_postgres: A directory with PostgreSQL's programs for the sandbox, or None.
        sandbox_auth: The vendor's auth server for the sandbox, or None for an emulation.
        sandbox_port: TCP port of the sandbox's gateway; 0 takes a free one.
        sources: Where each variable was found ("flag", "environment" or a file's path).
        project_source: Where URL and keys are looked for, in words.
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
    sandbox_auth: Path | None = None
    sandbox_auth_migrations: Path | None = None
    sandbox_port: int = 0
    sources: Mapping[str, str] = field(default_factory=dict)
    project_source: str = "the environment"


def load_settings(
    *,
    environ: Mapping[str, str],
    directory: Path,
    flags: Mapping[str, str | None] | None = None,
    env_file: Path | None = None,
) -> Settings:
    """Merge flags, environment and environment file."""
    path = _environment_file(env_file, directory)
    lookup = _Lookup(
        flags or {}, environ, list(_read_file(path)) if path else [], path, env_file is not None
    )
    state_dir = _state_dir()
    log = lookup.path("HEATMAP_DEPLOYMENT_LOG")
    return Settings(
        url=lookup.text(URL),
        service_role_key=lookup.secret(KEY),
        anon_key=lookup.secret(ANON_KEY),
        volume=_volume(lookup),
        prod_hosts=lookup.union(PROD_HOSTS),
        non_prod_hosts=_entries(lookup.text(NON_PROD_HOSTS)),
        state_dir=state_dir,
        deployment_log=log or state_dir / "deployment-log.jsonl",
        env_file=path,
        unattended=environ.get(UNATTENDED, "").strip() or None,
        refresh_runs=lookup.number("HEATMAP_REFRESH_RUNS", 1, high=MAX_REFRESH_RUNS),
        max_refresh_ms=lookup.optional("HEATMAP_MAX_REFRESH_MS", high=3_600_000),
        max_regression_percent=lookup.optional("HEATMAP_MAX_REGRESSION", high=100_000),
        job_summary=lookup.path("GITHUB_STEP_SUMMARY"),
        colour=not environ.get("NO_COLOR"),
        sandbox_postgrest=lookup.path("HEATMAP_SANDBOX_POSTGREST"),
        sandbox_postgres=lookup.path("HEATMAP_SANDBOX_POSTGRES"),
        sandbox_auth=lookup.path("HEATMAP_SANDBOX_AUTH"),
        sandbox_auth_migrations=lookup.path("HEATMAP_SANDBOX_AUTH_MIGRATIONS"),
        sandbox_port=lookup.number("HEATMAP_SANDBOX_PORT", 0, low=0, high=65_535),
        sources=lookup.sources,
        project_source=lookup.project_source,
    )


def _state_dir() -> Path:
    with contextlib.suppress(RuntimeError):
        path = user_state_path("heatmap-tui")
        if path.is_absolute():
            return path
    # Without HOME and without an entry in the list of users.
    raise ConfigurationError(
        "there is no home directory to keep journals and history in: HOME is not set",
        hint="set HOME, or XDG_STATE_HOME, to a directory you may write to",
    )


def _environment_file(given: Path | None, directory: Path) -> Path | None:
    what = f"--env-file {str(given)[:200]!r}" if given else ENVIRONMENT_FILE
    try:
        path = directory / (given or Path(ENVIRONMENT_FILE)).expanduser()
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if given is None and not os.path.lexists(directory / ENVIRONMENT_FILE):
            return None
        raise ConfigurationError(
            f"{what}: there is no such file",
            hint="name an existing file, or copy .env.example to it and fill it in",
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        # RuntimeError: "~name" of a user who does not exist; ValueError: a NUL.
        why = getattr(error, "strerror", None) or "it is no path, or ~ names no user"
        raise ConfigurationError(
            f"{what}: the file cannot be read: {why}",
            hint="make it and the directories above it readable for you, or name another file",
        ) from error
    if stat.S_ISREG(mode):
        return path
    if given is None and stat.S_ISDIR(mode):
        # Some keep a virtual environment under that name.
        return None
    raise ConfigurationError(
        f"{what}: it is no regular file", hint="name a file of NAME=value lines"
    )


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    name: str
    value: str


def _read_file(path: Path) -> Iterator[_Line]:
    """The assignments of an environment file, in order."""
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_FILE + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}",
            hint="make it readable for you, as UTF-8 text with NAME=value lines",
        ) from error
    if len(data) > _LONGEST_FILE:
        raise ConfigurationError(f"{path} is no environment file: it is too long", hint=_REWRITE)
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        where = f"{path}, line {number},"
        match = _LINE.fullmatch(line)
        if match is None or any(_breaks(char) for char in line):
            raise ConfigurationError(f"{where} cannot be read as NAME=value", hint=_REWRITE)
        name = match["name"]
        if name is not None:
            _check_name(name, where)
            value = dotenv_values(stream=io.StringIO(line), interpolate=False).get(name)
            if value is None:
                raise ConfigurationError(f"{where} cannot be read as NAME=value", hint=_REWRITE)
            yield _Line(number, name, value)


_REWRITE: Final = (
    "write NAME=value on one line, with quotes around the whole value or none, a comment behind #"
)


def _breaks(char: str) -> bool:
    """Whether a reader could take a character for a line's end, or not see it."""
    return unicodedata.category(char) in {"Cc", "Zl", "Zp"} and char != "\t"


def _check_name(name: str, where: str) -> None:
    """Refuse a name that looks like a misspelt setting."""
    if name == UNATTENDED:
        raise ConfigurationError(
            f"{where} sets {name}, which is read from the process environment alone",
            hint="take it out of the file; a supervised pipeline sets it for the one run",
        )
    spelled = re.sub(r"[.-]", "_", name.upper())
    if name not in _KNOWN:
        near = difflib.get_close_matches(spelled, _KNOWN, n=1, cutoff=0.8)
        if near or spelled.startswith(_PREFIX) or spelled.endswith("PROD_HOSTS"):
            _refuse_name(name, where)


def _refuse_name(name: str, where: str) -> None:
    near = difflib.get_close_matches(name.upper(), sorted(_KNOWN), n=1, cutoff=0.0)[0]
    raise ConfigurationError(
        f"{where} sets {name[:80]}, which is no setting", hint=f"did you mean {near}?"
    )


class _Lookup:
    """Finds a variable in flag, environment and file, and remembers where."""

    def __init__(
        self,
        flags: Mapping[str, str | None],
        environ: Mapping[str, str],
        lines: list[_Line],
        path: Path | None,
        file_was_named: bool,
    ) -> None:
        for name in environ:
            if name.upper().startswith(_PREFIX) and name not in _KNOWN:
                _refuse_name(name, "the environment")
        self._lines = lines
        file = _last_of_each(lines, path)
        self._layers: list[tuple[str, Mapping[str, str | None]]]
        self._layers = [("flag", flags), ("environment", environ), (str(path), file)]
        self._project_layers = self._layers
        self.project_source = f"the environment or {path or ENVIRONMENT_FILE}"
        if file_was_named and any(file.get(name) for name in PROJECT_VARIABLES):
            self._project_layers = self._layers[2:]
            self.project_source = f"{path}, which was named and counts alone"
        self.sources: dict[str, str] = {}

    def text(self, name: str) -> str | None:
        """The value without surrounding white space; empty counts as not given."""
        layers = self._project_layers if name in PROJECT_VARIABLES else self._layers
        for source, layer in layers:
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

    def union(self, name: str) -> tuple[str, ...]:
        """The entries of a list in every layer, and in every line of the file."""
        values = [layer.get(name) for _, layer in self._layers[:2]]
        values += [line.value for line in self._lines if line.name == name]
        return tuple(dict.fromkeys(entry for value in values for entry in _entries(value)))

    def optional(self, name: str, *, high: int) -> int | None:
        return None if self.text(name) is None else self.number(name, 1, high=high)

    def number(self, name: str, default: int, *, low: int = 1, high: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        # int() also takes "1_000" and digits of other scripts: nobody means those here.
        if re.fullmatch("[+-]?[0-9]{1,12}", value) is None:
            problem = f"{value[:40]!r}, not a whole number"
        elif low <= int(value) <= high:
            return int(value)
        else:
            problem = f"{int(value)}, outside {low} to {high}"
        raise ConfigurationError(
            f"{name} ({self.sources[name]}) is {problem}",
            hint=f"give a whole number from {low} to {high}, such as {default}",
        )


def _entries(value: str | None) -> tuple[str, ...]:
    """The entries between commas, empty ones included: the guard refuses them."""
    return tuple(part.strip() for part in value.split(",")) if value and value.strip() else ()


def _last_of_each(lines: list[_Line], path: Path | None) -> dict[str, str]:
    """Names and values of a file; refuses two lines that contradict each other."""
    found: dict[str, _Line] = {}
    for line in lines:
        before = found.get(line.name)
        if before and before.value != line.value and line.name in _ONE_VALUE:
            raise ConfigurationError(
                f"{path}, line {line.number}, sets {line.name}, as line {before.number} does, to "
                "something else",
                hint="keep one of them",
            )
        found[line.name] = line
    return {name: line.value for name, line in found.items()}


def _volume(lookup: _Lookup) -> Volume:
    usual = Volume()
    volume = Volume(
        users=lookup.number("HEATMAP_VERIFY_USERS", usual.users, high=MAX_USERS),
        questions=lookup.number("HEATMAP_VERIFY_QUESTIONS", usual.questions, high=MAX_QUESTIONS),
        batch=lookup.number("HEATMAP_VERIFY_BATCH", usual.batch, high=MAX_BATCH),
        concurrency=lookup.number(
            "HEATMAP_VERIFY_CONCURRENCY", usual.concurrency, high=MAX_CONCURRENCY
        ),
    )
    if volume.responses > MAX_RESPONSES:
        raise ConfigurationError(
            f"{volume.users} users x {volume.questions} questions are {volume.responses:,} "
            f"responses, more than {MAX_RESPONSES:,}",
            hint="lower HEATMAP_VERIFY_USERS or HEATMAP_VERIFY_QUESTIONS",
        )
    return volume
