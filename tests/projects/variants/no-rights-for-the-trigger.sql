/*
title = "A trigger writes as the caller to a table without a grant"
ends = "failed"
says = "answer_log"
after = ""
*/
create table public.answer_log (response_id uuid references public.responses (id) on delete cascade);
create function public.log_it() returns trigger language plpgsql
    set search_path = '' as $$
begin
    insert into public.answer_log values (new.id);
    return null;
end $$;
create trigger log_it after insert on public.responses
    for each row execute function public.log_it();
