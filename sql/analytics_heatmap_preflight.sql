-- What the REST interface cannot see, for the dry run: one read-only function, one JSON document;
-- and a second one, by which a run counts what it has left in the project's own tables.
--
-- Apply   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f sql/analytics_heatmap_preflight.sql
--         as the project's owner, or as a migration; one transaction, safe to apply again and over
--         every earlier version. It does not need analytics_heatmap.sql: whatever is missing or
--         broken is described as such.
-- Undo    sql/analytics_heatmap_rollback.sql
--
-- public.analytics_heatmap_preflight() may be executed by service_role alone. It turns its own
-- transaction read-only before it looks at anything, so the server itself refuses a write; and it
-- never fails for what is missing: flags are false, facts null, lists empty.
-- The helpers are analytics_private.preflight_*; nothing grants the use of that schema.
--
-- The document, key by key: sql/README.md

begin isolation level read committed;

set local client_min_messages = warning;
set local standard_conforming_strings = on;
set local search_path = pg_catalog, pg_temp;
set local lock_timeout = '6min';
do $lock$
begin
  perform pg_advisory_xact_lock(hashtextextended('public.analytics_heatmap_agg', 0));
end
$lock$;
set local lock_timeout = '10s';

create schema if not exists analytics_private;
revoke all on schema analytics_private from public, anon, authenticated, service_role;

-- Every earlier version goes, whatever its arguments: one beside another would be ambiguous.
do $earlier$
declare
  earlier regprocedure;
begin
  for earlier in
    select p.oid
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace
        and p.proname in ('analytics_heatmap_preflight', 'analytics_heatmap_traces')
      or p.pronamespace = 'analytics_private'::regnamespace and p.proname ~ '^preflight_'
  loop
    execute format('drop routine %s', earlier);
  end loop;
end
$earlier$;

-- One F of the document.
create function analytics_private.preflight_function(in_schema text, named text) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  with found as (
    select p.*, count(*) over () as overloads
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = in_schema and p.proname = named
    order by p.oid
    limit 1
  )
  select jsonb_build_object(
    'exists', f.oid is not null,
    'overloads', coalesce(f.overloads, 0),
    'security_definer', f.prosecdef,
    'search_path', s.settings ->> 'search_path',
    'volatility', case f.provolatile
      when 'i' then 'immutable' when 's' then 'stable' when 'v' then 'volatile' end,
    'statement_timeout_ms', case
      when s.settings ->> 'statement_timeout' ~ '^[0-9]+$'
        then (s.settings ->> 'statement_timeout')::bigint
      else (extract(epoch from (s.settings ->> 'statement_timeout')::interval) * 1000)::bigint
    end
  )
  from (select) always
  left join found f on true
  left join lateral (
    select jsonb_object_agg(split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)) as settings
    from unnest(f.proconfig) c
  ) s on true
$$;

-- One P of the document.
create function analytics_private.preflight_privilege(
  object_kind text, object oid, privileges text[]
) returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
  with target as (
    select c.relowner as owner, coalesce(c.relacl, acldefault('r', c.relowner)) as acl
    from pg_class c where object_kind = 'relation' and c.oid = object
    union all
    select p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc p where object_kind = 'function' and p.oid = object
    union all
    select n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
    from pg_namespace n where object_kind = 'schema' and n.oid = object
  ),
  granted as (
    select g.grantee
    from target t cross join lateral aclexplode(t.acl) g
    where g.privilege_type = any (privileges) and g.grantee <> t.owner
    union
    select g.grantee
    from target t
    join pg_attribute a on object_kind = 'relation' and a.attrelid = object
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
      from pg_roles r
      where r.rolname = named and exists (select from target)
    ))
    from unnest(array['anon', 'authenticated', 'service_role']) named
  )
$$;

-- The first row of a query as JSON; `otherwise` where it cannot be read, for whatever is wrong with
-- the relation, or because somebody holds it for longer than a moment.
create function analytics_private.preflight_row(relation text, query text, otherwise jsonb)
returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  own constant text := current_setting('lock_timeout');
  found_row jsonb;
begin
  if to_regclass(relation) is null then
    return null;
  end if;
  perform set_config('lock_timeout', '500ms', true);
  execute query into found_row;
  perform set_config('lock_timeout', own, true);
  return found_row;
exception
  when undefined_column or undefined_table or insufficient_privilege or wrong_object_type
    or object_not_in_prerequisite_state or lock_not_available then
    return otherwise;
end
$$;

-- Up to eight keys of existing rows that a foreign key may refer to, as objects by the referring
-- columns' names; null where they cannot be read.
create function analytics_private.preflight_parents(
  referred oid, columns jsonb, referenced jsonb
) returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp set row_security = off
as $$
declare
  key text;
begin
  select string_agg(format('%L, p.%I', c.name, r.name), ', ') into key
  from jsonb_array_elements_text(columns) with ordinality c (name, nr)
  join jsonb_array_elements_text(referenced) with ordinality r (name, nr) using (nr);
  return analytics_private.preflight_row(referred::regclass::text, format(
    'select coalesce(jsonb_agg(x.key), ''[]'') from ('
    'select jsonb_build_object(%s) as key from %s p limit 8) x',
    key, referred::regclass), null);
end
$$;

-- Whether a function's source names something.
create function analytics_private.preflight_names(source text, named text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select strpos(lower(source), lower(named)) > 0
    and source ~* ('\m' || regexp_replace(named, '(\W)', '\\\1', 'g') || '\M')
$$;

-- Sources of the functions that run when rows of these tables are inserted or deleted, each with
-- the trigger that it begins with: called by a trigger's function, or by a trigger of a table that
-- such a function names.
create function analytics_private.preflight_writers(tables oid[])
returns table (trigger text, source text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive code as materialized (
    select p.oid, p.proname, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) as source
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'analytics_private')
  ),
  firing as materialized (
    select g.tgname, g.tgrelid, g.tgfoid, g.tgtype, c.relname
    from pg_trigger g join pg_class c on c.oid = g.tgrelid
    where not g.tgisinternal and g.tgenabled in ('O', 'A') and g.tgtype & 28 <> 0
  ),
  running (function, trigger) as (
    select f.tgfoid, f.tgname || ' on ' || f.tgrelid::regclass
    from firing f where f.tgrelid = any (tables) and f.tgtype & 12 <> 0
    union
    select next.function, r.trigger
    from running r
    join code c on c.oid = r.function
    cross join lateral (
      select n.oid from code n where analytics_private.preflight_names(c.source, n.proname)
      union all
      select f.tgfoid from firing f where analytics_private.preflight_names(c.source, f.relname)
    ) next (function)
  )
  select r.trigger, c.source from running r join code c on c.oid = r.function
$$;

-- Whether a publication has a table refuse deletes: it publishes them, and what it says of a row
-- does not hold the columns that tell it from others, or its row filter reads columns besides those.
create function analytics_private.preflight_unidentified(publication name, of name, named name)
returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select p.pubdelete and (key.columns is null
      or not key.columns <@ coalesce(r.prattrs::int2[], key.columns)
      or exists (
        select from regexp_matches(r.prqual::text, ':varattno (\d+)', 'g') m (found)
        where m.found[1]::int2 <> all (key.columns)))
  from pg_publication p
  join pg_class t on t.relname = named and t.relnamespace = (
    select n.oid from pg_namespace n where n.nspname = of)
  left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = t.oid
  cross join lateral (
    select case t.relreplident
      when 'f' then (
        select array_agg(a.attnum) from pg_attribute a
        where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped)
      else (
        select i.indkey::int2[] from pg_index i
        where i.indrelid = t.oid and i.indisvalid
          and (t.relreplident = 'd' and i.indisprimary or t.relreplident = 'i' and i.indisreplident))
      end
  ) key (columns)
  where p.pubname = publication
