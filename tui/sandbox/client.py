"""The console's side of a sandbox: starting the supervisor, and talking to it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from tui.errors import SandboxError
from tui.sandbox import protocol
from tui.sandbox.options import SandboxOptions, SandboxStage

if TYPE_CHECKING:
    from collections.abc import Callable

# The supervisor has its own, shorter limits for every step; these guard against its silence.
START_SECONDS = 270.0
REQUEST_SECONDS = 130.0
STOP_SECONDS = 15.0
SWEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request that reached the front door.

    Attributes:
        method: In capitals.
        path: With the query, as sent.
        status: What it was answered; 0 while it is under way.
    """

    method: str
    path: str
    status: int


class Sandbox:
    """A running sandbox. Made by `start_sandbox` or `start_sandbox_sync`.

    Attributes:
        url: What `SUPABASE_URL` would say.
        service_role_key: Legacy JWT with role `service_role`.
        anon_key: Legacy JWT with role `anon`.
        secret_key: Opaque `sb_secret_...` key.
        publishable_key: Opaque `sb_publishable_...` key.
        db_url: A superuser's connection over the Unix socket.
        jwt_secret: Signs the JWTs that PostgREST and the auth emulation accept.
        pid: The supervisor's process id.
        directory: Where everything of the run lies; gone after `stop`.
    """

    def __init__(self, link: _Link, details: dict[str, Any]) -> None:
        self._link = link
        self.url: str = details["url"]
        self.service_role_key: str = details["service_role_key"]
        self.anon_key: str = details["anon_key"]
        self.secret_key: str = details["secret_key"]
        self.publishable_key: str = details["publishable_key"]
        self.db_url: str = details["db_url"]
        self.jwt_secret: str = details["jwt_secret"]
        self.directory = Path(details["directory"])
        self.pid = link.process.pid

    def __repr__(self) -> str:
        return f"Sandbox(url={self.url!r}, pid={self.pid})"

    @property
    def failure(self) -> str | None:
        """What has died in the sandbox since it started, in one line, or None."""
        return self._link.failure

    async def stop(self) -> None:
        """Stop everything and remove it from disk. Does nothing the second time."""
        await asyncio.to_thread(self.stop_sync)

    def stop_sync(self) -> None:
        """Do what `stop` does, blocking for a moment."""
        self._link.stop()

    def set_faults(self, spec: str | None) -> None:
        """Inject faults from the next request on, or none.

        Args:
            spec: See `tui.sandbox.faults`; None injects nothing.

        Raises:
            ConfigurationError: The specification is wrong.
        """
        self._link.ask("faults", spec)

    def requests(self) -> list[SeenRequest]:
        """Return the latest requests at the front door, oldest first; at most 50,000."""
        return [SeenRequest(*seen) for seen in self._link.ask("requests")]

    def clear_requests(self) -> None:
        """Forget the requests seen so far."""
        self._link.ask("clear-requests")

    def restart_postgrest(self) -> None:
        """Kill PostgREST and wait until a new one serves."""
        self._link.ask("restart-postgrest")

    def stop_database(self) -> None:
        """Stop PostgreSQL; requests fail until `start_database`."""
        self._link.ask("stop-database")

    def start_database(self) -> None:
        """Start PostgreSQL again and wait until PostgREST has found it."""
        self._link.ask("start-database")


async def start_sandbox(
    options: SandboxOptions | None = None,
    on_stage: Callable[[SandboxStage], None] | None = None,
) -> Sandbox:
    """Start a sandbox.

    Args:
        options: How to start it; None takes the defaults.
        on_stage: Called in this event loop as stages begin and finish.

    Raises:
        ConfigurationError: An option makes no sense, or the port is taken.
        SandboxError: Something cannot be started; nothing is left running or on disk.
    """
    loop = asyncio.get_running_loop()

    def report(stage: SandboxStage) -> None:
        if on_stage is not None:
            loop.call_soon_threadsafe(on_stage, stage)

    link = _Link(options or SandboxOptions())
    waiting = asyncio.create_task(asyncio.to_thread(link.ready, report))
    try:
        return Sandbox(link, await asyncio.shield(waiting))
    except asyncio.CancelledError:
        await asyncio.to_thread(link.stop)
        await asyncio.gather(waiting, return_exceptions=True)
        raise


