/*
title = "Slugs are very short, letters and digits only"
*/
alter table public.questions drop constraint questions_slug_key;
alter table public.questions alter slug type varchar(20) using left(md5(slug), 20);
alter table public.questions add unique (slug), add check (slug ~ '^[a-z0-9]+$');
