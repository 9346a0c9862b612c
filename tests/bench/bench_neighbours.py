"""What a run costs others: a learner's sign-ins and reads while it is under way, against idle.

A learner signs in, again and again, while a run makes and deletes its users; another client reads
a page of questions all the time that a run lasts. Sign-ins are the vendor's auth server's where
`HEATMAP_SANDBOX_AUTH` names one; else the emulation takes bcrypt's 80 ms for a password, two at a
time. Latency is added to every request by the sandbox's gateway, to the neighbours' as well.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from typing import TYPE_CHECKING

import aiohttp

from tests.bench import stack
from tests.bench.figures import Line, Options, Table, Target, say
from tui.settings import Volume
from tui.verify.events import Stage, StageFinished, StageStarted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tui.sandbox import Sandbox
    from tui.verify.events import Event

LEARNER = {"email": "bench-neighbour@example.com", "password": "correct horse battery staple"}
IDLE_SECONDS = 3.0
# Milliseconds that bcrypt takes for a password at the auth server's cost.
HASH_MS = 80
# Makes the stages with users last as long as the idle time.
USERS = Volume(users=200, questions=5)
PAUSE_SECONDS = 0.02
OF_USERS = frozenset({Stage.USERS, Stage.CLEANUP_USERS})


def run(options: Options) -> Table:
    """Measure sign-ins at no and at the longest latency, and reads."""
    real = stack.AUTH in os.environ
    table = Table("Another client during a run / idle")
    size = stack.volume(100) if options.quick else USERS
    target = None if options.quick else Target(2.0)
    with stack.running() as sandbox:
        for latency in sorted({0, max(options.latencies)}):
            slow = [f"latency={latency}"] if latency else []
            emulated = [] if real else [f"hash_ms={HASH_MS}"]
            sandbox.set_faults(",".join(slow + emulated) or None)
            say(f"neighbours: {latency} ms ", end="")
            signing_in, reading = Asked(_sign_in, OF_USERS), Asked(_read, frozenset(Stage))
            for _ in range(options.pairs):
                for each in (signing_in, reading):
                    asyncio.run(each.beside(sandbox, size, options.quick))
                say(".", end="")
            say("")
            table.lines += [
                Line(f"sign-in, {latency} ms", "s", signing_in.busy, signing_in.idle, target),
                Line(f"read, {latency} ms", "s", reading.busy, reading.idle),
                Line(f"users made and deleted, {latency} ms", "s", signing_in.took),
            ]
            sandbox.set_faults(None)
    table.notes.append(
        "sign-ins are " + ("the vendor's auth server's" if real else f"emulated, {HASH_MS} ms each")
    )
    return table


class Asked:
    """A neighbour's medians, in seconds: idle and beside a run; and what the stages took.

    Args:
        ask: Sends one request.
        during: Stages of a run that count.
    """

    def __init__(
        self, ask: Callable[[aiohttp.ClientSession, str], Awaitable[None]], during: frozenset[Stage]
    ) -> None:
        self.idle: list[float] = []
        self.busy: list[float] = []
        self.took: list[float] = []
        self._ask = ask
        self._during = during

    async def beside(self, sandbox: Sandbox, size: Volume, quick: bool) -> None:
        """Ask while nothing else happens, then while a run is under way."""
        key = sandbox.service_role_key
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        under_way: set[Stage] = set()
        took: dict[Stage, float] = {}

        def watch(event: Event) -> None:
            if isinstance(event, StageStarted):
                under_way.add(event.stage)
            elif isinstance(event, StageFinished):
                under_way.discard(event.stage)
                took[event.stage] = event.seconds

        async with aiohttp.ClientSession(headers=headers) as session:
            learner = f"{sandbox.url}/auth/v1/admin/users"
            async with session.post(learner, json={**LEARNER, "email_confirm": True}) as made:
                await made.read()
            idle = await self._sampled(session, sandbox.url, 0.3 if quick else IDLE_SECONDS)
            task = asyncio.create_task(stack.followed(sandbox, size, watch))
            busy: list[float] = []
            while not task.done():
                if under_way & self._during:
                    busy += await self._sampled(session, sandbox.url, 0.0)
                await asyncio.sleep(PAUSE_SECONDS / 2)
            await task
        self.idle.append(statistics.median(idle))
        self.busy.append(statistics.median(busy or idle))
        self.took.append(sum(took[stage] for stage in OF_USERS))

    async def _sampled(self, session: aiohttp.ClientSession, url: str, lasts: float) -> list[float]:
        """Seconds that each took that was asked within a time, and one at least."""
        until = time.perf_counter() + lasts
        samples: list[float] = []
        while not samples or time.perf_counter() < until:
            began = time.perf_counter()
            await self._ask(session, url)
            samples.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_SECONDS)
        return samples


async def _sign_in(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(f"{url}/auth/v1/token?grant_type=password", json=LEARNER) as answer:
        await answer.read()
        answer.raise_for_status()


async def _read(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(f"{url}/rest/v1/questions?select=id,slug&limit=100") as answer:
        await answer.read()
        answer.raise_for_status()
