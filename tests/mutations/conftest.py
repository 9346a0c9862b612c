"""Options, and one sandbox of each server version for the whole suite.

`python -m pytest tests/mutations --all-mutations` runs every mutation on every server version.
Without the option a third of them runs, each on one version, chosen by `--mutation-seed` or else by
the day: six seeds in a row cover everything.
"""

from __future__ import annotations

import contextlib
import datetime
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mutations.bench import Bench
from tests.mutations.catalogue import MUTATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mutations.mutation import Mutation

OLDEST = Path("/usr/lib/postgresql/15/bin")
# The packaged server, and the oldest supported one where this machine has it.
SERVERS: dict[str, Path | None] = {"packaged": None}
if (OLDEST / "initdb").exists():
    SERVERS["15"] = OLDEST


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mutations")
    group.addoption("--all-mutations", action="store_true", help="run every mutation")
    group.addoption("--mutation-seed", type=int, default=None, help="which third to run")


def seed_of(config: pytest.Config) -> int:
    given: int | None = config.getoption("--mutation-seed", default=None)
    return datetime.datetime.now(datetime.UTC).date().toordinal() if given is None else given


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mutation" in metafunc.fixturenames:
        cases = chosen(metafunc.config)
        metafunc.parametrize(
            ("bench", "mutation"),
            cases,
            ids=[f"{server}-{mutation.name}" for server, mutation in cases],
            indirect=["bench"],
            scope="session",
        )
    elif "bench" in metafunc.fixturenames:
        metafunc.parametrize("bench", SERVERS, indirect=True, scope="session")


def chosen(config: pytest.Config) -> list[tuple[str, Mutation]]:
    """Pairs of server version and mutation to run, versions together: each costs a start."""
    if config.getoption("--all-mutations", default=False):
        return [(server, mutation) for server in SERVERS for mutation in MUTATIONS]
    seed = seed_of(config)
    shuffled = list(MUTATIONS)
    random.Random(seed // 6).shuffle(shuffled)
    servers = list(SERVERS)
    # The same third comes again three seeds later, each mutation then on the other version.
    third = shuffled[seed % 3 :: 3]
    turn = seed // 3
    pairs = [(servers[(n + turn) % len(servers)], each) for n, each in enumerate(third)]
    return sorted(pairs, key=lambda pair: (servers.index(pair[0]), MUTATIONS.index(pair[1])))


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """An intact sandbox on one server version; a test that mutates it has to repair it."""
    with contextlib.closing(Bench(SERVERS[request.param])) as bench:
        yield bench
