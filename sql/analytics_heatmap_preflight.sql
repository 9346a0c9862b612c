-- What the REST interface cannot see, for the dry run: one read-only function, one JSON document.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f sql/analytics_heatmap_preflight.sql
--         as the project's owner, or as a migration; one transaction, safe to apply again. It does
--         not need analytics_heatmap.sql: whatever is missing or broken is described as such.
-- Undo    sql/analytics_heatmap_rollback.sql
--
-- public.analytics_heatmap_preflight() may be executed by service_role alone. It turns its own
-- transaction read-only before it looks at anything, so the server itself refuses a write; and it
-- never fails for what is missing: flags are false, facts null, lists empty.
-- The helpers are analytics_private.preflight_*; nothing grants the use of that schema.
--
-- The document. T? means T or null. Times are ISO 8601; sizes are bytes.
--
-- schema                   1
-- server                   {version text, version_num int, encoding text}
-- declared_environment     text?: 'local', 'staging' or 'production', as the owner has said in
--                          analytics_private.environment; null when nothing is declared
-- caller                   {role text, statement_timeout_ms int, lock_timeout_ms int}: this
--                          request's (0 = no limit)
-- view                     public.analytics_heatmap_agg
--   .exists                bool
--   .kind                  text?: 'materialized view', 'view', 'table', 'other'
--   .owner                 text?
--   .owner_bypasses_rls    bool?: false means the view silently counts too little
--   .populated             bool?
--   .rows                  int?: counted, when populated; null while a refresh holds readers off
--   .columns               [{name text, type text}], in order; type as format_type() writes it
--   .bytes                 int?: with its index; null as `rows` is
--   .refresh_running       bool: a refresh, or another writer, holds its lock now
-- last_refresh             {refreshed_at time, rows int, server_ms num, concurrent bool}?
-- index                    public.analytics_heatmap_agg_idx
--   .exists                bool
--   .on_view               bool: on public.analytics_heatmap_agg
--   .unique, .valid        bool?
--   .plain                 bool?: no predicate, no expression, as REFRESH CONCURRENTLY needs it
--   .columns               [text], in order
-- covering_index           optional public.responses_heatmap_covering_idx
--   .exists                bool
--   .valid                 bool?
--   .bytes                 int?
--   .all_visible           num?: share of the pages of `responses` known to be all-visible at the
--                          last vacuum; low means that the index brings little
-- functions                {analytics_heatmap_admin: F, analytics_refresh_heatmap: F,
--                          analytics_heatmap_preflight: F, heatmap_caller_is_allowed: F,
--                          normalized_lesion: F}, where F is
--   .exists                bool
--   .overloads             int: 1 is right; more are ambiguous through the API
--   .arguments, .returns   text?
--   .language, .owner      text?
--   .security_definer      bool?
--   .search_path           text?: null means not pinned
--   .volatility            text?: 'immutable', 'stable', 'volatile'
--   .statement_timeout_ms  int?: null means not set on the function
--   .lock_timeout_ms       int?
-- privileges               {view_select: P, view_maintain: P, view_write: P, reader_execute: P,
--                          refresh_execute: P, preflight_execute: P, private_schema_usage: P},
--                          where P is {public bool, anon bool?, authenticated bool?, service_role
--                          bool?, others [text]}. Effective rights, inherited ones included; null
--                          means that the object or the role does not exist; `others` are roles
--                          beside these and the owner that were granted it by name. A right on
--                          single columns counts like one on the whole, but not for service_role,
--                          which needs the whole.
--                          view_maintain is a raw REFRESH (PostgreSQL 17 and newer)
-- gate                     {reader: G, refresh: G}: what the caller check answered, as an SQLSTATE,
--                          to claims made up for the purpose; '00000' and '25006' mean that it let
--                          them pass, '42501' that it did not; null when there is no such function
--   .no_role               text?: claims without a role (the NULL hole)
--   .learner               text?: an authenticated user that is no administrator
-- tables                   {questions: T, responses: T, app_users: T}, where T is
--   .exists                bool
--   .rls, .policies        bool?, int
--   .rows_estimate         int?: the planner's; null before the first analyze
--   .bytes                 int?: with indexes
--   .columns               [{name text, type text, required bool, default text?}], in order;
--                          required: NOT NULL, no default, not generated
--   .required              [text]: the names of those
--   .primary_key           [text]
--   .unique                [[text]]
--   .foreign_keys          [{columns [text], references text, on_delete text}]
--   .checks                [text]
--   .triggers              [{name text, function text, timing text, enabled bool}]: what else a
--                          write touches
--   .service_role          {select bool, insert bool, update bool, delete bool}?
-- jobs                     {pg_cron bool, scheduled [{name text?, schedule text, command text,
--                          active bool}]}: jobs that name the heatmap, as far as the owner may see
-- fingerprints             {view, index, reader, refresh, gate, lesion, all: text?}: md5 of the
--                          definitions; comparable between runs on one server version. view,
--                          index and all are null while a refresh holds readers off

