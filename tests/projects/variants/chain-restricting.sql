/*
title = "A profile's settings hold the profile, which goes with its user"
fail = ["schema.references"]
ends = "not-ready"
says = "settings_member_fkey"
*/
create table public.members (id uuid primary key references auth.users (id) on delete cascade);
create table public.settings (member uuid primary key references public.members (id));
create function public.join_up() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.members (id) values (new.id);
    return null;
end $$;
create trigger join_up after insert on auth.users
    for each row execute function public.join_up();
create function public.default_settings() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.settings (member) values (new.id);
    return null;
end $$;
create trigger default_settings after insert on public.members
    for each row execute function public.default_settings();
