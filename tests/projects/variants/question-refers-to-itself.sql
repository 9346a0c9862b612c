/*
title = "A question names the one that it came of, the first itself"
*/
alter table public.questions add root_id uuid references public.questions (id) on delete cascade;
update public.questions set root_id = id;
alter table public.questions alter root_id set not null;
