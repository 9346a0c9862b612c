"""The README as tests read it: its text, and the commands in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")


def shell_blocks() -> list[str]:
    """Every block of shell commands, but those that only set variables, as in an `.env`."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
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
    (found,) = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(found)
