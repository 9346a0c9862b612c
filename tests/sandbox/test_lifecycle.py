"""A sandbox starts for everybody, and nothing of it survives its end, however that comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import platformdirs
import psycopg
import pytest

import tui
from tests.sandbox.helpers import eventually, headers, is_alive, processes_in, rows
from tui.sandbox import (
    SandboxOptions,
    SandboxStage,
    download,
    postgres,
    processes,
    start_sandbox,
    start_sandbox_sync,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.sandbox import Sandbox

    Start = Callable[..., Sandbox]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
root_only = pytest.mark.skipif(os.getuid() != 0, reason="is about dropping root's privileges")

CHECKOUT = Path(tui.__file__).resolve().parent.parent
HOLD = """
import json, signal, sys
from pathlib import Path
from tui.sandbox import SandboxOptions, start_sandbox_sync
program = Path(sys.argv[1]) if len(sys.argv) > 1 else None
running = start_sandbox_sync(SandboxOptions(postgrest=program))
print(json.dumps({"url": running.url, "key": running.service_role_key, "pid": running.pid,
                  "directory": str(running.directory)}), flush=True)
signal.pause()
"""


@pytest.fixture
def short_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of the test's own, short enough for sockets, open to be passed."""
    path = Path(tempfile.mkdtemp(prefix="hm-", dir="/tmp"))
    path.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@linux_only
def test_stop_leaves_nothing(start_private_sandbox: Start) -> None:
    running = start_private_sandbox()
    assert rows(running) > 0
    assert len(processes_in(running.directory)) >= 3
    running.stop_sync()
    assert not running.directory.exists()
    assert processes_in(running.directory) == []
    assert not is_alive(running.pid)
    assert running.failure is None
    running.stop_sync()