$$;

-- The project's own tables, where a trigger or rule runs when rows of these tables, or rows that go
-- with theirs, are inserted or deleted; none where nothing does. `writers` may write to a table, as
-- the sources tell, and `telling` by a statement that names it; `keepers` may keep its rows from
-- going with their parent's.
create function analytics_private.preflight_reach(tables oid[])
returns table (
  relation oid, writers text, telling text, keepers text, about bigint, bytes bigint
)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive going (relation) as (
    select t from unnest(tables) t where t is not null
    union
    select k.conrelid
    from going g join pg_constraint k on k.confrelid = g.relation
    where k.contype = 'f' and k.confdeltype = 'c'
  ),
  firing as materialized (
    select g.tgrelid as relation, 'trigger ' || quote_ident(g.tgname) as named,
      g.tgtype & 11 = 11 as keeps
    from pg_trigger g
    where g.tgrelid in (select g.relation from going g)
      and not g.tgisinternal and g.tgenabled in ('O', 'A') and g.tgtype & 12 <> 0
    union all
    select w.ev_class, 'rule ' || quote_ident(w.rulename), w.ev_type = '4' and w.is_instead
    from pg_rewrite w
    where w.ev_class in (select g.relation from going g)
      and w.ev_type in ('3', '4') and w.ev_enabled in ('O', 'A')
  ),
  own as materialized (
    select c.oid as relation, c.oid = any (tables) as written
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where exists (select from firing) and c.relkind in ('r', 'p') and not c.relispartition
      and n.nspname !~ '^(pg_|supabase_|graphql|pgsodium|pgbouncer)'
      and n.nspname <> all (array['information_schema', 'analytics_private', 'storage', 'realtime',
        'extensions', 'cron', 'net', 'vault'])
      and (n.nspname <> 'auth' or c.relname in ('users', 'identities'))
  ),
  writers as materialized (
    select w.trigger, w.source,
      -- Statements that are put together name no table.
      w.source ~* '\mexecute\M' as dynamic
    from analytics_private.preflight_writers(array(select g.relation from going g)) w
    where exists (select from firing)
  ),
  -- A table goes by the names of the views over it, too, and a rule does what its table is told.
  called (relation, name_of) as (
    select o.relation, o.relation from own o
    union
    select c.relation, w.ev_class
    from called c
    join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.name_of
      and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite w on w.oid = d.objid
  ),
  named as (
    select c.relation, w.trigger as by, w.source ~* format(
        '(?:\m(?:insert|merge)\s+into|\mupdate)\s+(?:only\s+)?(?:(?:"[^"]+"|\w+)\s*\.\s*)?"?%s\M',
        regexp_replace(n.relname, '(\W)', '\\\1', 'g')) as told
    from called c
    join own o on o.relation = c.relation
    join pg_class n on n.oid = c.name_of
    join writers w on analytics_private.preflight_names(w.source, n.relname)
      -- That users are inserted there is what a run is made for.
      and (n.oid is distinct from to_regclass('public.app_users')
        or w.source ~* '\m(update|merge|delete)\M')
    union
    select c.relation, f.named || ' on ' || f.relation::regclass, true
    from called c join firing f on f.relation = c.name_of
    where f.named ~ '^rule ' and c.relation <> c.name_of
  )
  select o.relation,
    coalesce((select string_agg(distinct n.by, ', ') from named n where n.relation = o.relation),
      (select string_agg(distinct w.trigger, ', ') || ', by dynamic SQL'
       from writers w where w.dynamic)),
    (select string_agg(distinct n.by, ', ') from named n where n.relation = o.relation and n.told),
    (select string_agg(f.named, ', ') from firing f
     where f.relation = o.relation and f.keeps and not o.written),
    size.about, size.bytes
  from own o
  cross join lateral (
    select sum(case when c.reltuples > 0 then c.reltuples::bigint
        else pg_relation_size(c.oid) / 100 end)::bigint as about,
      sum(pg_table_size(c.oid))::bigint as bytes
    from (select o.relation as oid union
      select p.relid from pg_partition_tree(o.relation) p where p.isleaf) p
    join pg_class c on c.oid = p.oid and c.relkind = 'r'
  ) size
$$;

-- What a run leaves in tables of the project's own: `held`, the foreign keys that keep what it
-- writes from being deleted; `traces`, the tables in which rows stay.
create function analytics_private.preflight_surroundings(tables oid[]) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive writers as materialized (
    select w.* from analytics_private.preflight_writers(tables) w
  ),
  keys as materialized (
    select k.oid, k.conname, k.conrelid, k.confrelid, k.confdeltype,
      -- SET NULL holds where there may be no NULL, SET DEFAULT where the default is no row's.
      k.confdeltype not in ('c', 'n') or k.confdeltype = 'n' and exists (
        select from pg_attribute a
        where a.attrelid = k.conrelid and a.attnotnull
          and a.attnum = any (coalesce(k.confdelsetcols, k.conkey))) as holds,
      (select string_agg(quote_ident(a.attname), ', ' order by u.nr)
       from unnest(k.conkey) with ordinality u (attnum, nr)
       join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum) as columns,
      (select string_agg(quote_ident(a.attname), ', ' order by u.nr)
       from unnest(k.confkey) with ordinality u (attnum, nr)
       join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum) as referenced
    from pg_constraint k
    where k.contype = 'f' and k.conparentid = 0 and k.conrelid <> all (tables)
  ),
  -- Tables whose rows go with those of a root, and which of them do: %s are the root's.
  going (root, relation, path, through) as (
    select t, t, array[t], '%s' collate "C" from unnest(tables) t where t is not null
    union all
    select g.root, k.conrelid, g.path || k.conrelid, format('(%s) in (select %s from %s where %s)',
      k.columns, k.referenced, k.confrelid::regclass, g.through)
    from going g join keys k on k.confrelid = g.relation
    where k.confdeltype = 'c' and k.conrelid <> all (g.path) and cardinality(g.path) < 5
  ),
  held as (
    select distinct on (k.oid) k.conrelid, jsonb_build_object(
      'root', g.root::regclass::text, 'table', k.conrelid::regclass::text, 'name', k.conname,
      'to', k.confrelid::regclass::text,
      'filled_by', (
        select string_agg(distinct w.trigger, ', ')
        from writers w where analytics_private.preflight_names(w.source, c.relname)),
      'through', format('(%s) in (select %s from %s where %s)',
        k.columns, k.referenced, k.confrelid::regclass, g.through),
      'release', format('alter table %s drop constraint %I, add constraint %I %s',
        k.conrelid::regclass, k.conname, k.conname, regexp_replace(
          regexp_replace(pg_get_constraintdef(k.oid),
            ' ON DELETE (RESTRICT|NO ACTION|SET (NULL|DEFAULT)( \([^)]*\))?)', ''),
          '((?: NOT)? DEFERRABLE.*| INITIALLY .*| NOT (?:VALID|ENFORCED).*|)$',
          ' ON DELETE CASCADE\1'))) as key
    from going g
    join keys k on k.confrelid = g.relation
    join pg_class c on c.oid = k.conrelid
    where k.holds
    order by k.oid, cardinality(g.path)
  )
  select jsonb_build_object(
    'held', coalesce((select jsonb_agg(h.key order by h.key ->> 'table', h.key ->> 'name')
      from held h), '[]'),
    'traces', coalesce((
      select jsonb_agg(jsonb_build_object('table', r.relation::regclass::text, 'by', t.by,
        'why', t.why) order by r.relation::regclass::text)
      from analytics_private.preflight_reach(tables) r
      cross join lateral (values (r.telling, 'written'), (r.keepers, 'kept')) t (by, why)
      where t.by is not null and (t.why = 'kept' or r.relation not in (
        select g.relation from going g union all select h.conrelid from held h))), '[]'))
