"""The sandbox's PostgreSQL: found, initialised, started and stopped without its service tools."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from typing import TYPE_CHECKING
from urllib.parse import quote

from tui.errors import ConfigurationError, SandboxError
from tui.sandbox import children, programs
from tui.sandbox.threads import in_thread

if TYPE_CHECKING:
    from pathlib import Path

    from tui.sandbox.rundir import RunDirectory
    from tui.sandbox.watchdog import Watchdog

PORT = 5432
# The platform's superuser is `supabase_admin`; its `postgres` is an ordinary role.
SUPERUSER = "supabase_admin"
DATABASE = "postgres"
# What the heatmap's SQL needs.
OLDEST_VERSION = 15
VERSION_SECONDS = 10.0
# A crash of the machine loses the sandbox anyway, so nothing is spent on surviving one. The limit
# on the write-ahead log keeps the directory small: it grows past 1 GB by default.
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "track_counts": "on",
    "autovacuum": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_min_messages": "warning",
    "unix_socket_permissions": "0700",
}


class Postgres:
    """One PostgreSQL server, reachable over a Unix socket alone.

    Args:
        binaries: The directory holding `initdb` and `postgres`.
        run: Where it lives.
        watchdog: Ends it after a kill of ours, where the kernel cannot.
    """

    def __init__(self, binaries: Path, run: RunDirectory, watchdog: Watchdog | None) -> None:
        self._binaries = binaries
        self._run = run
        self._watchdog = watchdog
        self._account = children.server_account()
        self._process: asyncio.subprocess.Process | None = None
        self._helper: asyncio.subprocess.Process | None = None
        self._stopping = False
        self.version = "?"

    def url(self, user: str = SUPERUSER) -> str:
        """Return the URI of a connection as this user; the socket's directory is the only lock."""
        return f"postgresql://{user}@/{DATABASE}?host={quote(str(self._run.sockets), safe='')}"

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process is not None and self._process.returncode is None

    async def probe(self) -> str:
        """Return the server's version, having made sure that its account can execute it.

        As root the server runs as `nobody`, who may not be able to reach binaries in a private
        home: they are then copied into the run's directory.

        Raises:
            ConfigurationError: The program does not run, does not answer or is too old.
        """
        try:
            text = await self._run_version()
        except PermissionError as error:
            if self._account is None:
                raise self._unusable("cannot be executed: permission denied") from error
            binaries, copy = self._binaries, self._run.path / "pg"
            self._binaries = await in_thread(lambda: programs.copy(binaries, copy))
            text = await self._run_version()
        match = re.search(r"\(PostgreSQL\) (\d+)(\S*)", text)
        if match is None or int(match[1]) < OLDEST_VERSION:
            said = text.strip().splitlines()[-1] if text.strip() else "nothing"
            raise ConfigurationError(
                f"{self._binaries / 'postgres'} is not a PostgreSQL {OLDEST_VERSION} or newer: "
                f"asked for its version, it said {said}",
                hint="set HEATMAP_SANDBOX_POSTGRES to the bin directory of a newer PostgreSQL",
            )
        self.version = match[1] + match[2]
        return self.version

    async def _run_version(self) -> str:
        """Return what the program says of its version.

        Raises:
            PermissionError: The account may not execute it.
            ConfigurationError: It cannot be executed for another reason, or says nothing.
        """
        log = self._run.log("version")
        log.unlink(missing_ok=True)
        try:
            process = await self._start([self._binaries / "postgres", "--version"], log)
        except PermissionError:
            raise
        except OSError as error:
            raise self._unusable(f"cannot be executed: {error.strerror}") from error
        self._helper = process
        try:
            await asyncio.wait_for(process.wait(), VERSION_SECONDS)
        except TimeoutError:
            await children.end(process, signal.SIGKILL, group=True)
            waited = f"{VERSION_SECONDS:.0f} s"
            raise self._unusable(f"did not tell its version within {waited}") from None
        return log.read_text(encoding="utf-8", errors="replace")

    def _unusable(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._binaries / 'postgres'} {what}",
            hint="set HEATMAP_SANDBOX_POSTGRES to the bin directory of another PostgreSQL",
        )

    async def initdb(self) -> None:
        """Create the cluster.

        Raises:
            SandboxError: initdb failed or cannot be started; the message ends with why.
        """
        for path in (self._run.data, self._run.sockets):
            path.mkdir(mode=0o700, exist_ok=True)
            if self._account is not None:
                shutil.chown(path, self._account.uid, self._account.gid)
        log = self._run.log("initdb")
        command: list[str | Path] = [
            self._binaries / "initdb",
            f"--pgdata={self._run.data}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        process = self._helper = await self._begin("initdb", command, log, signal.SIGKILL)
        if await process.wait() != 0:
            raise SandboxError(
                f"initdb failed: {children.tail(log)}",
                hint="check the free space in the temporary directory, or set TMPDIR to another",
            )
        settings = self._run.data / "postgresql.auto.conf"
        settings.write_text(
            "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
            + f"unix_socket_directories = '{self._run.sockets}'\n",
            encoding="utf-8",
        )
        if self._account is not None:
            shutil.chown(settings, self._account.uid, self._account.gid)

    async def start(self) -> None:
        """Start the server and wait until it accepts connections. One that runs is left alone.

        Raises:
            SandboxError: It exited early or cannot be started; the message ends with why.
        """
        if self.running:
            return
        self._stopping = False
        log = self._run.log("postgres")
        command: list[str | Path] = [self._binaries / "postgres", "-D", self._run.data]
        self._process = await self._begin("PostgreSQL", command, log, signal.SIGQUIT)
        status = self._run.data / "postmaster.pid"
        while not self._accepts_connections(status):
            if self._process.returncode is not None:
                raise SandboxError(
                    f"PostgreSQL stopped while starting: {children.tail(log)}",
                    hint="check the free memory and the space in the temporary directory",
                )
            await asyncio.sleep(0.01)

    def _accepts_connections(self, status: Path) -> bool:
        # The eighth line of postmaster.pid is the server's own word on its state.
        try:
            lines = status.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    async def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends sessions in order, SIGQUIT drops everything at once."""
        self._stopping = True
        await children.end(self._helper, signal.SIGKILL, group=True)
        await children.end(self._process, how)
        if self._process is not None and self._watchdog is not None:
            self._watchdog.forget(self._process.pid)
        self._process = None

    async def death(self) -> str | None:
        """Wait for the server to end; return the tail of its log, or None when we stopped it."""
        process = self._process
        if process is None:
            return None
        await process.wait()
        return None if self._stopping else children.tail(self._run.log("postgres"))

    async def _begin(
        self, name: str, command: list[str | Path], log: Path, death_signal: signal.Signals
    ) -> asyncio.subprocess.Process:
        """Start a program that has been probed: what keeps it from starting now is the machine."""
        try:
            return await self._start(command, log, death_signal)
        except OSError as error:
            raise SandboxError(
                f"{name} could not be started: {error.strerror}",
                hint="check the free memory, and the limit on processes (ulimit -u)",
            ) from error

    async def _start(
        self,
        command: list[str | Path],
        log: Path,
        death_signal: signal.Signals = signal.SIGQUIT,
    ) -> asyncio.subprocess.Process:
        return await children.start(
            command,
            directory=self._run.path,
            log=log,
            death_signal=death_signal,
            account=self._account,
            lock=self._run.lock,
            watchdog=self._watchdog,
        )
