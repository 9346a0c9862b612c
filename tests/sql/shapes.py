"""Earlier shapes of the heatmap's objects, as projects may have them today."""

from __future__ import annotations

VIEW = """
create materialized view public.analytics_heatmap_agg as
select r.question_id, lower(btrim(q.lesion)) as lesion, q.topic,
  date_trunc('week', r.created_at)::date as week_start,
  count(*) as attempts, sum(r.is_correct::integer) as correct_attempts,
  avg(r.is_correct::integer) as accuracy_rate,
  percentile_cont(0.5) within group (order by r.ms_to_answer) as median_duration_ms
from public.responses r join public.questions q on q.id = r.question_id
where q.status = 'published'
group by r.question_id, lower(btrim(q.lesion)), q.topic, date_trunc('week', r.created_at)::date
"""
INDEX = """
create unique index analytics_heatmap_agg_idx on public.analytics_heatmap_agg
  (question_id, lesion, topic, week_start)
"""
# Ambiguous on every call (42702), and NULL passes the check.
READER = """
create function public.analytics_heatmap_admin() returns table (
  question_id uuid, lesion text, topic text, week_start date, attempts bigint,
  correct_attempts bigint, accuracy_rate numeric, median_duration_ms double precision
) language plpgsql security definer as $$
begin
  if not public.is_admin() and auth.role() <> 'service_role' then
    raise exception 'not allowed';
  end if;
  return query select question_id, lesion, topic, week_start, attempts, correct_attempts,
    accuracy_rate, median_duration_ms from analytics_heatmap_agg order by week_start;
end $$
"""
REFRESH = """
create function public.analytics_refresh_heatmap() returns void
language plpgsql security definer as $$
begin
  if not public.is_admin() and auth.role() <> 'service_role' then
    raise exception 'not allowed';
  end if;
  refresh materialized view concurrently public.analytics_heatmap_agg;
end $$
"""
GRANTS = """
grant select on public.analytics_heatmap_agg to authenticated;
grant execute on function public.analytics_refresh_heatmap() to public
"""

SHAPES: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "the runbook's first": (VIEW, INDEX, READER, REFRESH, GRANTS),
    "other columns": (
        "create materialized view public.analytics_heatmap_agg as "
        "select question_id as question, count(*) as n from public.responses group by 1",
        "create index analytics_heatmap_agg_idx on public.analytics_heatmap_agg (question)",
        REFRESH,
    ),
    "never populated": (VIEW + " with no data", INDEX, READER, REFRESH),
    "an ordinary view": (VIEW.replace("materialized ", ""), READER),
    "functions that return the view's rows": (
        VIEW,
        "create function public.analytics_heatmap_admin() returns setof "
        "public.analytics_heatmap_agg language sql security definer as "
        "'select * from public.analytics_heatmap_agg'",
        REFRESH.replace("returns void", "returns boolean").replace("end $$", "return true; end $$"),
    ),
    "overloaded functions": (
        VIEW,
        READER,
        READER.replace("analytics_heatmap_admin()", "analytics_heatmap_admin(since date)"),
        REFRESH,
        REFRESH.replace("heatmap()", "heatmap(full_refresh boolean)"),
    ),
    "other names for the arguments": (
        "create function public.analytics_heatmap_admin(a date default null, b date default null, "
        "c text default null, d text default null, e date default null, f uuid default null, "
        "g integer default null) returns void language sql as ''",
    ),
    "functions alone": (READER, REFRESH),
    **{
        f"functions that return {result}": (
            f"create function public.analytics_heatmap_admin() returns {result} "
            f"language plpgsql security definer as 'begin {body} end'",
            f"create function public.analytics_refresh_heatmap() returns {result} "
            f"language plpgsql security definer as 'begin {body} end'",
        )
        for result, body in {
            "jsonb": "return null;",
            "json": "return null;",
            "text": "return null;",
            "boolean": "return true;",
            "setof jsonb": "return;",
            "setof record": "return;",
            "table (question_id uuid)": "return;",
            "void": "",
        }.items()
    },
    "procedures": (
        "create procedure public.analytics_heatmap_admin() language sql as ''",
        "create procedure public.analytics_refresh_heatmap() language sql as ''",
    ),
    "no index": (VIEW, READER, REFRESH),
}
