/*
title = "The primary key of answers is deferrable: no insert may name it"
*/
alter table public.responses drop constraint responses_pkey cascade;
alter table public.responses add primary key (id) deferrable;
drop trigger on_response_created on public.responses;
