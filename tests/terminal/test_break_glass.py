"""Break-glass at a real keyboard: what lacks something is refused, what has it all is on record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.terminal.screen import HAS_TMUX, Terminal
from tests.verify.conftest import contents
from tui.evidence.deployment_log import DeploymentLog

if TYPE_CHECKING:
    from pathlib import Path

    from tui.sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(not HAS_TMUX, reason="tmux is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

REASON = "Refresh regressed after the release; measuring before the rollback"


def production(sandbox: Sandbox, log: Path) -> dict[str, str]:
    return {
        "SUPABASE_URL": sandbox.url,
        "SUPABASE_SERVICE_ROLE_KEY": sandbox.service_role_key,
        "SUPABASE_ANON_KEY": sandbox.anon_key,
        "HEATMAP_VERIFY_PROD_HOSTS": "127.0.0.1",
        "HEATMAP_DEPLOYMENT_LOG": str(log),
        "HEATMAP_VERIFY_USERS": "9",
        "HEATMAP_VERIFY_QUESTIONS": "20",
    }


def open_dialog(terminal: Terminal) -> None:
    """From the first screen to the dialog, its first field focused."""
    terminal.wait_for("PRODUCTION", "connected")
    terminal.press("d")
    terminal.wait_for("ready to write synthetic data")
    terminal.press("r")
    terminal.wait_for("Nothing has been written so far")
    terminal.step("Right", "Enter")
    terminal.wait_for("Break-glass")


def fill(terminal: Terminal, project: str, reason: str) -> None:
    """Type both, and choose to write."""
    terminal.type(project)
    terminal.step("Tab")
    if reason:
        terminal.type(reason)
    terminal.step("Tab", "Tab", "Tab", "Enter")


@pytest.mark.parametrize(
    ("project", "reason", "says"),
    [
        ("localhost", REASON, "break-glass is refused"),
        ("127.0.0.1", "too short", "justification"),
        ("127.0.0.1", "", "justification"),
        ("127.0.0.1", "test test test test test test", "justification"),
    ],
    ids=["another project", "a short reason", "no reason", "filler"],
)
def test_what_lacks_something_is_refused(
    sandbox: Sandbox, tmp_path: Path, project: str, reason: str, says: str
) -> None:
    before = contents(sandbox)
    log = tmp_path / "log.jsonl"
    with Terminal(["--allow-prod"], environment=production(sandbox, log)) as terminal:
        open_dialog(terminal)
        fill(terminal, project, reason)
        terminal.wait_for(says)
        assert contents(sandbox) == before
    assert DeploymentLog(log).read() == ()


def test_the_safe_choice_is_the_one_that_enter_takes(sandbox: Sandbox, tmp_path: Path) -> None:
    before = contents(sandbox)
    environment = production(sandbox, tmp_path / "log.jsonl")
    with Terminal(["--allow-prod"], environment=environment) as terminal:
        open_dialog(terminal)
        terminal.step("Enter", "Enter", "Enter")
        terminal.press("Enter")
        terminal.wait_for("Nothing has been written so far")
    assert contents(sandbox) == before


def test_a_log_that_cannot_be_written_refuses_the_run(sandbox: Sandbox, tmp_path: Path) -> None:
    before = contents(sandbox)
    (tmp_path / "file").write_text("in the way")
    environment = production(sandbox, tmp_path / "file" / "log.jsonl")
    with Terminal(["--allow-prod"], environment=environment) as terminal:
        open_dialog(terminal)
        fill(terminal, "127.0.0.1", REASON)
        terminal.wait_for("deployment log cannot be written")
        assert contents(sandbox) == before


def test_one_run_is_permitted_and_on_record_and_the_next_asks_again(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    before = contents(sandbox)
    log = tmp_path / "log.jsonl"
    with Terminal(["--allow-prod"], environment=production(sandbox, log)) as terminal:
        open_dialog(terminal)
        fill(terminal, "127.0.0.1", REASON)
        terminal.wait_for("VERIFIED")
        intent, outcome = DeploymentLog(log).read()
        assert (intent.event, intent.justification) == ("intent", REASON)
        assert (outcome.event, outcome.outcome) == ("outcome", "verified")
        terminal.press("3")
        terminal.wait_for("Nothing has been written so far")
        terminal.step("Right", "Enter")
        terminal.wait_for("Break-glass")
        assert len(DeploymentLog(log).read()) == 2
    assert contents(sandbox) == before
    assert DeploymentLog(log).check().problems == ()
