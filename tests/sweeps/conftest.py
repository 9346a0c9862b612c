"""The option for the whole sweep, and the sandbox the sweeps share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sandbox.helpers import options
from tui.sandbox import Sandbox, start_sandbox_sync

if TYPE_CHECKING:
    from collections.abc import Iterator


HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-sweep", action="store_true", help="every point, not a sample")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A whole sweep is one long test: what may hang in it has limits of its own."""
    if config.getoption("full_sweep", default=False):
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("full_sweep", default=False))


@pytest.fixture
def arena() -> Iterator[Sandbox]:
    """A sandbox of one test's own: sweeps break it on purpose."""
    sandbox = start_sandbox_sync(options())
    yield sandbox
    sandbox.stop_sync()
