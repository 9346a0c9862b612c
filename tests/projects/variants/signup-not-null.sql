/*
title = "The trigger on auth.users fills a column that may not be null with nothing"
ends = "failed"
says = "new_profile"
after = ""
*/
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade,
    full_name text not null);
create function public.new_profile() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'full_name');
    return new;
end $$;
create trigger new_profile after insert on auth.users
    for each row execute function public.new_profile();
