-- The heatmap's aggregate: one row per published question and ISO week.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f sql/analytics_heatmap.sql
--         or copy it into supabase/migrations/ as it is. One transaction of its own: psql's -1
--         is not needed. Apply it as the owner of public.responses (`postgres`).
-- Again   Safe over itself and over every earlier shape of these objects, and beside refreshes and
--         other sessions that apply it: they wait for one another. The view is rebuilt only where
--         its definition, the rule for lesion tags or its index differ; then the new one is filled
--         beside the old one and swapped in, so that readers wait for the swap alone. Grants to
--         roles of the project's own survive, those on columns as far as there still is such a
--         column; those of the API's roles are set to what stands below.
-- Needs   PostgreSQL 15 or newer, encoding UTF8; public.responses, public.questions,
--         public.is_admin(); an owner that bypasses row level security (it says so if not).
-- Undo    sql/analytics_heatmap_rollback.sql
--
-- What each object is, the rules for its numbers, figures and limits: sql/README.md

begin isolation level read committed;

set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
set local statement_timeout = '30min';
-- First of all the lock of the refresh, which may run for 5 minutes: a view that is filled here
-- while a refresh commits would lose that refresh's rows.
set local lock_timeout = '6min';
do $lock$
begin
  perform pg_advisory_xact_lock(hashtextextended('public.analytics_heatmap_agg', 0));
end
$lock$;
-- Any other lock is waited for a moment only: whoever queues behind this file waits too.
set local lock_timeout = '10s';

do $preconditions$
declare
  base_owner constant name := (
    select pg_get_userbyid(c.relowner)
    from pg_class c where c.oid = to_regclass('public.responses'));
  may_drop constant boolean := (
    select pg_has_role(n.nspowner, 'USAGE') from pg_namespace n where n.nspname = 'public');
  elsewhere text;
  others text;
begin
  if current_setting('server_version_num')::integer < 150000 then
    raise exception 'PostgreSQL % is too old for the heatmap', current_setting('server_version')
      using hint = 'Version 15 or newer is needed.';
  end if;
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'this database is encoded in %; the heatmap needs UTF8',
      current_setting('server_encoding')
      using hint = 'Lesion tags are compared in one Unicode form, which PostgreSQL makes in UTF8 '
        'alone. Restore a dump into a database that was created with encoding UTF8.';
  end if;
  if base_owner is null or to_regclass('public.questions') is null then
    raise exception 'public.responses or public.questions does not exist'
      using hint = 'Apply this file to the platform''s database, after its own migrations.';
  end if;
  if base_owner <> current_user then
    raise exception 'role % does not own public.responses: % does', current_user, base_owner
      using hint = format('The heatmap has to belong to the same role. Connect as %1$I, or switch '
        'first:  psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -c "set role %1$I" '
        '-f sql/analytics_heatmap.sql', base_owner);
  end if;
  if row_security_active('public.responses') or row_security_active('public.questions') then
    raise exception 'role % is subject to row level security on the base tables', current_user
      using hint = 'A view of this role would silently count nothing. Apply this file as the '
        'project''s owner, which has BYPASSRLS.';
  end if;

  -- What stands in `public` is dropped, whoever owns it, where the schema's owner may do so.
  select string_agg(format('alter %s owner to %I', o.named, current_user), '; ') into others
  from (
    select 'schema analytics_private', n.nspowner
    from pg_namespace n where n.nspname = 'analytics_private'
    union all
    select case c.relkind when 'm' then 'materialized view ' when 'v' then 'view ' else 'table ' end
      || c.oid::regclass, c.relowner
    from pg_class c
    where c.relkind = 'r' and c.relnamespace = to_regnamespace('analytics_private')
      or c.oid = to_regclass('public.analytics_heatmap_agg') and not may_drop
    union all
    select 'routine ' || p.oid::regprocedure, p.proowner
    from pg_proc p
    where p.pronamespace = to_regnamespace('analytics_private')
      or p.pronamespace = 'public'::regnamespace and not may_drop and p.proname in (
        'analytics_heatmap_admin', 'analytics_refresh_heatmap', 'analytics_heatmap_environment')
  ) o (named, owner)
  where o.owner <> current_user::regrole;
  if others is not null then
    raise exception 'some objects of the heatmap do not belong to %', current_user
      using hint = format('As the role that owns them, or as a superuser:  %s', others);
  end if;

  if to_regprocedure('auth.role()') is null then
    raise exception 'auth.role() does not exist'
      using hint = 'The caller check stands on it. Apply the platform''s migrations first.';
  end if;
  if not exists (
    select from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname = 'is_admin'
      and p.pronargs = p.pronargdefaults
  ) then
    select format('%I.is_admin()', n.nspname) into elsewhere
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.proname = 'is_admin' and p.pronargs = p.pronargdefaults
    limit 1;
    raise exception 'public.is_admin() does not exist'
      using hint = coalesce(format('There is %1$s. Let public have it too:  create function '
        'public.is_admin() returns boolean language sql stable '
        'set search_path = pg_catalog, public, pg_temp return %1$s;', elsewhere),
        'It tells the caller check who is an administrator. Apply the platform''s migrations '
        'first.');
  end if;
  begin
    -- As the caller check does, for somebody whom nobody knows.
    perform set_config('search_path', 'pg_catalog, public, pg_temp', true),
      set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-000000000000", '
        '"role": "authenticated"}', true);
    execute 'select coalesce(public.is_admin(), false)';
    raise exception using errcode = 'HM000';
  exception
    -- The settings are taken back. To refuse by an error is an answer, too.
    when sqlstate 'HM000' or raise_exception or insufficient_privilege then
      null;
    when others then
      raise exception 'public.is_admin() cannot be called by the heatmap: % (%)', sqlerrm, sqlstate
        using hint = 'Nobody could read or refresh. It is called with search_path '
          '"pg_catalog, public, pg_temp": name what else it needs where it is defined, such as  '
          'alter function public.is_admin() set search_path = public, extensions, pg_temp;';
  end;
