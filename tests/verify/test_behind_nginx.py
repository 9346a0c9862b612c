"""A cycle and a purge behind a real nginx: with its defaults, and with each limit people set."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.sandbox.helpers import eventually
from tests.verify import conftest
from tests.verify.conftest import contents, finish, open_session
from tui.project import RetryPolicy
from tui.verify.events import Outcome, Retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tui.sandbox import Sandbox
    from tui.verify.events import Event

NGINX: Final = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

CONFIGURATION: Final = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  {http}
  server {{
    listen 127.0.0.1:{port};
    {server}
    location / {{ proxy_pass {upstream}; }}
    {locations}
  }}
}}
"""
SLOW_USERS: Final = """
create function public.slow_user() returns trigger language plpgsql as
  $$ begin perform pg_sleep(0.6); return new; end $$;
create trigger slow_user before insert on auth.users
  for each row execute function public.slow_user();
"""


@dataclass(frozen=True)
class Fronted:
    """A sandbox as it is reached through nginx."""

    url: str
    service_role_key: str
    anon_key: str


@contextlib.contextmanager
def behind_nginx(
    sandbox: Sandbox, folder: Path, *, http: str = "", server: str = "", locations: str = ""
) -> Iterator[Fronted]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = folder / "nginx.conf"
    path.write_text(CONFIGURATION.format(
        folder=folder, port=port, upstream=sandbox.url, http=http, server=server,
        locations=locations.replace("PASS", f"proxy_pass {sandbox.url};"),
    ))  # fmt: skip
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-c", str(path), "-e", str(folder / "error.log")])
    try:
        assert eventually(lambda: _listens(port)), (folder / "error.log").read_text()
        yield Fronted(f"http://127.0.0.1:{port}", sandbox.service_role_key, sandbox.anon_key)
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# What is set, and the status that must have been met for the test to mean anything.
LIMITS: Final = {
    "its defaults": ({}, None),
    "headers of 4 KB": ({"server": "large_client_header_buffers 4 4k;"}, None),
    "bodies of 64 KB": ({"server": "client_max_body_size 64k;"}, 413),
    "bodies of 4 KB": ({"server": "client_max_body_size 4k;"}, 413),
    "20 requests a second": (
        {
            "http": "limit_req_zone $binary_remote_addr zone=r:1m rate=20r/s;",
            "server": "limit_req zone=r;",
        },
        503,
    ),
    "20 requests a second, refused by 429": (
        {
            "http": "limit_req_zone $binary_remote_addr zone=r:1m rate=20r/s;",
            "server": "limit_req zone=r burst=5 nodelay; limit_req_status 429;",
        },
        429,
    ),
    "4 connections": (
        {
            "http": "limit_conn_zone $binary_remote_addr zone=c:1m;",
            "server": "limit_conn c 4;",
        },
        503,
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_a_cycle_and_a_purge_pass(
    sandbox: Sandbox, tmp_path: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As patient as a real run: refusals of a rate come as fast as the requests.
    monkeypatch.setattr(conftest, "QUICK", RetryPolicy())
    before = contents(sandbox)
    settings, status = LIMITS[limit]
    with behind_nginx(sandbox, tmp_path, **settings) as front:
        async with open_session(front, users=12, questions=100, batch=400) as session:
            await verified(session.dry_run)
            await verified(session.cycle)
            purged = await finish(session.purge())
            assert purged.finished is not None
            assert purged.finished.outcome is Outcome.CLEAN, purged.finished
    met = {line.split('" ')[1][:3] for line in (tmp_path / "access.log").read_text().splitlines()}
    assert status is None or str(status) in met, met
    assert contents(sandbox) == before


async def verified(run: Callable[..., object]) -> list[Event]:
    events: list[Event] = []
    result = await finish(run(), events.append)
    assert result.finished is not None
    assert result.finished.outcome in {Outcome.VERIFIED, Outcome.READY}, (
        result.finished, [each for each in result.probes.values() if each.hint and each.detail],
    )  # fmt: skip
    return events


async def test_a_refresh_that_nginx_gave_up_on_is_looked_at_and_not_sent_again(
    start_private_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sandbox = start_private_sandbox()
    before = contents(sandbox)
    impatient = "location /rest/v1/rpc/analytics_refresh_heatmap { PASS proxy_read_timeout 100ms; }"
    with behind_nginx(sandbox, tmp_path, locations=impatient) as front:
        async with open_session(front) as session:
            sandbox.set_faults("latency=400")
            events = await verified(session.cycle)
    sandbox.set_faults(None)
    log = (tmp_path / "access.log").read_text().splitlines()
    sent = [line for line in log if '"POST /rest/v1/rpc/analytics_refresh_heatmap' in line]
    assert all('" 504 ' in line for line in sent), sent
    assert len(sent) == 2, "once after the write, once after the clean-up"
    assert [each for each in events if isinstance(each, Retrying)] == []
    assert contents(sandbox) == before


async def test_users_whose_creation_nginx_gave_up_on_are_found_to_be_ours(
    start_private_sandbox: Callable[..., Sandbox], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As patient as a real run: a user is looked for before it is sent again.
    monkeypatch.setattr(conftest, "QUICK", RetryPolicy())
    sandbox = start_private_sandbox()
    with psycopg.connect(sandbox.db_url, autocommit=True) as connection:
        connection.execute(SLOW_USERS)
    before = contents(sandbox)
    impatient = "location = /auth/v1/admin/users { PASS proxy_read_timeout 300ms; }"
    with behind_nginx(sandbox, tmp_path, locations=impatient) as front:
        async with open_session(front) as session:
            await verified(session.cycle)
    log = (tmp_path / "access.log").read_text()
    assert '"POST /auth/v1/admin/users HTTP/1.1" 504' in log
    users = log.count("POST /auth/v1/admin/users ")
    assert users == 9 + 1, "each of them once, and the canary"
    assert contents(sandbox) == before
