"""A terminal that can show no screens gets lines instead."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize(("term", "screens"), [
    ("dumb", False), ("unknown", False), ("xterm-256color", True),
])  # fmt: skip
def test_screens_are_for_terminals_that_have_them(term: str, screens: bool) -> None:
    # Nobody answers there: without screens that ends the command at once.
    project = {
        "SUPABASE_URL": "http://127.0.0.1:9",
        "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_" + "N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz",
    }
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tui"],
        env={**os.environ, "TERM": term, "PYTHONPATH": str(ROOT), **project},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        with contextlib.suppress(OSError):  # the other end is closed
            while (b"\x1b[?1049h" in shown) is False and (read := os.read(ours, 4096)):
                shown += read
    finally:
        if screens:
            process.kill()
        code = process.wait(60)
        os.close(ours)
    assert (b"\x1b" in shown) is screens, shown
    if not screens:
        assert code == 6, shown
        assert b"cannot connect" in shown
