/*
title = "Slugs are short"
*/
alter table public.questions drop constraint questions_slug_key;
alter table public.questions
    alter slug type varchar(24) using left(slug, 12) || left(md5(slug), 12);
alter table public.questions add unique (slug);
