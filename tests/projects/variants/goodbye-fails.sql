/*
title = "A trigger on the deletion of users fails"
warn = ["schema.interference"]
ends = "leftovers"
says = "say_goodbye"
repair = "create or replace function public.say_goodbye() returns trigger language plpgsql as 'begin return old; end'"
hint = "say_goodbye"
*/
create function public.say_goodbye() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    insert into public.departed values (old.id);
    return old;
end $$;
create trigger say_goodbye before delete on auth.users
    for each row execute function public.say_goodbye();
