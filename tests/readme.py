"""The README and the references beside the code, as tests read them: texts and commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PATHS: Final = (
    "README.md",
    "tui/cli/README.md",
    "sql/README.md",
    "tests/README.md",
    "tui/README.md",
    "tui/dry_run/README.md",
)
README: Final = (ROOT / PATHS[0]).read_text(encoding="utf-8")
COMMAND: Final = (ROOT / PATHS[1]).read_text(encoding="utf-8")
DOCUMENTS: Final = {path: (ROOT / path).read_text(encoding="utf-8") for path in PATHS}


def shell_blocks() -> list[str]:
    """Every block of shell commands, but those that only set variables, as in an `.env`."""
    text = "\n".join(DOCUMENTS.values())
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if not re.match(r"[A-Z_]+=", block)]


def shell_commands() -> list[str]:
    """Every shell command, on one line each."""
    return [
        re.sub(r"\s+", " ", line).strip()
        for block in shell_blocks()
        for line in block.replace("\\\n", " ").splitlines()
        if line
    ]


def block_with(words: str) -> str:
    """The one block of shell commands that holds these words."""
    (found,) = (block for block in shell_blocks() if words in block)
    return found


def workflow() -> str:
    """The workflow for a pipeline."""
    (found,) = re.findall(r"^```yaml\n(.*?)^```$", COMMAND, re.MULTILINE | re.DOTALL)
    return str(found)
