/*
title = "A trigger limits the answers of a user"
warn = ["schema.interference"]
ends = "failed"
says = "slow down (P0001); "
repair = "drop trigger meddle on public.responses"
hint = ""
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    raise exception 'slow down';
end $$;
create trigger meddle before insert on public.responses
    for each row execute function public.meddle();
