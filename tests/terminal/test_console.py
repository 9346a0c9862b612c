"""The console in a real terminal: walked by keys, stopped, signalled, resized, killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.sandbox.helpers import eventually
from tests.terminal.screen import HAS_TMUX, Terminal
from tests.verify.conftest import contents

if TYPE_CHECKING:
    from tui.sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(not HAS_TMUX, reason="tmux is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

SMALL = ("--users", "9", "--questions", "20")
# Long enough to be stopped in the middle, on any machine.
LONG = ("--users", "60", "--questions", "1500", "--batch", "10")


def project(sandbox: Sandbox) -> dict[str, str]:
    """The variables that make a sandbox an ordinary project."""
    return {
        "SUPABASE_URL": sandbox.url,
        "SUPABASE_SERVICE_ROLE_KEY": sandbox.service_role_key,
        "SUPABASE_ANON_KEY": sandbox.anon_key,
    }


def slowly(sandbox: Sandbox) -> dict[str, str]:
    """The same, for a run that takes its time without taking the processor's."""
    return {**project(sandbox), "HEATMAP_VERIFY_CONCURRENCY": "1"}


def tagged(sandbox: Sandbox) -> int:
    """Questions of ours in the database."""
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        row = connection.execute(
            "select count(*) from public.questions where slug like 'heatmap-verification-%'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def start_run(terminal: Terminal) -> None:
    """From the first screen into a run."""
    terminal.wait_for("connected")
    terminal.press("Enter")
    terminal.wait_for("ready to write synthetic data")
    terminal.press("r")
    terminal.wait_for("Nothing has been written so far")
    terminal.press("Enter")
    terminal.wait_for("Write responses")


def start_long_run(terminal: Terminal, sandbox: Sandbox) -> None:
    """Into a run that has written more than its canary, whose one question goes again."""
    start_run(terminal)
    assert eventually(lambda: tagged(sandbox) > 1), terminal.screen()


def test_first_run_from_the_sandbox_to_the_evidence() -> None:
    with Terminal(["--sandbox", *SMALL], size=(80, 24)) as terminal:
        start = terminal.wait_for("connected", "SANDBOX")
        assert "This is the sandbox" in start
        start_run(terminal)
        result = terminal.wait_for("VERIFIED", "✓ nothing")
        assert "160/160" in result
        terminal.press("h")
        terminal.wait_for("Sample of the last run", "160 rows")
        terminal.press("e")
        terminal.wait_for("Heatmap verification: verified")
        terminal.press("q")
        assert terminal.exit_code() == 0


@pytest.mark.parametrize("key", ["Escape", "C-c"])
def test_stopping_a_run_leaves_nothing(sandbox: Sandbox, key: str) -> None:
    before = contents(sandbox)
    with Terminal(LONG, environment=slowly(sandbox)) as terminal:
        start_long_run(terminal, sandbox)
        terminal.press(key)
        if key == "Escape":
            terminal.wait_for("esc again")
            terminal.press(key)
        terminal.wait_for("INTERRUPTED")
        terminal.press("q")
        assert terminal.exit_code() == 4
    assert contents(sandbox) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_a_run_cleans_up_and_says_so(sandbox: Sandbox, number: signal.Signals) -> None:
    before = contents(sandbox)
    with Terminal(LONG, environment=slowly(sandbox)) as terminal:
        start_long_run(terminal, sandbox)
        terminal.kill(number)
        assert terminal.exit_code() == 4
        assert "heatmap-tui:" in terminal.screen()
        assert "Traceback" not in terminal.screen()
    assert contents(sandbox) == before


def test_closing_the_terminal_in_a_run_cleans_up(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    with Terminal(LONG, environment=slowly(sandbox)) as terminal:
        start_long_run(terminal, sandbox)
        pid = terminal.console_pid()
    subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], check=True, timeout=60)
    assert contents(sandbox) == before


