"""Options, and one sandbox of each server version for the whole suite.

`python -m pytest tests/mutations --all-mutations` runs every mutation; without it a third of them,
chosen by `--mutation-seed` or else by the day, runs on every version.
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
    if "mutation" not in metafunc.fixturenames:
        return
    chosen = list(MUTATIONS)
    if not metafunc.config.getoption("--all-mutations", default=False):
        seed = seed_of(metafunc.config)
        # Three seeds in a row cover everything.
        random.Random(seed // 3).shuffle(chosen)
        names = {mutation.name for mutation in chosen[seed % 3 :: 3]}
        chosen = [mutation for mutation in MUTATIONS if mutation.name in names]
    metafunc.parametrize("mutation", chosen, ids=[mutation.name for mutation in chosen])


@pytest.fixture(scope="session", params=SERVERS)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """An intact sandbox on one server version; a test that mutates it has to repair it."""
    with contextlib.closing(Bench(SERVERS[request.param])) as bench:
        yield bench
