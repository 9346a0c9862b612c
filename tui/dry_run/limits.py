"""Will the project's limits bear what a run does?"""

from __future__ import annotations

import uuid
from typing import Final

from tui.dry_run.facts import Facts, Preflight, UnansweredError
from tui.dry_run.probe import Finding, Probes, failed, passed, warned
from tui.guard.target import TargetKind
from tui.project import IDS_PER_REQUEST, PAGE, REFRESH, Filter, ProjectError, one_of
from tui.verify.events import ProbeStatus
from tui.verify.leftovers import ANY_SLUG

# What the hosted platform gives a request; less than this is somebody's own setting.
_USUAL_TIMEOUT_MS: Final = 8_000
_SHORTEST_REQUEST_MS: Final = 2_000
# A refresh grows with the responses, and a busy database doubles it.
_MARGIN: Final = 3.0
# Half a megabyte of JSON: beyond, no time is won.
_MOST_ROWS: Final = 2_000
# One synthetic response as JSON, measured: 243 to 258 bytes.
_ROW_BYTES: Final = 260
# What gateways say of a URL, or of a reply that repeats it in a header, that is too long for them.
_OF_LENGTH: Final = frozenset({400, 413, 414, 431, 502, 520})
# Gateways give up sooner than a refresh may take: Envoy after 30 s, nginx after 60 s.
_GATEWAY_MS: Final = 30_000

PROBES: Final = Probes()


@PROBES.add(
    "limits.max_rows",
    "a reply holds enough rows",
    f"{PAGE:,} rows of responses, and how many there are",
    f"fewer than {PAGE:,} come although there are more: reading takes more requests",
    f"raise max-rows in the project's API settings to {PAGE:,}",
    severity=ProbeStatus.WARN,
    needs=("schema.tables",),
)
async def _max_rows(facts: Facts) -> Finding:
    first = await facts.table("responses")
    # Where they cannot be counted, there are more than a page.
    total, got = PAGE if first.total is None else first.total, len(first.rows)
    if got >= PAGE:
        return passed(f"a reply holds {PAGE:,} rows, and longer ones are read in pages")
    if got >= total:
        return passed(f"a reply holds all {total:,} responses there are; longer ones come in pages")
    pages = -(-facts.context.settings.volume.aggregates // max(got, 1))
    return warned(f"max-rows is {got:,}: reading this run's aggregates takes {pages:,} pages")


@PROBES.add(
    "limits.refresh_timeout",
    "the refresh has the time it needs",
    "the preflight function: the refresh's timeout, the last refresh",
    "the last refresh took longer than the timeout (fails); the timeout is under three times "
    "that, or under 8 s; the refresh takes longer than gateways wait (warns)",
    "alter function public.analytics_refresh_heatmap() set statement_timeout = '5min'",
    needs=("schema.preflight",),
)
async def _refresh_timeout(facts: Facts) -> Finding:
    preflight = await facts.preflight()
    if not preflight.at("functions", REFRESH, "exists"):
        raise UnansweredError("there is no refresh", cause="schema.functions")
    own = preflight.at("functions", REFRESH, "statement_timeout_ms")
    limit = preflight.at("caller", "statement_timeout_ms") if own is None else own
    last = preflight.at("last_refresh")
    past = facts.context.past
    known = [float(last["server_ms"])] if last else []
    if past is not None and past.refresh_ms is not None:
        known.append(past.refresh_ms)
    longest = max(known, default=0.0)
    took = f"a refresh took {longest:,.0f} ms" if known else "no refresh is on record"
    seen = f"no statement timeout; {took}"
    if limit:
        whose = "role" if own is None else "function"
        seen = f"statement timeout {limit:,} ms ({whose}); {took}"
        if limit <= longest:
            return failed(seen)
        if limit < max(_USUAL_TIMEOUT_MS, _MARGIN * longest):
            return warned(seen)
    if longest >= _GATEWAY_MS and facts.context.target.kind is not TargetKind.LOCAL:
        return warned(
            f"{took}, and a gateway may give up after {_GATEWAY_MS:,} ms; the refresh goes on, "
            "and a run looks at when the view was refreshed",
            "raise the gateway's limit (nginx: proxy_read_timeout 600s; Envoy: the route's "
            "timeout)",
        )
    return passed(seen)


@PROBES.add(
    "limits.request_timeout",
    "a request has the time it needs",
    "the preflight function: the statement timeout of its own request",
    f"it is under {_SHORTEST_REQUEST_MS:,} ms: a batch may be cut off",
    "alter role authenticator set statement_timeout = '8s'; the same for service_role if it "
    "has one of its own",
    severity=ProbeStatus.WARN,
    needs=("schema.preflight",),
)
async def _request_timeout(facts: Facts) -> Finding:
    limit = (await facts.preflight()).at("caller", "statement_timeout_ms")
    if not limit:
        return passed("requests of the service role have no statement timeout")
    seen = f"requests of the service role end after {limit:,} ms"
    return passed(seen) if limit >= _SHORTEST_REQUEST_MS else warned(seen)


@PROBES.add(
    "limits.url_length",
    "our longest URL gets through",
    f"questions by {IDS_PER_REQUEST} ids that do not exist, and by the tag; the preflight function "
    "with a run's rows",
    "a gateway refuses it, or the reply that repeats it in a header",
    "nginx: proxy_buffer_size 16k; proxy_buffers 8 16k; large_client_header_buffers 4 16k; "
    "elsewhere: let the gateway take URLs and headers of 8 KB",
    vital=True,
    needs=("schema.tables",),
)
async def _url_length(facts: Facts) -> Finding:
    ids = [uuid.UUID(int=number, version=4) for number in range(IDS_PER_REQUEST)]
    longest = [one_of("id", ids), Filter("slug", "match", ANY_SLUG)]
    try:
        await facts.project.page("questions", ["id"], longest, limit=1)
    except ProjectError as error:
        # Shorter ones are answered: what a gateway says of this one is about its length.
        if error.code is None and error.status in _OF_LENGTH:
            return failed(f"a URL of about 3.4 KB does not get through: {error.message}")
        raise
    preflight = await facts.preflight_reply()
    if isinstance(preflight, Preflight) and preflight.unshown:
        return failed(f"a URL that holds a run's rows does not get through: {preflight.unshown}")
    return passed(f"a URL of {IDS_PER_REQUEST} ids, about 3.4 KB, gets through")


@PROBES.add(
    "limits.batch",
    "a batch is of a bearable size",
    "HEATMAP_VERIFY_BATCH",
    f"it is over {_MOST_ROWS:,} rows, which wins no time and may meet a body limit",
    "set HEATMAP_VERIFY_BATCH to 500",
    severity=ProbeStatus.WARN,
)
async def _batch(facts: Facts) -> Finding:
    volume = facts.context.settings.volume
    seen = (
        f"{volume.batch:,} rows a batch, about {volume.batch * _ROW_BYTES / 1e6:.1f} MB; "
        f"{volume.concurrency} in flight"
    )
    return passed(seen) if volume.batch <= _MOST_ROWS else warned(seen)