begin;

set local client_min_messages = warning;
set local lock_timeout = '10s';
set local search_path = '';

create schema if not exists analytics_private;
revoke all on schema analytics_private from public, anon, authenticated, service_role;

-- '8s', '5min', '8000' as milliseconds; null for null.
create or replace function analytics_private.preflight_milliseconds(setting text) returns bigint
language sql stable set search_path = '' as $$
  select case
    when setting ~ '^\d+$' then setting::bigint
    else (extract(epoch from setting::interval) * 1000)::bigint
  end
$$;

-- One F of the document.
create or replace function analytics_private.preflight_function(in_schema text, named text)
returns jsonb language sql stable set search_path = '' as $$
  with found as (
    select p.*, count(*) over () as overloads
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname = in_schema and p.proname = named
    order by p.oid
    limit 1
  )
  select jsonb_build_object(
    'exists', f.oid is not null,
    'overloads', coalesce(f.overloads, 0),
    'arguments', pg_get_function_arguments(f.oid),
    'returns', pg_get_function_result(f.oid),
    'language', (select l.lanname from pg_catalog.pg_language l where l.oid = f.prolang),
    'owner', pg_get_userbyid(f.proowner),
    'security_definer', f.prosecdef,
    'search_path', s.settings ->> 'search_path',
    'volatility', case f.provolatile
      when 'i' then 'immutable' when 's' then 'stable' when 'v' then 'volatile' end,
    'statement_timeout_ms',
      analytics_private.preflight_milliseconds(s.settings ->> 'statement_timeout'),
    'lock_timeout_ms', analytics_private.preflight_milliseconds(s.settings ->> 'lock_timeout')
  )
  from (select) always
  left join found f on true
  left join lateral (
    select jsonb_object_agg(split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)) as settings
    from unnest(f.proconfig) c
  ) s on true
$$;

-- One P of the document.
create or replace function analytics_private.preflight_privilege(
  object_kind text, object oid, privileges text[]
) returns jsonb language sql stable set search_path = '' as $$
  with target as (
    select c.relowner as owner, coalesce(c.relacl, acldefault('r', c.relowner)) as acl
    from pg_catalog.pg_class c where object_kind = 'relation' and c.oid = object
    union all
    select p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_catalog.pg_proc p where object_kind = 'function' and p.oid = object
    union all
    select n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
    from pg_catalog.pg_namespace n where object_kind = 'schema' and n.oid = object
  ),
  granted as (
    select g.grantee
    from target t cross join lateral aclexplode(t.acl) g
    where g.privilege_type = any (privileges) and g.grantee <> t.owner
    union
    select g.grantee
    from target t
    join pg_catalog.pg_attribute a on object_kind = 'relation' and a.attrelid = object
      and not a.attisdropped
    cross join lateral aclexplode(a.attacl) g
    where g.privilege_type = any (privileges) and g.grantee <> t.owner
  ),
  -- The others are no rights on columns, and asking for them by column is an error.
  by_column as (
    select string_agg(p, ',') as privileges
    from unnest(privileges) p where p in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
  )
  select jsonb_build_object(
    'public', coalesce(0 in (select g.grantee from granted g), false),
    'others', coalesce((
      select jsonb_agg(pg_get_userbyid(g.grantee) order by pg_get_userbyid(g.grantee))
      from granted g
      where g.grantee <> 0
        and pg_get_userbyid(g.grantee) not in ('anon', 'authenticated', 'service_role')
    ), '[]')
  ) || (
    select jsonb_object_agg(named, (
      select case object_kind
        when 'relation' then has_table_privilege(r.oid, object, array_to_string(privileges, ','))
          or (named <> 'service_role' and coalesce(
            (select has_any_column_privilege(r.oid, object, c.privileges) from by_column c), false))
        when 'function' then has_function_privilege(r.oid, object, array_to_string(privileges, ','))
        when 'schema' then has_schema_privilege(r.oid, object, array_to_string(privileges, ','))
      end
      from pg_catalog.pg_roles r
      where r.rolname = named and exists (select from target)
    ))
    from unnest(array['anon', 'authenticated', 'service_role']) named
  )
