"""A gateway that gives up waiting for a refresh stops none: the view is looked at instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from tests.verify.conftest import contents, finish, open_session
from tui.errors import ExitCode
from tui.verify.events import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.sandbox import Sandbox

PATH = "path=analytics_refresh_heatmap"


async def test_a_refresh_that_outlasts_its_gateway_is_waited_for(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    before = contents(sandbox)
    sandbox.set_faults(f"gave_up=1,times=2,{PATH}")
    async with open_session(sandbox) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.outcome is Outcome.VERIFIED, result.finished
    assert len(result.refresh_runs_ms) == 1
    assert result.final_refresh_ms is not None
    assert any("the gateway gave up after" in each.text for each in result.notices)
    calls = [each for each in sandbox.requests() if "analytics_refresh_heatmap" in each.path]
    assert len([each for each in calls if each.method == "POST"]) == 2, "none was sent again"
    after = contents(sandbox)
    # When it was last refreshed is on record there.
    assert {name for name in after if after[name] != before[name]} <= {
        "analytics_private.last_refresh"
    }


async def test_a_refresh_that_did_not_happen_is_no_success(
    start_private_sandbox: Callable[..., Sandbox],
) -> None:
    sandbox = start_private_sandbox()
    sandbox.set_faults(f"e504=1,times=1,{PATH}")
    async with open_session(sandbox) as session:
        result = await finish(session.cycle())
    assert result.finished is not None
    assert result.finished.exit_code is ExitCode.INTERRUPTED, result.finished
    assert "proxy_read_timeout" in (result.finished.hint or "")
    with psycopg.connect(sandbox.db_url) as connection:
        row = connection.execute(
            "select count(*) from public.questions where slug like 'heatmap-verification-%'"
        ).fetchone()
    assert row == (0,)
