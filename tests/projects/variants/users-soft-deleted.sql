/*
title = "Users are marked as deleted and stay"
warn = ["schema.interference"]
ends = "leftovers"
says = "1 users"
after = ""
superuser = true
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    update auth.users set deleted_at = now() where id = old.id; return null;
    
end $$;
create trigger meddle before delete on auth.users
    for each row  execute function public.meddle();