end
$preconditions$;

create schema if not exists analytics_private;
revoke all on schema analytics_private from public, anon, authenticated, service_role;

create table if not exists analytics_private.heatmap_refresh (
  only_row boolean primary key default true check (only_row),
  started_at timestamptz not null,
  refreshed_at timestamptz not null,
  rows bigint not null,
  server_ms numeric not null,
  concurrent boolean not null
);
comment on table analytics_private.heatmap_refresh is
  'When and how analytics_heatmap_agg was last refreshed. The catalogs do not know.';

create table if not exists analytics_private.heatmap_replaced (
  definition text not null,
  replaced_at timestamptz not null default now()
);
comment on table analytics_private.heatmap_replaced is
  'What stood under the names of the heatmap''s objects before this file was applied. It does not '
  'come back by itself; the rollback prints it.';

create table if not exists analytics_private.environment (
  only_row boolean primary key default true check (only_row),
  name text not null check (name in ('local', 'staging', 'production')),
  note text,
  declared_at timestamptz not null default now()
);
comment on table analytics_private.environment is
  'What this database is, said by its owner:  insert into analytics_private.environment (name) '
  'values (''production'') on conflict (only_row) do update set name = excluded.name, '
  'declared_at = now();  Once it says production, no setting of a client lowers that.';

revoke all on all tables in schema analytics_private from public, anon, authenticated, service_role;

-- lower() knows only the letters of its collation, and under "C" only ASCII. The rule has to be the
-- same in every database: the built-in Unicode collation where there is one (PostgreSQL 17), else
-- ICU's, else the database's own.
do $lesion_rule$
declare
  rule constant regprocedure := to_regprocedure('analytics_private.normalized_lesion(text)');
  before constant text := (select p.prosrc from pg_proc p where p.oid = rule);
  letters text := coalesce(
    (select format('collate pg_catalog.%I', c.collname)
     from pg_collation c
     where c.collnamespace = 'pg_catalog'::regnamespace
       and c.collname in ('pg_c_utf8', 'und-x-icu') and c.collencoding in (-1, 6)
     order by c.collname = 'pg_c_utf8' desc
     limit 1), '');
