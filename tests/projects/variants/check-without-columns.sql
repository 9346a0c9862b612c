/*
title = "A check looks at no column, and a session is required"
*/
alter table public.responses add constraint open check (now() > timestamptz '2020-01-01');
alter table public.responses add session_id uuid not null default gen_random_uuid();
alter table public.responses alter session_id drop default;