$$;

-- One T of the document.
create or replace function analytics_private.preflight_table(named text) returns jsonb
language sql stable set search_path = '' as $$
  with target as (
    select c.* from pg_catalog.pg_class c where c.oid = to_regclass('public.' || named)
  ),
  keys as (
    select k.contype, k.conname, k.confrelid, k.confdeltype,
      pg_get_constraintdef(k.oid) as definition,
      (select jsonb_agg(a.attname order by u.nr)
       from unnest(k.conkey) with ordinality u (attnum, nr)
       join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum) as columns
    from target t join pg_catalog.pg_constraint k on k.conrelid = t.oid
  ),
  columns as (
    select a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) as type,
      a.attnotnull and not a.atthasdef and a.attidentity = '' and a.attgenerated = '' as required,
      pg_get_expr(d.adbin, d.adrelid) as default_value
    from target t
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  )
  select jsonb_build_object(
    'exists', t.oid is not null,
    'rls', t.relrowsecurity,
    'policies', (select count(*) from pg_catalog.pg_policy p where p.polrelid = t.oid),
    'rows_estimate', case when t.reltuples >= 0 then t.reltuples::bigint end,
    'bytes', pg_total_relation_size(t.oid),
    'columns', coalesce((
      select jsonb_agg(jsonb_build_object('name', c.attname, 'type', c.type, 'required', c.required,
        'default', c.default_value) order by c.attnum) from columns c), '[]'),
    'required', coalesce((
      select jsonb_agg(c.attname order by c.attnum) from columns c where c.required), '[]'),
    'primary_key', coalesce((select k.columns from keys k where k.contype = 'p'), '[]'),
    'unique', coalesce((
      select jsonb_agg(k.columns order by k.conname) from keys k where k.contype = 'u'), '[]'),
    'foreign_keys', coalesce((
      select jsonb_agg(jsonb_build_object('columns', k.columns,
        'references', k.confrelid::regclass::text,
        'on_delete', case k.confdeltype when 'c' then 'cascade' when 'n' then 'set null'
          when 'd' then 'set default' when 'r' then 'restrict' else 'no action' end)
        order by k.conname)
      from keys k where k.contype = 'f'), '[]'),
    'checks', coalesce((
      select jsonb_agg(k.definition order by k.conname) from keys k where k.contype = 'c'), '[]'),
    'triggers', coalesce((
      select jsonb_agg(jsonb_build_object('name', g.tgname,
        'function', g.tgfoid::regproc::text,
        'timing', concat_ws(' ',
          case when g.tgtype & 66 = 2 then 'before' when g.tgtype & 64 = 64 then 'instead of'
            else 'after' end,
          concat_ws(' or ',
            case when g.tgtype & 4 = 4 then 'insert' end,
            case when g.tgtype & 8 = 8 then 'delete' end,
            case when g.tgtype & 16 = 16 then 'update' end,
            case when g.tgtype & 32 = 32 then 'truncate' end)),
        'enabled', g.tgenabled <> 'D') order by g.tgname)
      from pg_catalog.pg_trigger g where g.tgrelid = t.oid and not g.tgisinternal), '[]'),
    'service_role', (
      select jsonb_build_object(
        'select', has_table_privilege(r.oid, t.oid, 'select'),
        'insert', has_table_privilege(r.oid, t.oid, 'insert'),
        'update', has_table_privilege(r.oid, t.oid, 'update'),
        'delete', has_table_privilege(r.oid, t.oid, 'delete'))
      from pg_catalog.pg_roles r where r.rolname = 'service_role' and t.oid is not null)
  )
  from (select) always left join target t on true
