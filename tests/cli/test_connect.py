"""Getting connected: what fails or is cancelled on the way leaves no sandbox up."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tui import sandbox as sandboxes
from tui.cli import commands as module
from tui.cli.commands import connect
from tui.errors import ConfigurationError
from tui.settings import Settings, load_settings
from tui.verify.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def settings(environ: Mapping[str, str] | None = None) -> Settings:
    return load_settings(environ=environ or {}, directory=Path.cwd())


async def start(environ: Mapping[str, str] | None = None) -> Session:
    return await connect(
        settings(environ), sandbox=True, allow_prod=False, faults=None, on_stage=lambda _: None
    )


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sandboxes of this test keep all they have; its name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hm-c-", dir="/tmp") as name:
        # PostgreSQL may run as somebody else.
        Path(name).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)


@pytest.mark.parametrize("failure", [RuntimeError, asyncio.CancelledError])
async def test_what_fails_after_the_start_takes_the_sandbox_down(
    place: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    there: list[int] = []

    async def ask_database(_: Session) -> None:
        there.append(len(list(place.iterdir())))
        raise failure

    monkeypatch.setattr(Session, "ask_database", ask_database)
    with pytest.raises(failure):
        await start()
    assert there == [1], "it was up"
    assert list(place.iterdir()) == []


async def test_a_failure_to_classify_takes_it_down(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unclear(*_: object, **__: object) -> None:
        assert len(list(place.iterdir())) == 1, "it was up"
        raise ConfigurationError("unclear")

    monkeypatch.setattr(module, "target_of", unclear)
    with pytest.raises(ConfigurationError, match="unclear"):
        await start()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["HEATMAP_VERIFY_PROD_HOSTS", "HEATMAP_VERIFY_NON_PROD_HOSTS"])
async def test_a_declaration_that_cannot_be_read_is_told_before_a_start(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def never(*_: object) -> None:
        raise AssertionError("it was started")

    monkeypatch.setattr(sandboxes, "start_sandbox", never)
    with pytest.raises(ConfigurationError, match=name):
        await start({name: "fine.example.org,*.example.org"})


async def test_the_session_takes_its_sandbox_with_it(place: Path) -> None:
    session = await start()
    assert len(list(place.iterdir())) == 1
    await session.aclose()
    assert list(place.iterdir()) == []
