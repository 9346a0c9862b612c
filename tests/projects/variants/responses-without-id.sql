/*
title = "Answers have no id: user and question are their key"
*/
alter table public.answer_events drop response_id;
drop trigger on_response_created on public.responses;
alter table public.responses drop id;
alter table public.responses add primary key (user_id, question_id);