$$;

-- What a function answers to made-up claims, as an SQLSTATE. Only called in a read-only
-- transaction: a refresh that lets them pass stops there with 25006. The caller's own claims are
-- put back.
create or replace function analytics_private.preflight_gate(statement text, claims text)
returns text language plpgsql stable set search_path = '' as $$
declare
  names constant text[] :=
    array['request.jwt.claims', 'request.jwt.claim.role', 'request.jwt.claim.sub'];
  own constant text[] :=
    array(select coalesce(current_setting(n, true), '') from unnest(names) n);
  answer text := '00000';
begin
  perform set_config(names[1], claims, true), set_config(names[2], '', true),
    set_config(names[3], '', true);
  begin
    execute statement;
  exception
    when undefined_function then
      answer := null;
    when others then
      answer := sqlstate;
  end;
  perform set_config(names[i], own[i], true) from generate_subscripts(names, 1) i;
  return answer;
end
$$;

-- The first row of a query as JSON; null when it cannot be read, whatever the reason.
create or replace function analytics_private.preflight_row(relation text, query text)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  found_row jsonb;
begin
  if to_regclass(relation) is null then
    return null;
  end if;
  execute query into found_row;
  return found_row;
exception
  -- An older or a broken shape of the relation: the document says null, and the probe says so.
  when undefined_column or undefined_table or insufficient_privilege
    or object_not_in_prerequisite_state or wrong_object_type then
    return null;
end
$$;

-- The same, and null too where somebody holds the relation exclusively for longer than a moment.
create or replace function analytics_private.preflight_row_if_free(relation text, query text)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  own constant text := current_setting('lock_timeout');
  found_row jsonb;
begin
  perform set_config('lock_timeout', '500ms', true);
  found_row := analytics_private.preflight_row(relation, query);
  perform set_config('lock_timeout', own, true);
  return found_row;
exception
  -- The setting is taken back with everything else that the block did.
  when lock_not_available then
    return null;
end
$$;

create or replace function public.analytics_heatmap_preflight() returns jsonb
language plpgsql stable security definer
set search_path = ''
as $preflight$
declare
  no_role constant text := '{"sub": "00000000-0000-4000-8000-000000000000"}';
  learner constant text :=
    '{"sub": "00000000-0000-4000-8000-000000000000", "role": "authenticated"}';
  call_reader constant text := 'select from public.analytics_heatmap_admin() limit 1';
  call_refresh constant text := 'select public.analytics_refresh_heatmap()';
  the_view constant oid := to_regclass('public.analytics_heatmap_agg');
  the_index constant oid := to_regclass('public.analytics_heatmap_agg_idx');
  covering constant oid := to_regclass('public.responses_heatmap_covering_idx');
  reader oid;
  refresher oid;
  gate oid;
  refresh_running boolean;
  readable boolean;
  document jsonb;
  fingerprints jsonb;
