"""The wheel: built from the sources, installed elsewhere, run from a third place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tui import __version__

ROOT: Final = Path(__file__).parents[1]
# What the build needs, and nothing that would only lie about.
SOURCES: Final = ("tui", "sql", "pyproject.toml", "README.md", "LICENSE")


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the build backend comes with the dev extra")
    sources = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, sources / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, sources / name)
    built = tmp_path_factory.mktemp("built")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(built), str(sources))
    (found,) = built.glob("heatmap_tui-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return target


def run(installed: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the test's own directory, with the installed console and no checkout."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    return subprocess.run(
        [sys.executable, *command],
        env={**environment, "PYTHONPATH": str(installed), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_wheel_carries_all_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        for name in sorted(held):
            source = ROOT / (name.removeprefix("tui/") if name.startswith("tui/sql/") else name)
            assert archive.read(name) == source.read_bytes(), name
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tui").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    sql = {
        f"tui/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "sql").rglob("*")
        if path.is_file()
    }
    assert len(sql) >= 9
    assert held == ours | sql


def test_it_installs_a_command_and_says_its_version(installed: Path) -> None:
    assert (installed / "bin" / "heatmap-tui").is_file()
    for command in (("-m", "tui"), (str(installed / "bin" / "heatmap-tui"),)):
        done = run(installed, *command, "--version")
        assert (done.returncode, done.stdout) == (0, f"heatmap-tui {__version__}\n"), done.stderr


def test_package_sql_and_styles_come_from_where_it_is_installed(installed: Path) -> None:
    program = (
        "import tui\n"
        "from tui.console.app import HeatmapApp\n"
        "from tui.sandbox.postgres import sql_dir, sql_path\n"
        "print(tui.__file__)\n"
        "print(sql_dir())\n"
        "print(sql_path('analytics_heatmap.sql', sql_dir()).stat().st_size)\n"
        "print(HeatmapApp(lambda _: None).css_path[0])\n"
    )
    done = run(installed, "-c", program)
    assert done.returncode == 0, done.stderr
    module, folder, size, style = done.stdout.split()
    assert module == str(installed / "tui" / "__init__.py")
    assert folder == str(installed / "tui" / "sql")
    assert int(size) == (ROOT / "sql" / "analytics_heatmap.sql").stat().st_size
    assert Path(style).is_relative_to(installed)
    assert Path(style).is_file()


def test_an_installed_console_brings_up_its_own_sandbox(installed: Path) -> None:
    done = run(installed, "-m", "tui", "--sandbox", "--dry-run", "--headless")
    assert done.returncode == 0, done.stderr
    assert "ready to write synthetic data" in done.stderr
    assert str(ROOT / "sql") not in done.stderr


def test_without_its_sql_it_says_so_and_leaves_the_checkout_alone(
    installed: Path, tmp_path: Path
) -> None:
    shutil.copytree(installed / "tui", tmp_path / "tui", ignore=shutil.ignore_patterns("sql"))
    done = run(tmp_path, "-m", "tui", "--sandbox", "--dry-run", "--headless")
    assert done.returncode == 6, done.stderr
    assert "the SQL files are missing" in done.stderr
    assert "Traceback" not in done.stderr
