"""Mutations of the view, its index, its functions and their caller check."""

from __future__ import annotations

from tests.mutations.mutation import Mutation
from tests.mutations.rebuilt import (
    AMBIGUOUS_READER,
    APPLY,
    DESCRIBE,
    GATE,
    INDEX,
    IS_ADMIN,
    NULL_ROLE_HOLE,
    PREFLIGHT,
    READER,
    REFRESH,
    VIEW,
    new_gate,
    new_index,
    new_view,
)

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
        "index-dropped-and-another-does-for-the-refresh",
        new_index(f"unique index another_idx on {VIEW} (question_id, week_start)"),
        APPLY,
        undo="drop index if exists public.another_idx",
        warns=["schema.index"],
    ),
    Mutation(
        "view-unpopulated",
        f"refresh materialized view {VIEW} with no data",
        APPLY,
        fails=["schema.populated"],
        follow=4,
    ),
    Mutation(
        "view-dropped",
        f"drop materialized view {VIEW}",
        APPLY,
        fails=["schema.view"],
        follow=11,
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
        fails=["schema.view"],
        follow=8,
    ),
    Mutation(
        "view-column-missing",
        new_view(
            "question_id, lesion, topic, week_start, attempts, correct_attempts, accuracy_rate"
        ),
        APPLY,
        fails=["schema.view"],
        follow=8,
    ),
    Mutation(
        "view-column-renamed",
        new_view(
            "question_id, lesion, topic, week_start, attempts as tries, correct_attempts, "
            "accuracy_rate, median_duration_ms"
        ),
        APPLY,
        fails=["schema.view"],
        follow=8,
    ),
    Mutation(
        "view-column-extra", new_view("v.*, 1 as extra"), APPLY, fails=["schema.view"], follow=8
    ),
    Mutation(
        "view-columns-moved",
        new_view(
            "week_start, question_id, lesion, topic, attempts, correct_attempts, accuracy_rate, "
            "median_duration_ms"
        ),
        APPLY,
        fails=["schema.view"],
        follow=8,
    ),
    Mutation(
        "view-column-retyped",
        new_view(
            "question_id, lesion, topic, week_start, attempts::integer as attempts, "
            "correct_attempts, accuracy_rate, median_duration_ms"
        ),
        APPLY,
        fails=["schema.view"],
        follow=8,
    ),
    Mutation(
        "view-owner-under-rls",
        "alter role postgres nobypassrls; alter table public.responses force row level security",
        "alter table public.responses no force row level security; alter role postgres bypassrls",
        hint="BYPASSRLS",
        fails=["schema.owner"],
        # The preflight is the owner's: which answers there are, it cannot see either.
        skips=["schema.rows"],
    ),
    Mutation(
        "reader-dropped",
        f"drop function {READER}",
        APPLY,
        fails=["schema.functions"],
        follow=3,
    ),
    Mutation(
        "refresh-dropped",
        f"drop function {REFRESH}",
        APPLY,
        fails=["schema.functions"],
        follow=3,
    ),
    Mutation(
        "reader-ambiguous-column",
        AMBIGUOUS_READER,
        APPLY,
        fails=["schema.reader"],
        follow=1,
    ),
    Mutation(
        "reader-overloaded",
        """
        create function public.analytics_heatmap_admin(other integer default 1) returns integer
          language sql set search_path = pg_catalog, pg_temp as 'select 1';
        revoke all on function public.analytics_heatmap_admin(integer) from public;
        grant execute on function public.analytics_heatmap_admin(integer) to service_role
        """,
        APPLY,
        fails=["schema.functions"],
        follow=3,
    ),
    Mutation(
        "reader-not-security-definer",
        f"alter function {READER} security invoker",
        APPLY,
        fails=["schema.functions"],
        follow=2,
    ),
    Mutation(
        "refresh-not-security-definer",
        f"alter function {REFRESH} security invoker",
        APPLY,
        fails=["schema.functions"],
        follow=1,
    ),
    Mutation(
        "refresh-does-nothing",
        f"""
        create or replace function {REFRESH} returns jsonb language plpgsql security definer
        set search_path = pg_catalog, pg_temp as $$ begin
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
        "reader-search-path-empty",
        f"alter function {READER} set search_path = ''",
        APPLY,
        fails=["permissions.lint_0011"],
    ),
    Mutation(
        "gate-search-path-with-types-of-the-caller",
        f"alter function {GATE} set search_path = pg_catalog, pg_temp, public",
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
        "gate-refuses-by-another-error",
        new_gate("""
          if auth.role() = 'service_role' or public.is_admin() then return true; end if;
          raise exception 'administrators only';
        """),
        APPLY,
        warns=["permissions.null_role", "permissions.learner_gate"],
    ),
    Mutation(
        "reader-refuses-by-a-status",
        f"""
        drop function {READER};
        create function public.analytics_heatmap_admin() returns setof {VIEW}
        language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$ begin
          if auth.role() = 'service_role' or public.is_admin() then
            return query select * from {VIEW};
          else
            perform set_config('response.status', '403', true);
          end if;
        end $$;
        revoke all on function public.analytics_heatmap_admin() from public, anon;
        grant execute on function public.analytics_heatmap_admin() to authenticated, service_role
        """,
        APPLY,
        warns=["permissions.null_role", "permissions.learner_gate"],
    ),
    Mutation(
        "is-admin-fails-inside-the-caller-check",
        f"""
        create or replace function public.is_admin() returns boolean language sql stable as
          $$ select exists (select 1 from app_users where id = auth.uid() and role = 'admin') $$;
        alter function {GATE} set search_path = pg_catalog, pg_temp
        """,
        APPLY,
        fails=["permissions.null_role", "permissions.learner_gate", "permissions.admin"],
        undo=IS_ADMIN,
    ),
    Mutation(
        "is-admin-fails-for-itself",
        """
        create or replace function public.is_admin() returns boolean language plpgsql stable as
          $$ begin return (select true from roles_of_people where person = auth.uid()); end $$
        """,
        IS_ADMIN,
        hint="repair is_admin()",
        fails=["permissions.null_role", "permissions.learner_gate"],
        follow=1,
    ),
    Mutation(
        "no-administrator-to-ask-with",
        "update public.app_users set role = 'student', alias = 'was-admin-' || id "
        "where role = 'admin'",
        "update public.app_users set role = 'admin' where alias like 'was-admin-%'",
        hint="the role of an administrator",
        skips=["permissions.admin"],
    ),
    Mutation(
        "administrators-refused",
        new_gate(
            "return (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'role') "
            "= 'service_role';"
        ),
        APPLY,
        fails=["permissions.admin"],
    ),
    Mutation(
        "gate-raises-something-else",
        new_gate("raise exception 'out of order'; return false;"),
        APPLY,
        fails=["permissions.admin", "schema.reader", "schema.refresh"],
        warns=["permissions.null_role", "permissions.learner_gate"],
        follow=1,
    ),
]
