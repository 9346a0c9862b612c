"""Mutations of what the database says of itself."""

from __future__ import annotations

from tests.mutations.mutation import Mutation
from tests.mutations.rebuilt import APPLY, DESCRIBE, PREFLIGHT, REFRESH, new_view

DESCRIPTION = [
    Mutation(
        "preflight-missing",
        f"drop function {DESCRIBE}",
        PREFLIGHT,
        skips=["schema.preflight"],
        follow=28,
    ),
    Mutation(
        "preflight-missing-and-view-column-extra",
        f"drop function {DESCRIBE};" + new_view("v.*, 1 as extra"),
        (PREFLIGHT, APPLY),
        fails=["schema.view"],
        skips=["schema.preflight"],
        follow=33,
    ),
    Mutation(
        "preflight-missing-and-column-renamed",
        f"drop function {DESCRIBE}; alter table public.questions rename stem_md to stem",
        (PREFLIGHT, "alter table public.questions rename stem to stem_md"),
        fails=["schema.columns"],
        skips=["schema.preflight"],
        follow=29,
    ),
    Mutation(
        "preflight-denied",
        f"revoke execute on function {DESCRIBE} from service_role",
        PREFLIGHT,
        fails=["schema.preflight"],
        follow=28,
    ),
    Mutation(
        "preflight-of-another-version",
        "create or replace function public.analytics_heatmap_preflight(sample jsonb default null) "
        "returns jsonb language sql stable as "
        """$$ select '{"schema": 99}'::jsonb $$""",
        PREFLIGHT,
        fails=["schema.preflight"],
        follow=28,
    ),
    Mutation(
        "declared-production",
        "insert into analytics_private.environment (name) values ('production')",
        "delete from analytics_private.environment",
        hint="HEATMAP_VERIFY_PROD_HOSTS",
        fails=["target.declared"],
    ),
    Mutation(
        "declared-staging",
        "insert into analytics_private.environment (name) values ('staging')",
        "delete from analytics_private.environment",
    ),
    Mutation(
        "scheduled-refresh",
        f"""
        create schema cron;
        create table cron.job
          (jobid bigint, jobname text, schedule text, command text, active bool);
        insert into cron.job values (1, 'heatmap', '*/15 * * * *', 'select {REFRESH}', true);
        grant usage on schema cron to postgres; grant select on cron.job to postgres
        """,
        "update cron.job set active = false",
        hint="cron.alter_job",
        undo="drop schema cron cascade",
        warns=["volume.jobs"],
    ),
]
