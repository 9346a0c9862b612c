/*
title = "Another application: questions and answers by users"
fail = ["schema.tables"]
ends = "not-ready"
says = "another application"
after = ""
*/
drop table public.answer_events, public.responses, public.questions, public.app_users cascade;
create table public.app_users (id uuid primary key, name text);
create table public.questions (id uuid primary key default gen_random_uuid(), title text not null,
    body text, asked_by uuid references public.app_users (id));
grant all on all tables in schema public to service_role;
