/*
title = "Responses are numbered by the database, and nothing installed tells how"
skip = ["schema.preflight"]
fail = ["schema.columns"]
ends = "not-ready"
says = "responses.id is bigint"
*/
drop function public.analytics_heatmap_preflight;
alter table public.answer_events drop response_id;
drop trigger on_response_created on public.responses;
alter table public.responses drop id;
alter table public.responses add id bigint generated always as identity primary key;