def start_sandbox_sync(
    options: SandboxOptions | None = None,
    on_stage: Callable[[SandboxStage], None] | None = None,
) -> Sandbox:
    """Do what `start_sandbox` does, blocking; `on_stage` is called in this thread."""
    link = _Link(options or SandboxOptions())
    try:
        return Sandbox(link, link.ready(on_stage or (lambda _: None)))
    except BaseException:
        link.stop()
        raise


class _Link:
    """The process of a supervisor and the lines between it and us."""

    def __init__(self, options: SandboxOptions) -> None:
        if sys.platform == "win32":
            raise SandboxError(
                "the sandbox runs on Linux and macOS",
                hint="point the console at a project instead: set SUPABASE_URL",
            )
        self.failure: str | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[Any]] = {}
        self._progress: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._stopping = False
        self._directory: Path | None = None
        try:
            # A file without a name: what the supervisor says last can be read, and nothing stays.
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tui.sandbox"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                # From here `-m` finds this very package, installed or in a checkout.
                cwd=Path(__file__).resolve().parent.parent.parent,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(
                f"the sandbox cannot be started: {error.strerror}",
                hint="is the temporary directory writable? set TMPDIR to another",
            ) from error
        threading.Thread(target=self._listen, name="sandbox", daemon=True).start()
        self._send(options.to_json())

    def ready(self, on_stage: Callable[[SandboxStage], None]) -> dict[str, Any]:
        """Wait for the start to end and return the connection details.

        Raises:
            OperatorError: It failed.
        """
        while True:
            try:
                message = self._progress.get(timeout=START_SECONDS)
            except Empty:
                self.stop()
                raise SandboxError(
                    f"the sandbox was silent for {START_SECONDS:.0f} s while starting",
                    hint="is the machine very busy? try again",
                ) from None
            if message is None:
                last_words = self._last_words()
                self.stop()
                raise SandboxError(
                    f"the sandbox stopped while starting: {last_words}",
                    hint="try again; `python -m tui.sandbox` is the process that ended",
                )
            if "stage" in message:
                on_stage(SandboxStage(**message["stage"]))
            elif "failed" in message:
                self.stop()
                raise protocol.to_error(message["failed"])
            else:
                details: dict[str, Any] = message["ready"]
                self._directory = Path(details["directory"])
                return details

    def ask(self, action: str, argument: Any = None) -> Any:
        """Have the supervisor do something and return its answer.

        Raises:
            OperatorError: It could not, or it has gone.
        """
        answer: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            self._answers[number] = answer
        self._send({"id": number, "do": action, "with": argument})
        if self.process.poll() is not None:
            self._abandon()
        try:
            return answer.result(REQUEST_SECONDS)
        except TimeoutError:
            raise SandboxError(f"the sandbox did not answer to {action!r}") from None
        finally:
            self._answers.pop(number, None)

    def stop(self) -> None:
        """End the supervisor by closing its life line; insist when it does not listen."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
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
        self._sweep()

    def _sweep(self) -> None:
        """Remove what a supervisor that was killed has left, once its children are gone."""
        if self._directory is None or not self._directory.exists():
            return
        # Not at the top: there is no such thing on Windows, where this module must still load.
        from tui.sandbox import rundir  # noqa: PLC0415

        deadline = time.monotonic() + SWEEP_SECONDS
        # Another process may sweep it first.
        while self._directory.exists() and time.monotonic() < deadline:
            if self._directory not in rundir.sweep():
                time.sleep(0.05)

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None  # noqa: S101 - a pipe was asked for
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(protocol.encode(message))
            self.process.stdin.flush()

    def _listen(self) -> None:
        """Hand out the supervisor's lines, in a thread of its own, to their end."""
        assert self.process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in self.process.stdout:
            message = protocol.decode(line)
            if "id" in message:
                self._answer(message)
            elif "died" in message:
                self.failure = message["died"]
            else:
                self._progress.put(message)
        if not self._stopping and self.failure is None:
            self.failure = "the sandbox has stopped"
        self._progress.put(None)
        self._abandon()

    def _answer(self, message: dict[str, Any]) -> None:
        waiting = self._answers.get(message["id"])
        if waiting is None or waiting.done():
            return
        if "failed" in message:
            waiting.set_exception(protocol.to_error(message["failed"]))
        else:
            waiting.set_result(message.get("result"))

    def _abandon(self) -> None:
        for waiting in list(self._answers.values()):
            with contextlib.suppress(Exception):
                waiting.set_exception(SandboxError("the sandbox has stopped"))

    def _last_words(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            self._stderr.seek(0)
            lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1][:300]
        return "it said nothing"
