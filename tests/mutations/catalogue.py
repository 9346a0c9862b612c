"""Every mutation, as data. Names of objects are as in sql/analytics_heatmap.sql."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.mutations.mutation import Mutation, Repair, Setup
from tui.records.history import Pace
from tui.sandbox.keys import sign

if TYPE_CHECKING:
    from tui.sandbox import Sandbox

APPLY, PREFLIGHT = Repair.APPLY, Repair.PREFLIGHT

VIEW = "public.analytics_heatmap_agg"
INDEX = "analytics_heatmap_agg_idx"
READER = "public.analytics_heatmap_admin(date, date, text, text, date, uuid, integer)"
REFRESH = "public.analytics_refresh_heatmap()"
DESCRIBE = "public.analytics_heatmap_preflight()"
GATE = "analytics_private.heatmap_caller_is_allowed()"

# Probes that read the preflight document and can say nothing without it.
NEED_PREFLIGHT = (
    "target.declared",
    "schema.keys",
    "schema.triggers",
    "schema.owner",
    "schema.index",
    "schema.functions",
    "permissions.learner_view",
    "permissions.learner_gate",
    "permissions.null_role",
    "permissions.admin",
    "permissions.service_role",
    "permissions.nobody_else",
    "permissions.lint_0011",
    "permissions.lint_0013",
    "permissions.lint_0016",
    "permissions.lint_0028",
    "permissions.lint_0029",
    "limits.refresh_timeout",
    "limits.request_timeout",
    "volume.jobs",
)
NEED_ANON = ("permissions.anon_view", "permissions.anon_reader", "permissions.anon_refresh")


def new_index(definition: str) -> str:
    return f"drop index public.{INDEX}; create {definition}"


def new_view(columns: str) -> str:
    """The view over its own definition, with other columns; index, owner and grants as before."""
    return f"""
        do $$ declare
          body text := rtrim(pg_get_viewdef('{VIEW}'::regclass), ';');
        begin
          drop materialized view {VIEW};
          execute 'create materialized view {VIEW} as select {columns} from (' || body || ') v';
          alter materialized view {VIEW} owner to postgres;
          create unique index {INDEX} on {VIEW} (week_start, question_id);
          revoke all on {VIEW} from public, anon, authenticated;
          grant select on {VIEW} to service_role;
        end $$;
    """


def new_gate(condition: str) -> str:
    return f"""
        create or replace function {GATE} returns boolean
        language plpgsql stable set search_path = '' as $$
        begin
          {condition}
        end $$;
    """


NULL_ROLE_HOLE = """
    if not public.is_admin() and auth.role() <> 'service_role' then return false; end if;
    return true;
"""

AMBIGUOUS_READER = """
    create or replace function public.analytics_heatmap_admin(
      from_week date default null, to_week date default null, only_lesion text default null,
      only_topic text default null, after_week date default null, after_question uuid default null,
      max_rows integer default null)
    returns table (question_id uuid, lesion text, topic text, week_start date, attempts bigint,
      correct_attempts bigint, accuracy_rate numeric, median_duration_ms double precision)
    language plpgsql stable security definer set search_path = '' as $$
    begin
      if analytics_private.heatmap_caller_is_allowed() is not true then
        raise exception 'permission denied' using errcode = 'insufficient_privilege';
      end if;
      return query select question_id, a.lesion, a.topic, a.week_start, a.attempts,
        a.correct_attempts, a.accuracy_rate, a.median_duration_ms
        from public.analytics_heatmap_agg a order by week_start;
    end $$;
