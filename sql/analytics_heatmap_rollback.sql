-- Takes away what analytics_heatmap.sql, the preflight and the cron file brought: job, functions,
-- view, private schema.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f sql/analytics_heatmap_rollback.sql
--         as the project's owner; one transaction, safe to apply again, and on a project that never
--         had any of it. It stops, and changes nothing, where something of yours depends on one of
--         these objects, or has the name of one: nothing is dropped by cascade, and nothing that
--         these files did not make.
-- Apart   the covering index, which cannot be dropped in a transaction without holding learners up:
--         sql/analytics_heatmap_covering_index_rollback.sql
-- Loses   the time of the last refresh, and what the database says it is
--         (analytics_private.environment). A heatmap that the project had before does not come
--         back; what it was is printed. The learners' data is not touched.
-- Back    sql/analytics_heatmap.sql, and the optional ones

begin isolation level read committed;

set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
set local lock_timeout = '6min';
do $lock$
begin
  perform pg_advisory_xact_lock(hashtextextended('public.analytics_heatmap_agg', 0));
end
$lock$;
set local lock_timeout = '10s';

do $objects$
declare
  others text;
  earlier text;
  doomed regprocedure;
  kind "char";
begin
  -- Every version of ours asks the one caller check, and normalizes by the one rule.
  select string_agg(format('drop %s', o.named), '; ') into others
  from (
    select 'routine ' || p.oid::regprocedure
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in ('analytics_heatmap_admin', 'analytics_refresh_heatmap')
      and p.prosrc not like '%analytics_private.heatmap_caller_is_allowed()%'
    union all
    select case c.relkind when 'm' then 'materialized view ' when 'v' then 'view ' else 'table ' end
      || c.oid::regclass
    from pg_class c
    where c.oid = to_regclass('public.analytics_heatmap_agg')
      and (c.relkind not in ('m', 'v')
        or pg_get_viewdef(c.oid) not like '%analytics_private.normalized_lesion(%')
  ) o (named);
  if others is not null then
    raise exception 'under the names of the heatmap''s objects stands what these files did not make'
      using hint = format('Nothing was changed. Where it is meant to go, too:  %s', others);
  end if;

  if to_regclass('cron.job') is not null then
    perform cron.unschedule(j.jobid)
    from cron.job j where j.jobname = 'analytics-heatmap-refresh';
  end if;

  for doomed in
    select p.oid
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname in ('analytics_heatmap_preflight',
        'analytics_heatmap_traces', 'analytics_heatmap_environment', 'analytics_heatmap_admin',
        'analytics_refresh_heatmap')
      or p.pronamespace = to_regnamespace('analytics_private')
        and (p.proname ~ '^preflight_' or p.proname = 'heatmap_caller_is_allowed')
  loop
    execute format('drop routine %s', doomed);
  end loop;

  select c.relkind into kind
  from pg_class c where c.oid = to_regclass('public.analytics_heatmap_agg');
  if kind is not null then
    execute format('drop %s public.analytics_heatmap_agg',
      case kind when 'm' then 'materialized view' else 'view' end);
  end if;

  if to_regclass('analytics_private.heatmap_replaced') is not null then
    for earlier in
      select r.definition from analytics_private.heatmap_replaced r order by r.replaced_at
    loop
      raise warning 'what the project had here before does not come back: %', earlier;
    end loop;
  end if;
  if to_regclass('public.responses_heatmap_covering_idx') is not null then
    raise warning 'public.responses_heatmap_covering_idx stays'
      using hint = 'sql/analytics_heatmap_covering_index_rollback.sql drops it beside its users.';
  end if;
end
$objects$;

drop function if exists analytics_private.normalized_lesion(text);
drop table if exists analytics_private.heatmap_refresh, analytics_private.heatmap_replaced,
  analytics_private.environment;
drop schema if exists analytics_private;

notify pgrst, 'reload schema';

commit;
