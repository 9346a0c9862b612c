-- The scheduled refresh, by pg_cron.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f sql/analytics_heatmap_cron.sql
--         as the project's owner, after analytics_heatmap.sql; one transaction, safe to apply
--         again: the job keeps its name, so the schedule and the command below replace what was
--         there.
-- Needs   pg_cron (Dashboard: Database, Extensions; or  create extension pg_cron). Without it this
--         file stops and says so.
-- Others  Jobs that refresh or read the heatmap already, by whatever name, are told of, as far as
--         this role may see them; they are left alone.
-- Remove  select cron.unschedule('analytics-heatmap-refresh');
-- Watch   select status, return_message, start_time, end_time - start_time as took
--         from cron.job_run_details
--         where jobid = (select jobid from cron.job where jobname = 'analytics-heatmap-refresh')
--         order by start_time desc limit 20;
--
-- The job runs as the role that applies this file, without any claims; the caller check of the
-- refresh allows that by intent, for the functions' owner. Every 15 minutes, a few minutes past the
-- hour: pg_cron runs at most 32 jobs at a time (8 advised on hosted projects), and the full hour is
-- when everybody's start. A run that meets another refresh waits up to 15 s for it, then fails with
-- 55P03 and leaves the view to the one that is running. The owner's statement_timeout applies to
-- the session, that of the function does not (it is not the outermost statement), hence the SET.

begin;

set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;

do $schedule$
declare
  owner name;
  words text;
  other record;
begin
  if to_regclass('cron.job') is null then
    raise exception 'pg_cron is not enabled in this database'
      using hint = 'Enable it (create extension pg_cron), or call '
        'public.analytics_refresh_heatmap() from a scheduler of your own with the service key.';
  end if;
  select pg_get_userbyid(p.proowner) into owner
  from pg_proc p
  where p.oid = to_regprocedure('public.analytics_refresh_heatmap()');
  if owner is null then
    raise exception 'public.analytics_refresh_heatmap() does not exist'
      using hint = 'Apply sql/analytics_heatmap.sql first.';
  end if;
  if not pg_has_role(current_user, owner, 'MEMBER') then
    raise exception 'role % may not refresh the heatmap: % owns it', current_user, owner
      using hint = 'Apply this file as that owner; the job runs as whoever applies it.';
  end if;

  perform cron.schedule(
    'analytics-heatmap-refresh',
    '3-59/15 * * * *',
    'set statement_timeout = ''5min''; select public.analytics_refresh_heatmap()'
  );

  -- What such a job mentions: the heatmap's objects, or a function that does.
  select string_agg(named, '|') into words
  from (
    select 'heatmap'
    union
    select p.proname from pg_proc p
    where p.proname ~ '^[a-z_0-9]+$' and (p.prosrc ~ 'analytics_(refresh_)?heatmap' or exists (
      select from pg_depend d
      where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.refobjid in (
        to_regclass('public.analytics_heatmap_agg'),
        to_regprocedure('public.analytics_refresh_heatmap()'))))
  ) w (named);
  for other in
    select j.jobid, j.jobname, j.schedule, j.command from cron.job j
    where j.active and j.command ~* words
      and j.jobname is distinct from 'analytics-heatmap-refresh'
  loop
    raise warning 'job % (%), %, has to do with the heatmap, too: %',
      other.jobid, coalesce(other.jobname, 'no name'), other.schedule, other.command
      using hint = format('Where it only refreshes:  select cron.unschedule(%s);', other.jobid);
  end loop;
end
$schedule$;

commit;
