/*
title = "A badge stays without its owner when that goes"
warn = ["schema.interference"]
ends = "leftovers"
says = "badges"
after = ""
*/
create table public.badges (
    id bigserial primary key,
    owner uuid references public.app_users (id) on delete set null
);
create function public.first_badge() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.badges (owner) values (new.id);
    return null;
end $$;
create trigger first_badge after insert on public.app_users
    for each row execute function public.first_badge();
