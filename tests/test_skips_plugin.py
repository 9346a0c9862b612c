"""What `--strict-skips` makes of a skipped test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import skips_plugin

TESTS = """
import pytest

def test_runs(): pass

@pytest.mark.skipif(True, reason="is about dropping root's privileges")
def test_of_another_user(): pass

@pytest.mark.skipif(True, reason="nobody felt like it")
def test_for_no_reason(): pass

@pytest.mark.parametrize("nothing", [])
def test_with_nothing_to_test(nothing): pass

def test_without_its_package(): pytest.importorskip("no_such_package")

@pytest.mark.xfail
def test_known_to_fail(): assert False

@pytest.mark.skipif(True, reason="tmux is not installed")
def test_in_a_terminal(): pass
"""


@pytest.fixture(autouse=True)
def plain_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that this test belongs to may be a strict one."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def run(directory: Path, *options: str) -> str:
    (directory / "test_it.py").write_text(TESTS)
    plain = ["-p", "tests.skips_plugin", "-p", "no:xdist", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", *plain, *options, str(directory)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_without_the_option_nothing_changes(tmp_path: Path) -> None:
    told = run(tmp_path)
    assert "1 passed, 5 skipped, 1 xfailed" in told
    assert "1 tests in a real terminal did not run: tmux is not installed" in told


def test_with_the_option_only_good_reasons_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = run(tmp_path, "--strict-skips")
    # A test that is skipped before it begins is an error, in pytest's words.
    assert "1 failed, 1 passed, 2 skipped, 1 xfailed, 2 errors" in told
    for name in ("test_for_no_reason", "test_with_nothing_to_test", "test_without_its_package"):
        assert f"::{name}" in told
    assert "nobody felt like it" in told


def test_where_tmux_is_there_it_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, good in ((None, True), ("/usr/bin/tmux", False)):
        monkeypatch.setattr(shutil, "which", lambda _, found=place: found)
        assert skips_plugin.is_good("Skipped: tmux is not installed") is good
