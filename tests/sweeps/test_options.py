"""The sweeps' own rules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.sweeps.test_faults import KINDS, RUNS, of_each_kind

if TYPE_CHECKING:
    import pytest


def test_a_whole_sweep_has_no_time_limit(request: pytest.FixtureRequest, full: bool) -> None:
    limits = [mark.args for mark in request.node.iter_markers("timeout")]
    assert limits == ([(0,)] if full else [])


def test_the_sample_has_one_run_of_each_kind_and_others_another_day() -> None:
    samples = [of_each_kind(False, day) for day in range(739_900, 739_930)]
    for sample in samples:
        assert sorted(number % len(KINDS) for number in sample) == list(range(len(KINDS)))
    assert len({tuple(sample) for sample in samples}) == len(samples)
    assert of_each_kind(True, 1) == list(range(RUNS))


# In a worker it is always the first day.
MIDNIGHT = """
import os, types
import tests.conftest as subject

class Calendar:
    UTC = None
    datetime = types.SimpleNamespace(now=lambda zone: Calendar)
    date = staticmethod(lambda: types.SimpleNamespace(toordinal=lambda: 1))

if "PYTEST_XDIST_WORKER" in os.environ:
    subject.datetime = Calendar
"""
SHOW = """
import pytest

@pytest.mark.parametrize("n", range(4))
def test_seed(n, sample_seed):
    assert sample_seed != 1
"""


def test_a_run_that_begins_before_midnight_keeps_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "midnight.py").write_text(MIDNIGHT)
    (tmp_path / "test_it.py").write_text(SHOW)
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{tmp_path}")
    # Not those of the run that this test is in.
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)
    plugins = ["-p", "tests.conftest", "-p", "midnight", "-p", "no:cacheprovider", "-n", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", *plugins, str(tmp_path)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert "samples: --sample-seed 7" in done.stdout, "the seed is told, so that it can be given"