begin
  execute format($create$
    create or replace function analytics_private.normalized_lesion(lesion text) returns text
    language sql immutable parallel safe strict
    set search_path = pg_catalog, pg_temp
    as $body$
      select nullif(btrim(regexp_replace(
        lower(normalize(lesion, NFKC) %s),
        -- Unicode's White_Space as far as NFKC leaves it: a class like \s would follow the locale.
        E'[\u0009-\u000D\u0020\u0085\u1680\u2028\u2029]+', ' ', 'g')), '')
    $body$
  $create$, letters);
  -- The view's definition only names the rule: its rows have to be made anew after a change.
  perform set_config('heatmap.lesion_rule_changed', (before is distinct from (
    select p.prosrc from pg_proc p
    where p.oid = 'analytics_private.normalized_lesion(text)'::regprocedure))::text, true);
end
$lesion_rule$;

-- Every function here names pg_temp, and last: a path without it, '' included, has it first for the
-- names of types, and a caller's domain  pg_temp.text  with a check would run code as the owner.
--
-- Who may read and refresh: decided here and nowhere else. True only for a caller that is
-- positively identified; every other outcome, NULL included, is a refusal. Called from SECURITY
-- DEFINER functions, where current_user is their owner while the setting `role` and session_user
-- still show who called. `public` is on the path for is_admin(), which most projects write without
-- schemas and without a path of its own.
create or replace function analytics_private.heatmap_caller_is_allowed() returns boolean
language plpgsql stable
set search_path = pg_catalog, public, pg_temp
as $gate$
declare
  -- PostgREST switches with SET ROLE; a direct session or a scheduled job has not switched.
  caller constant name :=
    coalesce(nullif(current_setting('role', true), 'none'), session_user);
  claimed_role constant text := auth.role();
  claims_absent constant boolean :=
    nullif(current_setting('request.jwt.claims', true), '') is null and claimed_role is null;
begin
  -- By intent: the service role, and the owner's own sessions, which is what a scheduled job runs
  -- in, with no claims at all. Unlike claims, a database role cannot be made up by the caller. An
  -- owner that has put on somebody's claims is treated as that somebody.
  if (claims_absent or coalesce(claimed_role = 'service_role', false))
    and (caller = 'service_role' or pg_has_role(caller, current_user, 'MEMBER'))
  then
    return true;
  end if;
  return coalesce(public.is_admin(), false);
end
$gate$;

revoke all on function analytics_private.normalized_lesion(text),
  analytics_private.heatmap_caller_is_allowed() from public, anon, authenticated, service_role;

-- What is about to be replaced and is not of this file, for the rollback to tell of.
insert into analytics_private.heatmap_replaced (definition)
select pg_get_functiondef(p.oid)
from pg_proc p
where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p')
  and p.proname in ('analytics_heatmap_admin', 'analytics_refresh_heatmap')
  and p.prosrc not like '%analytics_private.heatmap_caller_is_allowed()%'
union all
select format('create %s public.analytics_heatmap_agg as %s',
  case c.relkind when 'm' then 'materialized view' else 'view' end, pg_get_viewdef(c.oid))
from pg_class c
where c.oid = to_regclass('public.analytics_heatmap_agg') and c.relkind in ('m', 'v')
  and pg_get_viewdef(c.oid) not like '%analytics_private.normalized_lesion(%';

-- What was granted on the objects about to be replaced, to roles other than the API's.
create temporary table heatmap_kept_grants on commit drop as
select 'view' as kind, c.oid::regclass::text as object, g.grantee::regrole::text as grantee,
  g.privilege_type, g.is_grantable
from pg_class c
cross join lateral aclexplode(c.relacl) g
where c.oid = to_regclass('public.analytics_heatmap_agg')
  and g.grantee not in (0, c.relowner)
  and g.grantee::regrole::text not in ('anon', 'authenticated', 'service_role', current_user)
union
select 'column', a.attname, g.grantee::regrole::text, g.privilege_type, g.is_grantable
from pg_class c
join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
cross join lateral aclexplode(a.attacl) g
where c.oid = to_regclass('public.analytics_heatmap_agg')
  and g.grantee not in (0, c.relowner)
  and g.grantee::regrole::text not in ('anon', 'authenticated', 'service_role', current_user)
union
select 'function', 'public.' || quote_ident(p.proname), g.grantee::regrole::text,
  g.privilege_type, g.is_grantable
