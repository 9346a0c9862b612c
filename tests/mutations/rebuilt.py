"""The heatmap's objects by name, and as somebody may have built them anew."""

from __future__ import annotations

from tests.mutations.mutation import Repair

APPLY, PREFLIGHT = Repair.APPLY, Repair.PREFLIGHT

VIEW = "public.analytics_heatmap_agg"
INDEX = "analytics_heatmap_agg_idx"
READER = "public.analytics_heatmap_admin(date, date, text, text, date, uuid, integer)"
REFRESH = "public.analytics_refresh_heatmap()"
DESCRIBE = "public.analytics_heatmap_preflight(jsonb)"
GATE = "analytics_private.heatmap_caller_is_allowed()"


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
        language plpgsql stable set search_path = pg_catalog, pg_temp as $$
        begin
          {condition}
        end $$;
    """


IS_ADMIN = """
    create or replace function public.is_admin() returns boolean language sql stable
    security definer set search_path = pg_catalog, pg_temp as
      $$ select exists (select from public.app_users u
         where u.id = auth.uid() and u.role = 'admin') $$
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
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
    begin
      if analytics_private.heatmap_caller_is_allowed() is not true then
        raise exception 'permission denied' using errcode = 'insufficient_privilege';
      end if;
      return query select question_id, a.lesion, a.topic, a.week_start, a.attempts,
        a.correct_attempts, a.accuracy_rate, a.median_duration_ms
        from public.analytics_heatmap_agg a order by week_start;
    end $$;
"""
