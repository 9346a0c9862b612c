"""The functions as the API serves them: names, codes, timeouts, pages."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.sandbox import Sandbox

REFRESH = "analytics_refresh_heatmap"
READER = "analytics_heatmap_admin"


@pytest.fixture(scope="module")
def door(sandbox: Sandbox) -> Iterator[Callable[..., httpx.Response]]:
    """Call a function through the gateway, by default with the service key."""
    with httpx.Client(base_url=f"{sandbox.url}/rest/v1", timeout=60) as client:

        def call(
            function: str,
            *,
            key: str | None = None,
            token: str | None = None,
            get: bool = False,
            **arguments: Any,
        ) -> httpx.Response:
            apikey = key or sandbox.service_role_key
            headers = {"apikey": apikey, "Authorization": f"Bearer {token or apikey}"}
            path = f"/rpc/{function}"
            if get:
                return client.get(path, params=arguments, headers=headers)
            return client.post(path, json=arguments, headers=headers)

        yield call


def test_without_arguments_everything_comes_in_order(door: Callable[..., httpx.Response]) -> None:
    rows = door(READER).json()
    assert len(rows) > 100
    assert list(rows[0]) == [
        "question_id", "lesion", "topic", "week_start",
        "attempts", "correct_attempts", "accuracy_rate", "median_duration_ms",
    ]  # fmt: skip
    assert rows == sorted(rows, key=lambda row: (row["week_start"], row["question_id"]))
    assert door(READER, get=True).json() == rows


def test_pages_and_filters_by_name(door: Callable[..., httpx.Response]) -> None:
    rows = door(READER).json()
    pages: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while page := door(READER, **after, max_rows=100).json():
        pages += page
        after = {"after_week": page[-1]["week_start"], "after_question": page[-1]["question_id"]}
    assert pages == rows
    found = door(READER, only_lesion=" MELANOMA ").json()
    assert found
    assert found == [row for row in rows if row["lesion"] == "melanoma"]


def test_refresh_returns_its_document(door: Callable[..., httpx.Response]) -> None:
    answer = door(REFRESH)
    assert answer.status_code == 200
    assert answer.json()["status"] in ("refreshed", "joined")


def test_codes_of_denial(door: Callable[..., httpx.Response], sandbox: Sandbox) -> None:
    for function in (READER, REFRESH, "analytics_heatmap_preflight"):
        denied = door(function, key=sandbox.anon_key)
        assert (denied.status_code, denied.json()["code"]) == (401, "42501")
    probe = door(REFRESH, get=True)
    assert probe.json()["code"] == "25006"
    assert door("analytics_heatmap_preflight", get=True).json()["schema"] == 1


@contextmanager
def slowed(database: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Make each refresh last this long: its aggregate sleeps once in the lesion rule."""
    row = database.execute(
        "select pg_get_functiondef('analytics_private.normalized_lesion(text)'::regprocedure)"
    ).fetchone()
    assert row is not None
    database.execute(
        "create or replace function analytics_private.normalized_lesion(lesion text) returns text "
        "language plpgsql immutable strict parallel safe set search_path = '' as $$ begin "
        f"if lesion = 'Melanoma' then perform pg_sleep({seconds}); end if; "
        "return lower(lesion); end $$"
    )
    try:
        yield
    finally:
        database.execute(row[0])
        database.execute("select public.analytics_refresh_heatmap()")


def test_a_refresh_longer_than_the_roles_timeout_succeeds_and_blocks_no_reader(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    sandbox = start_private_sandbox()
    headers = {
        "apikey": sandbox.service_role_key,
        "Authorization": f"Bearer {sandbox.service_role_key}",
    }
    url = f"{sandbox.url}/rest/v1/rpc"
    with psycopg.connect(sandbox.db_url, autocommit=True) as database, slowed(database, 12):
        with ThreadPoolExecutor(1) as pool:
            refresh = pool.submit(
                httpx.post, f"{url}/{REFRESH}", json={}, headers=headers, timeout=60
            )
            served = 0
            while not refresh.done():
                # The role's own 8 s and this client's 5 s hold for the reader.
                answer = httpx.post(f"{url}/{READER}", json={}, headers=headers, timeout=5)
                assert answer.status_code == 200
                assert answer.json()
                served += 1
        document = refresh.result()
    assert document.status_code == 200, document.text
    assert document.json()["server_ms"] > 12_000
    assert served > 0
