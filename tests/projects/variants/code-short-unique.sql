/*
title = "Questions have a short code each"
*/
alter table public.questions add code varchar(12) unique;
update public.questions set code = left(md5(id::text), 12);
alter table public.questions alter code set not null;
