"""Signals, and the flags of files, on systems that lack some of them."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
from pathlib import Path
from typing import Final

import pytest

from tui.signals import REASONS, listen

ROOT: Final = Path(__file__).parents[1]


async def heard(name: str) -> list[str]:
    """The signals heard after one was sent."""
    names: list[str] = []
    came = asyncio.Event()

    def handle(name: str) -> None:
        names.append(name)
        came.set()

    stop_listening = listen(handle)
    try:
        os.kill(os.getpid(), signal.Signals[name])
        await asyncio.wait_for(came.wait(), 10)
    finally:
        stop_listening()
    return names


@pytest.mark.parametrize("name", REASONS)
async def test_each_is_heard(name: str) -> None:
    before = signal.getsignal(signal.Signals[name])
    assert await heard(name) == [name]
    if name != "SIGINT":  # what asyncio leaves there is its own
        assert signal.getsignal(signal.Signals[name]) == before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
async def test_they_are_heard_where_the_loop_knows_none_and_there_is_no_hang_up(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.delattr(signal, "SIGHUP")
    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", unknown)
    before = signal.getsignal(signal.Signals[name])
    assert await heard(name) == [name]
    assert signal.getsignal(signal.Signals[name]) == before


def test_nothing_else_knows_of_signals() -> None:
    """One table, and one way to hear; the sandbox's processes, on systems that have them, aside."""
    found = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tui").rglob("*.py")
        if "sandbox" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and any(name.name == "signal" for name in node.names)
    ]
    assert found == ["tui/signals.py"]
