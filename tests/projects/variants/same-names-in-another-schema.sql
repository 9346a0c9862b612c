/*
title = "Another schema of the API has tables of the same names"
superuser = true
*/
create schema api authorization postgres;
create table api.questions (id bigint primary key);
create table api.responses (id bigint primary key);
grant usage on schema api to anon, authenticated, service_role;
grant all on all tables in schema api to service_role;
alter role authenticator in database postgres set pgrst.db_schemas = 'api, public';
