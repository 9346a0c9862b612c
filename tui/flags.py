"""The flags of the command. Scripts rely on them."""

from __future__ import annotations

import argparse
from pathlib import Path

from tui import __version__

EXAMPLES = """\
examples:
  heatmap-tui                                 the console, on the project of .env
  heatmap-tui --sandbox                       the console, on a local sandbox
  heatmap-tui --dry-run --headless            probes only; writes nothing
  heatmap-tui --headless --json > result.json the whole verification, for a pipeline
  heatmap-tui --env-file .env.staging --users 10 --questions 40
  heatmap-tui --purge                         remove what earlier runs left
  heatmap-tui --serve-sandbox > sandbox.env   keep a sandbox up for other clients

exit codes:
  0 verified or ready   1 failed   2 bad usage or configuration   3 refused by the guard
  4 interrupted, cleaned up   5 something is left behind   6 project cannot be reached
"""


def parser() -> argparse.ArgumentParser:
    """The command line: every flag, grouped, with examples and exit codes."""
    flags = argparse.ArgumentParser(
        prog="heatmap-tui",
        description="Prove that a Supabase analytics heatmap is right, locked down and fast.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = flags.add_argument_group("what to do (default: the console)")
    what.add_argument("--dry-run", action="store_true", help="probes only; writes nothing")
    what.add_argument("--purge", action="store_true", help="remove what earlier runs left")
    what.add_argument("--heatmap", action="store_true", help="print the live heatmap")
    what.add_argument("--log", action="store_true", help="show and verify the deployment log")
    what.add_argument(
        "--serve-sandbox",
        action="store_true",
        help="start the sandbox, print its environment, stay until interrupted",
    )
    how = flags.add_argument_group("how")
    how.add_argument("--headless", action="store_true", help="no screens (default without a tty)")
    how.add_argument("--json", action="store_true", help="one JSON document on stdout; headless")
    how.add_argument("--sandbox", action="store_true", help="run against a local sandbox")
    how.add_argument("--env-file", type=Path, metavar="PATH", help="read this instead of .env")
    how.add_argument("--users", metavar="N", help="synthetic users (HEATMAP_VERIFY_USERS, 50)")
    how.add_argument("--questions", metavar="N", help="questions (HEATMAP_VERIFY_QUESTIONS, 200)")
    how.add_argument(
        "--batch", metavar="N", help="rows in the first inserts (HEATMAP_VERIFY_BATCH, 500)"
    )
    how.add_argument("--refresh-runs", metavar="N", help="timed refreshes (1)")
    how.add_argument("--max-refresh-ms", metavar="N", help="fail when the refresh takes longer")
    how.add_argument(
        "--max-regression", metavar="PERCENT", help="fail when it is slower than earlier runs"
    )
    how.add_argument(
        "--report", type=Path, metavar="PATH", help="write the evidence: Markdown, JSON and JUnit"
    )
    guard = flags.add_argument_group("break-glass: writing to production")
    guard.add_argument("--allow-prod", action="store_true", help="permit it, with the two below")
    guard.add_argument("--confirm", metavar="PROJECT", help="the project ref, typed out")
    guard.add_argument("--justification", metavar="TEXT", help="why; goes on record first")
    guard.add_argument("--ticket", metavar="TEXT", help="reference of the incident or change")
    faults = flags.add_argument_group("sandbox")
    faults.add_argument(
        "--sandbox-faults", metavar="SPEC", help="inject faults, to see them handled"
    )
    flags.add_argument("--version", action="version", version=f"heatmap-tui {__version__}")
    return flags
