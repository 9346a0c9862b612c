/*
title = "is_admin() reads the claims and is null for nobody"
skip = ["permissions.admin"]
*/
create or replace function public.is_admin() returns boolean language sql stable as $$
    select (auth.jwt() -> 'app_metadata' ->> 'role') = 'admin'
$$;
alter function public.is_admin() reset all;
