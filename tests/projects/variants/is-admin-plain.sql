/*
title = "is_admin() is plain SQL without a search_path"
*/
create or replace function public.is_admin() returns boolean language sql stable as $$
    select exists (select 1 from app_users where id = auth.uid() and role = 'admin')
$$;
alter function public.is_admin() reset all;
