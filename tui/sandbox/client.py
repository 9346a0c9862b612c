"""Starting a sandbox, and the handle on one that runs.

The supervisor is a process of its own. It reads its options from the first line on its stdin and
lives as long as stdin stays open; it writes JSON lines to stdout while it starts: `{"stage"}` for
progress, then `{"ready"}` or `{"failed"}`. From then on it is asked over its gateway's control
route. When a server of it dies it ends, with the reason as the last line on stderr.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib.util
import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tui.errors import ConfigurationError, OperatorError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

NEEDED = ("aiohttp", "jwt", "psycopg")
CONTROL = "/sandbox/v1/"
# All that the sandbox's processes, npm among them, get of our environment: no operator's keys, and
# nothing that steers a server (PGOPTIONS, PGRST_DB_URI, ...).
PASSED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LC_\w+|XDG_\w+|PYTHON\w+|VIRTUAL_ENV"
    r"|LD_LIBRARY_PATH|DYLD_\w+|(HTTPS?|ALL|NO)_PROXY|NPM_CONFIG_\w+|NODE_EXTRA_CA_CERTS"
    r"|SSL_CERT_\w+|COVERAGE_\w+",
    re.IGNORECASE,
)
# The supervisor has its own, shorter limits for every step; these guard against its silence.
START_SECONDS = 270.0
REQUEST_SECONDS = 130.0
STOP_SECONDS = 15.0
SWEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How to start a sandbox. Every default works with the `sandbox` extra.

    Attributes:
        postgres_bin: The directory holding `initdb` and `postgres` (`HEATMAP_SANDBOX_POSTGRES`);
            None takes the packaged PostgreSQL.
        auth: The vendor's auth server (`HEATMAP_SANDBOX_AUTH`); None takes the emulation.
        newer: Replies are as PostgREST 16 and the gateway of late 2026 give them.
        max_rows: PostgREST's `db-max-rows`; 1000 as on the hosted platform, 0 for no limit.
    """

    postgrest: Path | None = None
    postgres_bin: Path | None = None
    auth: Path | None = None
    auth_migrations: Path | None = None
    port: int = 0
    faults: str | None = None
    newer: bool = False
    max_rows: int = 1000
    seed_learners: bool = True
    sql_dir: Path | None = None

    def to_json(self) -> str:
        """A line for the supervisor, paths made absolute."""
        return json.dumps(asdict(self), default=lambda path: str(path.expanduser().absolute()))

    @classmethod
    def from_json(cls, line: str) -> SandboxOptions:
        """The options that `to_json` wrote."""
        values = json.loads(line)
        paths = {
            name: Path(values[name])
            for name in ("postgrest", "postgres_bin", "auth", "auth_migrations", "sql_dir")
            if values.get(name) is not None
        }
        return cls(**values | paths)


@dataclass(frozen=True, slots=True)
class SandboxStage:
    """One step of the start.

    Attributes:
        seconds: None when the step has begun, its duration when it has finished.
    """

    name: str
    title: str
    seconds: float | None
    detail: str | None = None


@dataclass(slots=True)
class SeenRequest:
    """A request that reached the gateway; status 0 while it is under way."""

    method: str
    path: str
    status: int = 0


class Sandbox:
    """A running sandbox. Made by `start_sandbox` or `start_sandbox_sync`.

    Attributes:
        db_url: A superuser's connection over the Unix socket.
        directory: Where everything of the run lies; gone after `stop`.
    """

    def __init__(self, supervisor: _Supervisor, details: dict[str, Any]) -> None:
        self._supervisor = supervisor
        self._control_key: str = details["control_key"]
        self.url: str = details["url"]
        self.service_role_key: str = details["service_role_key"]
        self.anon_key: str = details["anon_key"]
        self.secret_key: str = details["secret_key"]
        self.publishable_key: str = details["publishable_key"]
        self.db_url: str = details["db_url"]
        self.jwt_secret: str = details["jwt_secret"]
        self.directory = Path(details["directory"])
        self.pid = supervisor.process.pid

    def __repr__(self) -> str:
        return f"Sandbox(url={self.url!r}, pid={self.pid})"

    @property
    def failure(self) -> str | None:
        """Why the sandbox has ended by itself, in one line."""
        return self._supervisor.failure()

    async def stop(self) -> None:
        """Stop everything and remove it from disk. Does nothing the second time."""
        await asyncio.to_thread(self.stop_sync)

    def stop_sync(self) -> None:
        """Do what `stop` does, blocking for a moment."""
        self._supervisor.stop(self.directory)

    def set_faults(self, spec: str | None) -> None:
        """Inject faults from the next request on, or none; see `tui.sandbox.faults`."""
        self._ask("faults", spec)

    def requests(self) -> list[SeenRequest]:
        """The latest requests at the gateway, oldest first; at most 50,000."""
        return [SeenRequest(*seen) for seen in self._ask("requests")]

    def clear_requests(self) -> None:
        """Forget the requests seen so far."""
        self._ask("clear-requests")

    def restart_postgrest(self) -> None:
        """Kill PostgREST and wait until a new one serves."""
        self._ask("restart-postgrest")

    def stop_database(self) -> None:
        """Stop PostgreSQL; requests fail until `start_database`."""
        self._ask("stop-database")

    def start_database(self) -> None:
        """Start PostgreSQL again and wait until PostgREST has found it."""
        self._ask("start-database")

    def _ask(self, action: str, argument: Any = None) -> Any:
        """Have the supervisor do something and return its answer."""
        port = urlsplit(self.url).port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
        try:
            connection.request(
                "POST",
                CONTROL + action,
                json.dumps(argument),
                {"Authorization": f"Bearer {self._control_key}"},
            )
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = self.failure or f"{type(error).__name__} on {action}"
            raise SandboxError(f"the sandbox does not answer: {reason}") from error
        finally:
            connection.close()
        if "failed" in answer:
            raise _error(answer["failed"])
        return answer["result"]