def test_stages_are_reported_in_order_with_their_times(
    start_private_sandbox: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[SandboxStage] = []

    async def run() -> None:
        running = await start_sandbox(SandboxOptions(), stages.append)
        await running.stop()

    asyncio.run(run())
    finished = [stage.name for stage in stages if stage.seconds is not None]
    begun = [stage.name for stage in stages if stage.seconds is None]
    assert sorted(finished) == sorted(begun)
    expected = ["find-postgres", "initdb", "start-postgres", "sql", "gateway"]
    assert [name for name in finished if name in expected] == expected
    assert {"start-postgrest", "learners"} <= set(finished)
    assert all(stage.title for stage in stages)


@linux_only
def test_kill_of_the_console_takes_everything_with_it() -> None:
    console = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    try:
        assert console.stdout is not None
        details = json.loads(console.stdout.readline())
        directory = Path(details["directory"])
        assert len(processes_in(directory)) >= 3
    finally:
        console.kill()
        console.wait()
    assert eventually(lambda: processes_in(directory) == [])
    assert eventually(lambda: not directory.exists())
    assert eventually(lambda: not is_alive(details["pid"]))


@linux_only
def test_kill_of_the_supervisor_takes_its_children_with_it(
    start_private_sandbox: Start, short_tmp: Path
) -> None:
    first = start_private_sandbox()
    assert first.directory.parent == short_tmp
    assert len(processes_in(first.directory)) >= 3
    os.kill(first.pid, signal.SIGKILL)
    assert eventually(lambda: processes_in(first.directory) == [])
    assert eventually(lambda: first.failure == "the sandbox has stopped")
    assert first.directory.exists()

    second = start_private_sandbox()
    assert not first.directory.exists()
    assert rows(second) > 0


@linux_only
def test_stop_after_a_kill_of_the_supervisor_removes_its_directory(
    start_private_sandbox: Start,
) -> None:
    running = start_private_sandbox()
    os.kill(running.pid, signal.SIGKILL)
    running.stop_sync()
    assert not running.directory.exists()
    assert processes_in(running.directory) == []


@linux_only
def test_the_supervisor_ignores_ctrl_c_and_obeys_sigterm(start_private_sandbox: Start) -> None:
    running = start_private_sandbox()
    os.kill(running.pid, signal.SIGINT)
    os.kill(running.pid, signal.SIGHUP)
    assert rows(running) > 0
    assert os.getpgid(running.pid) != os.getpgid(0)
    os.kill(running.pid, signal.SIGTERM)
    assert eventually(lambda: not running.directory.exists())
    assert processes_in(running.directory) == []


def test_two_side_by_side(start_private_sandbox: Start) -> None:
    first, second = start_private_sandbox(), start_private_sandbox(seed_learners=False)
    assert first.url != second.url
    assert first.service_role_key != second.service_role_key
    assert rows(first) > 0
    assert rows(second) == 0
    foreign = httpx.get(f"{second.url}/rest/v1/questions", headers=headers(first.service_role_key))
    assert foreign.status_code == 401
    first.stop_sync()
    assert rows(second) == 0


@linux_only
@pytest.mark.parametrize("stage", ["initdb", "start-postgres", "learners"])
async def test_a_start_that_is_cancelled_leaves_nothing(short_tmp: Path, stage: str) -> None:
    reached = asyncio.Event()
    start = asyncio.create_task(
        start_sandbox(SandboxOptions(), lambda seen: reached.set() if seen.name == stage else None)
    )
    await asyncio.wait_for(reached.wait(), 60)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert os.listdir(short_tmp) == []
    assert processes_in(short_tmp) == []


def test_a_live_directory_is_never_swept(start_private_sandbox: Start, short_tmp: Path) -> None:
    running = start_private_sandbox()
    fresh = short_tmp / f"{processes.PREFIX}unlocked"
    fresh.mkdir()
    stale = short_tmp / f"{processes.PREFIX}stale"
    stale.mkdir()
    (stale / "lock").touch()
    assert processes.sweep() == [stale]
    assert rows(running) > 0
    os.utime(fresh, (0, 0))
    assert processes.sweep() == [fresh]


def test_a_temporary_directory_with_a_long_path_is_avoided(
    start_private_sandbox: Start, short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = short_tmp / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    running = start_private_sandbox()
    assert running.directory.parent == Path("/tmp")
    assert rows(running) > 0


@root_only
def test_root_avoids_a_temporary_directory_closed_to_the_server(
    start_private_sandbox: Start, short_tmp: Path
) -> None:
    short_tmp.chmod(0o700)
    running = start_private_sandbox()
    assert running.directory.parent == Path("/tmp")
    assert rows(running) > 0


@root_only
@linux_only
def test_root_runs_the_server_as_nobody(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.db_url) as connection:
        backend = connection.info.backend_pid
        owner = Path(f"/proc/{backend}").stat().st_uid
    assert owner not in {0, os.getuid()}


@root_only
def test_root_copies_binaries_that_the_server_cannot_reach(
    start_private_sandbox: Start, tmp_path: Path
) -> None:
    binaries = _closed_copy(tmp_path)
    running = start_private_sandbox(postgres_bin=binaries)
    assert rows(running) > 0
    prefix = binaries.parent
    copy = running.directory / "pg" / prefix.parent.name / prefix.name
    assert (copy / "bin" / "postgres").is_file()


def _closed_copy(tmp_path: Path) -> Path:
    """The packaged PostgreSQL in a directory that nobody but its owner may enter."""
    private = tmp_path / "private"
    binaries = postgres.copy_programs(postgres.find_programs(None), private)
    private.chmod(0o700)
    return binaries


@root_only
@linux_only
def test_starts_as_an_ordinary_user(sandbox: Sandbox, short_tmp: Path) -> None:
    packages = os.pathsep.join([str(CHECKOUT), sysconfig.get_path("platlib")])
    python = _interpreter_for_nobody(packages)
    program = short_tmp / "postgrest"
    found, _ = asyncio.run(download.find(None, short_tmp, lambda: contextlib.nullcontext([])))
    shutil.copy(found, program)
    program.chmod(0o755)
    short_tmp.chmod(0o777)
    console = subprocess.Popen(
        [python, "-c", HOLD, str(program)],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": packages, "TMPDIR": str(short_tmp), "HOME": "/"},
        user="nobody",
        group="nogroup",
        extra_groups=[],
    )
    try:
        assert console.stdout is not None
        details = json.loads(console.stdout.readline())
        answer = httpx.get(
            f"{details['url']}/rest/v1/questions?select=id", headers=headers(details["key"])
        )
        assert answer.status_code == 200
        assert len(answer.json()) > 0
        directory = Path(details["directory"])
        assert directory.stat().st_mode & 0o777 == 0o700
        assert len(processes_in(directory)) >= 3
    finally:
        console.kill()
        console.wait()
    assert eventually(lambda: not directory.exists() and processes_in(directory) == [])


def _interpreter_for_nobody(packages: str) -> str:
    name = f"python3.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(name, path=os.defpath)):
        if candidate is None:
            continue
        try:
            subprocess.run(
                [candidate, "-c", "import psycopg, tui.sandbox"],
                cwd="/",
                env={"PATH": os.defpath, "PYTHONPATH": packages},
                user="nobody",
                group="nogroup",
                extra_groups=[],
                capture_output=True,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    pytest.skip(f"nobody can execute neither {sys.executable} nor a {name} with {packages}")


def _other_servers() -> list[Path]:
    return sorted(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.mark.parametrize("binaries", _other_servers(), ids=lambda path: path.parent.name)
def test_runs_with_the_systems_postgresql(start_private_sandbox: Start, binaries: Path) -> None:
    running = start_private_sandbox(postgres_bin=binaries)
    assert rows(running) > 0
    with psycopg.connect(running.db_url) as connection:
        assert str(connection.info.server_version // 10000) == binaries.parent.name


def test_the_environment_does_not_steer_the_children(
    start_private_sandbox: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "192.0.2.1",
        "PGPORT": "1",
        "PGOPTIONS": "-c default_transaction_read_only=on",
        "PGDATA": "/nonexistent",
        "PGRST_DB_URI": "postgresql://nobody@192.0.2.1/nothing",
        "PGRST_DB_MAX_ROWS": "1",
        "PGREQUIREAUTH": "password",
    }.items():
        monkeypatch.setenv(name, value)
    assert rows(start_private_sandbox()) > 1


@linux_only
def test_its_processes_get_no_key_of_the_operator(
    start_private_sandbox: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_DB_URL", "AWS_SECRET_ACCESS_KEY", "GH_TOKEN")
    for name in names:
        monkeypatch.setenv(name, "an-operators-own")
    running = start_private_sandbox()
    processes_of_it = [running.pid, *processes_in(running.directory)]
    environments = []
    for pid in processes_of_it:
        # A server process of PostgreSQL may end meanwhile; while it ends, Linux refuses this read.
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, PermissionError):
            environments.append(Path(f"/proc/{pid}/environ").read_bytes())
    assert Path(f"/proc/{running.pid}/environ").read_bytes() in environments
    assert len(environments) > 3
    assert [each for each in environments if b"an-operators-own" in each] == []


def sources(stages: list[SandboxStage]) -> list[str | None]:
    """Where the clusters came from whose start these stages describe."""
    return [stage.detail for stage in stages if stage.name == "initdb" and stage.seconds]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of the test's own, with the fetched PostgREST in it."""
    shared = Path(platformdirs.user_cache_dir("heatmap-tui"))
    cache = tmp_path / "cache" / "heatmap-tui"
    cache.mkdir(parents=True)
    for found in shared.glob("postgrest-*"):
        shutil.copytree(found, cache / found.name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    return cache


def test_the_second_cluster_is_a_copy_of_a_template(own_cache: Path) -> None:
    stages: list[SandboxStage] = []
    for _ in range(2):
        start_sandbox_sync(SandboxOptions(), stages.append).stop_sync()
    assert sources(stages) == ["initdb", "template"]
    (template,) = own_cache.glob("cluster-*")
    assert stat.S_IMODE(template.stat().st_mode) == 0o700


def test_a_template_cut_short_is_made_anew(own_cache: Path) -> None:
    stages: list[SandboxStage] = []
    start_sandbox_sync(SandboxOptions(), stages.append).stop_sync()
    (template,) = own_cache.glob("cluster-*")
    (template / "global" / "pg_control").write_bytes(b"")
    for _ in range(2):
        running = start_sandbox_sync(SandboxOptions(), stages.append)
        try:
            assert rows(running) > 0
        finally:
            running.stop_sync()
    assert sources(stages) == ["initdb", "template", "template"]
    assert (template / "global" / "pg_control").stat().st_size > 0


def test_a_template_that_others_can_write_is_not_used(own_cache: Path) -> None:
    stages: list[SandboxStage] = []
    start_sandbox_sync(SandboxOptions(), stages.append).stop_sync()
    (template,) = own_cache.glob("cluster-*")
    template.chmod(0o777)
    start_sandbox_sync(SandboxOptions(), stages.append).stop_sync()
    assert sources(stages) == ["initdb", "initdb"]
