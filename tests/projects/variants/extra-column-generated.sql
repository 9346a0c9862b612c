/*
title = "Columns that the database computes"
*/
alter table public.responses add seconds numeric generated always as (ms_to_answer / 1000.0) stored;
alter table public.questions add number bigint generated always as identity;
