/*
title = "Answers are dated by the database, against cheating"
warn = ["schema.interference"]
says = "created_at differs in 180 of 180 rows of responses; trigger meddle on responses"
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    new.created_at := now();
    return new;
end $$;
create trigger meddle before insert on public.responses
    for each row execute function public.meddle();
