/*
title = "Questions are numbered up to four digits"
*/
alter table public.questions add number integer unique check (number between 1 and 9999);
update public.questions q set number = n from (select id, row_number() over () n from public.questions) x where x.id = q.id;
alter table public.questions alter number set not null;
