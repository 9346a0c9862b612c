"""The supervisor's process: `python -m tui.sandbox`, started by `tui.sandbox.start_sandbox`.

It lives exactly as long as its stdin is open.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import Any

from tui.errors import OperatorError, SandboxError
from tui.sandbox import protocol
from tui.sandbox.options import SandboxOptions
from tui.sandbox.supervisor import Supervisor

LONGEST_LINE = 1 << 20
NICENESS = 5
# libpq reads these from the environment, and they would steer our own connections.
LIBPQ_VARIABLES = (
    "PGAPPNAME",
    "PGCHANNELBINDING",
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATABASE",
    "PGDATESTYLE",
    "PGGSSENCMODE",
    "PGHOST",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGREQUIREAUTH",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLMODE",
    "PGSSLNEGOTIATION",
    "PGTARGETSESSIONATTRS",
    "PGTZ",
    "PGUSER",
)


def main() -> int:
    """Run one sandbox until stdin ends or SIGTERM arrives; return the exit code."""
    # A ctrl-c or a closed terminal is the console's to handle: it may still have to clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Its servers share the machine with the console, whose keys must not wait for them.
    os.nice(NICENESS)
    # Logs, sockets and settings of a run are for nobody else.
    os.umask(0o077)
    for name in LIBPQ_VARIABLES:
        os.unsetenv(name)
    # The protocol has stdout to itself: whatever a library prints goes to stderr.
    output = os.dup(1)
    os.dup2(2, 1)
    return asyncio.run(_run(output))


async def _run(output: int) -> int:
    def emit(message: dict[str, Any]) -> None:
        line = protocol.encode(message)
        try:
            while line:
                line = line[os.write(output, line) :]
        except OSError:
            logging.getLogger(__name__).debug("the console is gone")

    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    terminated = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, terminated.set)
    try:
        options = SandboxOptions.from_json(protocol.decode(await reader.readline()))
        supervisor = Supervisor(options, emit)
    except (OperatorError, TypeError, ValueError) as error:
        emit({"failed": _failure(error)})
        return 1
    return await _supervise(supervisor, reader, terminated, emit)


async def _supervise(
    supervisor: Supervisor, reader: asyncio.StreamReader, terminated: asyncio.Event, emit: Any
) -> int:
    requests: asyncio.Task[None] | None = None
    life_line = asyncio.create_task(terminated.wait())
    start = asyncio.create_task(supervisor.start())
    failed: BaseException | None = None
    try:
        requests = asyncio.create_task(_serve(supervisor, reader, start, emit))
        await asyncio.wait({start, requests, life_line}, return_when=asyncio.FIRST_COMPLETED)
        if start.done() and not start.cancelled():
            failed = start.exception()
            if failed is None:
                emit({"ready": start.result()})
                await asyncio.wait({requests, life_line}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        tasks = [task for task in (start, requests, life_line) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await supervisor.stop()
    if failed is not None:
        emit({"failed": _failure(failed)})
        return 1
    return 0


async def _serve(
    supervisor: Supervisor,
    reader: asyncio.StreamReader,
    start: asyncio.Task[dict[str, Any]],
    emit: Any,
) -> None:
    """Answer the console's requests in order, to the end of its lines."""
    while line := await reader.readline():
        await asyncio.wait({start})
        request = protocol.decode(line)
        try:
            result = await supervisor.serve(request["do"], request.get("with"))
        except OperatorError as error:
            emit({"id": request["id"], "failed": protocol.failure(error)})
        except Exception as error:  # noqa: BLE001 - told and logged; the sandbox goes on
            emit({"id": request["id"], "failed": _failure(error, "could not do it")})
        else:
            emit({"id": request["id"], "result": result})


def _failure(error: BaseException, what: str = "could not start") -> dict[str, Any]:
    if isinstance(error, OperatorError):
        return protocol.failure(error)
    logging.getLogger(__name__).error("the sandbox %s", what, exc_info=error)
    return protocol.failure(
        SandboxError(
            f"the sandbox {what}: {type(error).__name__}: {error}",
            hint="this is a defect of the sandbox; point the console at a project meanwhile",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
