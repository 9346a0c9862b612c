"""The files that the command leaves, asked for on a real command line, against a real project."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

from tests.cli.test_main import command, project

if TYPE_CHECKING:
    from pathlib import Path

    from tui.sandbox import Sandbox

CLOSED = "http://127.0.0.1:9"


def left(
    sandbox: Sandbox, folder: Path, *flags: str, **environment: str
) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and Markdown of a command, whose job page shows that very Markdown."""
    job = folder / "summary.md"
    job.write_text("## Earlier step\n")
    path = folder / "made" / "report.md"
    done = command(
        "--headless",
        "--report",
        str(path),
        *flags,
        **project(sandbox, GITHUB_STEP_SUMMARY=str(job), **environment),
    )
    assert path.exists(), done.stderr
    files = [path.with_suffix(suffix) for suffix in (".md", ".json")]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 2
    for file in files:
        assert str(file) in done.stderr
        assert sandbox.service_role_key not in file.read_text()
    found = json.loads(files[1].read_text())
    assert found["exit_code"] == done.returncode
    text = files[0].read_text()
    assert job.read_text() == f"## Earlier step\n{text}\n"
    return done.returncode, found, text


def test_a_verification_leaves_report_and_json(sandbox: Sandbox, tmp_path: Path) -> None:
    code, found, text = left(sandbox, tmp_path, "--refresh-runs", "3")
    assert code == 0
    assert found["outcome"] == "verified"
    assert len(found["refresh_runs_ms"]) == 3
    assert found["evidence"]["versions"]["postgrest"]
    assert text.startswith("# Heatmap verification: verified\n")
    assert "| later | 2 | **" in text


def test_a_broken_threshold_is_in_all_of_them(sandbox: Sandbox, tmp_path: Path) -> None:
    code, found, text = left(sandbox, tmp_path, "--max-refresh-ms", "1")
    assert (code, found["outcome"]) == (1, "failed")
    assert "`--max-refresh-ms 1`: **broken**" in text


def test_a_dry_run_leaves_them_too(sandbox: Sandbox, tmp_path: Path) -> None:
    code, found, text = left(sandbox, tmp_path, "--dry-run")
    assert (code, found["mode"], found["outcome"]) == (0, "dry-run", "ready")
    assert text.startswith("# Heatmap dry run: ready\n")


def test_a_dry_run_that_is_not_ready_leaves_them_too(sandbox: Sandbox, tmp_path: Path) -> None:
    code, found, text = left(
        sandbox, tmp_path, "--dry-run", SUPABASE_SERVICE_ROLE_KEY=sandbox.anon_key
    )
    assert (code, found["outcome"]) == (1, "not-ready")
    assert "- **fail** `target.key`" in text


def test_a_purge_leaves_them_too(sandbox: Sandbox, tmp_path: Path) -> None:
    code, found, text = left(sandbox, tmp_path, "--purge")
    assert (code, found["mode"]) == (0, "purge")
    assert text.startswith("# Heatmap purge: clean\n")


def test_a_project_out_of_reach_leaves_them_too(sandbox: Sandbox, tmp_path: Path) -> None:
    code, found, text = left(sandbox, tmp_path, SUPABASE_URL=CLOSED)
    assert (code, found["outcome"]) == (6, "unreachable")
    assert "- **fail** `target.reachable`" in text


def test_a_refused_run_leaves_them_too(sandbox: Sandbox, tmp_path: Path) -> None:
    code, found, text = left(sandbox, tmp_path, HEATMAP_VERIFY_PROD_HOSTS="127.0.0.1")
    assert (code, found["outcome"]) == (3, "refused")
    assert text.startswith("# Heatmap verification: refused\n")
