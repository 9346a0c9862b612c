/*
title = "No key of answers may be named by an insert: all are deferrable"
fail = ["schema.required"]
ends = "not-ready"
says = "responses has no unique key"
hint = "what would do is said"
repair = "alter table public.responses drop constraint responses_pkey; alter table public.responses add primary key (id)"
*/
alter table public.responses drop constraint responses_pkey cascade;
alter table public.responses drop constraint responses_user_id_question_id_key;
alter table public.responses add primary key (id) deferrable;
alter table public.responses add unique (user_id, question_id) deferrable;
drop trigger on_response_created on public.responses;
