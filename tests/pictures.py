"""The README's pictures, taken of the real console on a real sandbox: `python -m tests.pictures`.

Times and the port differ from one taking to the next; nothing else does.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.console.fakes import press, settle, text_of, until
from tui.cli.commands import connect
from tui.console.app import HeatmapApp
from tui.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.verify.session import ConnectStage, Session

FOLDER = Path(__file__).resolve().parents[1] / ".readme"
SIZE = (120, 34)
# A picture in a README must not load anything: without these it takes the reader's own font.
REMOTE_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
PORT = re.compile(r"127\.0\.0\.1:\d{5}")


async def take() -> None:
    """Walk the console to each picture and keep it."""
    settings = load_settings(environ=os.environ, directory=Path("/"))

    async def open_session(on_stage: Callable[[ConnectStage], None]) -> Session:
        return await connect(
            settings, sandbox=True, allow_prod=False, faults=None, on_stage=on_stage
        )

    app = HeatmapApp(open_session, opening="starting the sandbox")
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.state.session is not None)
        await press(pilot, "d")
        await until(pilot, lambda: "ready to write synthetic data" in text_of(app))
        await settle(pilot)
        keep(app, "checklist")
        await press(pilot, "h")
        await until(pilot, lambda: "all of them" in text_of(app))
        await settle(pilot)
        keep(app, "heatmap")
        await press(pilot, "q")


def keep(app: HeatmapApp, name: str) -> None:
    """Write what is on the screen, with a port that is the same every time."""
    picture = REMOTE_FONTS.sub("", app.export_screenshot(title="heatmap-tui"))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(PORT.sub("127.0.0.1:54321", picture), encoding="utf-8")


def main() -> None:
    """Take both."""
    os.environ.pop("NO_COLOR", None)
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    asyncio.run(take())


if __name__ == "__main__":
    main()
