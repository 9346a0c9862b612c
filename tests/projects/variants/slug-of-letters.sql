/*
title = "Slugs hold no digits"
*/
alter table public.questions
    add constraint slug_form check (slug ~ '^[a-z]+(-[a-z]+)*$') not valid;