from pg_proc p
cross join lateral aclexplode(p.proacl) g
where p.pronamespace = 'public'::regnamespace
  and p.proname in ('analytics_heatmap_admin', 'analytics_refresh_heatmap')
  and g.grantee not in (0, p.proowner)
  and g.grantee::regrole::text not in ('anon', 'authenticated', 'service_role', current_user);

-- Functions of an earlier shape go first: one that returns the view's row type holds the view, a
-- second overload makes every call through the API ambiguous, and replacing keeps a foreign owner.
do $earlier_functions$
declare
  earlier regprocedure;
begin
  for earlier in
    select p.oid
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in ('analytics_heatmap_admin', 'analytics_refresh_heatmap',
        'analytics_heatmap_environment')
      and (p.proowner, p.proname, pg_get_function_arguments(p.oid),
        coalesce(pg_get_function_result(p.oid), 'a procedure')) not in (
        (current_user::regrole, 'analytics_heatmap_admin',
          'from_week date DEFAULT NULL::date, to_week date DEFAULT NULL::date, '
          'only_lesion text DEFAULT NULL::text, only_topic text DEFAULT NULL::text, '
          'after_week date DEFAULT NULL::date, after_question uuid DEFAULT NULL::uuid, '
          'max_rows integer DEFAULT NULL::integer',
          'TABLE(question_id uuid, lesion text, topic text, week_start date, attempts bigint, '
          'correct_attempts bigint, accuracy_rate numeric, median_duration_ms double precision)'),
        (current_user::regrole, 'analytics_refresh_heatmap', '', 'jsonb'),
        (current_user::regrole, 'analytics_heatmap_environment', '', 'text'))
  loop
    execute format('drop routine %s', earlier);
  end loop;
end
$earlier_functions$;

-- Aggregate first, over `responses` alone, by the instant the week begins; name the week, join and
-- divide once per group afterwards. Two levels of MATERIALIZED: each distinct spelling of a lesion
-- is normalized once (pulled up, the planner would do it for every row of the result), and
-- questions are matched once. The bins begin on a Monday from which both ends of timestamptz are in
-- reach: counted from 1900, one answer of the year 294276 overflows, and no refresh succeeds. The
-- cast to numeric(3,2) rounds just as round(..., 2) does. Tags may be of an enum, a domain or a
-- varchar: the casts to text are none where they are text. No ORDER BY: it doubles the cost of the
-- concurrent refresh's comparison.
create materialized view analytics_private.heatmap_agg_next as
with spelling as materialized (
  select stored.lesion as tag, analytics_private.normalized_lesion(stored.lesion::text) as lesion
  from (select distinct q.lesion from public.questions q where q.status = 'published') stored
),
question as materialized (
  select q.id, spelling.lesion, q.topic::text as topic
  from public.questions q
  left join spelling on spelling.tag = q.lesion
  where q.status = 'published'
)
select
  counted.question_id,
  question.lesion,
  question.topic,
  (counted.week_begin at time zone 'UTC')::date as week_start,
  counted.attempts,
  counted.correct_attempts,
  (counted.correct_attempts::numeric / counted.attempts)::numeric(3, 2) as accuracy_rate,
  counted.median_duration_ms
from (
  select
    r.question_id,
    date_bin('7 days', r.created_at, timestamptz '2000-01-03 00:00:00+00') as week_begin,
    count(*) as attempts,
    count(*) filter (where r.is_correct) as correct_attempts,
    percentile_cont(0.5) within group (order by r.ms_to_answer) as median_duration_ms
  from public.responses r
  group by 1, 2
) counted
join question on question.id = counted.question_id
with no data;

do $swap$
declare
  present constant regclass := to_regclass('public.analytics_heatmap_agg');
  own_index constant regclass := to_regclass('public.analytics_heatmap_agg_idx');
  kind "char";
  lost text;
  begun timestamptz;
  filled bigint;
