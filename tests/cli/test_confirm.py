"""The headless twin at a terminal: asked, interrupted, and hung up on."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.cli.test_main import project
from tests.pseudo import OnTerminal
from tests.sandbox.helpers import eventually
from tests.verify.conftest import contents
from tui.evidence.deployment_log import DeploymentLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tui.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

REASON: Final = "restoring the index after the incident of today"
GLASS: Final = ("--headless", "--allow-prod", "--confirm", "127.0.0.1", "--justification", REASON)
ASKED: Final = "Type 127.0.0.1 to go on"
# Enough and slow enough to be met in the middle.
LARGE: Final = {"HEATMAP_VERIFY_USERS": "40", "HEATMAP_VERIFY_BATCH": "20"}


def production(sandbox: Sandbox, tmp_path: Path, **more: str) -> dict[str, str]:
    return project(
        sandbox,
        HEATMAP_VERIFY_PROD_HOSTS="127.0.0.1",
        HEATMAP_DEPLOYMENT_LOG=str(tmp_path / "log.jsonl"),
        **more,
    )


def reading_only(sandbox: Sandbox) -> bool:
    return {seen.method for seen in sandbox.requests()} <= {"GET", "HEAD"}


# --- hung up --------------------------------------------------------------------------------------


def test_a_terminal_that_is_closed_in_the_middle_leaves_nothing_behind(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    with OnTerminal("--headless", **project(sandbox, **LARGE)) as terminal:
        terminal.wait_for("questions: 20 done")
        terminal.hang_up()
        assert terminal.exit_code() == 4
    assert contents(sandbox) == before


def test_a_terminal_that_is_closed_while_it_asks_writes_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    before = contents(sandbox)
    sandbox.clear_requests()
    with OnTerminal(*GLASS, **production(sandbox, tmp_path)) as terminal:
        terminal.wait_for(ASKED)
        terminal.hang_up()
        # What comes first decides: the signal, or the end of what is typed.
        assert terminal.exit_code() in {3, 4}
    assert reading_only(sandbox)
    assert contents(sandbox) == before


# --- asked ----------------------------------------------------------------------------------------


def test_the_verdict_and_the_effects_are_told_before_it_asks(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    before = contents(sandbox)
    with OnTerminal(*GLASS, **production(sandbox, tmp_path)) as terminal:
        terminal.wait_for(ASKED)
        told = terminal.text.partition(ASKED)[0]
        places = [
            told.index("ready to write synthetic data"),
            told.index("PRODUCTION: this writes to 127.0.0.1"),
            told.index("Writes 9 users, 20 questions, 180 responses, all tagged."),
            told.index("Refreshes the view twice"),
            told.index("Deletes the tagged rows again, and nothing else."),
        ]
        assert places == sorted(places)
        assert contents(sandbox) == before
        terminal.type("127.0.0.1")
        assert terminal.exit_code() == 0, terminal.text
    assert contents(sandbox) == before
    intent, outcome = DeploymentLog(tmp_path / "log.jsonl").read()
    assert (intent.justification, outcome.outcome) == (REASON, "verified")


def test_a_purge_says_what_it_deletes(sandbox: Sandbox, tmp_path: Path) -> None:
    arguments = ("--purge", *GLASS[1:])
    with OnTerminal(*arguments, **production(sandbox, tmp_path)) as terminal:
        terminal.wait_for(ASKED)
        assert "Deletes every tagged row and refreshes the view." in terminal.text
        terminal.type("127.0.0.1")
        assert terminal.exit_code() == 0, terminal.text


@pytest.mark.parametrize("typed", ["", "yes", "localhost", "127.0.0.1 really"])
def test_anything_else_typed_is_a_refusal(sandbox: Sandbox, tmp_path: Path, typed: str) -> None:
    before = contents(sandbox)
    sandbox.clear_requests()
    with OnTerminal(*GLASS, **production(sandbox, tmp_path)) as terminal:
        terminal.wait_for(ASKED)
        terminal.type(typed)
        assert terminal.exit_code() == 3
        assert "was not confirmed at the terminal" in terminal.text
    assert reading_only(sandbox)
    assert contents(sandbox) == before
    assert DeploymentLog(tmp_path / "log.jsonl").read() == ()


@pytest.mark.parametrize("unattended", [{}, {"HEATMAP_VERIFY_ALLOW_PROD_UNATTENDED": "127.0.0.1"}])
def test_what_was_typed_ahead_is_no_answer(
    sandbox: Sandbox, tmp_path: Path, unattended: dict[str, str]
) -> None:
    before = contents(sandbox)
    with OnTerminal(*GLASS, **production(sandbox, tmp_path, **unattended)) as terminal:
        terminal.wait_for("PRODUCTION")
        terminal.type("127.0.0.1")
        # Where there is a terminal, no variable answers for it.
        terminal.wait_for(ASKED)
        terminal.type("no")
        assert terminal.exit_code() == 3, terminal.text
    assert contents(sandbox) == before
    assert DeploymentLog(tmp_path / "log.jsonl").read() == ()


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP", "ctrl-c"])
def test_a_signal_leaves_the_question(sandbox: Sandbox, tmp_path: Path, how: str) -> None:
    before = contents(sandbox)
    sandbox.clear_requests()
    with OnTerminal(*GLASS, **production(sandbox, tmp_path)) as terminal:
        terminal.wait_for(ASKED)
        if how == "ctrl-c":
            terminal.press(b"\x03")
        else:
            terminal.signal(signal.Signals[how])
        assert terminal.exit_code() == 4, terminal.text
    assert "stopping; nothing was written" in terminal.text
    assert reading_only(sandbox)
    assert contents(sandbox) == before
    assert DeploymentLog(tmp_path / "log.jsonl").read() == ()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            ("--confirm", "127.0.0.1", "--justification", "test test test test test"),
            "the justification",
        ),
        (("--confirm", "localhost", "--justification", REASON), "what was typed is something else"),
        (("--justification", REASON), "nothing was typed"),
        (("--confirm", "127.0.0.1"), "the justification"),
    ],
    ids=["filler", "another project", "no project", "no reason"],
)
@pytest.mark.parametrize("mode", ["--headless", "--purge"])
def test_flags_that_do_not_do_are_refused_before_anybody_is_asked(
    sandbox: Sandbox, tmp_path: Path, mode: str, changed: tuple[str, ...], says: str
) -> None:
    sandbox.clear_requests()
    environment = production(sandbox, tmp_path)
    with OnTerminal(mode, "--allow-prod", *changed, **environment) as terminal:
        assert terminal.exit_code() == 3
        assert says in terminal.text
        assert "to go on" not in terminal.text
    # The database was asked what it is, and nothing else was.
    assert [seen.method for seen in sandbox.requests()] == ["GET"]


# --- what a terminal does not change --------------------------------------------------------------


def test_a_dry_run_at_a_terminal_opens_no_console(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    sandbox.clear_requests()
    with OnTerminal("--dry-run", **project(sandbox)) as terminal:
        assert terminal.exit_code() == 0, terminal.text
    assert "ready to write synthetic data" in terminal.text
    assert "\x1b[?1049h" not in terminal.text
    assert reading_only(sandbox)
    assert contents(sandbox) == before


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (("--report", "evidence.md"), "--report"),
        (("--allow-prod", "--confirm", "127.0.0.1"), "--confirm"),
        (("--allow-prod", "--justification", REASON), "--justification"),
        (("--ticket", "OPS-1"), "--ticket"),
        (("--purge-unexplained", "3"), "--purge-unexplained"),
        (("--purge-run", "20260101-abcdefgh"), "--purge-run"),
        (("--purge", "--users", "5"), "--users"),
        (("--heatmap", "--batch", "5"), "--batch"),
        (("--dry-run", "--allow-prod"), "--allow-prod"),
        (("--dry-run", "--refresh-runs", "5"), "--refresh-runs"),
        (("--dry-run", "--purge-unexplained", "3"), "--purge-unexplained"),
        (("--log", "--sandbox"), "--sandbox"),
        (("--serve-sandbox", "--max-refresh-ms", "5"), "--max-refresh-ms"),
        (("--log", "--json"), "--json"),
        (("--heatmap", "--report", "evidence.md"), "--report"),
        (("--dry-run", "--confirm", "127.0.0.1"), "--confirm"),
        (("--sandbox-faults", "latency=1"), "--sandbox-faults"),
    ],
)
def test_a_flag_that_would_do_nothing_is_refused(
    sandbox: Sandbox, arguments: tuple[str, ...], flag: str
) -> None:
    sandbox.clear_requests()
    with OnTerminal(*arguments, **project(sandbox)) as terminal:
        assert terminal.exit_code() == 2, terminal.text
    assert f"{flag} has no meaning" in terminal.text
    assert "\x1b[?1049h" not in terminal.text
    assert sandbox.requests() == []


# --- interrupted ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["--dry-run", "--heatmap", "--headless", "--purge"])
def test_ctrl_c_ends_what_waits_for_a_server_that_hangs(
    start_private_sandbox: Callable[..., Sandbox], mode: str
) -> None:
    sandbox = start_private_sandbox()
    # The project says what it is, then no more for longer than this test has.
    sandbox.set_faults("slow=1,slow_seconds=120,skip=1")
    with OnTerminal(mode, **project(sandbox)) as terminal:
        terminal.wait_for("[LOCAL")
        terminal.press(b"\x03")
        assert terminal.exit_code() == 4, terminal.text
    assert "stopping; nothing was written" in terminal.text
    assert "--purge" not in terminal.text.partition("stopping")[2]
    assert reading_only(sandbox)


def test_ctrl_c_before_there_is_a_project_ends_at_once(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    sandbox.set_faults("slow=1,slow_seconds=120")
    sandbox.clear_requests()
    with OnTerminal("--headless", "--json", **project(sandbox)) as terminal:
        assert eventually(lambda: len(sandbox.requests()) > 0)
        terminal.press(b"\x03")
        assert terminal.exit_code() == 4, terminal.text
    assert '"outcome": "interrupted"' in terminal.text
