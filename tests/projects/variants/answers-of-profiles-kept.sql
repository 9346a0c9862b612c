/*
title = "Answers refer to profiles, whose own key does not cascade"
fail = ["schema.references"]
skip = ["schema.rows"]
ends = "not-ready"
says = "no cascade on public.profiles"
*/
create table public.profiles (id uuid primary key references auth.users (id));
insert into public.profiles (id) select id from auth.users;
create function public.new_profile() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.profiles (id) values (new.id);
    return new;
end $$;
create trigger new_profile after insert on auth.users
    for each row execute function public.new_profile();
alter table public.responses drop constraint responses_user_id_fkey;
alter table public.responses add constraint responses_user_id_fkey
    foreign key (user_id) references public.profiles (id) on delete cascade;