def test_a_killed_run_is_offered_at_the_next_start_and_purged(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    with Terminal(LONG, environment=slowly(sandbox)) as terminal:
        start_long_run(terminal, sandbox)
        terminal.kill(signal.SIGKILL)
        terminal.exit_code()
    assert tagged(sandbox) > 0
    with Terminal(SMALL, environment=project(sandbox)) as terminal:
        terminal.wait_for("connected", "did not close")
        terminal.press("p")
        terminal.wait_for("Remove leftovers from", "Keep them")
        terminal.step("Tab", "Enter")
        terminal.wait_for("CLEAN")
        terminal.press("q")
        assert terminal.exit_code() == 0
    assert contents(sandbox) == before


def test_ctrl_c_at_every_screen_asks_before_leaving() -> None:
    with Terminal(["--sandbox", *SMALL]) as terminal:
        start_run(terminal)
        terminal.wait_for("VERIFIED")
        for key, words in (
            ("t", "connected"),
            ("d", "ready to write"),
            ("3", "Nothing has been written so far"),
            ("4", "VERIFIED"),
            ("h", "Sample of the last run"),
            ("e", "Heatmap verification"),
        ):
            terminal.press(key)
            terminal.wait_for(words)
            terminal.press("C-c")
            terminal.wait_for("Leave the console?")
            terminal.press("Enter")
            terminal.wait_without("Leave the console?")
            terminal.wait_for(words)
        terminal.press("C-c")
        terminal.wait_for("Leave the console?")
        terminal.press("C-c")
        assert terminal.exit_code() == 0


def test_ctrl_c_in_front_of_a_dialog_asks_before_leaving() -> None:
    with Terminal(["--sandbox", *SMALL]) as terminal:
        terminal.wait_for("connected")
        for place, key, words in (
            ("t", "?", "Target: help"),
            ("t", "p", "Remove leftovers from"),
            ("h", "w", "Save the heatmap"),
        ):
            terminal.press(place)
            terminal.wait_for({"t": "connected", "h": "Live view"}[place])
            terminal.press(key)
            terminal.wait_for(words)
            terminal.press("C-c")
            terminal.wait_for("Leave the console?")
            terminal.press("Enter")
            terminal.wait_without("Leave the console?")
            terminal.wait_for(words)
            terminal.press("Escape")
            terminal.wait_without(words)
        terminal.press("C-c")
        terminal.wait_for("Leave the console?")
        terminal.press("C-c")
        assert terminal.exit_code() == 0


def test_resizing_during_a_run(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    with Terminal(LONG, size=(200, 60), environment=slowly(sandbox)) as terminal:
        start_long_run(terminal, sandbox)
        for columns, rows in ((80, 24), (120, 40), (80, 24)):
            terminal.resize(columns, rows)
            # The banner on the first line, the keys on the last, all stages in between.
            lines = terminal.wait_until(
                lambda screen, last=rows - 1: (
                    screen[0].startswith("  ● LOCAL")  # type: ignore[misc]
                    and len(screen) == last + 1
                    and screen[last].endswith("q Quit")
                    and any("Audit what is left" in line for line in screen)
                )
            )
            assert all(len(line) <= columns for line in lines)
            assert sum("Write responses" in line for line in lines) >= 1
        terminal.press("Escape")
        terminal.wait_for("esc again")
        terminal.press("Escape")
        terminal.wait_for("INTERRUPTED")
        terminal.press("q")
        terminal.exit_code()
    assert contents(sandbox) == before


def test_production_is_refused_without_leave_and_granted_by_typing(sandbox: Sandbox) -> None:
    before = contents(sandbox)
    production = {**project(sandbox), "HEATMAP_VERIFY_PROD_HOSTS": "127.0.0.1"}
    with Terminal(SMALL, environment=production) as terminal:
        terminal.wait_for("PRODUCTION", "connected")
        terminal.press("d")
        terminal.wait_for("ready, but writes are refused here", "heatmap-tui --allow-prod")
        terminal.press("r")
        terminal.wait_for("Writes are refused here")
        terminal.press("r")
        terminal.wait_for("This is production")
        terminal.press("q")
        terminal.exit_code()
    assert contents(sandbox) == before
    with Terminal(["--allow-prod", *SMALL], environment=production) as terminal:
        terminal.wait_for("PRODUCTION", "connected")
        terminal.press("d")
        terminal.wait_for("ready to write synthetic data")
        terminal.press("r")
        terminal.wait_for("Nothing has been written so far")
        terminal.step("Right", "Enter")
        terminal.wait_for("Break-glass")
        terminal.type("127.0.0.2")
        terminal.wait_for("  127.0.0.2")
        terminal.step("Tab")
        terminal.type("Refresh regressed after the release; measuring before the rollback")
        terminal.step("Tab", "Tab", "Tab", "Enter")
        terminal.wait_for("break-glass is refused")
        assert contents(sandbox) == before
        terminal.step("End", "BSpace", "1")
        terminal.step("Tab", "Tab", "Tab", "Tab", "Enter")
        terminal.wait_for("VERIFIED", "PRODUCTION")
        terminal.press("q")
        assert terminal.exit_code() == 0
    assert contents(sandbox) == before
