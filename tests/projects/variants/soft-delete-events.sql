/*
title = "What hangs on an answer is kept when the answer goes"
warn = ["schema.interference"]
ends = "leftovers"
says = "answer_events"
*/
create function public.keep_event() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    return null;
end $$;
create trigger keep_event before delete on public.answer_events
    for each row execute function public.keep_event();
