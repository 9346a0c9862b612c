"""Mutations of limits, keys, settings and the network."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.mutations.mutation import Mutation, Setup
from tests.mutations.rebuilt import REFRESH
from tui.sandbox.auth import sign
from tui.verify.result import Pace

if TYPE_CHECKING:
    from tui.sandbox import Sandbox

LIMITS = [
    Mutation(
        "max-rows-100",
        "alter role authenticator set pgrst.db_max_rows = '100'",
        "alter role authenticator reset pgrst.db_max_rows",
        hint="max-rows",
        warns=["limits.max_rows"],
    ),
    Mutation(
        "refresh-timeout-5-s",
        f"alter function {REFRESH} set statement_timeout = '5s'",
        f"alter function {REFRESH} set statement_timeout = '5min'",
        hint="set statement_timeout = '5min'",
        warns=["limits.refresh_timeout"],
    ),
    Mutation(
        "refresh-timeout-below-last-refresh",
        "update analytics_private.heatmap_refresh set server_ms = 400000",
        f"alter function {REFRESH} set statement_timeout = '30min'",
        hint="set statement_timeout",
        undo=f"update analytics_private.heatmap_refresh set server_ms = 10;"
        f"alter function {REFRESH} set statement_timeout = '5min'",
        fails=["limits.refresh_timeout"],
    ),
    Mutation(
        "request-timeout-1-s",
        "alter role service_role set statement_timeout = '1s'",
        "alter role service_role reset statement_timeout",
        hint="set statement_timeout = '8s'",
        warns=["limits.request_timeout"],
    ),
    Mutation("url-limit-4096", faults="url_limit=4096"),
    Mutation(
        "url-limit-3000",
        faults="url_limit=3000",
        hint="proxy_buffer_size 16k",
        fails=["limits.url_length"],
        follow=1,
    ),
    Mutation(
        "url-limit-3600",
        faults="url_limit=3600",
        hint="proxy_buffer_size 16k",
        fails=["limits.url_length"],
        follow=1,
    ),
    Mutation(
        "batch-of-5000",
        setup=lambda _, setup: setup.sized(batch=5_000),
        hint="HEATMAP_VERIFY_BATCH",
        warns=["limits.batch"],
    ),
    Mutation(
        "three-users",
        setup=lambda _, setup: setup.sized(users=3),
        hint="HEATMAP_VERIFY_USERS",
        warns=["volume.rows"],
    ),
    Mutation(
        "overwhelming-volume",
        setup=lambda _, setup: setup.sized(users=1_000, questions=1_000),
        hint="lower HEATMAP_VERIFY_USERS",
        warns=["volume.rows"],
    ),
    Mutation(
        "a-run-of-an-hour",
        setup=lambda _, setup: replace(setup, past=Pace(runs=2, rows_per_s=2.5)),
        hint="lower HEATMAP_VERIFY_USERS",
        warns=["volume.duration"],
    ),
    Mutation(
        "slow-refreshes-on-record",
        setup=lambda _, setup: replace(setup, past=Pace(3, 4_000.0, refresh_ms=290_000.0)),
        hint="set statement_timeout",
        warns=["limits.refresh_timeout"],
    ),
]


def signed_elsewhere(role: str) -> str:
    claims = {"iss": "supabase-demo", "role": role, "exp": int(time.time()) + 10**8}
    return sign(claims, "another" * 8)


def expired_key(sandbox: Sandbox, _: Setup) -> Setup:
    claims = {"iss": "supabase-demo", "role": "service_role", "exp": int(time.time()) - 60}
    return Setup.of(sandbox, sign(claims, sandbox.jwt_secret), sandbox.anon_key)


def mismatched_refs(_: Sandbox, setup: Setup) -> Setup:
    key = replace(setup.target.key, ref="bbbbbbbbbbbbbbbbbbbb")
    target = replace(setup.target, host="aaaaaaaaaaaaaaaaaaaa.supabase.co", key=key)
    return replace(setup, target=replace(target, url="https://aaaaaaaaaaaaaaaaaaaa.supabase.co"))


KEYS = [
    # Hosted, the root of the API is refused to both kinds.
    Mutation(
        "anon-key-as-service-key",
        setup=lambda s, _: Setup.of(s, s.anon_key, s.anon_key),
        hint="SUPABASE_SERVICE_ROLE_KEY",
        fails=["target.key"],
        skips_rest=True,
    ),
    Mutation(
        "publishable-key-as-service-key",
        setup=lambda s, _: Setup.of(s, s.publishable_key, s.anon_key),
        hint="SUPABASE_SERVICE_ROLE_KEY",
        fails=["target.key"],
        skips_rest=True,
    ),
    Mutation(
        "another-projects-key",
        setup=lambda s, _: Setup.of(s, signed_elsewhere("service_role"), s.anon_key),
        hint="key of this very project",
        fails=["authentication.key"],
        skips_rest=True,
    ),
    Mutation(
        "expired-key",
        setup=expired_key,
        hint="make a new key",
        fails=["authentication.key", "target.expiry"],
        skips_rest=True,
    ),
    Mutation(
        "key-and-url-of-two-projects",
        setup=mismatched_refs,
        hint="same project",
        fails=["target.key_project"],
    ),
    Mutation("opaque-keys", setup=lambda s, _: Setup.of(s, s.secret_key, s.publishable_key)),
    Mutation(
        "no-anon-key",
        setup=lambda s, _: Setup.of(s, s.service_role_key, None),
        skips=["authentication.anon_key"],
        follow=3,
    ),
    Mutation(
        "service-key-as-anon-key",
        setup=lambda s, _: Setup.of(s, s.service_role_key, s.service_role_key),
        hint="SUPABASE_ANON_KEY",
        fails=["authentication.anon_key"],
        follow=3,
    ),
    Mutation(
        "another-projects-anon-key",
        setup=lambda s, _: Setup.of(s, s.service_role_key, signed_elsewhere("anon")),
        hint="SUPABASE_ANON_KEY",
        fails=["authentication.anon_key"],
        follow=3,
    ),
    Mutation(
        "malformed-anon-key",
        setup=lambda s, _: Setup.of(s, s.service_role_key, "not a key"),
        hint="SUPABASE_ANON_KEY",
        fails=["authentication.anon_key"],
        follow=3,
    ),
]

NETWORK = [
    Mutation(
        "auth-server-refuses-the-key",
        faults="e401=1,path=/auth/v1/admin",
        hint="service-role key",
        fails=["authentication.admin"],
        follow=2,
    ),
    Mutation(
        "read-only-database",
        "alter role authenticator set default_transaction_read_only = on",
        "alter role authenticator reset default_transaction_read_only",
        hint="reset default_transaction_read_only",
        fails=["target.writable"],
    ),
    Mutation(
        "server-hangs",
        faults="latency=60000",
        setup=lambda _, setup: replace(setup, timeout_s=2.0),
        hint="status page",
        fails=["target.reachable"],
        skips_rest=True,
    ),
    Mutation(
        "auth-server-hangs",
        faults="latency=60000,path=/auth/v1/admin",
        setup=lambda _, setup: replace(setup, timeout_s=4.0),
        hint="status page",
        skips=["authentication.admin", "authentication.wrong_key"],
        follow=2,
    ),
    Mutation(
        "preflight-hangs",
        faults="latency=60000,path=rpc/analytics_heatmap_preflight",
        setup=lambda _, setup: replace(setup, timeout_s=4.0),
        hint="apply sql/analytics_heatmap_preflight.sql",
        skips=["schema.preflight"],
        follow=28,
    ),
    Mutation(
        "gateway-error-pages",
        faults="html=1",
        hint="status page",
        fails=["target.reachable"],
        skips_rest=True,
    ),
    Mutation(
        "database-down",
        database_down=True,
        hint="status page",
        fails=["target.reachable"],
        skips_rest=True,
    ),
    Mutation("slow-network", faults="latency=400", hint="nearer", warns=["target.latency"]),
]
