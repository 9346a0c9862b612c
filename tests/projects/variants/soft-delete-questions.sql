/*
title = "Deleting a question only archives it"
warn = ["schema.interference"]
ends = "leftovers"
says = "questions"
*/
create function public.archive_instead() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    update public.questions set status = 'archived' where id = old.id;
    return null;
end $$;
create trigger archive_instead before delete on public.questions
    for each row execute function public.archive_instead();
