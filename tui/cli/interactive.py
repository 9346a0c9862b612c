"""The console, opened on what the flags and settings say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tui.cli.connect import connect
from tui.console.app import HeatmapApp

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from tui.console.dialogs.environments import Environments
    from tui.settings import Settings
    from tui.verify.session import ConnectStage, Session


def open_console(
    settings: Settings,
    options: argparse.Namespace,
    environ: Mapping[str, str],
    *,
    sandbox: bool,
) -> int:
    """Run the console to its end.

    Args:
        settings: As configured.
        options: The flags.
        environ: The process environment, for the files of other projects.
        sandbox: Open it on a sandbox of its own.

    Returns:
        The exit code.
    """

    async def open_session(on_stage: Callable[[ConnectStage], None]) -> Session:
        return await connect(
            settings,
            sandbox=sandbox,
            allow_prod=options.allow_prod,
            faults=options.sandbox_faults,
            on_stage=on_stage,
        )

    def others() -> Environments:
        # Not needed for the first paint.
        from tui.cli.switching import environments

        return environments(settings, options, environ)

    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    app = HeatmapApp(
        open_session,
        allow_prod=options.allow_prod,
        opening="starting the sandbox" if sandbox else f"opening {settings.url}",
        ascii_only=encoding != "utf8",
        state_dir=settings.state_dir,
        environments=others,
    )
    return app.run() or 0
