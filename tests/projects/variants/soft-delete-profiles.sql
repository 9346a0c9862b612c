/*
title = "Deleting a profile is swallowed, the cascade from auth.users too"
warn = ["schema.interference"]
ends = "leftovers"
says = "users"
*/
create function public.keep_profile() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    return null;
end $$;
create trigger keep_profile before delete on public.app_users
    for each row execute function public.keep_profile();