$$;

-- What the service role would have to be granted before it may give a column of this type a value,
-- or leave it to this default; null where nothing lacks.
create function analytics_private.preflight_lacks(given oid, by_default oid) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  select nullif(jsonb_build_object('value', coalesce((
      select jsonb_agg('usage on schema ' || quote_ident(n.nspname))
      from pg_type y join pg_namespace n on n.oid = y.typnamespace
      where y.oid = given and not has_schema_privilege(r.oid, n.oid, 'usage')), '[]'),
    'default', coalesce((
      select jsonb_agg(distinct l.lacking order by l.lacking)
      from pg_depend d
      cross join lateral (
        select 'usage on sequence ' || c.oid::regclass as lacking
        from pg_class c
        where d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
          -- Of any other relation it is an error to ask.
          and case c.relkind when 'S'
            then not has_sequence_privilege(r.oid, c.oid, 'usage, update') end
        union all
        select 'execute on function ' || p.oid::regprocedure
        from pg_proc p
        where d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
          and not has_function_privilege(r.oid, p.oid, 'execute')
      ) l
      where d.classid = 'pg_attrdef'::regclass and d.objid = by_default), '[]')),
    '{"value": [], "default": []}')
  from pg_roles r where r.rolname = 'service_role'
$$;

-- One T of the document.
create function analytics_private.preflight_table(named text) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  with target as (
    select c.* from pg_class c where c.oid = to_regclass(named)
  ),
  keys as (
    select k.oid, k.contype, k.conname, k.confrelid, k.condeferrable,
      (select c.relname from pg_class c where c.oid = k.confrelid) as referred,
      -- What a run may refer to; of the tables it writes itself, its own rows.
      t.relname in ('questions', 'responses') and k.confrelid <> all (array[
        to_regclass('public.questions'), to_regclass('public.responses'),
        to_regclass('public.app_users'), to_regclass('auth.users')]::oid[]) as chosen,
      not exists (
        select from pg_attribute a
        where a.attrelid = k.conrelid and a.attnum = any (k.conkey) and not a.attnotnull)
        as required,
      (select jsonb_agg(a.attname order by u.nr)
       from unnest(k.conkey) with ordinality u (attnum, nr)
       join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum) as columns,
      (select jsonb_agg(a.attname order by u.nr)
       from unnest(k.confkey) with ordinality u (attnum, nr)
       join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum) as referenced
    from target t join pg_constraint k on k.conrelid = t.oid
    -- Of a partitioned table, the key of the whole; its parts' are consequences.
    where k.conparentid = 0
  )
  select jsonb_build_object(
    'exists', t.oid is not null,
    'kind', case t.relkind when 'r' then 'table' when 'p' then 'partitioned table'
      when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' end,
    'owner', pg_get_userbyid(t.relowner),
    'rls', t.relrowsecurity,
    'columns', coalesce((
      select jsonb_agg(jsonb_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod),
        'base', case when y.typtype = 'd' then format_type(y.typbasetype, y.typtypmod) end,
        'labels', (
          select jsonb_agg(e.enumlabel order by e.enumsortorder)
          from pg_enum e where e.enumtypid in (a.atttypid, y.typbasetype)),
        'not_null', a.attnotnull or y.typnotnull,
        'default', coalesce(pg_get_expr(d.adbin, d.adrelid), y.typdefault),
        'filled', case when a.attidentity <> '' then 'identity'
          when a.attgenerated <> '' then 'generated' end,
        'lacks', case when t.relname in ('questions', 'responses')
          then analytics_private.preflight_lacks(y.oid, d.oid) end) order by a.attnum)
      from pg_attribute a
      join pg_type y on y.oid = a.atttypid
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped), '[]'),
    'required', coalesce((
      select jsonb_agg(a.attname order by a.attnum)
      from pg_attribute a join pg_type y on y.oid = a.atttypid
      where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
        and (a.attnotnull or y.typnotnull) and not a.atthasdef and y.typdefault is null
        and a.attidentity = '' and a.attgenerated = ''), '[]'),
    'primary_key', coalesce((
      select k.columns from keys k where k.contype = 'p' and not k.condeferrable), '[]'),
    'unique', coalesce((
      select jsonb_agg(jsonb_build_object(
        'name', i.indexrelid::regclass::text,
        'columns', (
          select jsonb_agg(coalesce(a.attname, pg_get_indexdef(i.indexrelid, nr, true)) order by nr)
          from generate_series(1, i.indnkeyatts) nr
          left join pg_attribute a
            on a.attrelid = t.oid and a.attnum = i.indkey[nr - 1] and a.attnum <> 0),
        'where', pg_get_expr(i.indpred, i.indrelid),
        'nulls_distinct', not i.indnullsnotdistinct,
        'on_conflict', case when i.indisvalid then i.indimmediate end)
        order by i.indexrelid::regclass::text)
      from pg_index i
      where i.indrelid = t.oid and i.indisunique and i.indislive
        and not (i.indisprimary and i.indimmediate)), '[]'),
    'foreign_keys', coalesce((
      select jsonb_agg(jsonb_build_object('name', k.conname, 'columns', k.columns,
        'references', k.confrelid::regclass::text, 'referenced', k.referenced,
        -- Tables by whose deletes these rows go, through others that are keyed alike.
        'cascades_from', (
          with recursive up (relation, columns) as (
            select c.confrelid, c.confkey from pg_constraint c
            where c.oid = k.oid and c.confdeltype = 'c'
            union
            select c.confrelid, c.confkey
            from up u join pg_constraint c on c.conrelid = u.relation and c.conkey = u.columns
            where c.contype = 'f' and c.confdeltype = 'c'
          )
          select coalesce(jsonb_agg(u.relation::regclass::text order by u.relation), '[]')
          from up u),
        'parents', case when k.chosen
          then analytics_private.preflight_parents(k.confrelid, k.columns, k.referenced) end,
        -- Triggers that may make the row before it is referred to.
        'filled_by', case when k.chosen and k.required then (
          select string_agg(distinct w.trigger, ', ')
          from analytics_private.preflight_writers(array[to_regclass('public.questions'),
            to_regclass('public.app_users'), to_regclass('auth.users')]::oid[]) w
          where analytics_private.preflight_names(w.source, k.referred))
          end,
        'parent_of', (
          select jsonb_agg(a.attname order by a.attname)
          from pg_attribute a
          where a.attrelid = k.confrelid and a.attname in ('question_id', 'user_id')
            and not a.attisdropped)) order by k.conname)
      from keys k where k.contype = 'f'), '[]'),
    'checks', coalesce((
      select jsonb_agg(jsonb_build_object('name', k.conname,
        'columns', coalesce((select jsonb_agg(a.attname order by a.attnum) from pg_attribute a
          where a.attrelid = t.oid and a.attnum = any (k.conkey)), '[]'),
        'expression', pg_get_expr(k.conbin, k.conrelid)) order by k.conname)
      from pg_constraint k where k.conrelid = t.oid and k.contype = 'c'), '[]'),
    'triggers', coalesce((
      select jsonb_agg(jsonb_build_object(
        'name', g.tgname,
        'timing', case when g.tgtype & 64 <> 0 then 'instead of'
          when g.tgtype & 2 <> 0 then 'before' else 'after' end,
        'events', array_remove(array[
          case when g.tgtype & 4 <> 0 then 'insert' end,
          case when g.tgtype & 16 <> 0 then 'update' end,
          case when g.tgtype & 8 <> 0 then 'delete' end,
          case when g.tgtype & 32 <> 0 then 'truncate' end], null),
        'level', case when g.tgtype & 1 <> 0 then 'row' else 'statement' end,
        'enabled', g.tgenabled in ('O', 'A'),
        -- Columns that it may fill before a row is looked at.
        'may_fill', case when g.tgtype & 7 = 7 then coalesce((
          select jsonb_agg(a.attname order by a.attnum)
          from pg_attribute a
          where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
            and p.prosrc ~* ('\m' || regexp_replace(a.attname, '(\W)', '\\\1', 'g') || '\M')),
          '[]') end,
        'function', p.oid::regproc::text,
        'owner', pg_get_userbyid(p.proowner),
        'security_definer', p.prosecdef,
        'search_path', (
          select substr(c, length('search_path=') + 1)
          from unnest(p.proconfig) c where c like 'search_path=%')) order by g.tgname)
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid
      where g.tgrelid = t.oid and not g.tgisinternal), '[]'),
    'rules', coalesce((
      select jsonb_agg(jsonb_build_object(
        'name', w.rulename,
        'event', case w.ev_type when '2' then 'update' when '3' then 'insert' when '4' then 'delete'
          end,
        'instead', w.is_instead) order by w.rulename)
      from pg_rewrite w
      where w.ev_class = t.oid and w.ev_type <> '1' and w.ev_enabled in ('O', 'A')), '[]'),
    'service_role', (
      select jsonb_build_object(
        'select', has_table_privilege(r.oid, t.oid, 'select'),
        'insert', has_table_privilege(r.oid, t.oid, 'insert'),
        'update', has_table_privilege(r.oid, t.oid, 'update'),
        'delete', has_table_privilege(r.oid, t.oid, 'delete'),
        'no_insert', coalesce((
          select jsonb_agg(a.attname order by a.attnum)
          from pg_attribute a
          where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
            and not has_column_privilege(r.oid, t.oid, a.attnum, 'insert')), '[]'))
      from pg_roles r where r.rolname = 'service_role' and t.oid is not null)
  )
  from (select) always left join target t on true
