/*
title = "The API does not serve public"
superuser = true
fail = ["schema.tables"]
ends = "not-ready"
says = "public"
hint = "expose schema public"
repair = "alter role authenticator in database postgres set pgrst.db_schemas = 'public, api'"
*/
create schema api authorization postgres;
grant usage on schema api to anon, authenticated, service_role;
alter role authenticator in database postgres set pgrst.db_schemas = 'api';
