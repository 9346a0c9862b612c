"""A variant of a project: one SQL file, headed by what must come of a run on it.

The head is a comment that holds TOML:

| key | |
|---|---|
| `fail`, `warn`, `skip` | ids of the probes that say so of themselves; all others pass or follow |
| `ends` | the outcome of a run: `verified` where nothing is said, `not-ready`, `leftovers`, ... |
| `says` | words that the first line of a run that ends otherwise must hold |
| `repair` | SQL that does what the hint says in words, where it holds no SQL |
| `hint` | words of the hint by which that SQL is told |
| `after` | the outcome once the hint is done: `verified` where nothing is said; empty: not SQL |
| `superuser` | the SQL needs the platform's superuser; else it is the project's owner who runs it |

A line `-- @analytics` stands for sql/analytics_heatmap.sql, applied once more.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from tui.sandbox.postgres import sql_dir

DIRECTORY = Path(__file__).parent / "variants"
_HEAD = re.compile(r"/\*\n(.*?)\*/\n", re.DOTALL)
_ANALYTICS = "-- @analytics\n"
_STATEMENT = re.compile(
    r"(alter|begin|commit|create|delete|drop|grant|insert|notify|refresh|revoke|select|update)\s"
    r"|(begin|commit)$"
)


@dataclass(frozen=True)
class Variant:
    """A variant, and what must come of a run on it; see the module for the keys."""

    name: str
    sql: str
    title: str
    fail: list[str] = field(default_factory=list)
    warn: list[str] = field(default_factory=list)
    skip: list[str] = field(default_factory=list)
    ends: str = "verified"
    says: str = ""
    repair: str = ""
    hint: str = ""
    after: str = "verified"
    superuser: bool = False

    @classmethod
    def read(cls, path: Path) -> Variant:
        text = path.read_text()
        head = _HEAD.match(text)
        assert head is not None, f"{path.name} does not begin with a comment"
        script = text[head.end() :]
        if _ANALYTICS in script:
            script = script.replace(
                _ANALYTICS, (sql_dir() / "analytics_heatmap.sql").read_text() + "\n"
            )
        return cls(name=path.stem, sql=script, **tomllib.loads(head[1]))


def variants() -> list[Variant]:
    return [Variant.read(path) for path in sorted(DIRECTORY.glob("*.sql"))]


def sql_in(hint: str) -> list[str]:
    """The statements that a hint holds, and the files that it says to apply, ready to be run."""
    found = [
        (sql_dir().parent / name).read_text()
        for name in dict.fromkeys(re.findall(r"sql/analytics_\w+\.sql", hint))
    ]
    for piece in hint.split(";"):
        for words in (piece.strip(), piece.rpartition(": ")[2].strip()):
            if _STATEMENT.match(words) and "sql/" not in words:
                found.append(words)
                break
    return found