$$;

-- What a function answers to these claims, as an SQLSTATE; null where it is not there, or where a
-- lock keeps it from answering. Only called in a read-only transaction: a refresh that lets them
-- pass stops there with 25006. A function may also refuse without an error, by no rows and a status
-- that it sets for PostgREST: that is told as PostgREST would, PT403. Whatever the call has set is
-- rolled back.
create function analytics_private.preflight_gate(named text, claims jsonb) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  called regprocedure;
  arguments text;
  of_rows boolean;
  gave bigint;
  status text;
begin
  select p.oid, case when 'max_rows' = any (p.proargnames) then 'max_rows => 1' else '' end,
    p.proretset
  into called, arguments, of_rows
  from pg_proc p
  where p.pronamespace = 'public'::regnamespace and p.proname = named
    and p.pronargs = p.pronargdefaults
  order by p.oid
  limit 1;
  if called is null or claims is null then
    return null;
  end if;
  perform set_config('request.jwt.claims', claims::text, true),
    set_config('request.jwt.claim.role', '', true), set_config('request.jwt.claim.sub', '', true),
    set_config('response.status', '', true), set_config('lock_timeout', '500ms', true);
  execute format('select from public.%I(%s) limit 1', named, arguments);
  get diagnostics gave = row_count;
  status := current_setting('response.status', true);
  raise exception using errcode = 'HM000';
exception
  when lock_not_available then
    return null;
  when sqlstate 'HM000' then
    return case when status >= '400' and not (of_rows and gave > 0) then 'PT' || status
      else '00000' end;
  when others then
    return sqlstate;
end
$$;

-- The claims of somebody whom is_admin() takes for an administrator, as the auth server would make
-- them; null where nobody is found: then nothing can be said of administrators.
create function analytics_private.preflight_administrator() returns jsonb
language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
declare
  claims jsonb;
  is_one boolean := false;
begin
  for claims in execute
    'select jsonb_build_object(''sub'', u.id, ''role'', ''authenticated'', ''aal'', ''aal2'', '
    '''email'', a.email, ''app_metadata'', a.raw_app_meta_data, '
    '''user_metadata'', a.raw_user_meta_data) '
    'from public.app_users u left join auth.users a on a.id = u.id '
    'where u.role::text ilike ''%admin%'' limit 5'
  loop
    perform set_config('request.jwt.claims', claims::text, true),
      set_config('request.jwt.claim.role', '', true), set_config('request.jwt.claim.sub', '', true);
    execute 'select coalesce(public.is_admin(), false)' into is_one;
    exit when is_one;
  end loop;
  raise exception using errcode = 'HM000';
exception
  -- The claims are taken back. Any other error, too, means that nobody was found.
  when others then
    return case when is_one then claims end;
end
$$;

