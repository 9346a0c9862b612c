"""The option for all variants, and the sandbox that they share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.projects.variant import Variant, variants
from tests.projects.zoo import Zoo

if TYPE_CHECKING:
    from collections.abc import Iterator

# So many days in a row run every variant.
DAYS = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-projects", action="store_true", help="every variant, not a part")


def chosen(config: pytest.Config) -> list[Variant]:
    """All variants, or a quarter: of four seeds in a row, each is in one."""
    if config.getoption("--all-projects", default=False):
        return variants()
    return variants()[config.getoption("--sample-seed") % DAYS :: DAYS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "variant" in metafunc.fixturenames:
        cases = chosen(metafunc.config)
        metafunc.parametrize("variant", cases, ids=[each.name for each in cases])


@pytest.fixture(scope="session")
def zoo() -> Iterator[Zoo]:
    with contextlib.closing(Zoo()) as zoo:
        yield zoo
