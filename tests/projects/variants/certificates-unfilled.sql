/*
title = "A table that refers to users without a cascade, and that nothing fills"
*/
create table public.certificates (id bigserial primary key, holder uuid references auth.users (id));