-- Whether expressions of this role may be evaluated as ours: its own owner's, or a superuser's.
create function analytics_private.preflight_trusts(owner oid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(bool_or(r.rolsuper or r.rolname = current_user), false)
  from pg_roles r where r.oid = owner
$$;

-- Why the expression of an object (a check, a default, an index, a domain) is not evaluated: what
-- it calls belongs to somebody else, or changes something. Null where it may be.
create function analytics_private.preflight_distrusts(class oid, object oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select min(case when not analytics_private.preflight_trusts(used.owner)
    then format('%s belongs to %s', used.name, pg_get_userbyid(used.owner))
    else format('a number of %s', used.name) end)
  from pg_depend d
  cross join lateral (
    select p.proowner as owner, p.oid::regprocedure::text as name
    from pg_proc p where d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
    union all
    select p.proowner, o.oid::regoperator::text
    from pg_operator o join pg_proc p on p.oid = o.oprcode
    where d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
    union all
    select t.typowner, t.oid::regtype::text
    from pg_type t
    where d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid and t.typtype = 'd'
    union all
    select c.relowner, c.oid::regclass::text
    from pg_class c
    where d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid and c.relkind = 'S'
      and class = 'pg_attrdef'::regclass
  ) used
  where d.classid = class and d.objid = object
    and (d.refclassid = 'pg_class'::regclass
      or not analytics_private.preflight_trusts(used.owner))
$$;

-- The values of the newest row, or of any where finding the newest would take long; text that is
-- long is left out.
create function analytics_private.preflight_newest(target oid) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  latest text;
begin
  select format('order by %I desc nulls last', a.attname) into latest
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  where a.attrelid = target and not a.attisdropped
    and a.attname in ('created_at', 'inserted_at', 'updated_at')
    and (c.reltuples < 100000 or exists (
      select from pg_index i where i.indrelid = target and i.indkey[0] = a.attnum))
  order by a.attname
  limit 1;
  return analytics_private.preflight_row(target::regclass::text, format(
    'select (select jsonb_object_agg(v.key, v.value) from jsonb_each(to_jsonb(t)) v '
    'where length(v.value::text) <= 200) from %s t %s limit 1', target::regclass, latest), null);
end
$$;

-- What a table says to rows that a run would insert, constraint by constraint; nothing is written.
-- `sample` is {rows, variants, repeats}: the first row is whole, the others hold what differs from
-- it; variants are not compared with each other, but for unique columns that are alike in all rows
-- or together in a list of `repeats`. `users` and `questions` will be there, before these rows.
-- Answers null where there are no rows; `stored` is what they would be, as far as that is known.
create function analytics_private.preflight_rows(
  named text, sample jsonb, users text[], questions jsonb default '[]'
) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp set row_security = off as $$
declare
  target constant oid := to_regclass(named);
  whole constant integer := jsonb_array_length(sample -> 'rows');
  every jsonb;
  fit boolean := true;
  bad integer[] := '{}'::integer[];
  given jsonb := '[]'::jsonb;
  known text[] := '{}'::text[];
  numbered text[] := '{}'::text[];
  unknown jsonb := '{}'::jsonb;
  alike text[];
  parts text[] := '{}'::text[];
  generated text[] := '{}'::text[];
  plain text;
  stored text;
  met integer := 0;
  refused jsonb := '[]'::jsonb;
  untold jsonb := '[]'::jsonb;
  one record;
  hit integer[];
  reason text;
begin
  if target is null or coalesce(whole, 0) = 0 then
    return null;
  end if;
  select jsonb_agg((sample -> 'rows' -> 0) || r.value order by r.nr) into every
  from jsonb_array_elements((sample -> 'rows') || coalesce(sample -> 'variants', '[]'))
    with ordinality r (value, nr);
  select array_agg(f.key) into alike
  from (select v.key from jsonb_array_elements(every) e cross join lateral jsonb_each(e) v
    group by v.key having count(distinct v.value) = 1) f;

  -- Columns: those that the rows give, and what will stand in the others.
  for one in
    select a.attname::text as name, a.attidentity, a.attgenerated, d.oid as default_oid,
      format_type(a.atttypid, a.atttypmod) as type,
      coalesce(pg_get_expr(d.adbin, d.adrelid), y.typdefault, 'null') as expression,
      (every -> 0) ? a.attname::text as is_given, analytics_private.preflight_trusts(c.relowner)
        as trusted, y.typtype in ('d', 'e') or a.atttypmod >= 0 as narrow,
      case when y.typtype = 'd' or e.typtype = 'd' then coalesce(
        case when not analytics_private.preflight_trusts(y.typowner)
          then format('%s belongs to %s', y.oid::regtype, pg_get_userbyid(y.typowner))
          when e.typtype = 'd' or b.typtype = 'd'
            then format('%s is made of another domain', y.oid::regtype) end,
        (select min(analytics_private.preflight_distrusts('pg_constraint'::regclass, k.oid))
         from pg_constraint k where k.contypid = y.oid)) end as distrusted
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_type y on y.oid = a.atttypid
    left join pg_type e on e.oid = y.typelem and y.typcategory = 'A'
    left join pg_type b on b.oid = y.typbasetype
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = target and a.attnum > 0 and not a.attisdropped
    order by a.attnum
  loop
    reason := one.distrusted;
    if reason is null and not one.is_given and one.default_oid is not null then
      reason := case when not one.trusted then format('%s is not ours', named)
        else analytics_private.preflight_distrusts('pg_attrdef'::regclass, one.default_oid) end;
      if reason is null and one.attgenerated = '' then
        begin
          execute format('select (%s)::%s', one.expression, one.type);
        exception
          when read_only_sql_transaction then
            reason := 'a number of ' || one.name;
          when others then
            reason := sqlerrm;
        end;
      end if;
    end if;
    if not one.is_given and (one.attidentity <> '' or reason ~ '^a number of ') then
      numbered := numbered || one.name;
    elsif reason is not null then
      unknown := unknown || jsonb_build_object(one.name, reason);
      if one.is_given then
        untold := untold || jsonb_build_object('name', one.name, 'kind', 'type',
          'columns', array[one.name], 'why', reason);
      end if;
    elsif one.attgenerated <> '' then
      generated := generated || format('(%s) as %I', one.expression, one.name);
      known := known || one.name;
    elsif one.is_given then
      given := given || jsonb_build_object('name', one.name, 'type', one.type);
      parts := parts || format('r.%I', one.name);
      known := known || one.name;
      met := met + one.narrow::integer;
    else
      parts := parts || format('(%s)::%s as %I', one.expression, one.type, one.name);
      known := known || one.name;
    end if;
  end loop;
  select string_agg(format('%I %s', g ->> 'name', g ->> 'type'), ', ') into plain
  from jsonb_array_elements(given) g;

  -- What no type takes: of the whole first, then column by column and row by row.
  begin
    execute format('select from jsonb_to_recordset($1) r (%s)', plain) using every;
  exception when others then
    fit := false;
  end;
  if not fit then
    for one in select g ->> 'name' as name, g ->> 'type' as type from jsonb_array_elements(given) g
    loop
      hit := '{}'::integer[];
      for nr in 0 .. jsonb_array_length(every) - 1 loop
        begin
          execute format('select from jsonb_to_record($1) r (v %s)', one.type)
            using jsonb_build_object('v', every -> nr -> one.name);
        exception when others then
          hit := hit || nr;
          reason := sqlerrm;
        end;
      end loop;
      if hit <> '{}' then
        bad := bad || hit;
        met := greatest(met - 1, 0);
        refused := refused || jsonb_build_object('name', one.type, 'kind', 'type',
          'columns', array[one.name], 'rows', hit, 'why', reason);
      end if;
    end loop;
  end if;

  stored := format('select (e.nr - 1)::integer as "hm row", %s from jsonb_array_elements($1) '
    'with ordinality e (v, nr) cross join lateral jsonb_to_record(e.v) r (%s) '
    'where (e.nr - 1) <> all ($2)', array_to_string(parts, ', '), plain);
  if generated <> '{}' then
    stored := format('select x.*, %s from (%s) x', array_to_string(generated, ', '), stored);
  end if;

  -- Each constraint by a condition on a stored row x that holds where it is violated.
  for one in
    with owned as (
      select c.relkind, case when not analytics_private.preflight_trusts(c.relowner)
        then format('%s belongs to %s', named, pg_get_userbyid(c.relowner)) end as distrusted
      from pg_class c where c.oid = target
    ),
    field as (
      select a.attnum, a.attname::text as name, quote_ident(a.attname) as quoted, a.attnotnull
      from pg_attribute a where a.attrelid = target and a.attnum > 0 and not a.attisdropped
    )
    select 1 as place, f.name as name, 'not null' as kind, array[f.name] as columns,
      format('x.%s is null', f.quoted) as condition, null::text as distrusted,
      null::text as keys, null::text as taken, null::text as among, null::text as part,
      null::text as present
    from field f where f.attnotnull
    union all
    select 2, k.conname, 'check', array(select f.name from field f where f.attnum = any (k.conkey)),
      format('(%s) is false', pg_get_expr(k.conbin, k.conrelid)), coalesce(o.distrusted,
        analytics_private.preflight_distrusts('pg_constraint'::regclass, k.oid)),
      null, null, null, null, null
    from pg_constraint k cross join owned o
    where k.conrelid = target and k.contype = 'c'
      and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
    union all
    -- Users and questions of a run are there before its responses, and a row before it is checked.
    select 3, k.conname, 'foreign key', f.columns,
      case when f.own and f.made then 'false' else format('%s and not exists ('
        'select from %s p where %s)%s', f.present, k.confrelid::regclass, f.same,
        case when k.confrelid = target
            then format(' and not exists (select from (%s) p where %s)', stored, f.same)
          when k.confrelid = to_regclass('public.questions')
            then format(' and not exists (select from jsonb_to_recordset($3) p (%s) where %s)',
              f.referenced, f.same)
          when f.made and cardinality(f.columns) = 1
            then format(' and x.%I::text <> all ($4)', f.columns[1])
          else '' end) end,
      case when f.own and not f.made
          then format('rows of %s are made by the project itself', k.confrelid::regclass)
        when k.confrelid = target and not f.there <@ known
            or k.confrelid <> target and k.confrelid = to_regclass('public.questions')
              and not questions -> 0 ?& f.there
          then format('what the run''s own rows of %s hold', k.confrelid::regclass) end,
      null, null, null, null, f.present
    from pg_constraint k
    cross join lateral (
      select array_agg(f.name order by u.nr) as columns,
        array_agg(f.name) <@ array['user_id', 'question_id'] as own,
        k.confrelid = any (array[to_regclass('public.questions'), to_regclass('public.app_users'),
          to_regclass('auth.users')]::oid[]) as made,
        array_agg(r.attname::text) as there,
        string_agg(format('%I %s', r.attname, format_type(r.atttypid, r.atttypmod)), ', ')
          as referenced,
        string_agg(format('x.%s is not null', f.quoted), ' and ') as present,
        string_agg(format('p.%I operator(%I.%s) x.%s', r.attname, n.nspname, p.oprname, f.quoted),
          ' and ') as same
      from unnest(k.conkey, k.confkey, k.conpfeqop) with ordinality u (here, there, op, nr)
      join field f on f.attnum = u.here
      join pg_attribute r on r.attrelid = k.confrelid and r.attnum = u.there
      join pg_operator p on p.oid = u.op
      join pg_namespace n on n.oid = p.oprnamespace
    ) f
    where k.conrelid = target and k.contype = 'f' and k.conparentid = 0
      and coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
    union all
    select 4, c.relname, case when i.indisexclusion then 'exclusion' else 'unique' end,
      array(select f.name from field f where f.attnum = any (i.indkey) or exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
          and d.refclassid = 'pg_class'::regclass and d.refobjid = target
          and d.refobjsubid = f.attnum)),
      null, case when i.indexprs is not null or i.indpred is not null then coalesce(o.distrusted,
        analytics_private.preflight_distrusts('pg_class'::regclass, i.indexrelid)) end,
      u.keys, u.taken, u.among, coalesce(pg_get_expr(i.indpred, i.indrelid), 'true'), null
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    cross join owned o
    cross join lateral (
      select string_agg(format('(%s) as "hm %s"', u.key, u.nr), ', ') as keys,
        string_agg(format(u.same, '(' || u.key || ')', 'x."hm ' || u.nr || '"'), ' and ') as taken,
        string_agg(format(u.same, 'y."hm ' || u.nr || '"', 'x."hm ' || u.nr || '"'), ' and ')
          as among
      from (
        select nr, coalesce(f.quoted, pg_get_indexdef(i.indexrelid, nr, true)) as key,
          format(case when i.indnullsnotdistinct
            then '(%%1$s operator(%1$I.%2$s) %%2$s or %%1$s is null and %%2$s is null)'
            else '%%1$s operator(%1$I.%2$s) %%2$s' end, n.nspname, p.oprname) as same
        from generate_series(1, i.indnkeyatts) nr
        left join field f on f.attnum = i.indkey[nr - 1]
        join pg_opclass s on s.oid = i.indclass[nr - 1]
        left join pg_constraint k on k.conindid = i.indexrelid and k.contype = 'x'
        join pg_operator p on p.oid = coalesce(k.conexclop[nr], (
          select a.amopopr from pg_amop a where a.amopfamily = s.opcfamily
            and a.amopstrategy = 3 and a.amoplefttype = s.opcintype
            and a.amoprighttype = s.opcintype))
        join pg_namespace n on n.oid = p.oprnamespace
      ) u
    ) u
    where i.indrelid = target and (i.indisunique or i.indisexclusion) and i.indislive
    union all
    select 5, 'a partition for it', 'partition', array(select f.name from field f
        join pg_partitioned_table t on t.partrelid = target and f.attnum = any (t.partattrs)),
      format('(%s) is not true', coalesce((
        select string_agg(format('(%s)', pg_get_partition_constraintdef(h.inhrelid)), ' or ')
        from pg_inherits h where h.inhparent = target), 'false')), o.distrusted,
      null, null, null, null, null
    from owned o where o.relkind = 'p'
    order by place, name
  loop
    -- What the database counts or fills itself.
    if one.columns && numbered and one.kind in ('unique', 'not null') then
      met := met + 1;
      continue;
    end if;
    reason := one.distrusted;
    if reason is null and not one.columns <@ known then
      select coalesce(min(unknown ->> c), 'the database numbers it') into reason
      from unnest(one.columns) c where c <> all (known);
    end if;
    if reason is null then
      begin
        if one.present is not null then
          -- What refers to nothing asks nothing of the other table, readable or not.
          execute format('select array_agg(x."hm row") from (%s) x where %s', stored, one.present)
            into hit using every, bad, questions, users;
        end if;
        if one.present is not null and hit is null then
          null;
        elsif one.keys is null then
          execute format('select array_agg(x."hm row") from (%s) x where %s', stored, one.condition)
            into hit using every, bad, questions, users;
        else
          execute format('with x as materialized (select x."hm row", %s from (%s) x where %s) '
            -- As a scalar, so that each row is looked up in the index, and no table read whole.
            'select array_agg(x."hm row") from x where (select true from %s where (%s) and %s '
            'limit 1) or exists (select from x y where %s and %s)', one.keys, stored, one.part, named,
            one.part, one.taken, case when exists (
                select from jsonb_array_elements(sample -> 'repeats') g
                where one.columns <@ (alike
                  || array(select jsonb_array_elements_text(g.value))))
              then 'true' else format('y."hm row" < x."hm row" and x."hm row" < %s', whole) end,
            one.among)
            into hit using every, bad, questions, users;
        end if;
        if hit is null then
          met := met + 1;
        else
          refused := refused || jsonb_build_object('name', one.name, 'kind', one.kind,
            'columns', one.columns, 'rows', hit);
        end if;
      exception when others then
        reason := sqlerrm;
      end;
    end if;
    if reason is not null then
      untold := untold || jsonb_build_object('name', one.name, 'kind', one.kind,
        'columns', one.columns, 'why', reason);
    end if;
  end loop;
  begin
    execute format('select coalesce(jsonb_agg(to_jsonb(x)), ''[]'') from (%s) x', stored)
      into given using every, bad;
  exception when others then
    given := '[]';
  end;
  return jsonb_build_object('met', met, 'refused', refused, 'untold', untold, 'stored', given,
    'newest', case when refused <> '[]' or untold @> '[{"kind": "not null"}]'
      then analytics_private.preflight_newest(target) end);
end
$$;

create function public.analytics_heatmap_preflight(sample jsonb default null) returns jsonb
language plpgsql stable security definer
-- Its many small queries of the catalog take longer to compile than to run, and its patterns hold
-- backslashes.
set search_path = pg_catalog, pg_temp set jit = off set standard_conforming_strings = on
as $preflight$
declare
  nobody constant text := '00000000-0000-4000-8000-000000000000';
  tables constant text[] :=
    array['public.questions', 'public.responses', 'public.app_users', 'auth.users'];
  the_view constant oid := to_regclass('public.analytics_heatmap_agg');
  the_index constant oid := to_regclass('public.analytics_heatmap_agg_idx');
  reader oid;
  refresher oid;
  gate oid;
  administrator jsonb;
  locks jsonb;
  readable boolean;
  heatmap_words text;
  document jsonb;
  fingerprints jsonb;
begin
  perform set_config('transaction_read_only', 'on', true);

  -- In a URL it is text to PostgREST.
  if jsonb_typeof(sample) = 'string' then
    sample := (sample #>> '{}')::jsonb;
  end if;

  -- A first fill holds readers off for as long as it takes: what waits for it is left out.
  select coalesce(jsonb_agg(to_jsonb(held) - 'readable' order by held.pid, held.relation), '[]'),
    coalesce(bool_and(held.readable), true)
  into locks, readable
  from (
    select l.relation::regclass::text as relation, l.pid, a.state, a.xact_start as since,
      string_agg(l.mode, ', ' order by l.mode) as modes,
      bool_and(l.relation <> the_view or l.mode <> 'AccessExclusiveLock') as readable
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid
    where l.granted and l.pid <> pg_backend_pid()
      -- An autovacuum gives way.
      and a.backend_type is distinct from 'autovacuum worker'
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      -- What a refresh waits for, and what a write waits for.
      and (l.relation = the_view and l.mode <> 'AccessShareLock'
        or l.relation = any (array(select to_regclass(t)::oid from unnest(tables) t)) and l.mode in
          ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
    group by l.relation, l.pid, a.state, a.xact_start
  ) held;

  select min(p.oid) filter (where p.proname = 'analytics_heatmap_admin'),
    min(p.oid) filter (where p.proname = 'analytics_refresh_heatmap')
  into reader, refresher
  from pg_proc p where p.pronamespace = 'public'::regnamespace;
  select p.oid into gate from pg_proc p
  where p.pronamespace = to_regnamespace('analytics_private')
    and p.proname = 'heatmap_caller_is_allowed' and p.pronargs = 0;
  administrator := analytics_private.preflight_administrator();

  -- What a job that refreshes or reads the heatmap mentions: its objects, or a function that does.
  select string_agg(named, '|') into heatmap_words
  from (
    select 'heatmap'
    union
    select p.proname
    from pg_proc p
    where p.pronamespace <> 'analytics_private'::regnamespace and p.proname ~ '^[a-z_0-9]+$'
      and (p.prosrc ~ 'analytics_(refresh_)?heatmap' or exists (
        select from pg_depend d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid
          and d.refobjid in (the_view, reader, refresher)))
  ) w (named);

  document := jsonb_build_object(
    'schema', 1,
    'server', jsonb_build_object(
      'now', clock_timestamp(),
      'version', current_setting('server_version'),
      'version_num', current_setting('server_version_num')::integer,
      'default_read_only', current_setting('default_transaction_read_only')::boolean,
      'read_only_by', (
        select s.source from pg_settings s
        where s.name = 'default_transaction_read_only' and s.setting = 'on'),
      'in_recovery', pg_is_in_recovery()),
    'declared_environment', analytics_private.preflight_row('analytics_private.environment',
      'select to_jsonb(e.name) from analytics_private.environment e', '"unreadable"'),
    'caller', jsonb_build_object('statement_timeout_ms', (
      select s.setting::bigint from pg_settings s where s.name = 'statement_timeout')),
    'last_refresh', analytics_private.preflight_row('analytics_private.heatmap_refresh',
      'select jsonb_build_object(''refreshed_at'', r.refreshed_at, ''rows'', r.rows, '
      '''server_ms'', r.server_ms, ''concurrent'', r.concurrent) '
      'from analytics_private.heatmap_refresh r', null),
    'locks', locks,
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
            from pg_class t
            where t.oid in (to_regclass('public.responses'), to_regclass('public.questions')))
          from pg_roles r where r.oid = c.relowner),
        -- Rows of questions that are gone; of a very large view they are not counted.
        'stale', case when c.relispopulated and readable and c.reltuples < 1000000
          then analytics_private.preflight_row('public.analytics_heatmap_agg',
            'select to_jsonb(count(*)) from public.analytics_heatmap_agg v where not exists '
            '(select from public.questions q where q.id = v.question_id)', null) end,
        'columns', coalesce((
          select jsonb_agg(jsonb_build_object('name', a.attname,
            'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
          from pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'),
        'unique', coalesce((
          select jsonb_agg(i.indexrelid::regclass::text order by i.indexrelid::regclass::text)
          from pg_index i
          where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null
            and i.indexprs is null), '[]'))
      from (select) always left join pg_class c on c.oid = the_view),
    'index', (
      select jsonb_build_object(
        'exists', i.indexrelid is not null,
        'on_view', coalesce(i.indrelid = the_view, false),
        'unique', i.indisunique,
        'valid', i.indisvalid,
        'plain', case when i.indexrelid is not null
          then i.indpred is null and i.indexprs is null end,
        'columns', coalesce((
          -- By name where there is one: to spell an index out is to wait for its relation.
          select jsonb_agg(coalesce(quote_ident(a.attname),
            pg_get_indexdef(i.indexrelid, nr, true)) order by nr)
          from generate_series(1, i.indnkeyatts) nr
          left join pg_attribute a
            on a.attrelid = i.indrelid and a.attnum = i.indkey[nr - 1] and a.attnum <> 0), '[]'))
      from (select) always left join pg_index i on i.indexrelid = the_index),
    'functions', (
      select jsonb_object_agg(f.named, analytics_private.preflight_function(f.of, f.named))
      from (values ('public', 'analytics_heatmap_admin'), ('public', 'analytics_refresh_heatmap'),
        ('public', 'analytics_heatmap_environment'), ('public', 'analytics_heatmap_preflight'),
        ('analytics_private', 'heatmap_caller_is_allowed'),
        ('analytics_private', 'normalized_lesion')) f (of, named))
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
      'environment_execute', analytics_private.preflight_privilege('function',
        to_regprocedure('public.analytics_heatmap_environment()')::oid, '{EXECUTE}'),
      'preflight_execute', analytics_private.preflight_privilege('function',
        to_regprocedure('public.analytics_heatmap_preflight(jsonb)')::oid, '{EXECUTE}'),
      'private_schema_usage', analytics_private.preflight_privilege('schema',
        to_regnamespace('analytics_private')::oid, '{USAGE}')),
    'tables', (
      select jsonb_object_agg(case named when 'auth.users' then named
        else substr(named, length('public.') + 1) end, analytics_private.preflight_table(named))
      from unnest(tables) named),
    -- What the tables say to the rows that the caller shows.
    'rows', case when jsonb_typeof(sample) = 'object' then (
      select jsonb_build_object('questions', q.said - 'stored', 'responses', r.said - 'stored')
      from (
        select coalesce(array_agg(s.value ->> 'user_id'), '{}')
        from jsonb_array_elements(sample -> 'responses' -> 'rows') s
      ) u (users)
      cross join lateral analytics_private.preflight_rows('public.questions',
        sample -> 'questions', u.users) q (said)
      cross join lateral analytics_private.preflight_rows('public.responses',
        sample -> 'responses', u.users, q.said -> 'stored') r (said)) end,
    'publications', coalesce((
      select jsonb_agg(jsonb_build_object('name', quote_ident(p.pubname), 'tables', p.tables,
        'by_name', p.by_name, 'refusing', p.refusing) order by p.pubname)
      from (
        select t.pubname, jsonb_agg(t.schemaname || '.' || t.tablename order by 1) as tables,
          exists (
            select from pg_publication b join pg_publication_rel r on r.prpubid = b.oid
            where b.pubname = t.pubname) as by_name,
          jsonb_agg(t.schemaname || '.' || t.tablename order by 1) filter (
            where analytics_private.preflight_unidentified(t.pubname, t.schemaname, t.tablename)
          ) as refusing
        from pg_publication_tables t
        where t.schemaname || '.' || t.tablename = any (tables)
        group by t.pubname
      ) p), '[]'),
    'jobs', jsonb_build_object(
      'pg_cron', to_regclass('cron.job') is not null,
      'scheduled', coalesce(analytics_private.preflight_row('cron.job', format(
        'select jsonb_agg(jsonb_build_object(''name'', j.jobname, ''schedule'', j.schedule, '
        '''command'', j.command, ''active'', j.active) order by j.jobid) '
        'from cron.job j where j.command ~* %L', heatmap_words), null), '[]')),
    'gate', (
      select jsonb_object_agg(function.key, jsonb_build_object(
        'no_role', analytics_private.preflight_gate(function.named,
          jsonb_build_object('sub', nobody)),
        'learner', analytics_private.preflight_gate(function.named,
          jsonb_build_object('sub', nobody, 'role', 'authenticated')),
        'administrator', analytics_private.preflight_gate(function.named, administrator)))
      from (values ('reader', 'analytics_heatmap_admin'),
        ('refresh', 'analytics_refresh_heatmap')) function (key, named))
  );

  document := document || analytics_private.preflight_surroundings(
    array(select to_regclass(named) from unnest(tables) named));

  fingerprints := jsonb_build_object(
    'view', md5(case when document #>> '{view,kind}' in ('materialized view', 'view') and readable
      then analytics_private.preflight_row('public.analytics_heatmap_agg',
        'select to_jsonb(pg_get_viewdef(''public.analytics_heatmap_agg''::regclass))', null)
        #>> '{}'
      end),
    'index', md5(case when the_index is not null and readable
      then analytics_private.preflight_row('public.analytics_heatmap_agg_idx',
        'select to_jsonb(pg_get_indexdef(''public.analytics_heatmap_agg_idx''::regclass))', null)
        #>> '{}'
      end),
    'reader', md5(pg_get_functiondef(reader)),
    'refresh', md5(pg_get_functiondef(refresher)),
    'gate', md5(pg_get_functiondef(gate)),
    'lesion', md5(pg_get_functiondef(
      to_regprocedure('analytics_private.normalized_lesion(text)'))));
  return document || jsonb_build_object('fingerprints', fingerprints || jsonb_build_object(
    'all', case when readable then md5(fingerprints::text) end,
    -- Of the functions of all triggers on these tables: no part of the heatmap.
    'triggers', md5(coalesce((
      select string_agg(g.tgname || p.prosrc, '' order by g.tgrelid::regclass::text, g.tgname)
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid
      where g.tgrelid in (select to_regclass(named) from unnest(tables) named)
        and not g.tgisinternal), ''))));
