"""How the console comes to another project: by a file, chosen there or written there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui import env_file
from tui.cli.arguments import variables
from tui.cli.connect import connect
from tui.console.dialogs.environments import Environments
from tui.settings import load_settings
from tui.verify.events import ProbeFinished

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from tui.env_file import EnvironmentDraft
    from tui.settings import Settings
    from tui.verify.session import ConnectStage, Session

# Without these nothing else can be asked of a project.
_FIRST_PROBES = ("target.reachable", "authentication.key")


def environments(
    settings: Settings, options: argparse.Namespace, environ: Mapping[str, str]
) -> Environments:
    """What the screens need for it. A file chosen there goes before the process environment.

    Args:
        settings: Those of the project at hand; a new one takes over all but the project.
        options: The flags, which go before any file.
        environ: The process environment.
    """
    directory = Path.cwd()
    rest = {k: v for k, v in environ.items() if k not in env_file.PROJECT_VARIABLES}

    async def open_file(path: Path, on_stage: Callable[[ConnectStage], None]) -> Session:
        chosen = load_settings(
            environ=rest, directory=directory, env_file=path, flags=variables(options)
        )
        return await connect(
            chosen,
            sandbox=False,
            allow_prod=options.allow_prod,
            faults=None,
            on_stage=on_stage,
        )

    async def check(draft: EnvironmentDraft) -> list[ProbeFinished]:
        values = draft.values()
        declared = values.get("HEATMAP_VERIFY_NON_PROD_HOSTS")
        described = replace(
            settings,
            url=draft.url,
            service_role_key=draft.service_key,
            anon_key=draft.anon_key,
            non_prod_hosts=(declared,) if declared else (),
        )
        session = await connect(
            described, sandbox=False, allow_prod=False, faults=None, on_stage=lambda _: None
        )
        async with session:
            return [
                event
                for probe in _FIRST_PROBES
                async for event in session.ask_again(probe).events()
                if isinstance(event, ProbeFinished)
            ]

    def write(draft: EnvironmentDraft, name: str) -> Path:
        path = directory / Path(name).name
        env_file.write_new(path, draft.values())
        return path

    return Environments(
        files=lambda: env_file.environment_files(directory),
        open=open_file,
        check=check,
        write=write,
        free_name=lambda: env_file.free_name(directory),
    )
