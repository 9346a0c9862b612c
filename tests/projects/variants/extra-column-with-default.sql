/*
title = "A required column with a default"
*/
alter table public.questions add source text not null default 'import';
alter table public.responses add attempt int not null default 1;