begin
  select c.relkind into kind from pg_class c where c.oid = present;
  if kind not in ('m', 'v') then
    raise exception 'public.analytics_heatmap_agg is neither a view nor a materialized view'
      using hint = 'Rename it; this file drops no table.';
  end if;

  if kind = 'm'
    and pg_get_viewdef(present) = pg_get_viewdef('analytics_private.heatmap_agg_next')
    and not current_setting('heatmap.lesion_rule_changed')::boolean
    and exists (
      select from pg_class c
      where c.oid = present and c.relowner = current_user::regrole and c.relispopulated)
    and exists (
      select from pg_index i
      where i.indexrelid = own_index and i.indrelid = present
        and i.indisunique and i.indisvalid and i.indpred is null
        and pg_get_indexdef(i.indexrelid) like '% USING btree (week_start, question_id)')
  then
    drop materialized view analytics_private.heatmap_agg_next;
    return;
  end if;

  begun := clock_timestamp();
  refresh materialized view analytics_private.heatmap_agg_next;
  create unique index heatmap_agg_next_idx
    on analytics_private.heatmap_agg_next (week_start, question_id);
  select count(*) into filled from analytics_private.heatmap_agg_next;

  for lost in
    select pg_get_indexdef(i.indexrelid) from pg_index i
    where i.indrelid = present and i.indexrelid is distinct from own_index
    union all
    select pg_get_statisticsobjdef(s.oid) from pg_statistic_ext s where s.stxrelid = present
    union all
    select format('alter materialized view public.analytics_heatmap_agg alter column %I '
      'set statistics %s', a.attname, a.attstattarget)
    from pg_attribute a where a.attrelid = present and a.attnum > 0 and a.attstattarget >= 0
    union all
    select format('alter materialized view public.analytics_heatmap_agg set (%s)',
      array_to_string(c.reloptions, ', '))
    from pg_class c where c.oid = present and c.reloptions is not null
  loop
    raise warning 'the view is rebuilt, and what the project had put on it goes: %', lost
      using hint = 'Repeat that statement where it is still wanted.';
  end loop;
  if kind is not null then
    execute format('drop %s public.analytics_heatmap_agg',
      case kind when 'm' then 'materialized view' else 'view' end);
  end if;
  alter materialized view analytics_private.heatmap_agg_next rename to analytics_heatmap_agg;
  alter materialized view analytics_private.analytics_heatmap_agg set schema public;
  alter index public.heatmap_agg_next_idx rename to analytics_heatmap_agg_idx;

  insert into analytics_private.heatmap_refresh as last
    (started_at, refreshed_at, rows, server_ms, concurrent)
  values (begun, clock_timestamp(), filled,
    round(extract(epoch from clock_timestamp() - begun) * 1000, 1), false)
  on conflict (only_row) do update set
    started_at = excluded.started_at, refreshed_at = excluded.refreshed_at,
    rows = excluded.rows, server_ms = excluded.server_ms, concurrent = excluded.concurrent;
end
$swap$;
comment on materialized view public.analytics_heatmap_agg is
  'Attempts, accuracy and median duration per published question and ISO week (UTC).';

