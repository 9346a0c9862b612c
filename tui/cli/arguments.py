"""The flags of the command. Scripts rely on them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, NoReturn

from tui import __version__
from tui.errors import ConfigurationError

_MODES: Final = ("dry_run", "purge", "heatmap", "log", "serve_sandbox")
CYCLE: Final = "cycle"
"""What is done where no flag says otherwise."""

WITH_EVIDENCE: Final = frozenset({CYCLE, "dry-run", "purge"})
"""What leaves a report behind."""

_ON_A_PROJECT: Final = {*WITH_EVIDENCE, "heatmap"}
_WRITING: Final = {CYCLE, "purge"}

# What a flag means something for, and whether it does so in the console too.
_MEANT_FOR: Final = {
    "json": (_ON_A_PROJECT, False),
    "sandbox": (_ON_A_PROJECT, True),
    "users": ({CYCLE, "dry-run"}, True),
    "questions": ({CYCLE, "dry-run"}, True),
    "batch": ({CYCLE, "dry-run"}, True),
    "refresh_runs": ({CYCLE}, True),
    "max_refresh_ms": ({CYCLE}, True),
    "max_regression": ({CYCLE}, True),
    "report": (WITH_EVIDENCE, False),
    "purge_unexplained": ({"purge"}, False),
    "purge_run": ({"purge"}, False),
    "allow_prod": (_WRITING, True),
    "confirm": (_WRITING, False),
    "justification": (_WRITING, False),
    "ticket": (_WRITING, False),
    "sandbox_faults": ({*_ON_A_PROJECT, "serve-sandbox"}, True),
}

EXAMPLES = """\
examples:
  heatmap-tui                                 the console, on the project of .env
  heatmap-tui --sandbox                       the console, on a local sandbox
  heatmap-tui --dry-run                       probes only; writes nothing, no screens
  heatmap-tui --headless --json > result.json the whole verification, for a pipeline
  heatmap-tui --env-file .env.staging --users 10 --questions 40
  heatmap-tui --purge                         remove what earlier runs left
  heatmap-tui --serve-sandbox > sandbox.env   keep a sandbox up for other clients

exit codes:
  0 verified or ready   1 failed   2 bad usage or configuration   3 refused by the guard
  4 interrupted, cleaned up   5 something is left behind   6 project cannot be reached
"""


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would end the process: `--json` needs its document."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(message, hint="heatmap-tui --help lists the flags")


def parser() -> argparse.ArgumentParser:
    """The command line: every flag, grouped, with examples and exit codes."""
    flags = _Parser(
        prog="heatmap-tui",
        description="Prove that a Supabase analytics heatmap is right, locked down and fast.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = flags.add_argument_group("what to do (default: the console)")
    what.add_argument(
        "--dry-run", action="store_true", help="probes only; writes nothing; headless"
    )
    what.add_argument(
        "--purge", action="store_true", help="remove what earlier runs left; headless"
    )
    what.add_argument("--heatmap", action="store_true", help="print the live heatmap; headless")
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
    how.add_argument("--batch", metavar="N", help="rows in one insert (HEATMAP_VERIFY_BATCH, 500)")
    how.add_argument("--refresh-runs", metavar="N", help="timed refreshes (1)")
    how.add_argument("--max-refresh-ms", metavar="N", help="fail when the refresh takes longer")
    how.add_argument(
        "--max-regression", metavar="PERCENT", help="fail when it is slower than earlier runs"
    )
    how.add_argument(
        "--report", type=Path, metavar="PATH", help="write the report: Markdown, and JSON beside it"
    )
    removal = flags.add_argument_group("purge: what it removes only when told to")
    removal.add_argument(
        "--purge-unexplained",
        type=_count,
        metavar="N",
        help="remove as well the N responses, no more and no fewer, that no run explains",
    )
    removal.add_argument(
        "--purge-run",
        action="append",
        default=[],
        metavar="RUN",
        help="remove a run's rows although it may be under way elsewhere; repeatable",
    )
    guard = flags.add_argument_group("break-glass: writing to production")
    guard.add_argument(
        "--allow-prod", action="store_true", help="permit it; headless, with the next two"
    )
    guard.add_argument("--confirm", metavar="PROJECT", help="the project ref, typed out; headless")
    guard.add_argument(
        "--justification", metavar="TEXT", help="why; goes on record first; headless"
    )
    guard.add_argument(
        "--ticket", metavar="TEXT", help="reference of the incident or change; headless"
    )
    faults = flags.add_argument_group("sandbox")
    faults.add_argument(
        "--sandbox-faults", metavar="SPEC", help="inject faults, to see them handled"
    )
    flags.add_argument("--version", action="version", version=f"heatmap-tui {__version__}")
    # The project, once it is classified: what is told of an error names it.
    flags.set_defaults(target=None)
    return flags


def mode_of(options: argparse.Namespace) -> str:
    """What is to be done, as the JSON document calls it."""
    chosen = [mode.replace("_", "-") for mode in _MODES if getattr(options, mode)]
    if len(chosen) > 1:
        names = " and ".join(f"--{mode}" for mode in chosen)
        raise ConfigurationError(f"{names} exclude each other", hint="choose one")
    return chosen[0] if chosen else CYCLE


def refuse_idle(options: argparse.Namespace, *, interactive: bool) -> None:
    """Refuse flags that would do nothing."""
    mode = mode_of(options)
    for name, (modes, in_console) in _MEANT_FOR.items():
        flag = f"--{name.replace('_', '-')}"
        if getattr(options, name) in (None, False, []):
            continue
        if mode not in modes:
            where = "without --purge" if mode == CYCLE else f"with --{mode}"
            raise ConfigurationError(f"{flag} has no meaning {where}", hint="leave it out")
        if interactive and not in_console:
            raise ConfigurationError(
                f"{flag} has no meaning in the console, which has its own way for it",
                hint="add --headless, or leave it out",
            )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of rows from 1 on")
    return int(text)


def variables(options: argparse.Namespace) -> dict[str, str | None]:
    """The flags that stand for a variable, under its name."""
    return {
        "HEATMAP_VERIFY_USERS": options.users,
        "HEATMAP_VERIFY_QUESTIONS": options.questions,
        "HEATMAP_VERIFY_BATCH": options.batch,
        "HEATMAP_REFRESH_RUNS": options.refresh_runs,
        "HEATMAP_MAX_REFRESH_MS": options.max_refresh_ms,
        "HEATMAP_MAX_REGRESSION": options.max_regression,
    }
