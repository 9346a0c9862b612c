"""The fault switch: parsed strictly, repeatable from its seed, and felt by a client as meant."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.sandbox.helpers import eventually, headers
from tui.errors import ConfigurationError
from tui.sandbox.faults import FaultSpec, FaultSwitch, parse_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tui.sandbox import Sandbox


def kinds(spec: str, count: int = 2000) -> list[str | None]:
    switch = FaultSwitch(parse_faults(spec))
    return [switch.next("GET", "/rest/v1/questions").kind for _ in range(count)]


def test_parse() -> None:
    spec = parse_faults(" seed=7, latency=40,jitter=10,e503=0.05,lost=0.1,method=post,path=/rest ")
    assert spec == FaultSpec(
        rates={"e503": 0.05, "lost": 0.1},
        seed=7,
        latency=40,
        jitter=10,
        method="POST",
        path="/rest",
    )
    assert parse_faults("") == FaultSpec()


@pytest.mark.parametrize(
    "spec",
    [
        "nonsense",
        "lost",
        "lost=",
        "lost=x",
        "lost=1.1",
        "lost=-0.1",
        "lost=nan",
        "seed=1.5",
        "e200=0.1",
        "e5030=0.1",
        "lost=0.6,reset=0.6",
        "url_limit=inf",
    ],
)
def test_parse_refuses(spec: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_faults(spec)
    assert "fault specification" in caught.value.message
    assert caught.value.hint


def test_the_same_seed_gives_the_same_faults() -> None:
    spec = "lost=0.1,e503=0.1,slow=0.05"
    assert kinds(f"seed=1,{spec}") == kinds(f"seed=1,{spec}")
    assert kinds(f"seed=1,{spec}") != kinds(f"seed=2,{spec}")


def test_rates_are_kept() -> None:
    seen = kinds("seed=3,lost=0.1,e503=0.3", 20_000)
    assert seen.count("lost") / len(seen) == pytest.approx(0.1, abs=0.01)
    assert seen.count("e503") / len(seen) == pytest.approx(0.3, abs=0.015)
    assert set(kinds("reset=1")) == {"reset"}
    assert set(kinds("seed=3")) == {None}


def test_skip_and_times_and_filters() -> None:
    assert kinds("lost=1,skip=2,times=3", 8) == [None] * 2 + ["lost"] * 3 + [None] * 3
    switch = FaultSwitch(parse_faults("lost=1,times=1,method=POST,path=/responses"))
    assert switch.next("GET", "/rest/v1/responses").kind is None
    assert switch.next("POST", "/rest/v1/questions").kind is None
    assert switch.next("POST", "/rest/v1/responses?x=1").kind == "lost"
    assert switch.next("POST", "/rest/v1/responses").kind is None


def test_delay_stays_within_the_jitter() -> None:
    switch = FaultSwitch(parse_faults("latency=40,jitter=10"))
    delays = [switch.next("GET", "/").delay for _ in range(500)]
    assert 0.030 <= min(delays) < 0.032
    assert 0.048 < max(delays) <= 0.050


@pytest.fixture(scope="module")
def faulty() -> Iterator[Sandbox]:
    """One sandbox for this module, whose faults each test sets."""
    from tui.sandbox import SandboxOptions, start_sandbox_sync

    running = start_sandbox_sync(SandboxOptions(seed_learners=False))
    yield running
    running.stop_sync()


@pytest.fixture
def ask(faulty: Sandbox) -> Iterator[Callable[..., httpx.Response]]:
    """Send one request under a fault."""
    faulty.set_faults(None)

    def send(
        spec: str | None, method: str = "GET", path: str = "questions", **more: Any
    ) -> httpx.Response:
        faulty.set_faults(spec)
        key = headers(faulty.service_role_key)
        return httpx.request(
            method, f"{faulty.url}/rest/v1/{path}", headers=key, timeout=10, **more
        )

    yield send
    faulty.set_faults(None)


def question() -> dict[str, str]:
    return {"slug": f"fault-{uuid.uuid4()}", "stem_md": "-", "explanation_brief_md": "-"}


def count(ask: Callable[..., httpx.Response], slug: str) -> int:
    return len(ask(None, path=f"questions?slug=eq.{slug}").json())


def test_none_and_back(ask: Callable[..., httpx.Response], faulty: Sandbox) -> None:
    assert ask("e503=1").status_code == 503
    assert ask(None).status_code == 200
    with pytest.raises(ConfigurationError):
        faulty.set_faults("lost=2")
    assert ask(None).status_code == 200


@pytest.mark.parametrize("status", [408, 429, 500, 503, 520])
def test_a_status_instead_of_an_answer_writes_nothing(
    ask: Callable[..., httpx.Response], status: int
) -> None:
    row = question()
    answer = ask(f"e{status}=1,retry_after=2", "POST", json=row)
    assert answer.status_code == status
    assert answer.json()
    assert answer.headers.get("Retry-After") == ("2" if status == 429 else None)
    assert count(ask, row["slug"]) == 0


def test_html(ask: Callable[..., httpx.Response]) -> None:
    row = question()
    answer = ask("html=1", "POST", json=row)
    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith("text/html")
    assert count(ask, row["slug"]) == 0


def test_a_dropped_request_is_not_carried_out(ask: Callable[..., httpx.Response]) -> None:
    row = question()
    with pytest.raises(httpx.TransportError):
        ask("drop=1", "POST", json=row)
    assert count(ask, row["slug"]) == 0


def test_a_lost_reply_is_committed(ask: Callable[..., httpx.Response]) -> None:
    row = question()
    with pytest.raises(httpx.TransportError):
        ask("lost=1", "POST", json=row)
    assert count(ask, row["slug"]) == 1


def test_a_reset_comes_in_the_middle_of_the_body(ask: Callable[..., httpx.Response]) -> None:
    row = question()
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        ask("reset=1", "POST", json=row)
    assert count(ask, row["slug"]) == 1


def test_a_right_key_is_refused_in_passing(
    ask: Callable[..., httpx.Response], faulty: Sandbox
) -> None:
    row = question()
    answer = ask("refusal=1", "POST", json=row)
    assert answer.status_code == 401
    assert answer.json() == {
        "code": "PGRST303",
        "details": None,
        "hint": None,
        "message": "JWT issued at future",
    }
    assert answer.headers["Proxy-Status"] == "PostgREST; error=PGRST303"
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    auth = httpx.get(f"{faulty.url}/auth/v1/admin/users", headers=headers(faulty.service_role_key))
    assert (auth.status_code, auth.json()["error_code"]) == (403, "bad_jwt")
    assert "unrecognized JWT kid" in auth.json()["msg"]
    assert count(ask, row["slug"]) == 0


def test_what_the_gateway_gave_up_on_is_carried_out_all_the_same(
    ask: Callable[..., httpx.Response],
) -> None:
    row = question()
    answer = ask("gave_up=1,gave_up_seconds=0", "POST", json=row)
    assert answer.status_code == 504
    assert answer.headers["Content-Type"].startswith("text/html")
    assert eventually(lambda: count(ask, row["slug"]) == 1)


def test_truncated_json(ask: Callable[..., httpx.Response]) -> None:
    row = question()
    ask(None, "POST", json=row)
    answer = ask("truncate=1", path=f"questions?slug=eq.{row['slug']}")
    assert answer.status_code == 200
    assert answer.text.startswith("[")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        answer.json()


def test_a_slow_body_arrives_in_pieces(ask: Callable[..., httpx.Response], faulty: Sandbox) -> None:
    row = question()
    ask(None, "POST", json=row)
    faulty.set_faults("slow=1,slow_seconds=0.5")
    with httpx.stream(
        "GET",
        f"{faulty.url}/rest/v1/questions?slug=eq.{row['slug']}",
        headers=headers(faulty.service_role_key),
    ) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) >= 3
    assert row["slug"].encode() in b"".join(pieces)


def test_the_url_limit(ask: Callable[..., httpx.Response]) -> None:
    assert ask("url_limit=300", path="questions?slug=eq." + "x" * 300).status_code == 414
    assert ask("url_limit=600", path="questions?slug=eq." + "x" * 300).status_code == 200


def test_the_same_seed_gives_the_same_faults_at_the_gateway(
    ask: Callable[..., httpx.Response], faulty: Sandbox
) -> None:
    def run(seed: int) -> list[int]:
        faulty.set_faults(f"seed={seed},e503=0.3,e429=0.2")
        with httpx.Client(headers=headers(faulty.service_role_key)) as http:
            url = f"{faulty.url}/rest/v1/questions?limit=1"
            return [http.get(url).status_code for _ in range(40)]

    first = run(5)
    assert set(first) == {200, 429, 503}
    assert run(5) == first
    assert run(6) != first


def test_faults_from_the_start(start_private_sandbox: Callable[..., Sandbox]) -> None:
    running = start_private_sandbox(faults="e503=1", seed_learners=False)
    answer = httpx.get(
        f"{running.url}/rest/v1/questions", headers=headers(running.service_role_key)
    )
    assert answer.status_code == 503
