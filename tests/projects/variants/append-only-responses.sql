/*
title = "Answers cannot be deleted: a trigger refuses"
warn = ["schema.interference"]
ends = "leftovers"
says = "append_only"
*/
create function public.append_only() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    raise exception 'answers are append-only';
end $$;
create trigger append_only before delete on public.responses
    for each row execute function public.append_only();
