"""The client's surroundings: proxies, certificates, and which project replies name."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import httpx
import pytest

from tui.errors import ConfigurationError
from tui.project import Project, ProjectError, RetryPolicy
from tui.project import http as module
from tui.project.http import proxy_for
from tui.redact import Secret

if TYPE_CHECKING:
    from pathlib import Path

HOSTED = "https://stagestagestagestage.supabase.co"
KEY = Secret("sb_secret_" + "abcdefghijklmnopqrstuv_12345678")
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", *module._TLS_VARIABLES)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    module._tls.cache_clear()


@pytest.mark.parametrize(("name", "value", "url"), [
    ("HTTPS_PROXY", "http://proxy.example:3128", "http://proxy.example:3128"),
    ("HTTPS_PROXY", "proxy.example:3128", "http://proxy.example:3128"),
    ("https_proxy", "https://proxy.example", "https://proxy.example"),
    ("ALL_PROXY", "socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
    ("ALL_PROXY", "socks5h://127.0.0.1:1080", "socks5h://127.0.0.1:1080"),
    ("HTTP_PROXY", "http://proxy.example:3128", None),
])  # fmt: skip
def test_a_proxy_is_taken_from_the_surroundings(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, url: str | None
) -> None:
    monkeypatch.setenv(name, value)
    proxy, _ = proxy_for(HOSTED)
    assert (str(proxy.url) if proxy else None) == url
    # All of a plain request would be seen by it, the key included.
    assert proxy_for("http://127.0.0.1:54321") == (None, ())


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("value", [
    "socks4://127.0.0.1:1080", "http://proxy.example:port", "ftp://proxy.example", "http://[::1",
    "http//proxy.example:3128", "http:/proxy.example", "http://proxy example:3128", "://proxy",
    "http://:3128", "http://proxy.example:0", "direct://", "file:///etc/proxy", "http://x\n",
    "http://me:hunter2@proxy.example:99999", "socks://hunter2@proxy.example",
])  # fmt: skip
async def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name} holds no proxy") as caught:
        Project(HOSTED, KEY)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(("entries", "url", "bypassed", "unread"), [
    ("*", HOSTED, True, 0),
    ("supabase.co", HOSTED, True, 0),
    (".supabase.co", HOSTED, True, 0),
    ("*.supabase.co", HOSTED, True, 0),
    ("co", "https://example.com", False, 0),
    ("supabase.co", "https://notsupabase.co", False, 0),
    ("example.org:8443", "https://example.org:8443", True, 0),
    ("example.org:8443", "https://example.org", False, 0),
    ("[::1]", "https://[::1]:8443", True, 0),
    ("fd00::/8", "https://[fd00::5]", True, 0),
    ("10.0.0.0/8", "https://10.1.2.3", True, 0),
    ("10.0.0.0/8", "https://11.1.2.3", False, 0),
    ("10.0.0.0/8", HOSTED, False, 0),
    ("***", HOSTED, False, 1),
    ("[::1", HOSTED, False, 1),
    ("10.0.0.0/99", HOSTED, False, 1),
    ("a b,***,supabase.co", HOSTED, True, 2),
])  # fmt: skip
def test_no_proxy_is_read_entry_by_entry(
    monkeypatch: pytest.MonkeyPatch, entries: str, url: str, bypassed: bool, unread: int
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", entries)
    proxy, remarks = proxy_for(url)
    assert (proxy is None) == bypassed
    assert len(remarks) == unread
    assert all("NO_PROXY cannot be read" in remark for remark in remarks)


async def test_the_way_through_a_socks_proxy_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            version, methods = await reader.readexactly(2)
            await reader.readexactly(methods)
            writer.write(bytes([version, 0]))
            *_, length = await reader.readexactly(5)
            asked.append(await reader.readexactly(length + 2))
            # Connection refused, in its words.
            writer.write(bytes([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]))
            await writer.drain()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{port}")
        async with Project(HOSTED, KEY, policy=RetryPolicy(attempts=1)) as project:
            with pytest.raises(ProjectError):
                await project.rows("questions", ["id"], order=["id"])
    assert asked == [b"stagestagestagestage.supabase.co" + (443).to_bytes(2, "big")]


# OpenSSL takes a directory of certificates that is not there.
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSLKEYLOGFILE"])
async def test_what_tls_needs_and_is_gone_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "gone" / "file"))
    with pytest.raises(ConfigurationError, match=f"^{name} cannot be used for TLS"):
        Project(HOSTED, KEY)
    # What is not encrypted needs none of it.
    await Project("http://127.0.0.1:1", KEY).aclose()


async def test_certificates_that_are_none_are_told_by_their_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE cannot be used for TLS"):
        Project(HOSTED, KEY)


@pytest.mark.parametrize(("header", "named"), [
    ("stagestagestagestage", {"stagestagestagestage"}), ("<script>", set()), ("", set()),
])  # fmt: skip
async def test_the_project_that_a_reply_names_is_remembered(header: str, named: set[str]) -> None:
    seen = set[str]()
    client = module.http_client("http://127.0.0.1:1", connections=1, kept=1, proxy=None, named=seen)
    note = client.event_hooks["response"][0]
    await note(httpx.Response(200, headers={"sb-project-ref": header}))
    assert seen == named
    await client.aclose()
