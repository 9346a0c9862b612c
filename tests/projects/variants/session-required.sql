/*
title = "A required session that refers to nothing: as the newest answer has it, or any"
*/
alter table public.responses add session_id uuid not null default gen_random_uuid();
alter table public.responses alter session_id drop default;
