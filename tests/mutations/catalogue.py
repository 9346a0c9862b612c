"""Every mutation, as data. Names of objects are as in sql/analytics_heatmap.sql."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mutations.broken_description import DESCRIPTION
from tests.mutations.broken_objects import GATES, OBJECTS
from tests.mutations.broken_rights import PRIVILEGES
from tests.mutations.broken_surroundings import KEYS, LIMITS, NETWORK
from tests.mutations.broken_tables import LEFTOVERS, TABLES

if TYPE_CHECKING:
    from tests.mutations.mutation import Mutation

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
