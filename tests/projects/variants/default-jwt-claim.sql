/*
title = "An organisation comes from the caller's claims, and nobody has signed in"
*/
alter table public.questions add org text not null default 'a';
alter table public.questions alter org set default (auth.jwt() ->> 'org_id');
