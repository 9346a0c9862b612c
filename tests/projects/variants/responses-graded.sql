/*
title = "Answers are graded by the database"
warn = ["schema.interference"]
says = "rows of responses; trigger meddle on responses"
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    new.is_correct := new.choice_id is not null;
    return new;
end $$;
create trigger meddle before insert on public.responses
    for each row execute function public.meddle();
