/*
title = "Answers are numbered by a sequence that nobody was granted"
fail = ["permissions.service_role"]
ends = "not-ready"
says = "lacks usage on sequence public.responses_id_seq"
*/
alter table public.answer_events drop constraint answer_events_response_id_fkey;
drop trigger on_response_created on public.responses;
alter table public.responses drop column id;
alter table public.responses add id bigserial primary key;
