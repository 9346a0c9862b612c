/*
title = "A trigger before deletions that changes nothing"
*/
create function public.note_delete() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    return null;
end $$;
create trigger note_delete before delete on public.responses
    for each statement execute function public.note_delete();
