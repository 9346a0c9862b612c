"""Rows a second: the cycle's own writing stage against the floor of what the server takes.

The floor is taken four times: bodies encoded beforehand, posted to the same door by a bare HTTP
client with the configured batch size and as many requests in flight; the same in batches as large
as ours become, from the first on; the same again, but rows, what must come of them and bodies are
made as they are sent, which whoever writes synthetic rows has to do at some time; and COPY over a
direct connection. All write the same columns, through the same triggers and foreign keys.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import psycopg

from tests.bench import stack
from tests.bench.figures import Line, Options, Table, Target, in_pairs, say, seconds
from tui.verify.dataset import Dataset, batches
from tui.verify.leftovers import email, new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tui.sandbox import Sandbox
    from tui.settings import Volume

POST_SECONDS = 300.0
COLUMNS = ("id", "user_id", "question_id", "is_correct", "ms_to_answer", "created_at")


def run(options: Options) -> Table:
    """Measure at the large volume."""
    table = Table(f"Writing {options.largest:,} responses, rows a second")
    size = stack.volume(options.largest)
    with stack.running() as sandbox:
        stack.verify(sandbox, stack.volume(100))
        floors: list[tuple[str, Callable[[Sandbox, Volume], float], Target | None]] = [
            ("bare concurrent HTTP", post, Target(0.9, at_least=True)),
            (
                "the same, in our largest batches",
                lambda sandbox, size: post(sandbox, replace(size, batch=size.batch)),
                None,
            ),
            ("the same, rows made as they are sent", made_and_posted, None),
            ("COPY, direct connection", copy, None),
        ]
        for name, floor, target in floors:
            say(f"inserts: ours, then {name} ", end="")
            mine, other = in_pairs(
                options.pairs,
                lambda: ours(sandbox, size),
                lambda floor=floor: floor(sandbox, size),  # type: ignore[misc]
            )
            judged = None if options.quick else target
            table.lines.append(Line(f"ours / {name}", "rows/s", mine, other, judged))
    table.notes.append(f"batches of {size.batch}; {size.concurrency} requests in flight")
    return table


def ours(sandbox: Sandbox, size: Volume) -> float:
    """Rows a second of the stage that writes responses, in a whole verified cycle."""
    return size.responses / stack.verify(sandbox, size).stages["responses"]


def post(sandbox: Sandbox, size: Volume) -> float:
    """Rows a second of bare requests whose bodies are ready."""
    data = Dataset(new_run_id(), users=size.users, questions=size.questions)
    bodies = list(_bodies(_rows(data), size.batch))
    with Prepared(sandbox, data):
        taken = asyncio.run(_post(sandbox, bodies, size.concurrency))
    return size.responses / taken


def made_and_posted(sandbox: Sandbox, size: Volume) -> float:
    """Rows a second of bare requests whose rows are made between them."""
    data = Dataset(new_run_id(), users=size.users, questions=size.questions)
    with Prepared(sandbox, data):
        bodies = _bodies(_rows(data, expect=True), size.batch)
        taken = asyncio.run(_post(sandbox, bodies, size.concurrency))
    return size.responses / taken


def _bodies(rows: Iterator[dict[str, Any]], batch: int) -> Iterator[bytes]:
    for each in batches(rows, lambda: batch):
        yield json.dumps(each, separators=(",", ":")).encode()


async def _post(sandbox: Sandbox, bodies: Iterable[bytes], concurrency: int) -> float:
    key = sandbox.service_role_key
    headers = {
        "apikey": key,
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Prefer": "return=minimal,resolution=ignore-duplicates",
    }
    url = f"{sandbox.url}/rest/v1/responses?on_conflict=id&columns={','.join(COLUMNS)}"
    pending = iter(bodies)
    timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:

        async def worker() -> None:
            for body in pending:
                async with session.post(url, data=body) as reply:
                    reply.raise_for_status()

        async with session.get(f"{sandbox.url}/rest/v1/questions?limit=1") as reply:
            reply.raise_for_status()
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
        return asyncio.get_running_loop().time() - began


def copy(sandbox: Sandbox, size: Volume) -> float:
    """Rows a second of one COPY whose rows are ready."""
    data = Dataset(new_run_id(), users=size.users, questions=size.questions)
    rows = [tuple(row.values()) for row in _rows(data)]

    def work(connection: psycopg.Connection) -> None:
        with connection.cursor().copy(
            f"copy public.responses ({', '.join(COLUMNS)}) from stdin"
        ) as into:
            for row in rows:
                into.write_row(row)

    with Prepared(sandbox, data), psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        taken = seconds(lambda: work(connection))
    return size.responses / taken


class Prepared:
    """Users and questions for a floor's rows, written directly; in the end all is removed."""

    def __init__(self, sandbox: Sandbox, data: Dataset) -> None:
        self._url = sandbox.db_url
        self._data = data

    def __enter__(self) -> None:
        data = self._data
        questions = [data.question(number) for number in range(data.questions)]
        columns = list(questions[0])
        with psycopg.connect(self._url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "insert into auth.users (id, email) values (%s, %s)",
                [(each, email(data.run_id, n)) for n, each in enumerate(data.user_ids)],
            )
            cursor.executemany(
                f"insert into public.questions ({', '.join(columns)}) "
                f"values ({', '.join(['%s'] * len(columns))})".encode(),
                [tuple(row.values()) for row in questions],
            )

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(
                "delete from public.questions where id = any(%s)", [self._data.question_ids]
            )
            connection.execute(
                "delete from auth.users where id = any(%s::uuid[])", [self._data.user_ids]
            )


def _rows(data: Dataset, *, expect: bool = False) -> Iterator[dict[str, Any]]:
    for number in range(data.questions):
        answers = data.answers(number)
        if expect:
            data.expected(number, answers)
        yield from data.responses(number, answers)