end
$preflight$;
comment on function public.analytics_heatmap_preflight(jsonb) is
  'Describes the heatmap''s objects, rights and surroundings for the dry run. Writes nothing.';

-- The project's own tables, each with the rows that hold one of a run's marks, which come with `|`
-- between them, and with what tells whether any other row in it has changed; `unread` is why that
-- is not known. Nothing is listed where no trigger and no rule runs.
create function public.analytics_heatmap_traces(marks text) returns jsonb
language plpgsql stable security definer
-- Where rows would be hidden from the owner, an error is better.
set search_path = pg_catalog, pg_temp set row_security = off set jit = off
set standard_conforming_strings = on
as $traces$
declare
  largest constant bigint := 100000;
  widest constant bigint := 67108864;
  -- A statement of the API has eight seconds.
  patience constant interval := interval '2 s';
  began constant timestamptz := clock_timestamp();
  own_timeout constant text := current_setting('lock_timeout');
  -- A regular expression takes ten times as long.
  holding constant text[] := array(
    select '%' || replace(replace(m, '\', '\\'), '_', '\_') || '%'
    from string_to_table(marks, '|') m);
  each_table record;
  counted jsonb;
  found jsonb := '[]'::jsonb;
begin
  perform set_config('transaction_read_only', 'on', true);
  for each_table in
    select r.*, c.relkind, c.relnamespace
    from analytics_private.preflight_reach(array[
      to_regclass('public.questions'), to_regclass('public.responses'),
      to_regclass('public.app_users'), to_regclass('auth.users')]) r
    join pg_class c on c.oid = r.relation
    order by r.writers is null, r.bytes, r.relation
  loop
    if each_table.about > largest or each_table.bytes > widest then
      counted := jsonb_build_object('unread', format('about %s rows', each_table.about));
    elsif clock_timestamp() - began > patience then
      counted := jsonb_build_object('unread', 'no time was left');
    else
      begin
        perform set_config('lock_timeout', '500ms', true);
        execute format(
          'select jsonb_build_object(''rows'', count(*), '
          '''of_run'', count(*) filter (where t.of_run), '
          -- Who signs in changes those of auth.
          '''digest'', case when %4$L then null else coalesce(sum(hashtextextended(t.body, 0)) '
          'filter (where not t.of_run), 0)::text end) '
          'from (select x.body, x.body like any (%1$L) as of_run '
          'from (select one_row::text as body from %2$s %3$s one_row offset 0) x offset 0) t',
          holding, case each_table.relkind when 'r' then 'only' end,
          each_table.relation::regclass,
          coalesce(each_table.relnamespace = to_regnamespace('auth'), false))
        into counted;
      exception when others then
        counted := jsonb_build_object('unread', 'could not be read: ' || sqlerrm);
      end;
      perform set_config('lock_timeout', own_timeout, true);
    end if;
    found := found || jsonb_build_array(counted || jsonb_build_object(
      'table', each_table.relation::regclass::text, 'by', each_table.writers,
      'keeps', each_table.keepers));
  end loop;
  return found;
end
$traces$;
comment on function public.analytics_heatmap_traces(text) is
  'Counts what a run has left in the project''s own tables. Writes nothing.';

-- Of this file alone: the main file's own rights are its own.
do $rights$
declare
  ours regprocedure;
begin
  for ours in
    select p.oid
    from pg_proc p
    where p.oid in ('public.analytics_heatmap_preflight(jsonb)'::regprocedure,
        'public.analytics_heatmap_traces(text)'::regprocedure)
      or p.pronamespace = 'analytics_private'::regnamespace and p.proname ~ '^preflight_'
  loop
    execute format(
      'revoke all on function %s from public, anon, authenticated, service_role', ours);
  end loop;
end
$rights$;
grant execute on function public.analytics_heatmap_preflight(jsonb),
  public.analytics_heatmap_traces(text) to service_role;

notify pgrst, 'reload schema';

commit;
