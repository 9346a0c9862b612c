"""Fails every test in whose output, or in whose files, a key of a sandbox shows.

Loaded with `pytest_plugins = ["tests.secrets_plugin"]` or `-p tests.secrets_plugin`. It knows every
key of every sandbox that a test process starts, and looks at what pytest captured, at what child
processes that were waited for said, and at the files in the test's own home and directory. Allowed
to hold keys: environment files (`*.env`, `.env*`), which is where keys belong, and the output of
`--serve-sandbox`, whose purpose it is to print them.
"""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from tui.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

# What is shown of a key gives it away from this many characters of its secret part on.
FRAGMENT: Final = 12
LARGEST_FILE: Final = 20_000_000
KEYS: Final = ("service_role_key", "anon_key", "secret_key", "publishable_key", "jwt_secret")

# The keys of sandboxes in other processes: their form is enough, since nobody else's have it.
SHAPES: Final = {
    # The claims begin with {"iss":"supabase-demo".
    "a sandbox's token": re.compile(r"eyJpc3MiOiJzdXBhYmFzZS1kZW1v"),
    # But for those that tests spell out: alphabets, and what the local stack gives everybody.
    "a sandbox's opaque key": re.compile(
        r"sb_(?:secret|publishable)_(?!0123456789|abcdefghij|N7UND0UgjKTVK|ACJWlzQHlZjBr)[\w-]{22}_[\w-]{8}"
    ),
}

# Fragment of a key to the kind of key; filled as sandboxes start.
_known: dict[str, str] = {}
_said: list[tuple[str, str]] = []


def watch_for(kind: str, key: str) -> None:
    """Know a key from now on: whole, percent-encoded, and in pieces.

    Args:
        kind: Its name, for the report; the report never shows the key.
        key: A token, of which the signature alone is secret, or an opaque key.
    """
    secret_part = key.rpartition(".")[2] if key.startswith("eyJ") else key
    for prefix in ("sb_secret_", "sb_publishable_"):
        secret_part = secret_part.removeprefix(prefix)
    pieces = [
        secret_part[start : start + FRAGMENT]
        for start in range(0, len(secret_part) - FRAGMENT + 1, FRAGMENT)
    ]
    for piece in (key, quote(key, safe=""), *pieces):
        _known[piece] = kind


def leaks(text: str) -> list[str]:
    """The kinds of keys that a text shows: known ones even in part, others by their form."""
    known = {kind for piece, kind in _known.items() if piece in text}
    return sorted(known | {kind for kind, shape in SHAPES.items() if shape.search(text)})


def masked(text: str) -> str:
    """The text with a mark in place of each known key, and of each piece of one."""
    for piece in sorted(_known, key=len, reverse=True):
        text = text.replace(piece, "[key]")
    for shape in SHAPES.values():
        text = shape.sub("[key]", text)
    return text


def leaks_in_files(folders: Iterable[Path]) -> list[str]:
    """Files that show a key, each with the kinds; environment files are left out."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            belongs_there = path.name.startswith(".env") or path.suffix == ".env"
            if path.is_symlink() or not path.is_file() or belongs_there:
                continue
            if path.stat().st_size <= LARGEST_FILE:
                shown = leaks(path.read_bytes().decode("utf-8", "replace"))
                found += [f"{path}: {kind}" for kind in shown]
    return found


def _text(data: Any) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else data or ""


def _knowing(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def init(self: Sandbox, *arguments: Any) -> None:
        original(self, *arguments)
        for kind in KEYS:
            watch_for(kind, getattr(self, kind))

    return init


def _listening(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def communicate(self: subprocess.Popen[Any], *arguments: Any, **options: Any) -> Any:
        out, err = original(self, *arguments, **options)
        command = self.args if isinstance(self.args, list) else [self.args]
        # What a child was given is the test's own affair; its name is enough here.
        name = Path(str(command[0]).partition(" ")[0]).name
        if "--serve-sandbox" not in command:
            _said.append((f"stdout of a {name}", _text(out)))
        _said.append((f"stderr of a {name}", _text(err)))
        return out, err

    return communicate


def pytest_configure() -> None:
    """Begin to listen."""
    if not hasattr(Sandbox.__init__, "__wrapped__"):
        Sandbox.__init__ = _knowing(Sandbox.__init__)  # type: ignore[method-assign]
        subprocess.Popen.communicate = _listening(  # type: ignore[method-assign]
            subprocess.Popen.communicate
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at each phase's output, and after the last at the files."""
    report = yield
    found = [
        f"{title}: {kind}" for title, content in report.sections for kind in leaks(content)
    ] + [f"{title}: {kind}" for title, content in _said for kind in leaks(content)]
    _said.clear()
    if call.when == "teardown":
        given = getattr(item, "funcargs", {})
        homes = {given[name] for name in ("private_home", "tmp_path") if name in given}
        found += leaks_in_files(home for home in homes if isinstance(home, Path))
    if leaks(report.longreprtext):
        found.append("the report of the failure")
    if found:
        told = "\n".join(dict.fromkeys(found))
        report.outcome = "failed"
        report.longrepr = f"a key shows in:\n{told}\n{masked(report.longreprtext)}"
        report.sections = [(title, masked(text)) for title, text in report.sections]
    return report
