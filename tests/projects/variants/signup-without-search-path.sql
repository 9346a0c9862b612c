/*
title = "The trigger on auth.users names a table without its schema"
warn = ["schema.signup"]
ends = "failed"
says = "new_profile"
*/
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
create function public.new_profile() returns trigger language plpgsql security definer as $$
begin
    insert into profiles (id) values (new.id);
    return new;
end $$;
create trigger new_profile after insert on auth.users
    for each row execute function public.new_profile();
