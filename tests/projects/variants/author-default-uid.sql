/*
title = "A question's author is whoever is signed in"
*/
alter table public.questions add created_by uuid references auth.users (id);
update public.questions set created_by = (select id from public.app_users where role = 'admin' order by id limit 1);
alter table public.questions alter created_by set not null, alter created_by set default auth.uid();
