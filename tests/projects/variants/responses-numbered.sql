/*
title = "Answers are numbered by the database"
*/
alter table public.answer_events drop response_id;
drop trigger on_response_created on public.responses;
alter table public.responses drop id;
alter table public.responses add id bigint generated always as identity primary key;
