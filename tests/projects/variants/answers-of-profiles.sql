/*
title = "Answers refer to profiles, which a trigger on auth.users fills"
skip = ["schema.rows"]
*/
create table public.profiles (
    id uuid primary key references auth.users (id) on delete cascade,
    full_name text
);
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
