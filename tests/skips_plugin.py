"""With `--strict-skips`, a test that was skipped without a good reason has failed.

A gate that is green because nothing ran is no gate. Good reasons are what a machine cannot help: it
is another system, its user is or is not root, it has no older PostgreSQL, it has no tmux. Of the
last, the run says loudly at its end what did not run; with tmux there, it is no reason.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

NO_TMUX: Final = "tmux is not installed"
NO_AUTH_SERVER: Final = "no auth server is named in HEATMAP_SANDBOX_AUTH"
GOOD: Final = re.compile(
    r"(looks into|reads|is read from) /proc|no process list to read|needs a pseudo-terminal"
    r"|is about dropping root's privileges"
    r"|PostgreSQL \d+ knows no such thing"
    r"|npm has no (PostgREST|Supabase CLI)( pinned)? for this system"
    r"|plpgsql_check is not installed for this PostgreSQL|pg_cron is not installed"
    r"|nobody can execute neither"
    rf"|{NO_AUTH_SERVER}"
)


def is_good(reason: str) -> bool:
    """Return whether a test may be skipped for this reason, here."""
    if NO_TMUX in reason:
        return shutil.which("tmux") is None
    return GOOD.search(reason) is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--strict-skips", action="store_true", help="a skip without a good reason is a failure"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips into failures, other than expected failures and good ones."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if item.config.getoption("strict_skips") and not is_good(reason):
            report.outcome = "failed"
            report.longrepr = f"skipped without a good reason ({reason}): see {__name__}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what a missing tmux, or a missing auth server, has cost."""
    skipped = terminalreporter.stats.get("skipped", [])
    for what, reason in (
        ("in a real terminal", NO_TMUX),
        ("with the vendor's auth server", NO_AUTH_SERVER),
    ):
        missed = sum(reason in str(report.longrepr) for report in skipped)
        if missed:
            terminalreporter.section("NOT RUN", red=True, bold=True)
            terminalreporter.line(f"{missed} tests {what} did not run: {reason}.", red=True)
