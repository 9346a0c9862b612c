/*
title = "The API serves another schema first"
superuser = true
*/
create schema api authorization postgres;
grant usage on schema api to anon, authenticated, service_role;
alter role authenticator in database postgres set pgrst.db_schemas = 'api, public';
