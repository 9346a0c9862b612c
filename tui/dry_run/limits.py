"""Will the project's limits bear what a run does?"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from tui.dry_run.probe import Finding, Probe, failed, passed, skipped, warned
from tui.project import IDS_PER_REQUEST, PAGE, REFRESH, Missing, ProjectError, one_of
from tui.verify.events import ProbeStatus

if TYPE_CHECKING:
    from tui.dry_run.facts import Facts

# What the hosted platform gives a request; less than this is somebody's own setting.
_USUAL_TIMEOUT_MS: Final = 8_000
_SHORTEST_REQUEST_MS: Final = 2_000
# A refresh grows with the responses, and a busy database doubles it.
_MARGIN: Final = 3.0
# One synthetic response as JSON, measured: 243 to 258 bytes.
# Half a megabyte of JSON: beyond, no time is won.
_MOST_ROWS: Final = 2_000
_ROW_BYTES: Final = 260


async def max_rows(facts: Facts) -> Finding:
    """How many rows does a reply hold at most?"""
    first = await facts.responses()
    # Where they cannot be counted, there are more than a page.
    total, got = PAGE if first.total is None else first.total, len(first.rows)
    if got >= min(total, PAGE):
        bound = f"{PAGE:,}" if total >= PAGE else f"the {total:,} there are"
        return passed(f"a reply holds {bound} rows, and longer ones are read in pages")
    pages = -(-facts.context.settings.volume.aggregates // max(got, 1))
    return warned(f"max-rows is {got:,}: reading this run's aggregates takes {pages:,} pages")


async def refresh_timeout(facts: Facts) -> Finding:
    """Has the refresh the time it needs?"""
    preflight = await facts.preflight()
    own = preflight.at("functions", REFRESH, "statement_timeout_ms")
    limit = preflight.at("caller", "statement_timeout_ms") if own is None else own
    last = preflight.at("last_refresh")
    past = facts.context.past
    known = [float(last["server_ms"])] if last else []
    if past is not None and past.refresh_ms is not None:
        known.append(past.refresh_ms)
    longest = max(known, default=None)
    took = f"a refresh took {longest:,.0f} ms" if longest is not None else "no refresh is on record"
    if not limit:
        return passed(f"no statement timeout; {took}")
    seen = f"statement timeout {limit:,} ms ({'function' if own is not None else 'role'}); {took}"
    if longest is not None and limit <= longest:
        return failed(seen)
    if limit < _USUAL_TIMEOUT_MS or (longest is not None and limit < _MARGIN * longest):
        return warned(seen)
    return passed(seen)


async def request_timeout(facts: Facts) -> Finding:
    """Has a request the time that a batch or a page takes?"""
    limit = (await facts.preflight()).at("caller", "statement_timeout_ms")
    if not limit:
        return passed("requests of the service role have no statement timeout")
    seen = f"requests of the service role end after {limit:,} ms"
    return passed(seen) if limit >= _SHORTEST_REQUEST_MS else warned(seen)


async def url_length(facts: Facts) -> Finding:
    """Do our longest requests get through?"""
    project = await facts.ready()
    ids = [uuid.UUID(int=number, version=4) for number in range(IDS_PER_REQUEST)]
    try:
        await project.page("questions", ["id"], [one_of("id", ids)], limit=1)
    except Missing:
        return skipped("there is no table to ask", "see schema.tables")
    except ProjectError as error:
        if error.status is None:
            raise
        return failed(f"a request of {IDS_PER_REQUEST} ids is refused: {error.message}")
    return passed(f"a request of {IDS_PER_REQUEST} ids, about 6 KB, gets through")


async def batch(facts: Facts) -> Finding:
    """Is a batch of a size that gateways take?"""
    volume = facts.context.settings.volume
    seen = (
        f"{volume.batch:,} rows a batch, about {volume.batch * _ROW_BYTES / 1e6:.1f} MB; "
        f"{volume.concurrency} in flight"
    )
    return passed(seen) if volume.batch <= _MOST_ROWS else warned(seen)


_FAIL, _WARN = ProbeStatus.FAIL, ProbeStatus.WARN

PROBES: Final = (
    Probe(
        "limits.max_rows",
        "a reply holds enough rows",
        f"{PAGE:,} rows of responses, and how many there are",
        f"fewer than {PAGE:,} come although there are more: reading takes more requests",
        f"raise max-rows in the project's API settings to {PAGE:,}",
        _WARN,
        max_rows,
    ),
    Probe(
        "limits.refresh_timeout",
        "the refresh has the time it needs",
        "the preflight function: the refresh's timeout, the last refresh",
        "the last refresh took longer than the timeout (fails); the timeout is under three times "
        "that, or under 8 s (warns)",
        "alter function public.analytics_refresh_heatmap() set statement_timeout = '5min'",
        _FAIL,
        refresh_timeout,
    ),
    Probe(
        "limits.request_timeout",
        "a request has the time it needs",
        "the preflight function: the statement timeout of its own request",
        f"it is under {_SHORTEST_REQUEST_MS:,} ms: a batch may be cut off",
        "alter role authenticator set statement_timeout = '8s'; the same for service_role if it "
        "has one of its own",
        _WARN,
        request_timeout,
    ),
    Probe(
        "limits.url_length",
        "our longest URL gets through",
        f"questions by {IDS_PER_REQUEST} ids that do not exist",
        "a gateway refuses it: clean-up of leftovers would fail",
        "let the gateway take URLs of 8 KB",
        _FAIL,
        url_length,
    ),
    Probe(
        "limits.batch",
        "a batch is of a bearable size",
        "HEATMAP_VERIFY_BATCH",
        f"it is over {_MOST_ROWS:,} rows, which wins no time and may meet a body limit",
        "set HEATMAP_VERIFY_BATCH to 500",
        _WARN,
        batch,
    ),
)
