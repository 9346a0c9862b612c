"""The servers that these tests stand on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tui.sandbox import postgres
from tui.sandbox.postgres import SUPERUSER

from .cluster import PROGRAMS, SQL, installed, running

if TYPE_CHECKING:
    from pathlib import Path


def test_the_packaged_server_is_among_them() -> None:
    assert "pg18" in installed()


def test_a_package_without_its_server_is_an_error_and_no_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "packaged_programs", lambda: tmp_path / "bin")
    with pytest.raises(Exception, match="the installed PostgreSQL package has no"):
        installed()


@pytest.mark.skipif(os.getuid() != 0, reason="is about dropping root's privileges")
def test_a_server_in_a_closed_directory_runs_from_a_copy(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    binaries = postgres.copy_programs(installed()["pg18"](), closed, PROGRAMS)
    closed.chmod(0o700)
    with running(binaries) as server:
        assert closed not in server.binaries.parents
        server.create("first")
        result = server.psql("first", SQL / "analytics_heatmap_rollback.sql", user=SUPERUSER)
        assert result.returncode == 0, result.stderr
