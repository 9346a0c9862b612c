"""A run that kills its own process: `python -m tests.sweeps.victim EVENT DELAY`.

At event number EVENT (from 1) the process gets SIGKILL, DELAY seconds later; so nothing of it can
clean up. Exits by itself, printing how many events there are, when the run ends before. Where the
project is comes from the environment, as for the command.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tui.evidence.archive import Archive
from tui.guard.target import classify
from tui.settings import load_settings
from tui.verify.session import Session

if TYPE_CHECKING:
    from tui.redact import Secret


async def main(event_number: int, delay_s: float) -> None:
    settings = load_settings(environ=os.environ, directory=Path.cwd())
    assert settings.url
    assert settings.service_role_key
    key: Secret = settings.service_role_key
    target = classify(settings.url, key.reveal(), prod_hosts=(), non_prod_hosts=())
    async with Session(
        settings,
        target,
        key=key,
        archive=Archive.configured(settings, is_sandbox=False),
        is_sandbox=False,
    ) as session:
        await session.ask_database()
        seen = 0
        async for _ in session.cycle().events():
            seen += 1
            if seen == event_number:
                die(delay_s)
        print(seen, flush=True)


def die(delay_s: float) -> None:
    if delay_s:
        threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
    else:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
