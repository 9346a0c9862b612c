/*
title = "An answer may refer to a second question"
*/
alter table public.responses add follow_up uuid references public.questions (id) on delete cascade;
