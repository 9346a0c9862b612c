"""The document of `analytics_heatmap_preflight()`, read with care.

Its keys are described in the header of `sql/analytics_heatmap_preflight.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a database says of itself.

    Attributes:
        document: The document as it came.
    """

    document: dict[str, Any]

    @classmethod
    def read(cls, reply: Any) -> Self:
        """Take a reply of the function.

        Raises:
            ValueError: It is no document of the version this console reads.
        """
        if not isinstance(reply, dict) or reply.get("schema") != SCHEMA:
            found = reply.get("schema") if isinstance(reply, dict) else type(reply).__name__
            raise ValueError(f"the document is of version {found}; this console reads {SCHEMA}")
        return cls(reply)

    def at(self, *path: str) -> Any:
        """The value at a path of keys; None where the database has nothing to say.

        Raises:
            ValueError: The document has no such key.
        """
        value: Any = self.document
        for number, key in enumerate(path, 1):
            if not isinstance(value, dict) or key not in value:
                raise ValueError(f"the preflight document has no {'.'.join(path[:number])}")
            value = value[key]
        return value
