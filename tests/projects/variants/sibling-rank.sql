/*
title = "A trigger numbers all questions anew"
ends = "leftovers"
says = "other rows than before in public.questions"
after = ""
*/
alter table public.questions add rank integer;
create function public.meddle() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    update questions q set rank = r.n from (select id, row_number() over (order by slug) n from questions) r where r.id = q.id and q.rank is distinct from r.n;
    return new;
end $$;
create trigger meddle after insert on public.questions
    for each row  execute function public.meddle();
