/*
title = "Durations are cut off at half a minute"
warn = ["schema.interference"]
says = "ms_to_answer differs in "
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    new.ms_to_answer := least(new.ms_to_answer, 30000);
    return new;
end $$;
create trigger meddle before insert on public.responses
    for each row execute function public.meddle();
