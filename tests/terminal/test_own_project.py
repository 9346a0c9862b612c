"""From a first run with nothing configured to the evidence of a project of one's own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.terminal.screen import DEADLINE_S, HAS_TMUX, ROOT, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(not HAS_TMUX, reason="tmux is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@contextlib.contextmanager
def served(directory: Path) -> Iterator[dict[str, str]]:
    """A second sandbox, served as the README says; its variables as it prints them."""
    with subprocess.Popen(
        [sys.executable, "-m", "tui", "--serve-sandbox"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            lines = (line.strip().partition("=") for line in server.stdout)
            variables: dict[str, str] = {}
            for name, _, value in lines:
                variables[name] = value
                if name == "SUPABASE_DB_URL":
                    break
            yield variables
        finally:
            server.terminate()
            server.wait(DEADLINE_S)


def test_from_nothing_configured_to_the_evidence_of_ones_own_project(tmp_path: Path) -> None:
    here, state = tmp_path / "here", tmp_path / "state"
    here.mkdir()
    environment = {
        "XDG_STATE_HOME": str(state),
        "HEATMAP_VERIFY_USERS": "9",
        "HEATMAP_VERIFY_QUESTIONS": "20",
    }
    with (
        served(here) as project,
        Terminal([], size=(80, 24), environment=environment, directory=here) as terminal,
    ):
        start = terminal.wait_for("SANDBOX", "connected")
        assert "This is the sandbox" in start
        assert "cp .env.example .env" in start

        # It is described in a file, as the screen says, and opened by keys.
        file = here / ".env"
        file.touch(mode=0o600)
        lines = [f"{name}={value}" for name, value in project.items() if name != "SUPABASE_DB_URL"]
        file.write_text("\n".join([*lines, "HEATMAP_VERIFY_NON_PROD_HOSTS=127.0.0.1", ""]))
        place = project["SUPABASE_URL"].removeprefix("http://")
        terminal.press("o")
        terminal.wait_for("Which project?", ".env")
        terminal.press("Enter")
        terminal.wait_for(place, "connected", "/.env")

        # Another file is chosen by keys.
        shutil.copy2(file, here / ".env.staging")
        terminal.press("o")
        terminal.wait_for("Which project?", "* .env", ".env.staging")
        terminal.step("Down")
        terminal.press("Enter")
        terminal.wait_for(place, "connected", "/.env.staging")

        terminal.press("d")
        terminal.wait_for("ready to write synthetic data")
        terminal.press("h")
        terminal.wait_for("Live view", "refreshed")
        terminal.press("e")
        terminal.wait_for("Heatmap dry run: ready")
        terminal.press("s")
        terminal.wait_for("Saved the evidence")
        terminal.press("q")
        assert terminal.exit_code() == 0
    [report] = state.glob("*/reports/*.md")
    assert report.read_text().startswith("# Heatmap dry run: ready")
    assert json.loads(report.with_suffix(".json").read_text())["ready"] is True
