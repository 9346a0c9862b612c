/*
title = "A trigger drops every answer without an error"
warn = ["schema.interference"]
ends = "failed"
says = "a row that the project accepted is not stored: trigger meddle on responses"
repair = "drop trigger meddle on public.responses"
hint = "a run can verify nothing"
*/
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    return null;
end $$;
create trigger meddle before insert on public.responses
    for each row execute function public.meddle();
