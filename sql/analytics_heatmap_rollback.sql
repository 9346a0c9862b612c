-- Takes away everything the other files brought, and nothing else: job, functions, view, covering
-- index (also where its settings alone are left), private schema.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f sql/analytics_heatmap_rollback.sql
--         as the project's owner; one transaction, safe to apply again, and on a project that never
--         had any of it. It stops, and changes nothing, where something of yours depends on one of
--         these objects: nothing is dropped by cascade.
-- Loses   the time of the last refresh, and what the database says it is
--         (analytics_private.environment). The learners' data is not touched.
-- Back    sql/analytics_heatmap.sql, and the optional ones

begin;

set local client_min_messages = warning;
set local lock_timeout = '10s';
set local search_path = '';

do $job$
begin
  if to_regclass('cron.job') is not null then
    perform cron.unschedule(j.jobid)
    from cron.job j where j.jobname = 'analytics-heatmap-refresh';
  end if;
end
$job$;

do $objects$
declare
  doomed regprocedure;
  kind "char";
  factor text;
begin
  for doomed in
    select p.oid
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where (n.nspname = 'public' and p.proname in (
        'analytics_heatmap_preflight', 'analytics_heatmap_admin', 'analytics_refresh_heatmap'))
      or (n.nspname = 'analytics_private' and p.proname in (
        'preflight_milliseconds', 'preflight_function', 'preflight_privilege', 'preflight_table',
        'preflight_gate', 'preflight_row', 'preflight_row_if_free', 'heatmap_caller_is_allowed'))
  loop
    execute format('drop function %s', doomed);
  end loop;

  select c.relkind into kind
  from pg_catalog.pg_class c where c.oid = to_regclass('public.analytics_heatmap_agg');
  if kind in ('m', 'v') then
    execute format('drop %s public.analytics_heatmap_agg',
      case kind when 'm' then 'materialized view' else 'view' end);
  end if;

  drop index if exists public.responses_heatmap_covering_idx;
  -- Set by the covering index's file, known by their value; a project's own stay.
  for factor in
    select split_part(o, '=', 1)
    from pg_catalog.pg_class c cross join lateral unnest(c.reloptions) o
    where c.oid = to_regclass('public.responses') and o in (
      'autovacuum_vacuum_scale_factor=0.0101', 'autovacuum_vacuum_insert_scale_factor=0.0101')
  loop
    execute format('alter table public.responses reset (%s)', factor);
  end loop;
end
$objects$;

drop function if exists analytics_private.normalized_lesion(text);
drop table if exists analytics_private.heatmap_refresh, analytics_private.environment;
drop schema if exists analytics_private;

notify pgrst, 'reload schema';

commit;
