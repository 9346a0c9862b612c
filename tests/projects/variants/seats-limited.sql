/*
title = "No more users than the project has seats"
warn = ["schema.interference"]
ends = "failed"
says = "meddle on app_users (public.meddle(), owner postgres)"
after = ""
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if (select count(*) from app_users) >= 67 then raise exception 'no seats left'; end if;
    return new;
end $$;
create trigger meddle before insert on public.app_users
    for each row  execute function public.meddle();
