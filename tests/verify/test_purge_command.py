"""The purge command that is told is the one that works."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dry_run.contexts import OPAQUE, settings_for
from tui.guard.target import TargetKind, classify
from tui.verify.clean_up import PurgeCommand

URL = "https://abcdefghijklmnopqrst.supabase.co"
SETTINGS = settings_for(URL, OPAQUE)
STAGING = classify(URL, OPAQUE, non_prod_hosts=("abcdefghijklmnopqrst",))
PRODUCTION = classify(URL, OPAQUE)


def test_the_default_file_needs_no_word() -> None:
    assert PurgeCommand(SETTINGS, STAGING).line() == "heatmap-tui --purge"
    settings = replace(SETTINGS, env_file=Path(".env"))
    assert PurgeCommand(settings, STAGING).line() == "heatmap-tui --purge"


@pytest.mark.parametrize("name", [".env.staging", "other/.env", "with space/.env", "it's"])
def test_another_file_is_named_and_quoted(name: str) -> None:
    settings = replace(SETTINGS, env_file=Path(name))
    line = PurgeCommand(settings, STAGING).line()
    assert shlex.split(line) == ["heatmap-tui", "--purge", "--env-file", name]


def test_a_working_directory_that_is_gone_costs_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    command = PurgeCommand(replace(SETTINGS, env_file=there / ".env"), STAGING)
    assert command.line() == "heatmap-tui --purge"
    there.rmdir()
    assert shlex.split(command.line())[-1] == str(there / ".env")


def test_the_sandbox_is_named_and_no_file() -> None:
    settings = replace(SETTINGS, env_file=Path(".env.staging"))
    line = PurgeCommand(settings, STAGING, is_sandbox=True).line()
    assert line == "heatmap-tui --purge --sandbox"


def test_production_takes_all_of_break_glass() -> None:
    assert PRODUCTION.kind is TargetKind.PRODUCTION
    command = PurgeCommand(
        SETTINGS,
        PRODUCTION,
        justification="the index's gone; $(see) ticket",
        ticket="OPS-1",
    )
    assert shlex.split(command.line(unexplained=31, runs=("20260131-9f3c21aa",))) == [
        *("heatmap-tui", "--purge", "--allow-prod", "--confirm", "abcdefghijklmnopqrst"),
        *("--purge-unexplained", "31", "--purge-run", "20260131-9f3c21aa", "--ticket", "OPS-1"),
        *("--justification", "the index's gone; $(see) ticket"),
    ]


def test_a_reason_that_nobody_gave_is_left_open() -> None:
    line = PurgeCommand(SETTINGS, PRODUCTION).line()
    assert line.endswith('--confirm abcdefghijklmnopqrst --justification "..."')