"""

OBJECTS = [
    Mutation("index-dropped", f"drop index public.{INDEX}", APPLY, fails=["schema.index"]),
    Mutation(
        "index-not-unique",
        new_index(f"index {INDEX} on {VIEW} (week_start, question_id)"),
        APPLY,
        fails=["schema.index"],
    ),
    Mutation(
        "index-invalid",
        f"update pg_index set indisvalid = false where indexrelid = 'public.{INDEX}'::regclass",
        APPLY,
        fails=["schema.index"],
    ),
    Mutation(
        "index-columns-swapped",
        new_index(f"unique index {INDEX} on {VIEW} (question_id, week_start)"),
        APPLY,
        fails=["schema.index"],
    ),
    Mutation(
        "index-partial",
        new_index(f"unique index {INDEX} on {VIEW} (week_start, question_id) where attempts > 0"),
        APPLY,
        fails=["schema.index"],
    ),
    Mutation(
        "view-unpopulated",
        f"refresh materialized view {VIEW} with no data",
        APPLY,
        fails=["schema.populated"],
        skips=["schema.reader"],
    ),
    Mutation(
        "view-dropped",
        f"drop materialized view {VIEW}",
        APPLY,
        fails=["schema.view", "schema.reader"],
        skips=[
            "schema.owner",
            "schema.populated",
            "schema.index",
            "permissions.anon_view",
            "permissions.learner_view",
        ],
    ),
    Mutation(
        "view-not-materialized",
        f"""
        do $$ declare body text := pg_get_viewdef('{VIEW}'::regclass); begin
          drop materialized view {VIEW};
          execute 'create view {VIEW} as ' || body;
          alter view {VIEW} owner to postgres;
          revoke all on {VIEW} from public, anon, authenticated;
          grant select on {VIEW} to service_role;
        end $$
        """,
        APPLY,
        # Read as a plain view, it calls a function that only its owner may call.
        fails=["schema.view", "schema.index", "schema.populated"],
    ),
    Mutation(
        "view-column-missing",
        new_view(
            "question_id, lesion, topic, week_start, attempts, correct_attempts, accuracy_rate"
        ),
        APPLY,
        fails=["schema.view", "schema.reader"],
    ),
    Mutation(
        "view-column-renamed",
        new_view(
            "question_id, lesion, topic, week_start, attempts as tries, correct_attempts, "
            "accuracy_rate, median_duration_ms"
        ),
        APPLY,
        fails=["schema.view", "schema.reader"],
    ),
    Mutation("view-column-extra", new_view("v.*, 1 as extra"), APPLY, fails=["schema.view"]),
    Mutation(
        "view-columns-moved",
        new_view(
            "week_start, question_id, lesion, topic, attempts, correct_attempts, accuracy_rate, "
            "median_duration_ms"
        ),
        APPLY,
        fails=["schema.view"],
    ),
    Mutation(
        "view-column-retyped",
        new_view(
            "question_id, lesion, topic, week_start, attempts::integer as attempts, "
            "correct_attempts, accuracy_rate, median_duration_ms"
        ),
        APPLY,
        fails=["schema.view", "schema.reader"],
    ),
    Mutation(
        "view-owner-under-rls",
        "alter role postgres nobypassrls; alter table public.responses force row level security",
        "alter table public.responses no force row level security; alter role postgres bypassrls",
        hint="BYPASSRLS",
        fails=["schema.owner"],
    ),
    Mutation(
        "reader-dropped",
        f"drop function {READER}",
        APPLY,
        fails=["schema.functions", "schema.reader"],
        skips=["permissions.anon_reader"],
    ),
    Mutation(
        "refresh-dropped",
        f"drop function {REFRESH}",
        APPLY,
        fails=["schema.functions", "schema.refresh"],
        skips=["permissions.anon_refresh"],
    ),
    Mutation("reader-ambiguous-column", AMBIGUOUS_READER, APPLY, fails=["schema.reader"]),
    Mutation(
        "reader-overloaded",
        """
        create function public.analytics_heatmap_admin(other integer default 1) returns integer
          language sql set search_path = '' as 'select 1';
        revoke all on function public.analytics_heatmap_admin(integer) from public;
        grant execute on function public.analytics_heatmap_admin(integer) to service_role
        """,
        APPLY,
        fails=["schema.functions", "schema.reader"],
        skips=["permissions.anon_reader"],
    ),
    Mutation(
        "reader-not-security-definer",
        f"alter function {READER} security invoker",
        APPLY,
        fails=["schema.functions", "schema.reader"],
    ),
    Mutation(
        "refresh-not-security-definer",
        f"alter function {REFRESH} security invoker",
        APPLY,
        fails=["schema.functions", "schema.refresh"],
    ),
    Mutation(
        "refresh-does-nothing",
        f"""
        create or replace function {REFRESH} returns jsonb language plpgsql security definer
        set search_path = '' as $$ begin
          if analytics_private.heatmap_caller_is_allowed() is not true then
            raise exception 'permission denied' using errcode = 'insufficient_privilege';
          end if;
          return '{{"status": "refreshed"}}';
        end $$
        """,
        APPLY,
        fails=["schema.refresh"],
    ),
    Mutation(
        "refresh-stable",
        f"alter function {REFRESH} stable",
        APPLY,
        fails=["schema.functions"],
    ),
    Mutation(
        "reader-search-path-unpinned",
        f"alter function {READER} reset search_path",
        APPLY,
        fails=["permissions.lint_0011"],
    ),
    Mutation(
        "refresh-search-path-unpinned",
        f"alter function {REFRESH} reset search_path",
        APPLY,
        fails=["permissions.lint_0011"],
    ),
    Mutation(
        "preflight-search-path-unpinned",
        f"alter function {DESCRIBE} reset search_path",
        PREFLIGHT,
        fails=["permissions.lint_0011"],
    ),
]

GATES = [
    Mutation("null-role-hole", new_gate(NULL_ROLE_HOLE), APPLY, fails=["permissions.null_role"]),
    Mutation(
        "gate-open",
        new_gate("return true;"),
        APPLY,
        fails=["permissions.null_role", "permissions.learner_gate"],
    ),
    Mutation(
        "gate-open-and-anon-may-execute",
        new_gate("return true;") + f"grant execute on function {READER}, {REFRESH} to anon",
        APPLY,
        fails=[
            "permissions.anon_reader",
            "permissions.anon_refresh",
            "permissions.lint_0028",
            "permissions.null_role",
            "permissions.learner_gate",
        ],
    ),
    Mutation(
        "gate-raises-something-else",
        new_gate("raise exception 'out of order'; return false;"),
        APPLY,
        fails=[
            "permissions.null_role",
            "permissions.learner_gate",
            "schema.reader",
            "schema.refresh",
        ],
    ),
]

PRIVILEGES = [
    Mutation(
        "select-granted-to-anon",
        f"grant select on {VIEW} to anon",
        APPLY,
        fails=["permissions.anon_view", "permissions.lint_0016"],
    ),
    Mutation(
        "select-granted-to-authenticated",
        f"grant select on {VIEW} to authenticated",
        APPLY,
        fails=["permissions.learner_view", "permissions.lint_0016"],
    ),
    Mutation(
        "select-granted-to-public",
        f"grant select on {VIEW} to public",
        APPLY,
        fails=["permissions.anon_view", "permissions.learner_view", "permissions.lint_0016"],
    ),
    Mutation(
        "reader-executable-by-public",
        f"grant execute on function {READER} to public",
        "revoke execute on function public.analytics_heatmap_admin from public, anon",
        hint="revoke execute on function public.analytics_heatmap_admin from public, anon",
        fails=["permissions.lint_0028"],
    ),
    Mutation(
        "refresh-executable-by-anon",
        f"grant execute on function {REFRESH} to anon",
        "revoke execute on function public.analytics_refresh_heatmap from public, anon",
        hint="revoke execute on function public.analytics_refresh_heatmap from public, anon",
        fails=["permissions.lint_0028"],
    ),
    Mutation(
        "preflight-executable-by-authenticated",
        f"grant execute on function {DESCRIBE} to authenticated",
        PREFLIGHT,
        hint="revoke execute",
        fails=["permissions.lint_0029"],
    ),
    Mutation(
        "preflight-executable-by-public",
        f"grant execute on function {DESCRIBE} to public",
        PREFLIGHT,
        hint="revoke execute",
        fails=["permissions.lint_0028", "permissions.lint_0029"],
    ),
    Mutation(
        "service-role-may-not-refresh",
        f"revoke execute on function {REFRESH} from service_role",
        APPLY,
        fails=["permissions.service_role", "schema.refresh"],
    ),
    Mutation(
        "service-role-may-not-read-heatmap",
        f"revoke execute on function {READER} from service_role",
        APPLY,
        fails=["permissions.service_role", "schema.reader"],
    ),
    Mutation(
        "service-role-may-not-read-view",
        f"revoke select on {VIEW} from service_role",
        APPLY,
        fails=["permissions.service_role", "schema.populated"],
    ),
    Mutation(
        "service-role-may-not-delete-responses",
        "revoke delete on public.responses from service_role",
        "grant delete on public.responses to service_role",
        hint="delete on responses",
        fails=["permissions.service_role"],
    ),
    Mutation(
        "service-role-may-not-insert-questions",
        "revoke insert on public.questions from service_role",
        "grant insert on public.questions to service_role",
        hint="insert on questions",
        fails=["permissions.service_role"],
    ),
    Mutation(
        "service-role-may-nothing-on-questions",
        "revoke all on public.questions from service_role",
        "grant select, insert, update, delete on public.questions to service_role",
        hint="select on questions",
        fails=[
            "permissions.service_role",
            "schema.tables",
            "limits.url_length",
            "residue.questions",
            "volume.rows",
        ],
    ),
    Mutation(
        "private-schema-open",
        "grant usage on schema analytics_private to authenticated",
        APPLY,
        fails=["permissions.nobody_else"],
    ),
    Mutation(
        "maintain-granted-to-authenticated",
        f"grant maintain on {VIEW} to authenticated",
        APPLY,
        fails=["permissions.nobody_else"],
        since=17,
    ),
    Mutation(
        "select-granted-to-another-role",
        f"create role reporting; grant select on {VIEW} to reporting",
        f"revoke all on {VIEW} from reporting",
        hint="revoke",
        undo="drop role reporting",
        warns=["permissions.nobody_else"],
    ),
    Mutation(
        "administrators-shut-out",
        f"revoke execute on function {READER} from authenticated",
        APPLY,
        warns=["permissions.admin"],
    ),
    Mutation(
        "rls-disabled",
        "alter table public.responses disable row level security",
        "alter table public.responses enable row level security",
        hint="alter table public.responses enable row level security",
        fails=["permissions.lint_0013"],
    ),
]

TABLES = [
    Mutation(
        "required-column-on-questions",
        "alter table public.questions add source text not null default 'x';"
        "alter table public.questions alter source drop default",
        "alter table public.questions alter source set default 'x'",
        hint="default",
        undo="alter table public.questions drop source",
        fails=["schema.required"],
    ),
    Mutation(
        "required-column-with-default",
        "alter table public.questions add source text not null default 'x'",
        "alter table public.questions drop source",
    ),
    Mutation(
        "column-renamed",
        "alter table public.questions rename stem_md to stem",
        "alter table public.questions rename stem to stem_md",
        hint="restore questions.stem_md",
        fails=["schema.columns", "schema.required"],
    ),
    Mutation(
        "column-dropped",
        "alter table public.questions drop subtopic",
        "alter table public.questions add subtopic text",
        hint="restore questions.subtopic",
        fails=["schema.columns"],
    ),
    Mutation(
        "column-retyped",
        "alter table public.questions alter lead_in type integer using null",
        "alter table public.questions alter lead_in type text using 'What is it?'",
        hint="make questions.lead_in",
        fails=["schema.columns"],
    ),
    Mutation(
        "status-without-published",
        "alter type public.item_status rename value 'published' to 'live'",
        "alter type public.item_status rename value 'live' to 'published'",
        hint="label 'published'",
        fails=["schema.columns"],
    ),
    Mutation(
        "unique-key-that-rows-collide-on",
        "alter table public.responses add constraint one_at_a_time unique (user_id, created_at)",
        "alter table public.responses drop constraint one_at_a_time",
        hint="drop a unique key",
        fails=["schema.keys"],
    ),
    Mutation(
        "unique-key-that-rows-respect",
        "alter table public.questions add unique (topic, slug), add unique (subtopic)",
        "alter table public.questions drop constraint questions_topic_slug_key, "
        "drop constraint questions_subtopic_key",
    ),
    Mutation(
        "foreign-key-without-cascade",
        "alter table public.responses drop constraint responses_question_id_fkey, "
        "add foreign key (question_id) references public.questions (id)",
        "alter table public.responses drop constraint responses_question_id_fkey, "
        "add foreign key (question_id) references public.questions (id) on delete cascade",
        hint="on delete cascade",
        fails=["schema.keys"],
    ),
    Mutation(
        "profile-foreign-key-dropped",
        "alter table public.app_users drop constraint app_users_id_fkey",
        "alter table public.app_users add foreign key (id) references auth.users (id) "
        "on delete cascade",
        hint="on delete cascade",
        fails=["schema.keys"],
    ),
    Mutation(
        "primary-key-dropped",
        "alter table public.responses drop constraint responses_pkey cascade",
        "alter table public.responses add primary key (id);"
        "alter table public.answer_events add foreign key (response_id) "
        "references public.responses (id) on delete cascade",
        hint="restore the key",
        fails=["schema.keys"],
    ),
    Mutation(
        "webhook-on-responses",
        """
        create schema supabase_functions;
        create function supabase_functions.http_request() returns trigger language plpgsql
          as 'begin return new; end';
        create trigger tell_slack after insert on public.responses
          for each row execute function supabase_functions.http_request()
        """,
        "alter table public.responses disable trigger tell_slack",
        hint="disable the webhook",
        undo="drop schema supabase_functions cascade",
        warns=["schema.triggers"],
    ),
    Mutation(
        "profiles-hidden",
        "revoke select on public.app_users from service_role",
        "grant select on public.app_users to service_role",
        hint="select on app_users",
        fails=["permissions.service_role", "volume.rows"],
    ),
]

DESCRIPTION = [
    Mutation(
        "preflight-missing",
        f"drop function {DESCRIBE}",
        PREFLIGHT,
        skips=["schema.preflight", "schema.required", *NEED_PREFLIGHT],
    ),
    Mutation(
        "preflight-missing-and-view-column-extra",
        f"drop function {DESCRIBE};" + new_view("v.*, 1 as extra"),
        (PREFLIGHT, APPLY),
        fails=["schema.view"],
        skips=["schema.preflight", "schema.required", *NEED_PREFLIGHT],
    ),
    Mutation(
        "preflight-missing-and-column-renamed",
        f"drop function {DESCRIBE}; alter table public.questions rename stem_md to stem",
        (PREFLIGHT, "alter table public.questions rename stem to stem_md"),
        fails=["schema.columns"],
        skips=["schema.preflight", "schema.required", *NEED_PREFLIGHT],
    ),
    Mutation(
        "preflight-denied",
        f"revoke execute on function {DESCRIBE} from service_role",
        PREFLIGHT,
        fails=["schema.preflight"],
        skips=["schema.required", *NEED_PREFLIGHT],
    ),
    Mutation(
        "preflight-of-another-version",
        f"create or replace function {DESCRIBE} returns jsonb language sql stable as "
        """$$ select '{"schema": 99}'::jsonb $$""",
        PREFLIGHT,
        fails=["schema.preflight"],
        skips=["schema.required", *NEED_PREFLIGHT],
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

LIMITS = [
    Mutation(
        "max-rows-100",
        "alter role authenticator set pgrst.db_max_rows = '100'",
        "alter role authenticator reset pgrst.db_max_rows",
        hint="max-rows",
        warns=["limits.max_rows"],
    ),
    Mutation(
        "refresh-timeout-50-ms",
        f"alter function {REFRESH} set statement_timeout = '50ms'",
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
    Mutation("url-limit-4096", faults="url_limit=4096", hint="8 KB", fails=["limits.url_length"]),
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


def foreign_key(sandbox: Sandbox, _: Setup) -> Setup:
    key = sign({"iss": "supabase-demo", "role": "service_role", "exp": far()}, "another" * 8)
    return Setup.of(sandbox, key, sandbox.anon_key)


def expired_key(sandbox: Sandbox, _: Setup) -> Setup:
    claims = {"iss": "supabase-demo", "role": "service_role", "exp": int(time.time()) - 60}
    return Setup.of(sandbox, sign(claims, sandbox.jwt_secret), sandbox.anon_key)


def foreign_anon_key(sandbox: Sandbox, _: Setup) -> Setup:
    key = sign({"iss": "supabase-demo", "role": "anon", "exp": far()}, "another" * 8)
    return Setup.of(sandbox, sandbox.service_role_key, key)


def mismatched_refs(_: Sandbox, setup: Setup) -> Setup:
    key = replace(setup.target.key, ref="bbbbbbbbbbbbbbbbbbbb")
    target = replace(setup.target, host="aaaaaaaaaaaaaaaaaaaa.supabase.co", key=key)
    return replace(setup, target=replace(target, url="https://aaaaaaaaaaaaaaaaaaaa.supabase.co"))


def far() -> int:
    return int(time.time()) + 10**8


KEYS = [
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
        setup=foreign_key,
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
        skips=["authentication.anon_key", *NEED_ANON],
    ),
    Mutation(
        "service-key-as-anon-key",
        setup=lambda s, _: Setup.of(s, s.service_role_key, s.service_role_key),
        hint="SUPABASE_ANON_KEY",
        fails=["authentication.anon_key"],
        skips=NEED_ANON,
    ),
    Mutation(
        "another-projects-anon-key",
        setup=foreign_anon_key,
        hint="SUPABASE_ANON_KEY",
        fails=["authentication.anon_key"],
        skips=NEED_ANON,
    ),
    Mutation(
        "malformed-anon-key",
        setup=lambda s, _: Setup.of(s, s.service_role_key, "not a key"),
        hint="SUPABASE_ANON_KEY",
        fails=["authentication.anon_key"],
        skips=NEED_ANON,
    ),
]

NETWORK = [
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
        fails=["authentication.admin", "authentication.wrong_key"],
        skips=["residue.users"],
    ),
    Mutation(
        "preflight-hangs",
        faults="latency=60000,path=rpc/analytics_heatmap_preflight",
        setup=lambda _, setup: replace(setup, timeout_s=4.0),
        hint="apply sql/analytics_heatmap_preflight.sql",
        fails=["schema.preflight"],
        skips=["schema.required", *NEED_PREFLIGHT],
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

RESIDUE = [
    Mutation(
        "a-thousand-leftovers",
        """
        insert into public.questions (slug, status, stem_md, explanation_brief_md)
        select format('heatmap-verification-run-%s-%s', case when n < 600 then 'a' else 'b' end, n),
          'published', 'x', 'x' from generate_series(1, 1000) n;
        insert into public.responses (user_id, question_id, is_correct)
        select (select id from public.app_users order by id limit 1), id, true
        from public.questions where slug like 'heatmap-verification-run-%' limit 5
        """,
        "delete from public.questions where slug like 'heatmap-verification-run-%'",
        hint="heatmap-tui --purge",
        warns=["residue.questions"],
    ),
    Mutation(
        "leftover-users",
        """
        insert into auth.users (email)
        select format('heatmap-20260131-9f3c21aa-%s@example.com', n) from generate_series(1, 7) n
        """,
        "delete from auth.users where email like 'heatmap-20260131-%'",
        hint="heatmap-tui --purge",
        warns=["residue.users"],
    ),
    Mutation(
        "look-alikes",
        """
        insert into public.questions (slug, stem_md, explanation_brief_md)
        values ('heatmap-verification-guide', 'x', 'x'), ('my-heatmap-verification-a-1', 'x', 'x');
        insert into auth.users (email)
        values ('heatmap-fan@example.com'), ('heatmap-a-1@example.com.learners.example.org')
        """,
        "delete from public.questions where slug like '%heatmap-verification-%';"
        "delete from auth.users where email like 'heatmap-%'",
    ),
]

MUTATIONS: list[Mutation] = [
    *OBJECTS,
    *GATES,
    *PRIVILEGES,
    *TABLES,
    *DESCRIPTION,
    *LIMITS,
    *KEYS,
    *NETWORK,
    *RESIDUE,
]
