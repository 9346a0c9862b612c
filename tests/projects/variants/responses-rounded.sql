/*
title = "Durations are stored in whole seconds"
warn = ["schema.interference"]
says = "ms_to_answer differs in "
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    new.ms_to_answer := round(new.ms_to_answer, -3);
    return new;
end $$;
create trigger meddle before insert on public.responses
    for each row execute function public.meddle();
