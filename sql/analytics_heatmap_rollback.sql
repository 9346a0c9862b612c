-- Takes away everything the other files brought: job, functions, view, covering index, settings,
-- private schema.
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
begin
  for doomed in
    select p.oid
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where (n.nspname = 'public' and p.proname in (
        'analytics_heatmap_preflight', 'analytics_heatmap_admin', 'analytics_refresh_heatmap'))
      or (n.nspname = 'analytics_private' and p.proname in (
        'preflight_milliseconds', 'preflight_function', 'preflight_privilege', 'preflight_table',
        'preflight_gate', 'preflight_row', 'heatmap_caller_is_allowed'))
  loop
    execute format('drop function %s', doomed);
  end loop;

  select c.relkind into kind
  from pg_catalog.pg_class c where c.oid = to_regclass('public.analytics_heatmap_agg');
  if kind in ('m', 'v') then
    execute format('drop %s public.analytics_heatmap_agg',
      case kind when 'm' then 'materialized view' else 'view' end);
  end if;

  if to_regclass('public.responses_heatmap_covering_idx') is not null then
    drop index public.responses_heatmap_covering_idx;
    alter table public.responses reset
      (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor);
  end if;
end
$objects$;

drop function if exists analytics_private.normalized_lesion(text);
drop table if exists analytics_private.heatmap_refresh, analytics_private.environment;
drop schema if exists analytics_private;

notify pgrst, 'reload schema';

commit;
