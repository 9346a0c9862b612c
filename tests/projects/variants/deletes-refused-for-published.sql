/*
title = "Published questions cannot be deleted"
warn = ["schema.interference"]
ends = "leftovers"
says = "keep_published"
*/
create function public.keep_published() returns trigger language plpgsql security definer
    set search_path = '' as $$
begin
    if old.status = 'published' then
        raise exception 'published questions stay' using errcode = 'restrict_violation';
    end if;
    return old;
end $$;
create trigger keep_published before delete on public.questions
    for each row execute function public.keep_published();
