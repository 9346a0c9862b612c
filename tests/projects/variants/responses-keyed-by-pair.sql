/*
title = "Answers have an id, but user and question are their key"
*/
alter table public.responses drop constraint responses_pkey cascade;
alter table public.responses add primary key (user_id, question_id);
drop trigger on_response_created on public.responses;
