/*
title = "Another application: a shop"
fail = ["schema.tables"]
ends = "not-ready"
says = "another application"
after = ""
*/
drop table public.answer_events, public.responses, public.questions, public.app_users cascade;
create table public.products (id bigint generated always as identity primary key, name text);
create table public.orders (id bigint generated always as identity primary key, at timestamptz);
grant all on all tables in schema public to service_role;
