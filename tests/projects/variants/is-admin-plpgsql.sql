/*
title = "is_admin() is plpgsql, of the caller's rights, with a variable of its own"
*/
create or replace function public.is_admin() returns boolean language plpgsql stable as $$
declare who user_role;
begin
    select role into who from app_users where id = auth.uid();
    return who = 'admin';
end $$;
alter function public.is_admin() reset all;
