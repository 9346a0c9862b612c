"""Work outlives its listener, and a stop drains before it drops."""

from __future__ import annotations

import asyncio

import pytest

from tui.verify import run
from tui.verify.events import Notice
from tui.verify.run import Cancellation, Cancelled, stream


async def test_events_come_in_order_and_the_error_last() -> None:
    async def work(emit: object) -> None:
        assert callable(emit)
        emit(Notice("one"))
        emit(Notice("two"))
        raise RuntimeError("then this")

    events = stream(work, Cancellation())
    assert [await anext(events), await anext(events)] == [Notice("one"), Notice("two")]
    with pytest.raises(RuntimeError, match="then this"):
        await anext(events)


async def never_ending() -> None:
    await asyncio.Event().wait()


async def test_closing_the_stream_asks_the_work_to_stop_and_awaits_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "DRAIN_S", 0.02)
    cancellation = Cancellation()
    cleaned = asyncio.Event()

    async def work(emit: object) -> None:
        assert callable(emit)
        emit(Notice("begun"))
        with pytest.raises(Cancelled):
            await cancellation.guard(never_ending())
        cleaned.set()

    events = stream(work, cancellation)
    assert await anext(events) == Notice("begun")
    await events.aclose()
    assert cleaned.is_set()


async def test_a_stop_lets_requests_in_flight_come_back() -> None:
    cancellation = Cancellation()
    came_back = False

    async def work() -> None:
        nonlocal came_back
        cancellation.request("enough")
        await asyncio.sleep(0.01)
        came_back = True
        cancellation.check()

    with pytest.raises(Cancelled):
        await cancellation.guard(work())
    assert came_back


async def test_what_does_not_come_back_in_time_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "DRAIN_S", 0.02)
    cancellation = Cancellation()

    async def work() -> None:
        cancellation.request("enough")
        await asyncio.Event().wait()

    with pytest.raises(Cancelled):
        await asyncio.wait_for(cancellation.guard(work()), 5)


async def test_an_error_says_more_than_the_stop_it_came_with() -> None:
    cancellation = Cancellation()

    async def work() -> None:
        cancellation.request("enough")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await cancellation.guard(work())


async def test_clean_up_goes_on_through_a_stop_and_ends_when_abandoned() -> None:
    cancellation = Cancellation()
    cancellation.request("enough")
    done = False

    async def work() -> None:
        nonlocal done
        await asyncio.sleep(0.01)
        done = True

    await cancellation.guard_clean_up(work())
    assert done

    async def endless() -> None:
        cancellation.abandon("leave")
        await asyncio.Event().wait()

    with pytest.raises(Cancelled):
        await asyncio.wait_for(cancellation.guard_clean_up(endless()), 5)
