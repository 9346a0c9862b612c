/*
title = "Only addresses of one domain may sign up"
warn = ["schema.interference"]
ends = "failed"
says = "check_domain"
after = ""
*/
create function public.check_domain() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    if new.email not like '%@school.example' then
        raise exception 'by invitation only';
    end if;
    return new;
end $$;
create trigger check_domain before insert on auth.users
    for each row execute function public.check_domain();