begin
  perform set_config('transaction_read_only', 'on', true);

  -- A first fill holds readers off for as long as it takes: what waits for it is left out.
  select coalesce(bool_or(true), false),
    coalesce(bool_and(l.mode <> 'AccessExclusiveLock'), true)
  into refresh_running, readable
  from pg_catalog.pg_locks l
  where l.relation = the_view and l.granted and l.pid <> pg_backend_pid()
    and l.database = (
      select d.oid from pg_catalog.pg_database d where d.datname = current_database())
    and l.mode in ('ExclusiveLock', 'AccessExclusiveLock');

  select min(p.oid) filter (where p.proname = 'analytics_heatmap_admin'),
    min(p.oid) filter (where p.proname = 'analytics_refresh_heatmap')
  into reader, refresher
  from pg_catalog.pg_proc p where p.pronamespace = 'public'::regnamespace;
  select p.oid into gate from pg_catalog.pg_proc p
  where p.pronamespace = 'analytics_private'::regnamespace
    and p.proname = 'heatmap_caller_is_allowed' and p.pronargs = 0;

  document := jsonb_build_object(
    'schema', 1,
    'server', jsonb_build_object(
      'version', current_setting('server_version'),
      'version_num', current_setting('server_version_num')::integer,
      'encoding', current_setting('server_encoding')),
    'declared_environment', analytics_private.preflight_row('analytics_private.environment',
      'select to_jsonb(e.name) from analytics_private.environment e'),
    'caller', (
      select jsonb_build_object(
        'role', coalesce(nullif(current_setting('role'), 'none'), session_user),
        'statement_timeout_ms',
          max(s.setting::bigint) filter (where s.name = 'statement_timeout'),
        'lock_timeout_ms', max(s.setting::bigint) filter (where s.name = 'lock_timeout'))
      from pg_catalog.pg_settings s where s.name in ('statement_timeout', 'lock_timeout')),
    'last_refresh', analytics_private.preflight_row('analytics_private.heatmap_refresh',
      'select jsonb_build_object(''refreshed_at'', r.refreshed_at, ''rows'', r.rows, '
      '''server_ms'', r.server_ms, ''concurrent'', r.concurrent) '
      'from analytics_private.heatmap_refresh r'),
    'view', (
      select jsonb_build_object(
        'exists', c.oid is not null,
        'kind', case c.relkind when 'm' then 'materialized view' when 'v' then 'view'
          when 'r' then 'table' else case when c.oid is not null then 'other' end end,
        'owner', pg_get_userbyid(c.relowner),
        'owner_bypasses_rls', (
          select r.rolsuper or r.rolbypassrls or (
            select coalesce(bool_and(not t.relrowsecurity
              or (t.relowner = r.oid and not t.relforcerowsecurity)), false)
            from pg_catalog.pg_class t
            where t.oid in (to_regclass('public.responses'), to_regclass('public.questions')))
          from pg_catalog.pg_roles r where r.oid = c.relowner),
        'populated', c.relispopulated,
        'rows', case when c.relispopulated and readable
          then analytics_private.preflight_row_if_free('public.analytics_heatmap_agg',
            'select to_jsonb(count(*)) from public.analytics_heatmap_agg') end,
        'columns', coalesce((
          select jsonb_agg(jsonb_build_object('name', a.attname,
            'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
          from pg_catalog.pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'),
        'bytes', case when readable
          then analytics_private.preflight_row_if_free('public.analytics_heatmap_agg',
            'select to_jsonb(pg_total_relation_size(''public.analytics_heatmap_agg''))') end,
        'refresh_running', refresh_running)
      from (select) always left join pg_catalog.pg_class c on c.oid = the_view),
    'index', (
      select jsonb_build_object(
        'exists', i.indexrelid is not null,
        'on_view', coalesce(i.indrelid = the_view, false),
        'unique', i.indisunique,
        'valid', i.indisvalid,
        'plain', i.indpred is null and i.indexprs is null,
        'columns', coalesce((
          -- By name where there is one: to spell an index out is to wait for its relation.
          select jsonb_agg(coalesce(quote_ident(a.attname),
            pg_get_indexdef(i.indexrelid, nr, true)) order by nr)
          from generate_series(1, i.indnkeyatts) nr
          left join pg_catalog.pg_attribute a
            on a.attrelid = i.indrelid and a.attnum = i.indkey[nr - 1] and a.attnum <> 0), '[]'))
        || case when i.indexrelid is null then '{"plain": null}' else '{}' end::jsonb
      from (select) always left join pg_catalog.pg_index i on i.indexrelid = the_index),
    'covering_index', (
      select jsonb_build_object(
        'exists', i.indexrelid is not null,
        'valid', i.indisvalid,
        'bytes', pg_relation_size(i.indexrelid),
        'all_visible', (
          select round(t.relallvisible::numeric / nullif(t.relpages, 0), 3)
          from pg_catalog.pg_class t where t.oid = to_regclass('public.responses')))
      from (select) always left join pg_catalog.pg_index i on i.indexrelid = covering),
    'functions', jsonb_build_object(
      'analytics_heatmap_admin',
        analytics_private.preflight_function('public', 'analytics_heatmap_admin'),
      'analytics_refresh_heatmap',
        analytics_private.preflight_function('public', 'analytics_refresh_heatmap'),
      'analytics_heatmap_preflight',
        analytics_private.preflight_function('public', 'analytics_heatmap_preflight'),
      'heatmap_caller_is_allowed',
        analytics_private.preflight_function('analytics_private', 'heatmap_caller_is_allowed'),
      'normalized_lesion',
        analytics_private.preflight_function('analytics_private', 'normalized_lesion'))
  );
  document := document || jsonb_build_object(
    'privileges', jsonb_build_object(
      'view_select',
        analytics_private.preflight_privilege('relation', the_view, '{SELECT}'),
      'view_maintain', case when current_setting('server_version_num')::integer >= 170000
        then analytics_private.preflight_privilege('relation', the_view, '{MAINTAIN}')
        else jsonb_build_object('public', false, 'anon', false, 'authenticated', false,
          'service_role', false, 'others', '[]'::jsonb) end,
      'view_write', analytics_private.preflight_privilege(
        'relation', the_view, '{INSERT,UPDATE,DELETE,TRUNCATE}'),
      'reader_execute', analytics_private.preflight_privilege('function', reader, '{EXECUTE}'),
      'refresh_execute',
        analytics_private.preflight_privilege('function', refresher, '{EXECUTE}'),
      'preflight_execute', analytics_private.preflight_privilege('function',
        to_regprocedure('public.analytics_heatmap_preflight()')::oid, '{EXECUTE}'),
      'private_schema_usage', analytics_private.preflight_privilege('schema',
        to_regnamespace('analytics_private')::oid, '{USAGE}')),
    'tables', jsonb_build_object(
      'questions', analytics_private.preflight_table('questions'),
      'responses', analytics_private.preflight_table('responses'),
      'app_users', analytics_private.preflight_table('app_users')),
    'jobs', jsonb_build_object(
      'pg_cron', to_regclass('cron.job') is not null,
      'scheduled', coalesce(analytics_private.preflight_row('cron.job',
        'select jsonb_agg(jsonb_build_object(''name'', j.jobname, ''schedule'', j.schedule, '
        '''command'', j.command, ''active'', j.active) order by j.jobid) '
        'from cron.job j where j.command ilike ''%heatmap%'''), '[]')),
    'gate', jsonb_build_object(
      'reader', jsonb_build_object(
        'no_role', analytics_private.preflight_gate(call_reader, no_role),
        'learner', analytics_private.preflight_gate(call_reader, learner)),
      'refresh', jsonb_build_object(
        'no_role', analytics_private.preflight_gate(call_refresh, no_role),
        'learner', analytics_private.preflight_gate(call_refresh, learner)))
  );

  fingerprints := jsonb_build_object(
    'view', md5(case when document #>> '{view,kind}' in ('materialized view', 'view') and readable
      then analytics_private.preflight_row_if_free('public.analytics_heatmap_agg',
        'select to_jsonb(pg_get_viewdef(''public.analytics_heatmap_agg''::regclass))') #>> '{}'
      end),
    'index', md5(case when the_index is not null and readable
      then analytics_private.preflight_row_if_free('public.analytics_heatmap_agg_idx',
        'select to_jsonb(pg_get_indexdef(''public.analytics_heatmap_agg_idx''::regclass))') #>> '{}'
      end),
    'reader', md5(pg_get_functiondef(reader)),
    'refresh', md5(pg_get_functiondef(refresher)),
    'gate', md5(pg_get_functiondef(gate)),
    'lesion', md5(pg_get_functiondef(
      to_regprocedure('analytics_private.normalized_lesion(text)'))));
  return document || jsonb_build_object('fingerprints', fingerprints || jsonb_build_object(
    'all', case when readable then md5(fingerprints::text) end));
end
$preflight$;
comment on function public.analytics_heatmap_preflight() is
  'Describes the heatmap''s objects, rights and surroundings for the dry run. Writes nothing.';

revoke all on function
  analytics_private.preflight_milliseconds(text),
  analytics_private.preflight_function(text, text),
  analytics_private.preflight_privilege(text, oid, text[]),
  analytics_private.preflight_table(text),
  analytics_private.preflight_gate(text, text),
  analytics_private.preflight_row(text, text),
  analytics_private.preflight_row_if_free(text, text)
  from public, anon, authenticated, service_role;
revoke all on function public.analytics_heatmap_preflight()
  from public, anon, authenticated, service_role;
grant execute on function public.analytics_heatmap_preflight() to service_role;

notify pgrst, 'reload schema';

commit;
