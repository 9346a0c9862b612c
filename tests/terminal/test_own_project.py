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
        assert "n describes it and writes its .env file, o opens one there is" in start

        # Describe the project: keys are never on the screen.
        terminal.press("n")
        terminal.wait_for("New environment file")
        terminal.step("BTab", "BTab", "BTab", "BTab", "BTab")
        terminal.type(project["SUPABASE_URL"])
        terminal.wait_for(project["SUPABASE_URL"])
        for key in ("SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY"):
            terminal.step("Tab")
            terminal.type(project[key])
            terminal.wait_until(lambda lines: sum("•••••" in line for line in lines) > 0)
        terminal.step("Tab")
        terminal.wait_for("[ ] no")
        terminal.step("Space")
        filled = terminal.wait_for("[x] yes")
        for key in ("SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY"):
            assert project[key][:20] not in filled
        terminal.step("Tab", "Tab", "Tab")
        terminal.press("Enter")

        # It was checked, written for the owner alone, and opened.
        place = project["SUPABASE_URL"].removeprefix("http://")
        terminal.wait_for(place, "connected", "/.env")
        file = here / ".env"
        assert file.stat().st_mode & 0o777 == 0o600
        for name in ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_ANON_KEY"):
            assert f"{name}={project[name]}" in file.read_text().splitlines()

        # Another file is chosen by keys.
        shutil.copy2(file, here / ".env.staging")
        terminal.press("o")
        terminal.wait_for("Which project?", ".env  (in use)", ".env.staging")
        terminal.step("Down")
        terminal.press("Enter")
        terminal.wait_for(place, "connected", "/.env.staging")

        terminal.press("d")
        terminal.wait_for("ready to write synthetic data")
        terminal.press("h")
        terminal.wait_for("Live view", "all of them")
        terminal.press("e")
        terminal.wait_for("# Heatmap dry run: ready")
        terminal.press("s")
        terminal.wait_for("Saved the evidence")
        terminal.press("q")
        assert terminal.exit_code() == 0
    [report] = state.glob("*/reports/*.md")
    assert report.read_text().startswith("# Heatmap dry run: ready")
    assert json.loads(report.with_suffix(".json").read_text())["ready"] is True
