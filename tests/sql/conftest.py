"""Fixtures: each PostgreSQL at hand, with template databases to copy a fresh one from."""

from __future__ import annotations

import fcntl
import itertools
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from .cluster import OWNER, SQL, Cluster, installed, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg

PLATFORM = ("sandbox/20_auth.sql", "sandbox/30_app.sql")
ANALYTICS = ("analytics_heatmap.sql", "analytics_heatmap_preflight.sql")
VERSIONS = installed()
assert VERSIONS, "no PostgreSQL is installed: every test of the SQL would be skipped"

_numbers = itertools.count(1)


@dataclass
class Database:
    """One throw-away database.

    Attributes:
        cluster: The server it is on.
        name: Its name.
        kind: `old` with the automatic grants of older projects, `new` without.
    """

    cluster: Cluster
    name: str
    kind: str = "new"
    _open: list[psycopg.Connection] = field(default_factory=list)

    def connect(self, user: str = OWNER) -> psycopg.Connection:
        """Open a session, closed with the database."""
        connection = self.cluster.connect(self.name, user)
        self._open.append(connection)
        return connection

    def apply(self, *files: str, user: str = OWNER) -> None:
        """Apply files below `sql/`."""
        self.cluster.apply(self.name, *files, user=user)

    @contextmanager
    def request(
        self, role: str, claims: dict[str, Any] | None = None, *, read_only: bool = False
    ) -> Iterator[psycopg.Connection]:
        """Run a `with` block as PostgREST runs a request: one transaction as this role."""
        with self.cluster.connect(self.name, "authenticator") as session, session.transaction():
            if read_only:
                session.execute("set transaction read only")
            session.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
                (role, json.dumps({"role": role, **(claims or {})})),
            )
            yield session

    def close(self) -> None:
        """End every session and drop the database."""
        for connection in self._open:
            connection.close()
        self.cluster.drop(self.name)


@pytest.fixture(scope="session", params=sorted(VERSIONS))
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Each PostgreSQL at hand, running, with the templates `bare` and `ready`, each of both kinds.

    `bare_*` holds the platform alone, `ready_*` the analytics SQL as well. `*_old` have the
    automatic grants of older projects, `*_new` do not.
    """
    binaries = VERSIONS[request.param]()
    # One for all workers of the run: the first that asks makes it, the others copy it.
    made = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        made = made.parent
    template = made / f"cluster-{request.param}"
    with locked(template.with_suffix(".lock")):
        if not template.exists():
            with running(binaries, keep=template) as server:
                fill(server)
    with running(binaries, template=template) as server:
        yield server


def fill(server: Cluster) -> None:
    """Make the templates."""
    for kind, automatic in (("old", "on"), ("new", "off")):
        bare, ready = f"bare_{kind}", f"ready_{kind}"
        server.create(bare)
        with server.connect(bare) as session:
            session.execute(f"set sandbox.automatic_grants = '{automatic}'")
            session.execute((SQL / "sandbox/10_roles.sql").read_bytes())
        server.apply(bare, *PLATFORM)
        with server.connect(bare) as session:
            session.execute(PEOPLE)
        server.create(ready, bare)
        server.apply(ready, *ANALYTICS, user=OWNER)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the other workers of this run out."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy(cluster: Cluster, holds: str, kind: str = "new") -> Iterator[Database]:
    name = f"t{next(_numbers)}"
    cluster.create(name, f"{holds}_{kind}")
    database = Database(cluster, name, kind)
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def bare(cluster: Cluster) -> Iterator[Database]:
    """A database with the platform, without the analytics SQL."""
    yield from _copy(cluster, "bare")


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Iterator[Database]:
    """Like `ready`, shared by a module whose tests leave it as they found it."""
    yield from _copy(cluster, "ready")


@pytest.fixture
def trial(shared: Database) -> Iterator[psycopg.Connection]:
    """The owner's session in a transaction that is rolled back after the test."""
    with (
        shared.cluster.connect(shared.name, OWNER) as session,
        session.transaction(force_rollback=True),
    ):
        yield session


@pytest.fixture
def ready(cluster: Cluster) -> Iterator[Database]:
    """A database with the platform and the analytics SQL, without responses."""
    yield from _copy(cluster, "ready")


@pytest.fixture(params=["old", "new"])
def granted(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Like `ready`, with the old automatic grants and without."""
    yield from _copy(cluster, "ready", request.param)


@pytest.fixture
def bare_old(cluster: Cluster) -> Iterator[Database]:
    """Like `bare`, with the old automatic grants."""
    yield from _copy(cluster, "bare", "old")


# Twelve learners and an administrator: enough for every count that a property test wants.
PEOPLE = """
insert into auth.users (id, email)
  select md5('person ' || n)::uuid, 'person-' || n || '@learners.example.org'
  from generate_series(0, 12) n;
update public.app_users set role = 'admin' where id = md5('person 0')::uuid;
"""


def person(number: int) -> UUID:
    """Return the id of a person of the template; 0 is the administrator."""
    return UUID(md5(f"person {number}".encode()).hexdigest())
