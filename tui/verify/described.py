"""What a project says of itself at the start of a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from tui.project import ProjectError
from tui.verify.events import ProjectDescribed, ServerVersions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tui.project import Project

_NOTHING: Final[Mapping[str, Any]] = {}


async def describe(project: Project, preflight: Mapping[str, Any]) -> ProjectDescribed:
    """Versions and SQL fingerprint; None for a service that does not say.

    Args:
        project: The project.
        preflight: What its database has just said of itself; empty where it cannot.
    """
    api, auth = await asyncio.gather(_api_version(project), _auth_version(project))
    return described(preflight, api, auth)


def described(
    preflight: Mapping[str, Any], api: str | None = None, auth: str | None = None
) -> ProjectDescribed:
    """The same from answers that are at hand."""
    server = preflight.get("server")
    postgres = server.get("version") if isinstance(server, dict) else None
    prints = preflight.get("fingerprints")
    fingerprint = prints.get("all") if isinstance(prints, dict) else None
    return ProjectDescribed(
        ServerVersions(postgres if isinstance(postgres, str) else None, api, auth),
        fingerprint if isinstance(fingerprint, str) else None,
    )


async def _api_version(project: Project) -> str | None:
    try:
        info = (await project.openapi()).get("info", _NOTHING)
    except ProjectError:
        return None
    return str(info["version"]) if isinstance(info, dict) and "version" in info else None


async def _auth_version(project: Project) -> str | None:
    try:
        said = await project.get_json("/auth/v1/health", "asking the auth service for its version")
    except ProjectError:
        return None
    return str(said["version"]) if isinstance(said, dict) and "version" in said else None