-- The reader. Called without arguments it gives everything, ordered by week; the arguments narrow
-- it (weeks, both ends included; lesion, in any spelling; topic, exactly as stored) or take it page
-- by page: repeat the call with the last row's week_start and question_id as after_week and
-- after_question until fewer than max_rows come back. Arguments with defaults rather than a second
-- function: one grant, one check and one name to know. Pages of this kind cost the same wherever
-- they are; an offset or a Range header makes PostgreSQL compute the whole result for every page.
create or replace function public.analytics_heatmap_admin(
  from_week date default null,
  to_week date default null,
  only_lesion text default null,
  only_topic text default null,
  after_week date default null,
  after_question uuid default null,
  max_rows integer default null
)
returns table (
  question_id uuid,
  lesion text,
  topic text,
  week_start date,
  attempts bigint,
  correct_attempts bigint,
  accuracy_rate numeric,
  median_duration_ms double precision
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- One plan for all arguments would read the whole view for each page.
set plan_cache_mode = force_custom_plan
as $reader$
declare
  wanted_lesion text;
begin
  if analytics_private.heatmap_caller_is_allowed() is not true then
    raise exception 'permission denied for the heatmap'
      using errcode = 'insufficient_privilege',
        hint = 'Administrators and the service role may read it.';
  end if;
  if (after_week is null) <> (after_question is null) then
    raise exception 'after_week and after_question belong together'
      using errcode = 'invalid_parameter_value',
        hint = 'Pass both from the last row of the page before, or neither.';
  end if;
  if max_rows < 1 then
    raise exception 'max_rows must be at least 1, not %', max_rows
      using errcode = 'invalid_parameter_value', hint = 'Leave it out to read everything.';
  end if;

  wanted_lesion := analytics_private.normalized_lesion(only_lesion);
  return query
  select a.question_id, a.lesion, a.topic, a.week_start,
    a.attempts, a.correct_attempts, a.accuracy_rate, a.median_duration_ms
  from public.analytics_heatmap_agg a
  where (from_week is null or a.week_start >= from_week)
    and (to_week is null or a.week_start <= to_week)
    and (only_lesion is null or a.lesion is not distinct from wanted_lesion)
    and (only_topic is null or a.topic = only_topic)
    and (after_week is null or (a.week_start, a.question_id) > (after_week, after_question))
  order by a.week_start, a.question_id
  limit max_rows;
end
$reader$;
comment on function public.analytics_heatmap_admin(date, date, text, text, date, uuid, integer) is
  'The heatmap''s rows, for administrators and the service role, by week; optional filters and '
  'keyset pages (after_week and after_question of the last row seen, max_rows). A blank '
  'only_lesion asks for questions without a lesion.';

-- The refresh. Returns
--   {"status": "refreshed", "rows": n, "server_ms": n, "concurrent": bool, "refreshed_at": "...Z",
--    "waited_ms": n}
-- status "joined": another call's refresh that began after this call had already done the work, so
-- its figures are given; everything committed before this call is in the view either way.
-- One refresh runs at a time. A second call waits for up to lock_timeout below, then fails with
-- 55P03 and says why. Readers are never blocked: after the first fill it runs CONCURRENTLY.
-- In a read-only transaction an allowed caller gets 25006 and a denied one 42501, at no cost: a way
-- to ask for permission without writing.
create or replace function public.analytics_refresh_heatmap() returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- PostgREST applies it to the request, in place of the role's 8 s. In plain SQL it does nothing.
set statement_timeout = '5min'
set lock_timeout = '15s'
-- The sort without the covering index: 10% less time than at the default 4 MB; more is slower
-- again.
set work_mem = '16MB'
-- Set below for the length of a refresh; named here, it is the caller's again afterwards.
set enable_indexscan = on
as $refresh$
declare
  called timestamptz;
  begun timestamptz;
  done timestamptz;
  populated boolean;
  last analytics_private.heatmap_refresh;
  outcome text := 'refreshed';
  held text;
begin
  if analytics_private.heatmap_caller_is_allowed() is not true then
    raise exception 'permission denied to refresh the heatmap'
      using errcode = 'insufficient_privilege',
        hint = 'Administrators, the service role and scheduled jobs of the owner may.';
  end if;
  if current_setting('transaction_read_only')::boolean then
    raise exception 'cannot refresh the heatmap in a read-only transaction'
      using errcode = 'read_only_sql_transaction', hint = 'Call the function with POST.';
  end if;
  called := clock_timestamp();

  begin
    perform pg_advisory_xact_lock(hashtextextended('public.analytics_heatmap_agg', 0));
  exception when lock_not_available then
    raise exception 'another refresh of the heatmap, or a change of its SQL, is still running '
      'after % of waiting', current_setting('lock_timeout')
      using errcode = 'lock_not_available', hint = 'Nothing was changed. Try again in a moment.';
  end;

  begin
    select r.* into last from analytics_private.heatmap_refresh r;
    if last.started_at > called then
      outcome := 'joined';
    else
      if row_security_active('public.responses') or row_security_active('public.questions') then
        raise exception 'the heatmap''s owner % is subject to row level security', current_user
          using errcode = 'object_not_in_prerequisite_state',
            hint = 'A refresh would silently count nothing. Give the owner BYPASSRLS.';
      end if;
      select c.relispopulated into populated
      from pg_class c where c.oid = 'public.analytics_heatmap_agg'::regclass;

      -- An index on responses (question_id) alone, which linters ask for, is chosen for its order,
      -- and takes twice the time of a sort.
      perform set_config('enable_indexscan', (exists (
        select from pg_index i
        where i.indexrelid = to_regclass('public.responses_heatmap_covering_idx') and i.indisvalid
      ))::text, true);

      begun := clock_timestamp();
      if populated then
        refresh materialized view concurrently public.analytics_heatmap_agg;
      else
        refresh materialized view public.analytics_heatmap_agg;
      end if;
      done := clock_timestamp();
    end if;
  exception when lock_not_available then
    select string_agg(format('%s by process %s (%s)', h.relation, h.pid, h.modes), ', ') into held
    from (
      select l.relation::regclass, l.pid, string_agg(l.mode, ', ' order by l.mode) as modes
      from pg_locks l
      where l.granted and l.pid <> pg_backend_pid()
        and l.database = (select d.oid from pg_database d where d.datname = current_database())
        and (l.relation = 'public.analytics_heatmap_agg'::regclass and l.mode <> 'AccessShareLock'
          or l.relation in ('public.responses'::regclass, 'public.questions'::regclass)
            and l.mode = 'AccessExclusiveLock')
      group by l.relation, l.pid
    ) h;
    raise exception 'the heatmap or a table that it reads was locked for %: %',
      current_setting('lock_timeout'), coalesce(held, 'by a session that is gone now')
      using errcode = 'lock_not_available',
        hint = 'Nothing was changed. A raw REFRESH, VACUUM or DDL holds such locks, and a '
          'transaction keeps them until it ends: see pg_stat_activity. Try again afterwards.';
  end;

  if outcome = 'refreshed' then
    insert into analytics_private.heatmap_refresh as kept
      (started_at, refreshed_at, rows, server_ms, concurrent)
    values (begun, done, (select count(*) from public.analytics_heatmap_agg),
      round(extract(epoch from done - begun) * 1000, 1), populated)
    on conflict (only_row) do update set
      started_at = excluded.started_at, refreshed_at = excluded.refreshed_at,
      rows = excluded.rows, server_ms = excluded.server_ms, concurrent = excluded.concurrent
    returning kept.* into last;
  end if;

  return jsonb_build_object(
    'status', outcome,
    'rows', last.rows,
    'server_ms', last.server_ms,
    'concurrent', last.concurrent,
    'refreshed_at', to_char(last.refreshed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'waited_ms', round(extract(epoch from coalesce(begun, clock_timestamp()) - called) * 1000, 1)
  );
end
$refresh$;
comment on function public.analytics_refresh_heatmap() is
  'Refreshes analytics_heatmap_agg without blocking its readers; returns a small JSON document.';

-- What this database says it is: with this file, so that its word is heard without the preflight.
create or replace function public.analytics_heatmap_environment() returns text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as 'select e.name from analytics_private.environment e';
comment on function public.analytics_heatmap_environment() is
  'What this database says it is: local, staging or production; null when nothing is declared.';

-- Older projects grant everything new in `public` to the API's roles, MAINTAIN (a raw REFRESH)
-- included, newer ones grant nothing, service_role included: say both.
revoke all on public.analytics_heatmap_agg from public, anon, authenticated, service_role;
grant select on public.analytics_heatmap_agg to service_role;
revoke all on function
  public.analytics_heatmap_admin(date, date, text, text, date, uuid, integer),
  public.analytics_refresh_heatmap(), public.analytics_heatmap_environment()
  from public, anon, authenticated, service_role;
grant execute on function public.analytics_heatmap_environment() to service_role;
grant execute on function
  public.analytics_heatmap_admin(date, date, text, text, date, uuid, integer),
  public.analytics_refresh_heatmap()
  to authenticated, service_role;

do $kept_grants$
declare
  kept record;
begin
  for kept in
    select * from pg_temp.heatmap_kept_grants k
    -- An earlier shape may have had other columns.
    where k.kind <> 'column' or exists (
      select from pg_attribute a
      where a.attrelid = 'public.analytics_heatmap_agg'::regclass
        and a.attname = k.object and a.attnum > 0 and not a.attisdropped)
  loop
    execute format('grant %s%s on %s to %s%s',
      kept.privilege_type,
      case when kept.kind = 'column' then format(' (%I)', kept.object) end,
      case kept.kind
        when 'function' then 'function ' || kept.object else 'public.analytics_heatmap_agg' end,
      kept.grantee, case when kept.is_grantable then ' with grant option' else '' end);
  end loop;
end
$kept_grants$;

notify pgrst, 'reload schema';

commit;
