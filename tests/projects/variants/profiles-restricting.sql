/*
title = "A trigger on auth.users fills a profile, whose key does not cascade"
fail = ["schema.references"]
ends = "not-ready"
says = "profiles_id_fkey"
*/
create table public.profiles (id uuid primary key references auth.users (id));
create function public.new_profile() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.profiles (id) values (new.id);
    return null;
end $$;
create trigger new_profile after insert on auth.users
    for each row execute function public.new_profile();
