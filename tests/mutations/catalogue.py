"""Every mutation, and which run on which server version."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutations.broken_description import DESCRIPTION
from tests.mutations.broken_objects import GATES, OBJECTS
from tests.mutations.broken_rights import PRIVILEGES
from tests.mutations.broken_surroundings import KEYS, LIMITS, NETWORK
from tests.mutations.broken_tables import LEFTOVERS, TABLES

if TYPE_CHECKING:
    import pytest

    from tests.mutations.mutation import Mutation

# Names of objects are as in sql/analytics_heatmap.sql.
MUTATIONS: list[Mutation] = [
    *OBJECTS,
    *GATES,
    *PRIVILEGES,
    *TABLES,
    *DESCRIPTION,
    *LIMITS,
    *KEYS,
    *NETWORK,
    *LEFTOVERS,
]

OLDEST = Path("/usr/lib/postgresql/15/bin")
# The packaged server, and the oldest supported one where this machine has it.
SERVERS: dict[str, Path | None] = {"packaged": None}
if (OLDEST / "initdb").exists():
    SERVERS["15"] = OLDEST


def chosen(config: pytest.Config) -> list[tuple[str, Mutation]]:
    """Pairs of server version and mutation, those of a version together: each costs a start."""
    # Tests of the intact project come first and end on the last version: begin with that one.
    servers = list(reversed(SERVERS))
    if config.getoption("--all-mutations", default=False):
        return [(server, mutation) for server in servers for mutation in MUTATIONS]
    seed: int = config.getoption("--sample-seed")
    # Always the same shuffle, so that the thirds of three seeds in a row are different ones.
    third = random.Random(0).sample(MUTATIONS, len(MUTATIONS))[seed % 3 :: 3]
    # The same third comes again three seeds later, each mutation then on the next version.
    pairs = [
        (servers[(place + seed // 3) % len(servers)], mutation)
        for place, mutation in enumerate(third)
    ]
    return sorted(pairs, key=lambda pair: servers.index(pair[0]))
