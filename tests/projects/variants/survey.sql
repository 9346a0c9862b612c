/*
title = "Another application: surveys, whose tables have the same names"
fail = ["schema.tables"]
ends = "not-ready"
says = "another application"
after = ""
*/
drop table public.answer_events, public.responses, public.questions, public.app_users cascade;
create table public.questions (id bigint primary key, survey bigint, wording text not null);
create table public.responses (id bigint primary key, question bigint, value int);
grant all on all tables in schema public to service_role;