async def start_sandbox(
    options: SandboxOptions | None = None,
    on_stage: Callable[[SandboxStage], None] | None = None,
) -> Sandbox:
    """Start a sandbox; `on_stage` is called in this event loop.

    Raises:
        ConfigurationError: An option makes no sense, or the port is taken.
        SandboxError: Something cannot be started; nothing is left running or on disk.
    """
    loop = asyncio.get_running_loop()

    def report(stage: SandboxStage) -> None:
        if on_stage is not None:
            loop.call_soon_threadsafe(on_stage, stage)

    supervisor = _Supervisor(options or SandboxOptions())
    try:
        return Sandbox(supervisor, await asyncio.to_thread(supervisor.ready, report))
    except BaseException:
        await asyncio.to_thread(supervisor.stop)
        raise


def start_sandbox_sync(
    options: SandboxOptions | None = None,
    on_stage: Callable[[SandboxStage], None] | None = None,
) -> Sandbox:
    """Start a sandbox, blocking; `on_stage` is called in this thread."""
    supervisor = _Supervisor(options or SandboxOptions())
    try:
        return Sandbox(supervisor, supervisor.ready(on_stage or (lambda _: None)))
    except BaseException:
        supervisor.stop()
        raise


def check_packages() -> None:
    """Refuse to start while packages of the extra are missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SandboxError(
            f"the sandbox needs packages that are not installed: {', '.join(missing)}",
            hint="pip install 'heatmap-tui[sandbox]'",
        )


class _Supervisor:
    """The supervisor's process."""

    def __init__(self, options: SandboxOptions) -> None:
        check_packages()
        self._stopped = False
        try:
            # A file without a name: the reason of an end can be read, and nothing stays.
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tui.sandbox.supervisor"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                # Unbuffered: what has been read ahead would be hidden from `select`.
                bufsize=0,
                env={name: os.environ[name] for name in os.environ if PASSED_ON.fullmatch(name)},
                # From here `-m` finds this very package, installed or in a checkout.
                cwd=Path(__file__).resolve().parent.parent.parent,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(
                f"the sandbox cannot be started: {error.strerror}",
                hint="is the temporary directory writable? set TMPDIR to another",
            ) from error
        assert self.process.stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(OSError):
            self.process.stdin.write(options.to_json().encode() + b"\n")

    def ready(self, on_stage: Callable[[SandboxStage], None]) -> dict[str, Any]:
        """Wait for the start to end; returns the connection details."""
        stdout = self.process.stdout
        assert stdout is not None  # noqa: S101 - a pipe was asked for
        while select.select([stdout], [], [], START_SECONDS)[0]:
            line = stdout.readline()
            if not line:
                raise SandboxError(
                    f"the sandbox stopped while starting: {self._reason()}",
                    hint="try again; `python -m tui.sandbox.supervisor` is the process that ended",
                )
            message = json.loads(line)
            if "stage" in message:
                on_stage(SandboxStage(**message["stage"]))
            elif "failed" in message:
                raise _error(message["failed"])
            else:
                details: dict[str, Any] = message["ready"]
                return details
        raise SandboxError(
            f"the sandbox was silent for {START_SECONDS:.0f} s while starting",
            hint="is the machine very busy? try again",
        )

    def failure(self) -> str | None:
        """Why the process has ended by itself."""
        if self._stopped or self.process.poll() is None:
            return None
        return self._reason(default="the sandbox has stopped")

    def stop(self, directory: Path | None = None) -> None:
        """End the process by closing its stdin; kill it when it does not end.

        The run's directory is removed here where the supervisor was killed.
        """
        if self._stopped:
            return
        self._stopped = True
        assert self.process.stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        for insist in (signal.SIGTERM, signal.SIGKILL):
            try:
                self.process.wait(STOP_SECONDS)
                break
            except subprocess.TimeoutExpired:
                self.process.send_signal(insist)
        self.process.wait()
        self._stderr.close()
        if directory is not None and directory.exists():
            _sweep(directory)

    def _reason(self, default: str = "it said nothing") -> str:
        with contextlib.suppress(OSError, ValueError):
            self._stderr.seek(0)
            lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1][:600]
        return default


def _sweep(directory: Path) -> None:
    """Remove what a killed supervisor has left, once its children are gone."""
    from tui.sandbox import processes  # noqa: PLC0415 - only the supervisor needs it otherwise

    deadline = time.monotonic() + SWEEP_SECONDS
    # Another process may sweep it first.
    while directory.exists() and time.monotonic() < deadline:
        if directory not in processes.sweep():
            time.sleep(0.05)


def described(error: Exception, what: str) -> dict[str, Any]:
    """An error as plain values, for the way from the supervisor to here.

    `what` could not be done, where nobody foresaw the error.
    """
    if not isinstance(error, OperatorError):
        logging.getLogger(__name__).error(what, exc_info=error)
        error = SandboxError(
            f"{what}: {type(error).__name__}: {error}",
            hint="this is a defect of the sandbox; point the console at a project meanwhile",
        )
    kind = "configuration" if isinstance(error, ConfigurationError) else "sandbox"
    return {"kind": kind, "message": error.message, "hint": error.hint}


def _error(values: dict[str, Any]) -> OperatorError:
    kind = ConfigurationError if values["kind"] == "configuration" else SandboxError
    return kind(values["message"], hint=values["hint"])
