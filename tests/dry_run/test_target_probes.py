"""The probes that look at this machine, at versions and at certificates."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.dry_run.contexts import OPAQUE, QUICK, ask, context_on, settings_for
from tui.dry_run import target
from tui.guard.target import classify
from tui.project import Project
from tui.redact import Secret
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from tui.verify.events import ProbeResult

NOW = datetime(2026, 1, 31, tzinfo=UTC)

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


async def nobody(_: web.Request) -> web.StreamResponse:
    raise AssertionError("nothing should be asked of the project")


async def about_file(path: Path | None) -> ProbeResult:
    async with context_on(nobody) as context:
        settings = replace(context.settings, env_file=path)
        return await ask(replace(context, settings=settings), "target.env_file")


def git(directory: Path, *command: str) -> None:
    subprocess.run(["git", "-C", directory, *command], check=True, capture_output=True)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text("SUPABASE_URL=http://127.0.0.1\n")
    path.chmod(0o600)
    return path


async def test_without_an_environment_file_there_is_nothing_to_guard() -> None:
    assert (await about_file(None)).status is ProbeStatus.PASS


async def test_a_private_file_outside_git_passes(env_file: Path) -> None:
    assert (await about_file(env_file)).status is ProbeStatus.PASS


async def test_a_file_others_may_read_warns(env_file: Path) -> None:
    env_file.chmod(0o644)

    answer = await about_file(env_file)

    assert answer.status is ProbeStatus.WARN
    assert "mode 0644" in answer.detail
    assert answer.hint == "chmod 600 .env"


async def test_a_file_that_is_gone_warns(env_file: Path) -> None:
    env_file.unlink()

    assert (await about_file(env_file)).status is ProbeStatus.WARN


@needs_git
async def test_a_file_that_git_would_take_warns_until_it_is_ignored(env_file: Path) -> None:
    git(env_file.parent, "init", "-q")

    taken = await about_file(env_file)
    (env_file.parent / ".gitignore").write_text(".env\n")
    ignored = await about_file(env_file)

    assert taken.status is ProbeStatus.WARN
    assert taken.detail == ".env: git does not ignore it"
    assert taken.hint == "add it to .gitignore"
    assert ignored.status is ProbeStatus.PASS


@needs_git
async def test_a_file_in_git_fails_even_when_it_is_ignored(env_file: Path) -> None:
    git(env_file.parent, "init", "-q")
    git(env_file.parent, "add", ".env")
    (env_file.parent / ".gitignore").write_text(".env\n")

    answer = await about_file(env_file)

    assert answer.status is ProbeStatus.FAIL
    assert answer.hint
    assert "git rm --cached .env" in answer.hint


@pytest.mark.parametrize(
    ("days", "status"), [(-1, "warn"), (13, "warn"), (15, "pass"), (400, "pass")]
)
def test_a_certificate_is_told_in_time(days: int, status: str) -> None:
    ends = NOW + timedelta(days=days)
    certificate = {"notAfter": f"{ends:%b %d %H:%M:%S %Y} GMT"}

    finding = target.judge_certificate(certificate, NOW)

    assert finding.status == status
    assert f"{ends:%Y-%m-%d}" in finding.detail


async def test_plain_http_to_another_machine_warns() -> None:
    async with context_on(nobody) as context:
        elsewhere = replace(context.target, url="http://example.org", host="example.org")
        answer = await ask(replace(context, target=elsewhere), "target.tls")

    assert answer.status is ProbeStatus.WARN
    assert "example.org" in answer.detail


@pytest.mark.parametrize(
    ("postgres", "postgrest", "status"),
    [
        (140_012, "12.0.2", "fail"),
        (150_000, "12.0.2", "pass"),
        (180_004, "11.2.0", "warn"),
        (170_000, "14.1", "pass"),
        (170_000, "", "pass"),
    ],
)
def test_old_servers_are_told(postgres: int, postgrest: str, status: str) -> None:
    assert target.judge_versions(postgres, postgrest, "seen").status == status


@pytest.mark.parametrize(("days", "status"), [(-1, "fail"), (3, "warn"), (30, "pass")])
async def test_the_key_has_to_last(days: int, status: str) -> None:
    async with context_on(nobody) as context:
        key = replace(context.target.key, expires_at=datetime.now(UTC) + timedelta(days=days))
        aged = replace(context, target=replace(context.target, key=key))
        assert (await ask(aged, "target.expiry")).status == status


async def test_nothing_listening_is_told_once_and_skips_the_rest() -> None:
    async with context_on(nobody) as context:
        pass
    url = context.target.url
    context = replace(context, target=classify(url, OPAQUE), settings=settings_for(url, OPAQUE))
    async with Project(url, Secret(OPAQUE), policy=QUICK) as project:
        context = replace(context, project=project)
        reachable = await ask(context, "target.reachable")
        users = await ask(context, "leftovers.users")

    assert reachable.status is ProbeStatus.FAIL
    assert "cannot connect" in reachable.detail
    assert users.status is ProbeStatus.SKIP
    assert users.cause == "target.reachable"
    assert users.hint is None, "one cause is told once"
