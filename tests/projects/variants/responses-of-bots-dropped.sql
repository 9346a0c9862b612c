/*
title = "Quick answers are taken for a bot's, and dropped"
warn = ["schema.interference"]
says = "rows of responses are not stored; trigger meddle on responses"
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if new.ms_to_answer < 8000 then return null; end if;
    return new;
end $$;
create trigger meddle before insert on public.responses
    for each row execute function public.meddle();
