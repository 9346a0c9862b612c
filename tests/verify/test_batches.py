"""Responses are written in batches that the server takes, even where those configured are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.verify.conftest import contents, finish, open_session
from tui.verify.events import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.sandbox import Sandbox

MOST_ROWS = 40


@pytest.fixture
def narrow(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A project that gives up on an insert of more than 40 responses, as a slow one would."""
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(
            f"""
            create table public.sizes (id bigserial, rows bigint);
            create function public.only_small() returns trigger
                language plpgsql security definer as $$
            declare rows bigint := (select count(*) from new_rows);
            begin
                if rows > {MOST_ROWS} then
                    raise query_canceled using
                        message = 'canceling statement due to statement timeout';
                end if;
                insert into public.sizes (rows) values (rows);
                return null;
            end $$;
            create trigger only_small after insert on public.responses
                referencing new table as new_rows
                for each statement execute function public.only_small();
            """.encode()
        )
    yield sandbox
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute("drop function public.only_small cascade; drop table public.sizes")


async def test_a_batch_that_the_server_gives_up_on_is_written_in_halves(narrow: Sandbox) -> None:
    before = contents(narrow)
    async with open_session(narrow, users=20, questions=50, batch=150, canary=False) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    with psycopg.connect(narrow.db_url) as connection:
        sizes = [row[0] for row in connection.execute("select rows from sizes order by id")]
    assert sum(sizes) == 20 * 50
    assert max(sizes) <= MOST_ROWS
    assert without_sizes(contents(narrow)) == without_sizes(before)


def without_sizes(tables: dict[str, tuple[int, str | None]]) -> dict[str, tuple[int, str | None]]:
    return {name: found for name, found in tables.items() if "sizes" not in name}
