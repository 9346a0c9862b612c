/*
title = "A trigger writes through a view"
warn = ["schema.interference"]
ends = "leftovers"
says = "activity_base"
*/
create table public.activity_base (who uuid, what uuid);
alter table public.activity_base enable row level security;
create view public.activity with (security_invoker = true) as select * from public.activity_base;
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    insert into activity values (new.user_id, new.id);
    return new;
end $$;
create trigger meddle after insert on public.responses
    for each row  execute function public.meddle();
