"""Options, and one sandbox of each server version for the whole suite.

`python -m pytest tests/mutations --all-mutations` runs every mutation on every server version.
Without the option a third of them runs, each on one version, chosen by `--sample-seed` or else by
the day: six seeds in a row cover everything.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.mutations.bench import Bench
from tests.mutations.catalogue import SERVERS, chosen

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mutations")
    group.addoption("--all-mutations", action="store_true", help="run every mutation")


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


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """An intact sandbox on one server version; a test that mutates it has to repair it."""
    with contextlib.closing(Bench(SERVERS[request.param])) as bench:
        yield bench
