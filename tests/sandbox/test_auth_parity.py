"""The auth emulation answers as the vendor's server does, request by request.

The replies in `recorded_auth.json` are those of version 2.196 (`record_auth.py` made them). Where
`HEATMAP_SANDBOX_AUTH` names such a server, it is asked as well, so that the record stays true.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox import helpers
from tests.sandbox.auth_requests import RECORDED, REQUESTS, conversation
from tui.sandbox import SandboxOptions, start_sandbox_sync

# The version is not in the build that was recorded, and the emulation calls itself one.
THEIR_OWN = {"health"}


@pytest.fixture(scope="module")
def recorded() -> Any:
    return json.loads(RECORDED.read_text(encoding="utf-8"))


def said_by(options: SandboxOptions) -> dict[str, Any]:
    running = start_sandbox_sync(options)
    try:
        return conversation(running)
    finally:
        running.stop_sync()


@pytest.fixture(scope="module")
def emulated() -> Any:
    return said_by(SandboxOptions(seed_learners=False))


@pytest.fixture(scope="module")
def real() -> Any:
    if helpers.AUTH is None:
        pytest.skip(helpers.NO_AUTH_SERVER)
    return said_by(helpers.options(seed_learners=False))


def test_the_record_is_of_these_requests(recorded: Any) -> None:
    assert list(recorded["replies"]) == sorted(REQUESTS), "run tests.sandbox.record_auth"


@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in THEIR_OWN])
def test_the_emulation_answers_as_recorded(recorded: Any, emulated: Any, name: str) -> None:
    assert emulated["replies"][name] == recorded["replies"][name]


def test_the_emulation_writes_the_audit_log_as_recorded(recorded: Any, emulated: Any) -> None:
    assert emulated["audit"] == recorded["audit"]


def test_the_emulation_says_what_it_is(emulated: Any) -> None:
    health = emulated["replies"]["health"]["body"]
    assert health["version"].startswith("v2.")
    assert health["description"] == "GoTrue, emulated by the sandbox"


@pytest.mark.parametrize("name", [name for name in REQUESTS if name not in THEIR_OWN])
def test_the_vendors_server_answers_as_recorded(recorded: Any, real: Any, name: str) -> None:
    assert real["replies"][name] == recorded["replies"][name]


def test_the_vendors_server_writes_the_audit_log_as_recorded(recorded: Any, real: Any) -> None:
    assert real["audit"] == recorded["audit"]
