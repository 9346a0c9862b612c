-- Sandbox, part 1 of 4: the roles of a hosted project.
--
-- Applied by the superuser of a fresh local cluster (hosted: supabase_admin). Never apply it to a
-- project: a project has all of this already. Safe to apply twice.
--
--   anon, authenticated, service_role   what a request runs as; PostgREST switches to one of them
--   authenticator                       what PostgREST logs in as; its timeouts are the request's
--   supabase_auth_admin                 what the auth server logs in as
--   postgres                            what a project's owner logs in as: NOT a superuser, but
--                                       with BYPASSRLS and CREATEROLE. It owns the tables and
--                                       applies the analytics SQL.
--
-- Older projects grant everything new in `public` to the three request roles by themselves;
-- projects made since October 2026 grant nothing. The sandbox is of the newer kind, unless the
-- session that applies this file has said  set sandbox.automatic_grants = 'on'.

begin;

do $roles$
declare
  missing text;
begin
  foreach missing in array array[
    'anon', 'authenticated', 'service_role', 'authenticator', 'supabase_auth_admin', 'postgres'
  ] loop
    if not exists (select from pg_catalog.pg_roles r where r.rolname = missing) then
      execute format('create role %I', missing);
    end if;
  end loop;
end
$roles$;

alter role anon nologin inherit;
alter role authenticated nologin inherit;
alter role service_role nologin inherit bypassrls;
alter role authenticator login noinherit;
alter role supabase_auth_admin login noinherit createrole;

do $owner$
begin
  -- A cluster made with `initdb -U postgres` has it as its superuser: that one cannot be demoted.
  if current_user <> 'postgres' then
    alter role postgres login inherit nosuperuser createrole createdb bypassrls replication;
  end if;
end
$owner$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator to postgres;
grant pg_monitor, pg_signal_backend to postgres;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role supabase_auth_admin set search_path = 'auth';

do $database$
begin
  execute format('alter database %I owner to postgres', current_database());
end
$database$;

grant usage on schema public to anon, authenticated, service_role;
grant usage, create on schema public to postgres;

-- Where hosted projects keep extensions, and what tells PostgREST of DDL by whatever client.
create schema if not exists extensions;
grant usage on schema extensions to public;
grant all on schema extensions to postgres;

create or replace function extensions.pgrst_ddl_watch() returns event_trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (
    select from pg_event_trigger_ddl_commands() c
    where c.schema_name is distinct from 'pg_temp' and c.command_tag = any (array[
      'CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO',
      'ALTER TABLE', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE', 'CREATE VIEW', 'ALTER VIEW',
      'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FUNCTION', 'ALTER FUNCTION',
      'CREATE TRIGGER', 'CREATE TYPE', 'ALTER TYPE', 'CREATE RULE', 'COMMENT'])
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;
create or replace function extensions.pgrst_drop_watch() returns event_trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (
    select from pg_event_trigger_dropped_objects() o
    where not o.is_temporary and o.object_type = any (array[
      'schema', 'table', 'foreign table', 'view', 'materialized view', 'function', 'trigger',
      'type', 'rule'])
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;
drop event trigger if exists pgrst_ddl_watch;
drop event trigger if exists pgrst_drop_watch;
create event trigger pgrst_ddl_watch on ddl_command_end
  execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop
  execute function extensions.pgrst_drop_watch();

do $automatic$
begin
  if current_setting('sandbox.automatic_grants', true) = 'on' then
    alter default privileges for role postgres in schema public
      grant all on tables to anon, authenticated, service_role;
    alter default privileges for role postgres in schema public
      grant all on functions to anon, authenticated, service_role;
    alter default privileges for role postgres in schema public
      grant all on sequences to anon, authenticated, service_role;
  end if;
end
$automatic$;

commit;
